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
CLIENT, TCP, UDP = 5222, (5223, 5280, 5281), 3478
ACCESS = edge.TOPOLOGY.addresses("edge", "external")
ASK_BY_UDP = """
import socket, sys
one = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
one.settimeout(2)
one.connect((sys.argv[1], int(sys.argv[2])))
for _again in range(3):
    try:
        one.send(b"x")
        one.recv(1)
    except TimeoutError:
        pass
    except ConnectionRefusedError:
        print("refused")
        break
    except OSError as error:
        print(error.strerror)
        break
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
    """Return what partner and outsider see of the ports: those of TCP, and that of UDP, at each address."""
    found = {}
    for address in ACCESS:
        words = edge.connect("partner", [(None, address, port) for port in (CLIENT, *TCP)])
        found.update(zip([(address, port) for port in (CLIENT, *TCP)], words, strict=True))
        command = ["podman", "exec", edge.TOPOLOGY.container("partner"), "python3", "-c", ASK_BY_UDP, address, str(UDP)]
        asked = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        found[address, UDP] = asked or "filtered"
        (found[address, "row"],) = edge.connect("partner", [(None, address, 5269)])
    return found


OPENED = {
    # Nothing listens on the others, which an open port says by a refusal.
    (address, port): "open" if port in (CLIENT, "row") else "refused"
    for address in ACCESS
    for port in (CLIENT, *TCP, UDP, "row")
}


@pytest.mark.parametrize("table_first", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("manager", PLAYS)
def test_other_ports_beside_the_table(host, recipe, manager, table_first):
    host.check_output(DROPS[manager] or "true")
    if manager == "nftables":
        assert recipe(manager, open_tcp_ports=[22], open_udp_ports=[9]) > 0
    assert "refused" not in seen().values()
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
