# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prosody prints of a ping, as versions 0.12 and 13 do."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe.local_server import LEAST_SECONDS, ping_all
from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe.module import runner

PAIR = {"from": "edge.example", "to": "partner.example"}
FAILED = "error<cancel:remote-server-not-found:Server-to-server connection failed: connection refused>"
BANNER = "\n****\nProsody was unable to find lua-unbound\nOld DNS resolver library will be used\n****\n\n"


@pytest.mark.parametrize(
    ("status", "text", "answered", "detail"),
    [
        (0, "Session s2sout1 (a-->b) established (0.1s)\nOK: pong from partner.example on s2sin1 in 4.1s\n", True, ""),
        (1, f"{BANNER}Error: {FAILED}\n", False, "Server-to-server connection failed: connection refused"),
        (1, "Error: something else\n", False, "something else"),
        (1, "Error: error<cancel:service-unavailable:>\n", True, ""),
        (1, "Error: error<cancel:not-allowed:>\n", False, "not-allowed"),
        (1, "Error: Both hosts are local\n", None, "its server has both domains"),
        (
            1,
            "Error: error<wait:remote-server-timeout:Server-to-server connection failed: not-authorized (x)>\n",
            False,
            "Server-to-server connection failed: not-authorized (x)",
        ),
        (1, "Error: No such local host\n", None, "its server does not have that domain"),
        (
            1,
            "** Unable to connect to server - is it running? Is mod_admin_shell enabled?\n",
            None,
            "its server does not run, or has no admin_shell",
        ),
        (
            1,
            "Error: error<wait:remote-server-timeout:IQ stanza timed out>\n",
            None,
            "its server did not get an answer in time",
        ),
        (
            127,
            "timeout: failed to run command 'prosodyctl'",
            None,
            "no server is there that can be asked (Prosody can)",
        ),
        (124, "", None, "its server said nothing that is known here (status 124)"),
        (0, "no such command\n", None, "its server said nothing that is known here (status 0)"),
    ],
)
def test_an_answer_is_read(status, text, answered, detail):
    (found,) = ping_all(lambda _arguments: (status, text), [PAIR], 2)
    assert found == {**PAIR, "answered": answered, "detail": detail}


def test_a_server_has_its_time_and_no_more():
    asked = []
    ping_all(lambda arguments: (asked.append(list(arguments)), (1, ""))[1], [PAIR], 2)
    ping_all(lambda arguments: (asked.append(list(arguments)), (1, ""))[1], [PAIR], 70.2)
    ping = ["prosodyctl", "shell", "xmpp", "ping", *PAIR.values()]
    assert asked == [
        ["timeout", str(LEAST_SECONDS + 5), *ping, str(LEAST_SECONDS)],
        ["timeout", "75", *ping, "70"],
    ]


class Module:
    """The part of a module that runs programs."""

    def run_command(self, args, *, handle_exceptions):
        assert handle_exceptions is False
        done = subprocess.run(args, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr


def test_a_host_without_the_program_is_told_from_one_that_fails(monkeypatch, tmp_path):
    (found,) = ping_all(runner(Module()), [PAIR], 2)
    assert found["answered"] is None and "no server is there" in found["detail"]
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = ping_all(runner(Module()), [PAIR], 2)
    assert found["answered"] is None and "no server is there" in found["detail"]
