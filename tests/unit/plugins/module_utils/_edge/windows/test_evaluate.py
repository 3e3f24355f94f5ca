# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on random rule stores of Windows hosts, against an evaluation that has nothing in common with them."""

from __future__ import annotations

import ipaddress
import random
from dataclasses import replace

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows.compile import compile_for_windows
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows.evaluate import State, evaluate_rows
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows.live import LiveRule
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows.policy_rules import read_policy_rule

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


def state_of(policy, ignores):
    """Return the state of a host whose policies have some rules, and perhaps ignore local ones."""
    profile = {"enabled": True, "blocks_all_inbound": False, "ignores_local_rules": ignores}
    profiles = dict.fromkeys(("domain", "private", "public"), profile)
    addresses = [*OPTIONS["access_addresses"], *OPTIONS["internal_addresses"]]
    facts = {"current_profiles": 4, "policy_texts": [text(rule) for rule in policy]}
    return State.from_facts({**facts, "addresses": addresses, "profiles": profiles})


def text(rule):
    """Return a rule as the registry has those of policies."""
    parts = [f"Action={rule['action'].capitalize()}", "Active=TRUE", f"Dir={rule['direction'].capitalize()}"]
    parts += [f"Protocol={rule['protocol']}"] if rule["protocol"] != 256 else []
    parts += [f"Profile={name}" for name, bit in (("Domain", 1), ("Public", 4)) if rule["profiles"] == bit]
    for key, ports in (("LPort", rule["local_ports"]), ("RPort", rule["remote_ports"])):
        for port in ports.split(",") if ports != "*" else ():
            parts.append(f"{key}2_10={port}" if "-" in port else f"{key}={port}")
    for key, addresses in (("LA4", rule["local_addresses"]), ("RA4", rule["remote_addresses"])):
        parts += [f"{key}={address}" for address in addresses.split(",") if address != "*"]
    parts += [f"App={rule['application']}"] if rule["application"] else []
    return "|".join(["v2.31", *parts, f"Name={rule['name']}", "EmbedCtxt=others", ""])


@pytest.mark.parametrize("of_policy", [0.0, 0.5, 1.0])
def test_verdicts_on_random_stores(of_policy):
    dice = random.Random(20261127)
    seen = set()
    for _store in range(STORES // 2 if of_policy else STORES):
        rules = [fact(dice, number) for number in range(dice.randint(0, 5))]
        policy = [rule for rule in rules if dice.random() < of_policy]
        local = [LiveRule.from_facts(rule) for rule in rules if rule not in policy]
        found = evaluate_rows(COMPILED, local, state_of(policy, ignores=False))
        for row in NETWORKS:
            wanted = expected(rules, row)
            assert found[row].effective == wanted, (row, rules, found[row])
            seen.add((row, wanted))
    assert len(seen) == len(NETWORKS) * 3


def allows(rule, row, local, remote):
    """Return whether a rule surely allows a connection of a row."""
    return blocks({**rule, "action": "block" if rule["action"] == "allow" else "allow"}, row, local, remote) is True


def expected_of_policy(policy, row):
    """Return the verdict where nothing but a policy counts."""
    blocked = expected(policy, row)
    if blocked != "yes":
        return blocked
    pairs = [
        (ipaddress.ip_address(own), remote)
        for own in OPTIONS[LOCALS[row]]
        for network in NETWORKS[row]
        for remote in ipaddress.ip_network(network)
    ]
    return "yes" if all(any(allows(rule, row, *pair) for rule in policy) for pair in pairs) else "unknown"


def test_verdicts_where_a_policy_ignores_local_rules():
    dice = random.Random(20261128)
    seen = set()
    blocking = LiveRule.from_facts(
        {**fact(dice, 0), "action": "block", "local_addresses": "*", "remote_addresses": "*"}
    )
    for _store in range(STORES):
        policy = [fact(dice, number) for number in range(dice.randint(0, 6))]
        policy = [{**rule, "action": dice.choice(("allow", "allow", rule["action"]))} for rule in policy]
        found = evaluate_rows(COMPILED, [blocking], state_of(policy, ignores=True))
        for row in NETWORKS:
            wanted = expected_of_policy(policy, row)
            assert found[row].effective == wanted, (row, policy, found[row])
            seen.add((row, wanted))
    assert len(seen) == len(NETWORKS) * 3


@pytest.mark.parametrize(
    "policy_text",
    [
        "",
        "v2.31|",
        "v2.31|Action=Block|",
        "v2.31|Action=Block|Active=TRUE|Dir=In|Protocol=TCP|",
        "v2.31|Action=Block|Active=TRUE|Dir=In|Protocol=6|Profile=Other|",
        "v2.31|Action=Block|Active=TRUE|Dir=In|Protocol=6|LPort=RPC|RA4=Some|Name=Odd|",
        "v2.31|Action=Block|Active=TRUE|Dir=In|Protocol=6|LPort=5269|Security=Authenticate|Name=Odd|",
        "v2.31|Action=Block|Active=TRUE|Dir=In|Protocol=6|LPort=5269|RA42=Internet|Name=Odd|",
        "v2.31|Action=Block|Active=TRUE|Dir=In|Protocol=6|LPort=5269|NewCondition=1|Name=Odd|",
    ],
)
def test_what_is_not_understood_of_a_policy_never_lets_a_row_pass_for_sure(policy_text):
    state = state_of([], ignores=False)
    found = evaluate_rows(COMPILED, [], replace(state, policy=[read_policy_rule(policy_text)]))
    named = "RPC" not in policy_text
    assert found["federation_in"].effective == ("unknown" if named else "yes")
    assert not named or "of a policy" in found["federation_in"].decided_by


def test_a_policy_rule_that_is_off_decides_nothing():
    state = state_of([], ignores=False)
    off = "v2.31|Action=Block|Active=FALSE|Dir=In|Protocol=6|LPort=5269|Name=Odd|"
    facts = {"current_profiles": 4, "policy_texts": [off], "addresses": state.addresses}
    profile = {"enabled": True, "blocks_all_inbound": False, "ignores_local_rules": False}
    state = State.from_facts({**facts, "profiles": dict.fromkeys(("domain", "private", "public"), profile)})
    assert evaluate_rows(COMPILED, [], state)["federation_in"].effective == "yes"
