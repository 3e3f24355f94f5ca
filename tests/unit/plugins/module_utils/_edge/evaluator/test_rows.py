# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on rows: client ports, neighbour discovery, and the sum over samples."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator import iptables_save, nft_json
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.rows import (
    Surroundings,
    evaluate_rows,
    routes_to_ask,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.ruleset import Chain, Ruleset
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import Group, Rule

LOCAL = {"ipv4": Group("access_ipv4", ("198.18.0.2",)), "ipv6": Group("access_ipv6", ("2001:db8::2",))}


def rule(direction, family="ipv4"):
    """Return an allow rule for any other side."""
    sides = (None, LOCAL[family]) if direction == "in" else (LOCAL[family], None)
    return Rule(f"federation_{direction}", "allow", direction, family, *sides, 5269)


def verdict(direction, rules, family="ipv4", policy="DROP", **surroundings):
    """Return the answer for a row under rules for INPUT, and what it is about."""
    program = "iptables" if family == "ipv4" else "ip6tables"
    lines = ["*filter", f":INPUT {policy} [0:0]", *(f"-A INPUT {one}" for one in rules), "COMMIT"]
    ruleset = Ruleset(dict(iptables_save.read_ruleset("\n".join(lines), program).chains))
    found = evaluate_rows(ruleset, [rule(direction, family)], {}, Surroundings(**surroundings))
    assert list(found) == [f"federation_{direction}"]
    return found[f"federation_{direction}"].effective, found[f"federation_{direction}"].subject


OWN = "-p tcp -m tcp --dport 5269 -j ACCEPT"
ESTABLISHED = "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
DISCOVERY = "-p ipv6-icmp -j ACCEPT"


def test_a_reply_does_not_come_to_a_port_of_the_table():
    assert verdict("out", [OWN])[0] == "no"
    assert verdict("out", [OWN, ESTABLISHED])[0] == "yes"


def test_replies_to_the_ports_that_the_host_connects_from_are_enough():
    open_range = "-p tcp -m tcp --dport 40000:50000 -j ACCEPT"
    assert verdict("out", [open_range])[0] == "unknown"
    assert verdict("out", [open_range], local_ports=(41000, 42000))[0] == "yes"
    assert verdict("out", [open_range], local_ports=(1024, 20000))[0] == "no"


@pytest.mark.parametrize(
    ("sources", "answer"),
    [("1024:65535", "yes"), ("32768:60999", "unknown"), ("32768:50000", "unknown"), ("1024:30000", "no")],
)
def test_inbound_the_ports_of_all_clients_count(sources, answer):
    rules = [f"-p tcp -m tcp --sport {sources} --dport 5269 -j ACCEPT"]
    assert verdict("in", rules)[0] == answer


@pytest.mark.parametrize("direction", ["in", "out"])
def test_ipv6_without_neighbour_discovery_is_dead(direction):
    rules = [OWN, ESTABLISHED]
    answer, subject = verdict(direction, rules, "ipv6")
    assert answer == "no"
    assert subject.startswith("ICMPv6 neighbour ")
    assert verdict(direction, [DISCOVERY, *rules], "ipv6")[0] == "yes"
    assert verdict(direction, rules, "ipv6", without_neighbours=frozenset((None,)))[0] == "yes"
    assert verdict(direction, rules, "ipv4")[0] == "yes"


def test_what_others_need_once_they_have_forgotten_is_unknown():
    answer, subject = verdict("in", [OWN, ESTABLISHED, "-p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT"], "ipv6")
    assert (answer, subject) == ("unknown", "ICMPv6 neighbour advertisement from the network")


@pytest.mark.parametrize(("gateway", "answer"), [("fe80::1", "yes"), (None, "no")])
def test_a_router_asks_from_its_link_local_address(gateway, answer):
    rules = [OWN, ESTABLISHED, "-s fe80::/10 -p ipv6-icmp -j ACCEPT"]
    remotes = ("2600:1f18:4e2::21", "2a02:26f0:c7::7", "2400:cb00:31::9", "2001:db8::1")
    gateways = {("2001:db8::2", remote): gateway for remote in remotes}
    assert verdict("in", rules, "ipv6", gateways=gateways)[0] == answer


@pytest.mark.parametrize(
    ("chain", "lower", "answer"),
    [
        (Chain("bridge filter", "input", (), hook="input", policy="drop"), {"br0": {"port1"}}, "unknown"),
        (Chain("bridge filter", "input", (), hook="input", policy="drop"), {"br0": frozenset()}, "yes"),
        (Chain("bridge filter", "input", (), hook="input"), {"br0": {"port1"}}, "yes"),
        (Chain("bridge filter", "own", (), policy="drop"), {"br0": {"port1"}}, "yes"),
    ],
)
def test_the_chains_of_a_bridge_may_decide_what_comes_by_it(chain, lower, answer):
    rules = [rule("in"), rule("in", "ipv6")]
    routes = dict.fromkeys(routes_to_ask(rules), "br0")
    found = evaluate_rows(Ruleset({chain.key: chain}, lower=lower), rules, routes)["federation_in"]
    assert found.effective == answer
    assert answer == "yes" or found.decision.label == "chain bridge filter input: policy drop"


def test_chains_of_a_bridge_are_read():
    words = {"family": "bridge", "table": "filter", "name": "input", "type": "filter", "hook": "input", "prio": -200}
    ruleset = nft_json.read_ruleset({"nftables": [{"chain": {**words, "policy": "drop"}}]})
    assert [(chain.label, chain.policy) for chain in ruleset.chains.values()] == [("chain bridge filter input", "drop")]
