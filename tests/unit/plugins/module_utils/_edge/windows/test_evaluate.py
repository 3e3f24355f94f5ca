# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on random rule stores of Windows hosts, against an evaluation that has nothing in common with them."""

from __future__ import annotations

import ipaddress
import random

from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows.compile import compile_for_windows
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows.evaluate import State, evaluate_rows
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows.live import LiveRule

STORES = 5_000
OPTIONS = {
    "access_addresses": ["198.18.0.2", "198.18.0.3"],
    "internal_addresses": ["198.18.1.2"],
    "partner_networks": ["198.18.7.0/30", "198.18.9.25"],
    "front_end_networks": ["198.18.1.8/29"],
}
RULES = compile_rules(parse_options(OPTIONS))
COMPILED = compile_for_windows(RULES)
ADDRESSES = ("*", "*", "198.18.0.2", "198.18.0.0/255.255.255.0", "198.18.0.2-198.18.0.3", "198.18.1.2", "198.18.5.5")
REMOTES = (
    "*",
    "*",
    "198.18.7.0/30",
    "198.18.7.0-198.18.7.1",
    "198.18.7.2/255.255.255.254",
    "198.18.9.25",
    "LocalSubnet",
)
REMOTES += ("198.18.1.8/29", "198.18.1.0/24", "198.18.1.9", "198.18.99.0/24", "198.18.7.1,198.18.9.25")
PORTS = ("*", "5269", "5000-5300", "23456", "80,5269", "443")
NETWORKS = {
    row: OPTIONS[name] for row, name in (("federation_in", "partner_networks"), ("gateway_in", "front_end_networks"))
}
LOCALS = {"federation_in": "access_addresses", "federation_out": "access_addresses", "gateway_in": "internal_addresses"}
NETWORKS["federation_out"] = OPTIONS["partner_networks"]
PORT = {"federation_in": 5269, "federation_out": 5269, "gateway_in": 23456}


def fact(dice, number):
    """Return a random unmanaged rule, as the module returns it."""
    direction = dice.choice(("in", "in", "out"))
    local_ports, remote_ports = dice.choice(PORTS), dice.choice(("*", "*", "*", "53"))
    if direction == "out":
        local_ports, remote_ports = remote_ports, local_ports
    return {
        "name": f"rule {number}",
        "enabled": True,
        "action": dice.choice(("block", "block", "allow")),
        "direction": direction,
        "protocol": dice.choice((6, 6, 6, 17, 256)),
        "local_addresses": dice.choice(ADDRESSES),
        "remote_addresses": dice.choice(REMOTES),
        "local_ports": local_ports,
        "remote_ports": remote_ports,
        "profiles": dice.choice((7, 7, 7, 1, 4)),
        "application": dice.choice(("", "", "", "C:\\other.exe")),
        "unreadable": "",
    }


def within(text, address):
    """Return whether addresses in Windows' form have an address: True, False, or None where that is not known."""
    if text == "*":
        return True
    if text == "LocalSubnet":
        return None
    found = False
    for token in text.split(","):
        first, dash, last = token.partition("-")
        if dash:
            found = found or ipaddress.ip_address(first) <= address <= ipaddress.ip_address(last)
        else:
            found = found or address in ipaddress.ip_network(token, strict=False)
    return found


def has(ports, port):
    return ports == "*" or any(
        int(first) <= port <= int(last or first)
        for first, _dash, last in (one.partition("-") for one in ports.split(","))
    )


def blocks(rule, row, local, remote):
    """Return whether a rule blocks a connection of a row: True, False, or None where that is not known."""
    direction = "out" if row == "federation_out" else "in"
    service, client = (
        (rule["local_ports"], rule["remote_ports"])
        if direction == "in"
        else (rule["remote_ports"], rule["local_ports"])
    )
    if (
        rule["action"] != "block"
        or rule["direction"] != direction
        or rule["protocol"] == 17
        or not rule["profiles"] & 4
    ):
        return False
    if rule["protocol"] == 6 and not has(service, PORT[row]):
        return False
    sides = [within(rule["local_addresses"], local), within(rule["remote_addresses"], remote)]
    if False in sides:
        return False
    # The client's port is any, and the program is not known.
    unknown = None in sides or rule["application"] or (rule["protocol"] == 6 and client != "*")
    return None if unknown else True


def expected(rules, row):
    """Return the verdict: "no" where a listed network is blocked whole, "unknown" where anything may be blocked."""
    may = False
    for own in OPTIONS[LOCALS[row]]:
        for network in NETWORKS[row]:
            answers = [
                {blocks(rule, row, ipaddress.ip_address(own), remote) for rule in rules}
                for remote in ipaddress.ip_network(network)
            ]
            if all(True in answer for answer in answers):
                return "no"
            may = may or any(answer - {False} for answer in answers)
    return "unknown" if may else "yes"


def test_verdicts_on_random_stores():
    profile = {"enabled": True, "blocks_all_inbound": False, "ignores_local_rules": False}
    profiles = dict.fromkeys(("domain", "private", "public"), profile)
    addresses = [*OPTIONS["access_addresses"], *OPTIONS["internal_addresses"]]
    facts = {"current_profiles": 4, "policy_rules": 0, "addresses": addresses, "profiles": profiles}
    state = State.from_facts(facts)
    dice = random.Random(20261127)
    seen = set()
    for _store in range(STORES):
        rules = [fact(dice, number) for number in range(dice.randint(0, 5))]
        found = evaluate_rows(COMPILED, [LiveRule.from_facts(rule) for rule in rules], state)
        for row in NETWORKS:
            wanted = expected(rules, row)
            assert found[row].effective == wanted, (row, rules, found[row])
            seen.add((row, wanted))
    assert len(seen) == len(NETWORKS) * 3
