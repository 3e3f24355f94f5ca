# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers in other network namespaces: what they mean to the verdict on a guard."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator import iptables_save
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.guarded import GuardVerdict
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.other_servers import (
    Place,
    Server,
    with_other_servers,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.own_addresses import OwnAddresses
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.published import Target, rules_for
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options

RULES = compile_rules(
    parse_options(
        {"access_addresses": ["198.18.0.2"], "internal_addresses": ["10.1.0.2"], "partner_networks": ["198.18.0.9"]}
    )
)
NETWORKS = (
    ("eth0", "198.18.0.2/24"),
    ("eth0", "2001:db8:18::2/64"),
    ("box0", "10.88.0.1/16"),
    ("box0", "2001:db8:5::1/64"),
)
OWN = OwnAddresses(
    interfaces={
        "198.18.0.2": frozenset(("eth0",)),
        "10.88.0.1": frozenset(("box0",)),
        "2001:db8:5::1": frozenset(("box0",)),
    },
    networks=NETWORKS,
)
PLACE = Place(OWN, {("198.18.0.2", "198.18.0.9"): "eth0"})
YES = {row: GuardVerdict("yes", None, "") for row in ("federation_in", "federation_out", "gateway_in")}


def answers(server, rules=RULES, text="*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", forwards=("ipv4", "ipv6")):
    ruleset = replace(iptables_save.read_ruleset(text, "iptables-nft"), forwards=frozenset(forwards))
    if ":FORWARD DROP" in text:
        ruleset.chains.update(iptables_save.read_ruleset(text, "ip6tables-nft").chains)
    return with_other_servers(YES, ruleset, rules, [server] if server else [], PLACE)


@pytest.mark.parametrize(
    "address, port, expected",
    [
        # Whoever has a route to it reaches it.
        ("2001:db8:5::9", 5269, ("no", "no", "yes")),
        ("2001:db8:5::9", 23456, ("yes", "yes", "no")),
        ("2001:db8:5::9", 5222, ("yes", "yes", "yes")),
        # The internet has none, and hosts beside this one may have one.
        ("10.88.0.9", 5269, ("unknown", "unknown", "yes")),
        # On the very network of the access address.
        ("198.18.0.77", 5269, ("unknown", "unknown", "yes")),
        ("2001:db8:18::77", 5269, ("unknown", "unknown", "yes")),
        # As rootless containers have it, or the host itself.
        ("10.0.2.100", 5269, ("yes", "yes", "yes")),
        ("198.18.0.2", 5269, ("yes", "yes", "yes")),
    ],
)
def test_by_its_address(address, port, expected):
    found = answers(Server(address, port, "lua5.4"))
    assert tuple(found[row].guarded for row in ("federation_in", "federation_out", "gateway_in")) == expected


@pytest.mark.parametrize(
    "kind, expected",
    [("macvlan", "unknown"), ("ipvlan", "unknown"), ("", "unknown"), ("veth", "yes"), ("other", "yes")],
)
def test_on_a_link_of_the_table_only_devices_on_top_of_one_of_the_host_matter(kind, expected):
    assert answers(Server("198.18.0.77", 5269, "lua5.4", kind))["federation_in"].guarded == expected


@pytest.mark.parametrize(
    "gateways, expected",
    [
        (None, "no"),
        (("2001:db8:5::1",), "no"),
        (("10.88.0.1", "fe80::1"), "no"),
        # Its answers go elsewhere, so that nobody reaches it by this host.
        ((), "yes"),
        (("10.88.0.1",), "yes"),
        (("2001:db8:5::fe",), "yes"),
    ],
)
def test_a_server_is_behind_this_host_if_its_answers_come_back_here(gateways, expected):
    found = answers(Server("2001:db8:5::9", 5269, "lua5.4", "veth", gateways))
    assert found["federation_in"].guarded == expected


def test_the_words_name_the_server():
    reason = answers(Server("2001:db8:5::9", 5269, "lua5.4"))["federation_in"].reason
    assert reason == (
        "a server in another network namespace (lua5.4) listens on [2001:db8:5::9]:5269, "
        "and this host forwards packets to and from it without the guard"
    )


@pytest.mark.parametrize("address", ["2001:db8:5::9", "10.88.0.9"])
def test_what_this_host_does_not_forward_does_not_matter(address):
    server = Server(address, 5269, "lua5.4")
    assert answers(server, text="*filter\n:FORWARD DROP [0:0]\nCOMMIT\n") == YES
    assert answers(server, forwards=()) == YES


def test_each_interface_is_a_way_to_it():
    text = "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -i wan -j ACCEPT\nCOMMIT\n"
    place = replace(PLACE, routes={("198.18.0.2", "198.18.0.9"): "lan", ("198.18.0.2", "198.18.5.9"): "wan"})
    ruleset = replace(iptables_save.read_ruleset(text, "ip6tables-nft"), forwards=frozenset(("ipv6",)))
    found = with_other_servers(YES, ruleset, RULES, [Server("2001:db8:5::9", 5269, "lua5.4")], place)
    assert found["federation_in"].guarded == "no"


def test_the_network_of_a_published_port_has_its_own_guards():
    rules = rules_for({(5269, "ipv4"): [Target("10.88.0.5", 5269, "box0")]}, RULES, NETWORKS)
    assert answers(Server("10.88.0.9", 5269, "lua5.4"), rules) == YES


@pytest.mark.parametrize("chain, program", [("KUBE-SERVICES", "kube-proxy"), ("CILIUM_FORWARD", "Cilium")])
def test_clusters_make_every_guard_unknown(chain, program):
    found = answers(None, text=f"*filter\n:{chain} - [0:0]\nCOMMIT\n")
    assert {one.guarded for one in found.values()} == {"unknown"}
    assert {one.reason.split()[0] for one in found.values()} == {program}


def test_a_verdict_that_is_worse_stays():
    known = {**YES, "federation_in": GuardVerdict("no", None, "tcp 1 -> 2")}
    ruleset = iptables_save.read_ruleset("*filter\n:KUBE-SERVICES - [0:0]\nCOMMIT\n", "iptables-nft")
    assert with_other_servers(known, ruleset, RULES, [], PLACE)["federation_in"].subject == "tcp 1 -> 2"
