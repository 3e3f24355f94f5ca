# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps print themselves: a reader of the text knows what would be done."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model import steps


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (steps.Command(("systemctl", "stop", "a b")), "systemctl stop 'a b'"),
        (steps.Command(("cat",), "one\ntwo\n"), "cat <<'END'\none\ntwo\nEND"),
        (steps.LoadNft("/sbin/nft", "add table x\n", "y\n"), "/sbin/nft -f - <<'END'\nadd table x\nEND"),
        (steps.WriteFile("/etc/x", "four"), "write /etc/x (4 characters, mode 0644)"),
        (steps.WriteFile("/etc/x", "", 0o600, (1, 2)), "write /etc/x (0 characters, mode 0600)"),
        (steps.RemoveFile("/etc/a b"), "rm -f '/etc/a b'"),
        (steps.RepairFolder("/etc/x"), "install -d -m 0755 /etc/x"),
        (steps.RemoveFolder("/etc/x"), "rmdir --ignore-fail-on-non-empty /etc/x"),
        (
            steps.Locked("/run/lock", (steps.RemoveFile("/a"), steps.RemoveFile("/b"))),
            "with /run/lock locked:\n  rm -f /a\n  rm -f /b",
        ),
    ],
)
def test_each_step_as_text(step, text):
    assert str(step) == text


def test_a_long_input_is_cut_and_counted():
    text = str(steps.LoadNft("nft", "x" * 5000))
    assert len(text) < 500
    assert text.endswith("xx... (5000 characters)\nEND")


@pytest.mark.parametrize("arguments", [("printf", "%s\n", "a b", "$(false)"), ("cat",)])
def test_the_text_of_a_command_does_in_a_shell_what_the_step_does(arguments):
    step = steps.Command(arguments, "it's $HOME\n")
    done = subprocess.run(["sh", "-c", str(step)], stdout=subprocess.PIPE, text=True, check=True)
    plain = subprocess.run(arguments, input=step.stdin, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == plain.stdout
