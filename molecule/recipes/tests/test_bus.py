# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls to a real firewalld by dbus-python answer as those by busctl."""

from __future__ import annotations

import json

import edge
import pytest
from decisions import CLEAN

HOST = edge.CHECKOUT / "plugins" / "module_utils" / "_edge"
ASK = """
import json, subprocess, sys
sys.path.insert(0, "/tmp/bus")
from edge_host.bus import SystemBus
bus = SystemBus()
for command in json.load(sys.stdin):
    done = bus.call(command)
    other = subprocess.run(command, capture_output=True, text=True)
    answers = [json.loads(text)["data"] if text.strip() else None for text in (done.stdout, other.stdout)]
    print(json.dumps([[done.returncode, done.stderr, answers[0]], [other.returncode, other.stderr, answers[1]]]))
"""
SERVICE, ROOT = "org.fedoraproject.FirewallD1", "/org/fedoraproject/FirewallD1"
RULE = 'rule family="ipv4" source address="198.18.77.0/24" accept'
CALLS = [
    (ROOT, "", "getDefaultZone"),
    (ROOT, "", "checkPermanentConfig"),
    (ROOT, ".zone", "getActiveZones"),
    (ROOT, ".zone", "getZones"),
    (ROOT, ".zone", "getZoneSettings2", "s", "public"),
    (ROOT, ".zone", "getZoneSettings2", "s", "no such zone"),
    (ROOT, ".policy", "getActivePolicies"),
    (ROOT, ".policy", "getPolicySettings", "s", "allow-host-ipv6"),
    (ROOT, ".zone", "queryRichRule", "ss", "public", RULE),
    (ROOT, ".zone", "noSuchMethod"),
    (f"{ROOT}/config", ".config", "getZoneByName", "s", "public"),
    (f"{ROOT}/config", ".config", "getZoneByName", "s", "no such zone"),
]


@pytest.fixture(scope="module")
def answers():
    """Return both answers to each call."""
    options = ["--auto-start=no", "--json=short", "--timeout=120"]
    commands = [
        ["busctl", *options, "call", SERVICE, path, f"{SERVICE}{interface}", *rest] for path, interface, *rest in CALLS
    ]
    files = {f"edge_host/{name}.py": (HOST / "host" / f"{name}.py").read_text() for name in ("bus", "runner")}
    for host in edge.cleaned(CLEAN):
        host.check_output("systemctl enable --now firewalld; mkdir -p /tmp/bus/edge_host")
        for path, text in {**files, "edge_host/__init__.py": "", "ask.py": ASK}.items():
            host.check_output(f"cat > /tmp/bus/{path} <<'END'\n{text}END")
        host.check_output(f"firewall-cmd --zone=public --add-rich-rule='{RULE}'")
        said = host.check_output(f"python3 /tmp/bus/ask.py <<'END'\n{json.dumps(commands)}\nEND")
        yield [json.loads(line) for line in said.splitlines()]


def without_types(value):
    """Return an answer without the types that busctl tells of variants."""
    if isinstance(value, dict):
        return {key: without_types(one) for key, one in value.items() if key != "type"}
    return [without_types(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("number", range(len(CALLS)), ids=lambda number: CALLS[number][2])
def test_an_answer_is_that_of_busctl(answers, number):
    by_library, by_program = answers[number]
    assert without_types(by_library) == without_types(by_program)


def test_some_calls_succeed_and_some_fail(answers):
    assert {one[0][0] for one in answers} == {0, 1}
