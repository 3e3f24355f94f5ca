# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plays of the page on other ports, as they are printed, before the table and after it."""

from __future__ import annotations

import json
import re
import subprocess

import edge
import pytest
from decisions import CLEAN, site

PAGE = (edge.CHECKOUT / "docs" / "recipes.md").read_text()
PLAYS = dict(re.findall(r"^## (\w+)\n\n```yaml\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE))
DROPS = {
    "ufw": "ufw --force enable",
    "firewalld": "systemctl enable --now firewalld",
    "iptables": "for i in iptables ip6tables; do $i -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT; "
    "$i -A INPUT -p icmpv6 -j ACCEPT; $i -P INPUT DROP; done",
    # The page's own play makes a host with nftables drop by default.
    "nftables": "",
}
CLIENT, TCP, UDP, ROW = 5222, (5223, 5280, 5281), 3478, 5269
ACCESS = edge.TOPOLOGY.addresses("edge", "external")
ATTEMPT = """
import errno, json, socket, sys
WORDS = {errno.ECONNREFUSED: "refused", errno.EHOSTUNREACH: "prohibited", errno.EACCES: "prohibited"}

def attempt(address, port, kind):
    one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    one.settimeout(2)
    try:
        one.connect((address, port))
        if kind == socket.SOCK_DGRAM:
            one.send(b"x")
            one.recv(1)
    except TimeoutError:
        return "filtered"
    except OSError as error:
        return WORDS[error.errno]
    return "open"

print(json.dumps([attempt(address, port, getattr(socket, kind)) for address, port, kind in json.load(sys.stdin)]))
"""


@pytest.fixture
def host():
    yield from edge.cleaned(CLEAN)


@pytest.fixture
def recipe(tmp_path):
    """Return a function that runs the play of a manager, and returns how many tasks have changed something."""

    def run(manager, **variables):
        play = tmp_path / f"{manager}.yml"
        play.write_text(PLAYS[manager])
        command = ["ansible-playbook", "-i", "molecule/shared/inventory.py", str(play), "--limit", "edge"]
        done = subprocess.run(
            [*command, "--extra-vars", json.dumps(variables)],
            cwd=edge.CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return edge.changed_tasks(done)

    return run


def seen():
    """Return what the partner sees of the ports at each address, by address and port."""
    tries = [(address, port, "SOCK_STREAM") for address in ACCESS for port in (CLIENT, *TCP, ROW)]
    tries += [(address, UDP, "SOCK_DGRAM") for address in ACCESS]
    command = ["podman", "exec", "--interactive", edge.TOPOLOGY.container("partner"), "python3", "-c", ATTEMPT]
    done = subprocess.run(command, input=json.dumps(tries), stdout=subprocess.PIPE, text=True, check=True)
    return {(address, port): word for (address, port, _kind), word in zip(tries, json.loads(done.stdout), strict=True)}


OPENED = {
    # Nothing listens on the others, which an open port says by a refusal.
    (address, port): "open" if port in (CLIENT, ROW) else "refused"
    for address in ACCESS
    for port in (CLIENT, *TCP, UDP, ROW)
}


@pytest.mark.parametrize("table_first", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("manager", PLAYS)
def test_other_ports_beside_the_table(host, recipe, manager, table_first):
    host.check_output(DROPS[manager] or "true")
    if manager == "nftables":
        assert recipe(manager, open_tcp_ports=[22], open_udp_ports=[9]) > 0
    assert not {"open", "refused"} & set(seen().values())
    steps = [lambda: site().changed, lambda: recipe(manager)]
    for step in steps if table_first else reversed(steps):
        assert step() > 0
    assert seen() == OPENED
    for step in steps:
        assert step() == 0
    assert f"{manager}, effective yes, guarded yes" in site().said
    assert seen() == OPENED


def test_every_manager_has_a_play():
    assert set(PLAYS) == set(DROPS)
