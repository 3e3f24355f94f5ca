# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a router's translation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator import iptables_save
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.guarded import evaluate_guards
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.managed import allow_rules, block_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.placement import places_of
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.router import (
    hairpin_notes,
    is_private,
    path_notes,
    translation_notes,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.rows import Surroundings, evaluate_rows
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.ruleset import Chain
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.addresses import number_of
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.ownership import TABLE
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options

EDGE, PARTNER = "10.20.0.7", "198.51.100.9"
OPTIONS = {
    "placement": "firewall",
    "access_addresses": [EDGE],
    "partner_networks": [PARTNER],
    "rows": ["federation_in", "federation_out"],
}
RULES = compile_rules(parse_options(OPTIONS))
ROUTES = {(EDGE, PARTNER): "wan", (EDGE, EDGE): "dmz"}
DNAT = f"-A PREROUTING -i wan -p tcp -m tcp --dport 5269 -j DNAT --to-destination {EDGE}"
SNAT = "-A POSTROUTING -o wan -j SNAT --to-source 198.18.0.2"


def router(*nat, rules=(), policy="ACCEPT"):
    text = "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" + "\n".join([*nat, "COMMIT\n"])
    text += f"*filter\n:FORWARD {policy} [0:0]\n" + "\n".join([*rules, "COMMIT\n"])
    ruleset = iptables_save.read_ruleset(text, "iptables-nft")
    return replace(
        ruleset,
        forwards=frozenset(("ipv4",)),
        ways={("ipv4", number_of(EDGE)): "dmz"},
        masquerading={("ipv4", "dmz"): (number_of("10.20.0.1"),)},
    )


def notes(*nat):
    return translation_notes(router(*nat), RULES, ROUTES)


def test_translation_of_both_sides_is_as_it_has_to_be():
    assert notes(DNAT, SNAT) == []


def test_a_private_edge_without_translation_is_told():
    found = notes()
    assert [note.partition(":")[0] for note in found] == ["access_addresses", "federation_out"]
    assert "no rule of this router translates a destination to it" in found[0]
    assert "leaves 10.20.0.7 as the source" in found[1]


def test_a_source_that_is_changed_on_the_way_in_is_told():
    (found,) = notes(DNAT, SNAT, "-A POSTROUTING -o dmz -j MASQUERADE")
    assert found.startswith("federation_in: this router changes the source of connections to 10.20.0.7")
    assert "arrive there from 10.20.0.1" in found


@pytest.mark.parametrize(
    "address, expected",
    [("10.0.0.1", True), ("100.64.0.1", True), ("172.15.0.1", False), ("fd00::1", True), ("2001:db8::1", False)],
)
def test_private_addresses(address, expected):
    assert is_private(address) is expected


def test_a_policy_in_the_hook_forward_decides_and_has_a_place():
    ruleset = router(policy="DROP")
    verdict = evaluate_rows(ruleset, RULES, ROUTES)["federation_in"]
    assert verdict.effective == "no"
    assert verdict.decision.label == "chain iptables-nft filter FORWARD: policy drop"
    ((place, rules),) = places_of(ruleset, [rule for rule in RULES if rule.action == "allow"], ROUTES).items()
    assert place.chain == ("iptables-nft filter", "FORWARD")
    assert [(rule.row, rule.forwarded) for rule in rules] == [("federation_in", True), ("federation_out", True)]


def test_an_invalid_state_is_no_general_drop():
    ruleset = router(rules=["-A FORWARD -m conntrack --ctstate INVALID -j DROP"])
    assert evaluate_rows(ruleset, RULES, ROUTES)["federation_in"].effective == "yes"
    assert places_of(ruleset, [rule for rule in RULES if rule.action == "allow"], ROUTES) == {}


def test_the_guards_are_for_the_edges_addresses_alone():
    ruleset = router()
    assert evaluate_guards(ruleset, RULES, ROUTES)["federation_in"].guarded == "no"
    for number, direction in enumerate(("in", "out")):
        found = [*allow_rules(RULES, direction, ("ipv4",)), *block_rules(RULES, direction, False)]
        ruleset.add(Chain(TABLE, f"forward_{direction}", ("ipv4", "ipv6"), found, "forward", priority=number - 10))
    assert {one.guarded for one in evaluate_guards(ruleset, RULES, ROUTES).values()} == {"yes"}
    # Another server behind the same router.
    other = compile_rules(parse_options({**OPTIONS, "access_addresses": ["10.20.0.8"]}))
    routes = {("10.20.0.8", PARTNER): "wan", ("10.20.0.8", "10.20.0.8"): "dmz"}
    assert evaluate_guards(ruleset, other, routes)["federation_in"].guarded == "no"


def test_a_router_that_does_not_forward_says_so():
    verdict = evaluate_rows(replace(router(), forwards=frozenset()), RULES, ROUTES)["federation_in"]
    assert (verdict.effective, verdict.reason) == (
        "no",
        "this host forwards no IPv4 packets, since net.ipv4.ip_forward is 0",
    )
    assert evaluate_guards(replace(router(), forwards=frozenset()), RULES, ROUTES)["federation_in"].guarded == "yes"


INVALID = "-A FORWARD -m conntrack --ctstate INVALID -j DROP"
BOTH_WAYS = frozenset(("wan", "wan2"))


@pytest.mark.parametrize(
    "rules, surroundings, expected",
    [
        ((), Surroundings(defaults=frozenset(("wan",)), strict=frozenset(("wan",))), []),
        ((INVALID,), Surroundings(defaults=frozenset(("wan",))), []),
        ((), Surroundings(defaults=BOTH_WAYS), []),
        ((), Surroundings(defaults=BOTH_WAYS, strict=frozenset(("wan2",))), ["rp_filter is strict on wan2"]),
        ((INVALID,), Surroundings(defaults=BOTH_WAYS), ["chain iptables-nft filter FORWARD drops that"]),
    ],
)
def test_a_way_back_by_another_interface_is_told_where_there_may_be_one(rules, surroundings, expected):
    found = path_notes(router(rules=rules), RULES, ROUTES, surroundings)
    assert len(found) == len(expected)
    assert all(text in note for text, note in zip(expected, found))


SECOND = "10.20.0.8"
TWO = compile_rules(parse_options({**OPTIONS, "access_addresses": [EDGE, SECOND]}))
TWO_ROUTES = {**ROUTES, (SECOND, PARTNER): "wan", (SECOND, SECOND): "dmz"}
PUBLIC = "-A PREROUTING {}-d 198.18.0.2/32 -p tcp -m tcp --dport 5269 -j DNAT --to-destination 10.20.0.7"


@pytest.mark.parametrize(
    "nat, expected",
    [
        (
            [PUBLIC.format("-i wan ")],
            "edges behind this router that dial 198.18.0.2 are not led to 10.20.0.7 (hairpin)",
        ),
        ([PUBLIC.format("")], "10.20.0.8 dials 198.18.0.2 and is led to 10.20.0.7 with its own address as the source"),
        ([PUBLIC.format(""), "-A POSTROUTING -s 10.20.0.0/24 -d 10.20.0.0/24 -j MASQUERADE"], ""),
        ([], ""),
    ],
)
def test_edges_that_dial_each_other_by_a_public_address(nat, expected):
    found = hairpin_notes(router(*nat), TWO, TWO_ROUTES)
    assert len(found) == bool(expected)
    assert not found or found[0].startswith(expected)
    assert hairpin_notes(router(*nat), RULES, ROUTES) == []
