# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that asks a Windows host what no document answers: on the simulator it asks all, and leaves nothing."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from hosts import NOT_RUN, SIMULATOR, Windows, pwsh, settings
from overlay import HERE
from test_front_door import OTHERS

pytestmark = pytest.mark.skipif(not pwsh(), reason=NOT_RUN)


def test_it_asks_everything_and_leaves_nothing(tmp_path):
    windows = Windows(tmp_path, None, OTHERS)
    windows.save(forms={"removes": "last", "ipv6_host": "prefix"})
    script = f". '{SIMULATOR}/simulator.ps1'; . '{HERE}/ask.ps1'"
    done = subprocess.run(
        [pwsh(), "-NoProfile", "-NonInteractive", "-Command", script],
        env={**os.environ, **settings(windows.store)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    answers = {line["question"]: line["answer"] for line in map(json.loads, done.stdout.splitlines())}
    assert answers["form of 198.18.0.0/24"]["stored"] == ["198.18.0.0/255.255.255.0"]
    assert answers["form of 2001:db8::1"]["stored"] == ["2001:db8::1/128"]
    assert answers["form of ::1"] == {"detached": "198.18.0.1", "stored": [], "fault": "0xD000000D"}
    assert answers["1000 addresses"] == {"fault": None, "kept": [1000]}
    assert answers["1001 addresses"]["fault"] == answers["10000 addresses"]["fault"] == "0x80070057"
    assert answers["which twin stays"] == ["first"]
    assert answers["a removal heeds case"] is True
    assert answers["a live rule is renamed"] == {"fault": None, "names": ["xmpp.edge/renamed"], "left": 0}
    assert answers["an object is the live rule after it was added"]["names"] == ["xmpp.edge/object is live"]
    assert answers["profiles 7 come back as"] == [7]
    assert len(answers["milliseconds until an added rule is listed"]) == 10
    assert answers["as many rules as before"] is True
    assert answers["the path of a program"]["detached"].startswith("%SystemRoot%")
    assert answers["the account and the data of a task"] == {
        "account": ["SYSTEM"],
        "data": ["made|2026-01-01T00:00:00Z|a name||"],
    }
    assert answers["a task of SYSTEM reads the firewall and deletes itself"] is False  # Nothing runs it here.
    assert len(answers) == 31
    assert windows.tasks == []
    assert windows.firewall["rules"] == OTHERS
