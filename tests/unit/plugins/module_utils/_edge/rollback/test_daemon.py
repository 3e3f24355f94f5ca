# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that a kill of its caller does not reach."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError, understood
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rollback import daemon


def test_what_it_returns_comes_back():
    assert daemon.out_of_reach(lambda: ["one", "two"]) == ["one", "two"]


def test_what_it_raises_comes_back():
    def refuse():
        raise EdgeError("nft refused")

    with pytest.raises(EdgeError, match=r"^nft refused$"):
        daemon.out_of_reach(refuse)


def test_an_error_in_its_code_comes_back_with_its_traceback():
    with pytest.raises(EdgeError, match=r"own code failed .* \(ZeroDivisionError at test_daemon.py:\d+: ") as raised:
        daemon.out_of_reach(lambda: [str(1 // 0)])
    assert raised.value.traceback.startswith("Traceback ")

    def fail_to_read():
        with understood("what nft says"):
            raise KeyError

    with pytest.raises(EdgeError, match=r"^what nft says is not as its program makes it") as raised:
        daemon.out_of_reach(fail_to_read)
    assert "fail_to_read" in raised.value.traceback


def test_its_own_death_is_no_success():
    with pytest.raises(EdgeError, match="was killed before its end"):
        daemon.out_of_reach(lambda: os.kill(os.getpid(), 9))


def test_it_is_no_descendant_and_in_no_group_of_its_caller():
    def look():
        while os.getppid() != 1 and os.getppid() == parent:
            time.sleep(0.01)
        return [str(os.getppid()), str(os.getsid(0))]

    parent = os.getpid()
    adopter, session = daemon.out_of_reach(look)
    assert int(adopter) != parent
    assert int(session) != os.getsid(0)


def test_a_started_program_runs_on_its_own(tmp_path):
    gate, done = tmp_path / "gate", tmp_path / "done"
    wait = f"until [ -e {gate} ]; do sleep 0.1; done"
    daemon.start(["/usr/bin/timeout", "60", "/bin/sh", "-c", f"{wait}; echo > {done}"])
    # What was started cannot end before this, so that "start" has not waited for it.
    gate.touch()
    deadline = time.monotonic() + 120
    while not done.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert done.exists()
