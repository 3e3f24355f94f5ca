# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers of the tests of a perimeter: its flows, and runs of playbooks on its hosts."""

from __future__ import annotations

import json
import os
import re
import subprocess

import connections
import edge
from perimeter_inventory import CONTAINERS, internal_addresses
from topology import FAMILIES

FEDERATION, GATEWAY, OTHER = 5269, 23456, 5222
INVENTORY = "molecule/perimeter/perimeter_inventory.py"
CLEAN = """
systemctl stop xmpp-edge
systemctl disable --quiet --now firewalld
ufw --force disable
rm -rf /etc/xmpp-edge; find /etc/systemd -name '*xmpp-edge*' -delete; systemctl daemon-reload
nft flush ruleset
for program in iptables-legacy ip6tables-legacy; do
  for chain in INPUT OUTPUT FORWARD; do $program -P $chain ACCEPT; done
  for table in filter mangle nat raw; do $program -t $table -F; $program -t $table -X; done
done 2> /dev/null
rm -rf /etc/ufw /etc/firewalld; cp -a /root/before/ufw /root/before/firewalld /etc/
true
"""
CLEAN_OTHERS = "nft flush ruleset; rm -rf /etc/xmpp-edge"


def addresses(name):
    """Return the addresses of a host, by family; "public" are those of the router that NAT leads to the edge."""
    if name == "public":
        return dict(zip(FAMILIES, edge.TOPOLOGY.addresses("edge", "external")))
    if name == "internal":
        return dict(zip(FAMILIES, internal_addresses(edge.TOPOLOGY)))
    side = "external" if name in ("partner", "gateway") else "internal"
    return dict(zip(FAMILIES, edge.TOPOLOGY.addresses(CONTAINERS[name], side)))


def flows(access="server"):
    """Yield source host, its address, target and port of every flow. access: whose address partners dial."""
    for source in ("partner", "gateway"):
        for target in (access, "internal", "other"):
            for port in (FEDERATION, GATEWAY, OTHER):
                yield source, None, target, port
    for target in ("partner", "gateway"):
        for port in (FEDERATION, OTHER):
            yield "server", "server", target, port
            yield "other", None, target, port
        yield "server", "internal", target, FEDERATION


ALLOWED = {
    ("partner", None, "server", FEDERATION),
    ("server", "server", "partner", FEDERATION),
    ("gateway", None, "internal", GATEWAY),
}


def is_open(flow, opened):
    """Return whether a flow is to pass. opened: whether the router lets pass what the table says nothing about."""
    source, bound, target, port = flow
    if port == OTHER or "other" in (source, target):
        return opened
    return (source, bound, "server" if target == "public" else target, port) in ALLOWED


def observe(access="server"):
    """Return the outcome of every flow, by flow and family."""

    def try_of(key):
        (_source, bound, target, port), family = key
        return addresses(bound)[family] if bound else None, addresses(target)[family], port

    keys = [(flow, family) for flow in flows(access) for family in FAMILIES]
    return connections.observe(keys, lambda key: key[0][0], try_of, _attempt)


def _attempt(name, tries):
    return connections.attempt(edge.TOPOLOGY.container(CONTAINERS[name]), tries)


def wrong(opened=True, access="server"):
    """Return the flows that are not as they should be."""
    return {
        f"{flow} {family}": word
        for (flow, family), word in observe(access).items()
        if (word == "open") is not is_open(flow, opened)
    }


def attempts(source, target, port):
    """Return the outcomes of connections between two hosts, by family."""
    return _attempt(source, [(None, address, port) for address in addresses(target).values()])


def play(playbook, *arguments, **variables):
    """Run a playbook on the perimeter."""
    command = ["ansible-playbook", "-i", INVENTORY, f"playbooks/{playbook}.yml", *arguments]
    return subprocess.run(
        [*command, "--extra-vars", json.dumps(variables)],
        cwd=edge.CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(edge.CHECKOUT / "molecule" / "shared")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def changed(done, host="router"):
    """Return how many tasks changed a host, by the recap; a failed play is a failed test."""
    assert done.returncode == 0, done.stdout
    found = re.search(rf"^{host}\s+: .*changed=(\d+)", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return int(found[1])
