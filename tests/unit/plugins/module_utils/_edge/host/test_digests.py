# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests tell a managed file that somebody edited from one that an earlier run wrote."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.digests import BANNER, difference_of, with_digest

SCRIPT = f"#!/bin/sh\n{BANNER}echo rules\n"


@pytest.mark.parametrize("text", [SCRIPT, f"{BANNER}[Unit]\n", f"#!/usr/sbin/nft -f\n{BANNER}# \udcff\n"])
def test_a_file_as_a_run_wrote_it(text):
    assert with_digest(text).splitlines()[0] == text.splitlines()[0] or text.startswith(BANNER)
    assert difference_of(with_digest(text)) == "is as an earlier run wrote it"


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: f"{text}echo more\n",
        lambda text: text.replace("rules", "others"),
        lambda text: text.replace(BANNER, ""),
        lambda text: text.replace("lines: ", "lines: 0000000000000000\n# "),
        lambda text: text.replace("\n", "\n\n", 1),
    ],
)
def test_an_edited_file(edit):
    assert edit(with_digest(SCRIPT)) != with_digest(SCRIPT)
    assert difference_of(edit(with_digest(SCRIPT))) == "was edited"


@pytest.mark.parametrize("text", ["", "rules\n", SCRIPT, with_digest(SCRIPT).replace("Digest of", "About")])
def test_a_file_without_a_digest_accuses_nobody(text):
    assert difference_of(text) == "is not as a run writes it"


def test_a_text_without_the_banner_has_no_digest():
    assert with_digest("rules\n") == "rules\n"
