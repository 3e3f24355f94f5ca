# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placements: the rules of a router and of a Front End, out of the inputs of edges."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import OptionError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import from_payload, to_payload
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.edges import edges_of, unread_inputs
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options

ONE = {
    "access_addresses": ["10.20.0.7", "2001:db8:20::7"],
    "internal_addresses": ["10.30.0.7"],
    "partner_networks": ["198.51.100.0/24", "2001:db8:9::/48"],
    "front_end_networks": ["10.30.1.0/24"],
}
TWO = {**ONE, "access_addresses": ["10.20.0.8"], "internal_addresses": ["10.30.0.8"]}
THREE = {**TWO, "partner_networks": ["198.51.100.9"], "federation_port": 15269}


def compiled(edges=None, **given):
    options = {"placement": "firewall", **given}
    return compile_rules(parse_options(options, edges))


def shown(rules):
    return [
        (
            rule.row,
            rule.action,
            rule.direction,
            ", ".join(rule.source.networks) if rule.source else "any",
            ", ".join(rule.destination.networks) if rule.destination else "any",
            rule.port,
        )
        for rule in rules
        if rule.family != "ipv6"
    ]


def test_a_router_has_the_rows_for_the_edges_own_addresses():
    rules = compiled({"edge1": ONE})
    assert all(rule.forwarded for rule in rules)
    edges = "10.20.0.7, 10.30.0.7"
    assert shown(rules) == [
        ("federation_in", "allow", "in", "198.51.100.0/24", "10.20.0.7", 5269),
        ("gateway_in", "allow", "in", "10.30.1.0/24", "10.30.0.7", 23456),
        ("federation_in", "block", "in", "any", edges, 5269),
        ("gateway_in", "block", "in", "any", edges, 23456),
        ("federation_out", "allow", "out", "10.20.0.7", "198.51.100.0/24", 5269),
        ("federation_out", "block", "out", edges, "any", 5269),
    ]


def test_edges_that_agree_share_their_rules_and_others_have_their_own():
    together = compiled({"edge1": ONE, "edge2": TWO}, rows=["federation_in"])
    assert [line[4] for line in shown(together) if line[1] == "allow"] == ["10.20.0.7, 10.20.0.8"]
    apart = compiled({"edge1": ONE, "edge3": THREE}, rows=["federation_in"])
    assert [(line[3], line[4], line[5]) for line in shown(apart) if line[1] == "allow"] == [
        ("198.51.100.0/24", "10.20.0.7", 5269),
        ("198.51.100.9", "10.20.0.8", 15269),
    ]
    assert len({rule.id for rule in apart}) == len(apart)
    assert {rule.destination.option for rule in apart} == {"access_addresses", "edge_addresses"}


def test_rows_are_those_that_router_and_edge_both_have():
    edges = {"edge1": {**ONE, "rows": ["federation_in", "federation_out"]}}
    assert {rule.row for rule in compiled(edges, rows=["federation_in", "gateway_in"])} == {"federation_in"}
    with pytest.raises(OptionError, match="rows: 'gateway_in' is carried by none of the edges"):
        compiled(edges, rows=["gateway_in"])


def test_a_router_may_say_the_addresses_itself():
    assert shown(compiled(**ONE)) == shown(compiled({"edge1": ONE}))


def test_without_guards_a_router_only_accepts():
    assert {rule.action for rule in compiled({"edge1": ONE}, mode="permit")} == {"allow"}


def test_a_front_end_reaches_the_gateway_port_of_edges_alone():
    rules = compiled({"edge1": ONE, "edge2": TWO}, placement="front_end")
    assert shown(rules) == [
        ("gateway_in", "allow", "out", "any", "10.30.0.7, 10.30.0.8", 23456),
        ("gateway_in", "block", "out", "any", "any", 23456),
    ]
    assert not any(rule.forwarded for rule in rules)


def test_a_front_end_needs_no_other_inputs():
    assert len(compiled(placement="front_end", internal_addresses=["10.30.0.7"])) == 2
    with pytest.raises(OptionError, match="internal_addresses: is missing"):
        compiled(placement="front_end", access_addresses=["10.20.0.7"])


@pytest.mark.parametrize("edges", [{"edge1": ONE, "edge3": THREE}, {"edge1": ONE}])
@pytest.mark.parametrize("placement", ["firewall", "front_end"])
def test_the_rules_travel(edges, placement):
    rules = compiled(edges, placement=placement)
    payload = to_payload(rules)
    assert from_payload(payload["rules"], payload["groups"]) == rules


def test_an_edge_with_one_address_on_both_sides():
    edge = {"access_addresses": ["10.20.0.7"], "internal_addresses": ["10.20.0.7"]}
    rules = compiled({"edge1": edge}, rows=["federation_in", "federation_out"])
    assert {rule.row for rule in rules} == {"federation_in", "federation_out"}


@pytest.mark.parametrize(
    "given, message",
    [
        ({"placement": "router"}, "placement: 'router' is not a choice; say edge or firewall or front_end"),
        (
            {"placement": "front_end", "rows": ["federation_in"]},
            "rows: 'federation_in' is no row of placement front_end; say gateway_in, or leave it out",
        ),
    ],
)
def test_refusals(given, message):
    with pytest.raises(OptionError) as refused:
        parse_options({**ONE, **given})
    assert str(refused.value) == message


def test_a_refusal_names_the_edge_that_was_given_a_wrong_value():
    with pytest.raises(OptionError) as refused:
        compiled({"edge1": {**ONE, "access_addresses": ["10.20.0.0/24"]}})
    assert str(refused.value).startswith("access_addresses of edge1: '10.20.0.0/24' is a network where an address")


HOSTS = {
    "edge1": {f"xmpp_edge_{name}": value for name, value in ONE.items()},
    "outer": {"xmpp_edge_placement": "firewall"},
}


def test_edges_are_read_from_the_variables_of_their_hosts():
    hosts = {**HOSTS, "edge1": {**HOSTS["edge1"], "xmpp_edge_backend": "ufw", "other": 1}}
    assert edges_of(["edge1"], hosts) == {"edge1": ONE}
    assert edges_of("edge1,", hosts) == {"edge1": ONE}


@pytest.mark.parametrize(
    "value, message",
    [
        ([], "xmpp_edge_of: [] is empty; name the hosts of the edges"),
        (["egde1"], "xmpp_edge_of: 'egde1' is no host of the inventory; say edge1"),
        (["outer"], "xmpp_edge_of: 'outer' has xmpp_edge_placement firewall; name an edge"),
        (7, "xmpp_edge_of: 7 is not a list of names; list names of variables"),
    ],
)
def test_edges_that_are_none(value, message):
    with pytest.raises(OptionError) as refused:
        edges_of(value, HOSTS)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    "given, options",
    [
        ({}, []),
        ({"partner_networks": ["any"], "federation_port": 5269}, []),
        # A variable of all hosts.
        ({"partner_networks": ONE["partner_networks"]}, []),
        ({"partner_networks": ["198.51.100.9"]}, ["partner_networks"]),
        ({"access_addresses": ["10.20.0.9"], "gateway_port": 5098}, ["access_addresses", "gateway_port"]),
        ({"rows": ["federation_in"], "backend": "ufw"}, []),
    ],
)
def test_inputs_that_are_taken_from_the_edges_are_not_read_and_that_is_said(given, options):
    notes = unread_inputs(given, {"edge1": ONE})
    assert [note.partition(":")[0] for note in notes] == options
    assert all("since xmpp_edge_of takes it from edge1" in note for note in notes)
