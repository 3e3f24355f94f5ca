# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that follow from options, judged by an independent reading of the table."""

from __future__ import annotations

import ipaddress

import strategies
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.diff_text import line
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from hypothesis import given
from hypothesis import strategies as st

DUAL_STACK = {
    "access_addresses": ["198.18.0.2", "2001:db8::2"],
    "internal_addresses": ["198.18.1.2", "2001:db8:0:1::2"],
}


def compiled(**options):
    """Lines of the compiled rules."""
    return [line(rule) for rule in compile_rules(parse_options(options))]


def test_exclusive_dual_stack():
    assert compiled(**DUAL_STACK, front_end_networks=["198.18.1.0/24"]) == [
        "federation_in  allow in tcp any -> 198.18.0.2 port 5269",
        "federation_in  allow in tcp any -> 2001:db8::2 port 5269",
        "gateway_in  allow in tcp 198.18.1.0/24 -> 198.18.1.2 port 23456",
        "federation_in  block in tcp any -> any port 5269",
        "gateway_in  block in tcp any -> any port 23456",
        "federation_out  allow out tcp 198.18.0.2 -> any port 5269",
        "federation_out  allow out tcp 2001:db8::2 -> any port 5269",
        "federation_out  block out tcp any -> any port 5269",
    ]


def test_permit_has_the_allow_rules_only():
    lines = compiled(access_addresses=["198.18.0.2"], internal_addresses=["198.18.1.2"], mode="permit")
    assert lines == [
        "federation_in  allow in tcp any -> 198.18.0.2 port 5269",
        "gateway_in  allow in tcp any -> 198.18.1.2 port 23456",
        "federation_out  allow out tcp 198.18.0.2 -> any port 5269",
    ]


def test_other_ports_stand_in_every_rule_of_their_rows():
    rules = compile_rules(parse_options({**DUAL_STACK, "federation_port": 15269, "gateway_port": 5098}))
    assert {(rule.row, rule.port) for rule in rules} == {
        ("federation_in", 15269),
        ("federation_out", 15269),
        ("gateway_in", 5098),
    }


def test_whole_family_counts_as_any_of_that_family_only():
    assert "federation_in  allow in tcp any -> 198.18.0.2 port 5269" in compiled(
        **DUAL_STACK, partner_networks=["0.0.0.0/0"]
    )
    assert not any("any -> 2001:db8::2 " in text for text in compiled(**DUAL_STACK, partner_networks=["0.0.0.0/0"]))


def test_absent_has_no_rules():
    assert compile_rules(parse_options({"state": "absent"})) == ()


def verdict(rules, direction, source, destination, port):
    """What ordered rules do to a packet of a new connection; a packet that none names passes."""
    for rule in rules:
        family = rule.family in ("any", f"ipv{ipaddress.ip_address(source).version}")
        if rule.direction == direction and rule.port == port and family:
            sides = ((rule.source, source), (rule.destination, destination))
            if all(group is None or contains(group.networks, address) for group, address in sides):
                return rule.action
    return "allow"


def contains(networks, address):
    """Whether an address lies in one of the networks."""
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(text) for text in networks)


def table_says(options, direction, source, destination, port):
    """The table's own answer in mode exclusive."""

    def among(option, address):
        return options[option] == ["any"] or contains(options[option], address)

    if port == options["federation_port"]:
        local, remote = (destination, source) if direction == "in" else (source, destination)
        allowed = local in options["access_addresses"] and among("partner_networks", remote)
    elif port == options["gateway_port"] and direction == "in":
        allowed = destination in options["internal_addresses"] and among("front_end_networks", source)
    else:
        return "allow"
    return "allow" if allowed else "block"


@given(strategies.options(), st.data())
def test_every_packet_gets_the_table_s_verdict(options, data):
    rules = compile_rules(parse_options(options))
    space = data.draw(st.sampled_from([strategies.IPV4_SPACE, strategies.IPV6_SPACE]))
    named = [text for option in ("access_addresses", "internal_addresses") for text in options[option]]
    candidates = [text for text in named if ipaddress.ip_address(text).version == space.version]
    candidates += [
        str(ipaddress.ip_network(text).network_address)
        for option in ("partner_networks", "front_end_networks")
        for text in options[option]
        if text != "any" and ipaddress.ip_network(text).version == space.version
    ]
    address = st.one_of(strategies.hosts_in(space), *([st.sampled_from(candidates)] if candidates else []))
    port = data.draw(
        st.one_of(strategies.ports, st.sampled_from([options["federation_port"], options["gateway_port"]]))
    )
    packet = (data.draw(st.sampled_from(["in", "out"])), data.draw(address), data.draw(address), port)
    if options["mode"] == "exclusive":
        assert verdict(rules, *packet) == table_says(options, *packet)
    else:
        assert verdict(rules, *packet) == "allow"


@given(strategies.options())
def test_ids_are_unique_and_no_group_is_empty(options):
    rules = compile_rules(parse_options(options))
    assert len({rule.id for rule in rules}) == len(rules)
    assert all(group.networks for rule in rules for group in rule.groups)
    assert {rule.row for rule in rules if rule.action == "allow"} == {"federation_in", "federation_out", "gateway_in"}
