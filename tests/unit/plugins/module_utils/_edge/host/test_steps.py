# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A trial of steps asks each program that can be asked, and does none of them."""

from __future__ import annotations

import os

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.runner import Completed
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.steps import carry_out, try_out
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.steps import (
    Command,
    LoadNft,
    Locked,
    RepairFolder,
    WriteFile,
)


class Programs:
    """Programs that note how they are called. refuses: words of the input that they refuse."""

    def __init__(self, refuses="nothing"):
        self.refuses = refuses
        self.calls = []

    def __call__(self, arguments, stdin):
        self.calls.append(" ".join(arguments))
        return Completed(1, "", "Error: no") if self.refuses in stdin else Completed(0, "", "")


def steps_in(folder):
    restore = Command(("iptables-restore", "--noflush"), "rules", "iptables", trial="--test")
    return [
        LoadNft("nft", "guards"),
        restore,
        Command(("systemctl", "start", "one")),
        Locked(str(folder / "lock"), (WriteFile(str(folder / "file"), "text"), restore)),
        RepairFolder(str(folder / "made")),
    ]


def test_a_trial_asks_and_does_nothing(tmp_path):
    run = Programs()
    try_out(steps_in(tmp_path), run)
    restore = "iptables-restore --noflush"
    assert run.calls == ["nft -c -f -", f"{restore} --test", f"{restore} --test"]
    assert os.listdir(tmp_path) == []
    run = Programs()
    carry_out(steps_in(tmp_path), run)
    assert run.calls == ["nft -f -", restore, "systemctl start one", restore]
    assert sorted(os.listdir(tmp_path)) == ["file", "lock", "made"]


@pytest.mark.parametrize(("refuses", "who"), [("guards", "nft"), ("rules", "iptables")])
def test_a_trial_and_the_change_are_refused_in_the_same_words(tmp_path, refuses, who):
    for do in (try_out, carry_out):
        with pytest.raises(EdgeError, match=f"^{who} refused: Error: no$"):
            do(steps_in(tmp_path), Programs(refuses))


def test_a_trial_knows_what_is_loaded_instead():
    run = Programs("elements")
    try_out([LoadNft("nft", "elements", otherwise="table")], run)
    assert run.calls == ["nft -c -f -", "nft -c -f -"]
