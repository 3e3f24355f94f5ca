# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Order-free rules for Windows have the same verdict for every packet as their ordered rules."""

from __future__ import annotations

import ipaddress
import random

import pytest
import strategies
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows import compile as windows
from hypothesis import given, settings
from hypothesis import strategies as st

SOUND = {"access_addresses": ["198.18.0.2", "2001:db8::2"], "internal_addresses": ["198.18.1.2"]}
# Networks that the firewall of a Windows host refuses in a rule, by Microsoft's documentation of the API.
REFUSED = [
    ipaddress.ip_network(text)
    for text in ("0.0.0.0/32", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32", "::/128", "::1/128", "ff00::/8")
]


def every_part(rules):
    """Return all rules for Windows."""
    return [part for parts in windows.compile_for_windows(rules).values() for part in parts]


def compiled(**options):
    """Return the ordered rules of options, and their rules for Windows."""
    rules = compile_rules(parse_options({**SOUND, **options}))
    return rules, every_part(rules)


def ordered_verdict(rules, packet, default="block"):
    """Return the verdict of the first rule that matches; the default where none does."""
    direction, local, remote, port = packet
    for rule in rules:
        family = f"ipv{local.version}"
        if (
            rule.direction == direction
            and rule.port == port
            and rule.family in (family, "any")
            and all(
                group is None or any(address in ipaddress.ip_network(text) for text in group.networks)
                for group, address in ((rule.local, local), (rule.remote, remote))
            )
        ):
            return rule.action
    return default


def matches(part, address):
    """Return whether a text in Windows' form has an address, independently of the code under test."""
    if part == "*":
        return True
    first, dash, last = part.partition("-")
    if not dash:
        network = ipaddress.ip_network(part)
        return address.version == network.version and address in network
    low, high = ipaddress.ip_address(first), ipaddress.ip_address(last)
    return address.version == low.version and low <= address <= high


def order_free_verdict(rules, packet, default="block"):
    """Return the verdict of rules in which block wins over allow, as Windows documents it."""
    direction, local, remote, port = packet
    ports = {"in": "local_ports", "out": "remote_ports"}
    actions = {
        rule["action"]
        for rule in (rule.payload for rule in rules)
        if rule["direction"] == direction
        and rule[ports[direction]] in ("*", str(port))
        and any(matches(part, local) for part in rule["local_addresses"])
        and any(matches(part, remote) for part in rule["remote_addresses"])
    }
    return "block" if "block" in actions else "allow" if actions else default


def is_unicast(address):
    """Return whether a connection can have the address."""
    special = address.is_loopback or address.is_multicast or address.is_unspecified
    if address.version == 4:
        return not special and 1 <= address.packed[0] < 224
    return not special and int(address) >= 1 << 64


def packet_near(options, dice):
    """Return a packet with addresses at or next to the ends of the options' networks, or with any address."""
    family = dice.choice([4, 6])
    kind = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
    top = (1 << (32 if family == 4 else 128)) - 1
    named = [
        ipaddress.ip_network(text)
        for option in ("access_addresses", "internal_addresses", "partner_networks", "front_end_networks")
        for text in options[option]
        if text != "any"
    ]
    edges = [
        int(end)
        for network in named
        if network.version == family
        for end in (network.network_address, network.broadcast_address)
    ]

    def address():
        number = (
            dice.choice(edges) + dice.choice((-1, 0, 0, 1)) if edges and dice.random() < 0.8 else dice.randint(0, top)
        )
        found = kind(max(0, min(top, number)))
        return found if is_unicast(found) else address()

    port = dice.choice([options["federation_port"], options["gateway_port"], 443])
    return dice.choice(["in", "out"]), address(), address(), port


@settings(max_examples=2000)
@given(strategies.options(), st.randoms(use_true_random=False))
def test_same_verdict_for_any_packet(options, dice):
    rules = compile_rules(parse_options(options))
    made = every_part(rules)
    both = ((order_free_verdict, made), (ordered_verdict, rules))
    dice = random.Random(dice.random())
    for _number in range(8):
        packet = packet_near(options, dice)
        # Unmanaged rules that allow any port, and the default for outbound connections, are the default "allow".
        for default in ("block", "allow"):
            verdicts = [verdict(parts, packet, default) for verdict, parts in both]
            assert verdicts[0] == verdicts[1], (packet, default)


@settings(max_examples=200)
@given(strategies.options())
def test_windows_accepts_the_payloads(options):
    made = every_part(compile_rules(parse_options(options)))
    payloads = [rule.payload for rule in made]
    names = [payload["name"] for payload in payloads]
    assert len(set(names)) == len(names)
    for payload in payloads:
        assert "|" not in payload["name"] and payload["name"].startswith("xmpp.edge/")
        for side in ("local_addresses", "remote_addresses"):
            assert 0 < len(payload[side]) <= windows.MAX_ADDRESSES
            assert "*" not in payload[side] or payload[side] == ["*"]
            for part in payload[side]:
                first = ipaddress.ip_address(part.partition("-")[0].partition("/")[0]) if part != "*" else None
                assert first is None or is_unicast(first)
                assert not any(matches(part, network.network_address) for network in REFUSED if part != "*")


def test_dual_stack_with_one_front_end_network():
    _rules, made = compiled(front_end_networks=["198.18.1.0/24"])
    sides = [(rule.id, rule.local, rule.remote) for rule in made if rule.row == "gateway_in"]
    assert sides == [
        ("gateway_in/allow/ipv4", ("198.18.1.2/255.255.255.255",), ("198.18.1.0/255.255.255.0",)),
        (
            "gateway_in/block/any/1",
            ("1.0.0.0-126.255.255.255", "128.0.0.0-198.18.1.1", "198.18.1.3-223.255.255.255"),
            ("*",),
        ),
        (
            "gateway_in/block/any/2",
            ("198.18.1.2/255.255.255.255",),
            ("1.0.0.0-126.255.255.255", "128.0.0.0-198.18.0.255", "198.18.2.0-223.255.255.255"),
        ),
        (
            "gateway_in/block/any/3",
            ("0:0:0:1::-feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",),
            ("*",),
        ),
    ]


def test_any_partner_needs_no_block_at_local_addresses():
    _rules, made = compiled()
    blocks = [rule for rule in made if rule.row == "federation_in" and rule.action == "block"]
    assert [rule.remote for rule in blocks] == [("*",), ("*",)]


def test_permit_blocks_nothing():
    _rules, made = compiled(mode="permit")
    assert {rule.action for rule in made} == {"allow"}


def test_long_list_has_several_rules():
    partners = [f"198.{18 + n // 65536}.{n // 256 % 256}.{n % 256}" for n in range(0, 5000, 2)]
    rules, made = compiled(partner_networks=partners)
    allowing = [
        rule for rule in made if (rule.row, rule.action, rule.local[0][:4]) == ("federation_in", "allow", "198.")
    ]
    assert [len(rule.remote) for rule in allowing] == [1000, 1000, 500]
    for text, verdict in ((partners[0], "allow"), (partners[-1], "allow"), ("198.18.0.1", "block")):
        packet = ("in", ipaddress.ip_address("198.18.0.2"), ipaddress.ip_address(text), 5269)
        assert order_free_verdict(made, packet) == ordered_verdict(rules, packet) == verdict


def test_name_changes_only_with_content():
    names = [{rule.payload["name"] for rule in compiled(**options)[1]} for options in ({}, {}, {"gateway_port": 5098})]
    assert names[0] == names[1]
    unchanged = names[0] & names[2]
    assert unchanged and all("federation" in name for name in unchanged)
    assert all("gateway_in" in name for name in names[0] ^ names[2])


def test_network_without_its_unusable_addresses():
    _rules, made = compiled(partner_networks=["0.0.0.0/1", "2001:db8:7::/48"])
    (allow,) = (rule for rule in made if rule.id == "federation_in/allow/ipv4")
    assert allow.remote == ("1.0.0.0-126.255.255.255",)


def test_unusable_network_is_refused_by_name():
    with pytest.raises(EdgeError, match=r"partner_networks: 240\.0\.0\.0/8 can be no side of a connection"):
        compiled(partner_networks=["240.0.0.0/8", "2001:db8:7::/48"])
