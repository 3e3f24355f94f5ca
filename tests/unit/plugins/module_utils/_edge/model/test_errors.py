# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reaches an administrator's terminal is one line of plain text."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model import diff_text
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import (
    EdgeError,
    MissingPackageError,
    failure,
    traceback_of,
    understood,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.plan import Unmanaged

HOSTILE = "nft said \x1b[2J\nroot\u2028\u202e\ud800"
PLAIN = r"nft said \x1b[2J\nroot\u2028\u202e\ud800"


def test_messages_obey_no_terminal():
    assert str(EdgeError(HOSTILE)) == PLAIN
    assert str(MissingPackageError(HOSTILE, "nftables")) == PLAIN
    assert str(EdgeError("Zürich, ünchanged")) == "Zürich, ünchanged"
    assert diff_text.line(Unmanaged("chain x", HOSTILE)) == f"chain x  {PLAIN}"


@pytest.mark.parametrize("fault", [KeyError("x"), TypeError(), ValueError("\n"), RecursionError(), ZeroDivisionError()])
def test_what_cannot_be_read_becomes_one_sentence(fault):
    with pytest.raises(EdgeError, match=r"^what nft says is not as its program makes it") as raised, understood(
        "what nft says"
    ):
        raise fault
    assert f"({type(fault).__name__} at test_errors.py:" in str(raised.value)


def test_an_error_of_the_code_itself_keeps_its_traceback():
    with pytest.raises(EdgeError) as raised, understood("what nft says"):
        raise KeyError("\x1b[2J")
    error = raised.value
    assert failure(error) == {"msg": str(error), "exception": error.traceback}
    first, *_lines, last = error.traceback.splitlines()
    assert first == "Traceback (most recent call last):"
    assert "test_errors.py" in error.traceback
    assert last == r"KeyError: '\x1b[2J'"
    assert all(line.isprintable() for line in error.traceback.splitlines())
    assert traceback_of(EdgeError("worded anew", traceback_of(error))) == error.traceback


def test_a_problem_of_the_host_has_no_traceback():
    assert failure(EdgeError("nft refused")) == {"msg": "nft refused"}
    assert failure(MissingPackageError("no nft", "nftables")) == {"msg": "no nft"}


def test_sentences_and_interruptions_pass_as_they_are():
    for fault in (EdgeError("a sentence"), KeyboardInterrupt(), MemoryError()):
        with pytest.raises(type(fault)) as raised, understood("what nft says"):
            raise fault
        assert raised.value is fault
