# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that are not those of the host, swapped lists, and sources that nobody listed."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.own_addresses import (
    OwnAddresses,
    absent_of,
    check_sides,
    refuse_absent,
    remotes_to_ask,
    source_warnings,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.rows import ANYWHERE
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import OptionError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options

ACCESS, ACCESS6, INTERNAL = "198.18.0.2", "2001:db8::2", "198.18.1.2"
FAR, FAR6 = ANYWHERE["ipv4"][0], ANYWHERE["ipv6"][0]


NAMED = {"access_addresses": [ACCESS, ACCESS6], "internal_addresses": [INTERNAL]}


def rules_for(**changes):
    return compile_rules(
        parse_options({"access_addresses": [ACCESS, ACCESS6], "internal_addresses": [INTERNAL], **changes})
    )


def on(**interfaces):
    """Return the interfaces of each address, from the addresses of each interface."""
    return {address: frozenset((interface,)) for interface, found in interfaces.items() for address in found}


@pytest.mark.parametrize(
    ("absent", "option"),
    [
        ({ACCESS, ACCESS6}, "access_addresses"),
        ({INTERNAL}, "internal_addresses"),
        ({ACCESS, ACCESS6, INTERNAL}, "access_addresses"),
    ],
)
def test_a_list_of_another_host_is_refused(absent, option):
    own = OwnAddresses(frozenset(absent), ("198.18.4.2", "198.18.5.2"))
    words = rf"^{option}: .* not on this host, which carries 198.18.4.2 and 198.18.5.2; is this its inventory\?"
    with pytest.raises(OptionError, match=words) as refused:
        refuse_absent(own, NAMED)
    assert "allow_absent_addresses: true" in str(refused.value)


@pytest.mark.parametrize("absent", [(), (ACCESS,), (ACCESS6,)])
def test_a_list_of_which_the_host_has_some_is_not(absent):
    own = OwnAddresses(frozenset(absent), (ACCESS, INTERNAL))
    refuse_absent(own, NAMED)
    rows = ["federation_in", "federation_out"] if absent else []
    assert list(absent_of(own, rules_for())) == rows
    assert all(absent[0] in text and "match nothing now" in text for text in absent_of(own, rules_for()).values())


def test_a_host_without_any_address_is_told_so():
    absent = frozenset((ACCESS, ACCESS6))
    with pytest.raises(OptionError, match="not on this host, which carries no address of a network; is this"):
        refuse_absent(OwnAddresses(absent, ()), NAMED)
    # Where nothing is known of its addresses, nothing is said of them.
    with pytest.raises(OptionError, match="not on this host; is this its inventory"):
        refuse_absent(OwnAddresses(absent), NAMED)


def test_an_address_without_a_rule_counts_among_those_of_a_list():
    rules = rules_for(partner_networks=["198.51.100.0/24"])
    assert all(ACCESS6 not in (rule.local.networks if rule.local else ()) for rule in rules)
    refuse_absent(OwnAddresses(frozenset((ACCESS,)), (ACCESS6, INTERNAL)), NAMED)


SWAPPED = OwnAddresses(interfaces=on(eth0=[INTERNAL], eth1=[ACCESS]), chosen={FAR: ("eth0", INTERNAL)})
BY_DEFAULT = {(ACCESS, FAR): "eth0"}


def test_swapped_lists_that_open_the_gateway_port_are_refused():
    with pytest.raises(OptionError, match=rf"^internal_addresses: '{INTERNAL}' is on eth0, by which the default"):
        check_sides(SWAPPED, NAMED, rules_for(), BY_DEFAULT)
    (warning,) = check_sides(SWAPPED, NAMED, rules_for(front_end_networks=["198.18.1.0/24"]), BY_DEFAULT)
    assert "swapped" in warning


def test_swapped_lists_of_the_other_family_are_seen():
    inside = "2001:db8:1::2"
    own = OwnAddresses(interfaces=on(eth0=[inside], eth1=[ACCESS6]), chosen={FAR6: ("eth0", inside)})
    named = {"access_addresses": [ACCESS, ACCESS6], "internal_addresses": [inside]}
    with pytest.raises(OptionError, match="by which the default route leaves"):
        check_sides(own, named, rules_for(internal_addresses=[inside]), {(ACCESS6, FAR6): "eth0"})


@pytest.mark.parametrize(
    ("own", "routes"),
    [
        (OwnAddresses(interfaces=on(eth0=[ACCESS], eth1=[INTERNAL]), chosen={FAR: ("eth0", ACCESS)}), {}),
        # One interface for both, a router behind neither, and no default route.
        (OwnAddresses(interfaces=on(eth0=[ACCESS, INTERNAL]), chosen={FAR: ("eth0", INTERNAL)}), BY_DEFAULT),
        (OwnAddresses(interfaces=on(eth0=[ACCESS], eth1=[INTERNAL]), chosen={FAR: ("wan0", "198.18.9.2")}), {}),
        (OwnAddresses(interfaces=on(eth0=[ACCESS], eth1=[INTERNAL])), {}),
        # The default routes of the two families lead apart.
        (
            OwnAddresses(
                interfaces=on(eth0=[ACCESS6], eth1=[INTERNAL]),
                chosen={FAR: ("eth1", INTERNAL), FAR6: ("eth0", ACCESS6)},
            ),
            {(ACCESS6, FAR6): "eth0"},
        ),
        # A routing table for the access addresses.
        (SWAPPED, {(ACCESS, FAR): "eth1"}),
        # An address that the network routes to the host.
        (OwnAddresses(interfaces=on(eth0=[INTERNAL], lo=[ACCESS]), chosen={FAR: ("eth0", INTERNAL)}), BY_DEFAULT),
        # The passive host of a failover.
        (
            OwnAddresses(frozenset((ACCESS,)), interfaces=on(eth0=[INTERNAL]), chosen={FAR: ("eth0", INTERNAL)}),
            BY_DEFAULT,
        ),
    ],
)
def test_lists_that_are_not_swapped(own, routes):
    assert check_sides(own, NAMED, rules_for(), routes) == []


def test_an_edge_without_a_gateway_has_no_sides():
    rules = compile_rules(parse_options({"rows": ["federation_in", "federation_out"], "access_addresses": [ACCESS]}))
    assert check_sides(SWAPPED, {"access_addresses": [ACCESS]}, rules, BY_DEFAULT) == []


def test_a_source_that_is_not_listed_is_a_warning():
    own = OwnAddresses(chosen={FAR: ("eth0", "198.18.0.9"), FAR6: ("eth0", ACCESS6)})
    (warning,) = source_warnings(own, rules_for())
    assert warning == (
        f"access_addresses: this host connects to {FAR} from 198.18.0.9, which is not listed, and the guard of "
        f"federation_out rejects that; list it, or bind the server to {ACCESS}"
    )
    assert source_warnings(own, rules_for(mode="permit")) == []
    assert source_warnings(own, rules_for(rows=["federation_in", "gateway_in"])) == []


def test_each_source_is_named_once_and_a_listed_one_never():
    temporary = dict.fromkeys(ANYWHERE["ipv6"], ("eth0", "2001:db8::abcd"))
    own = OwnAddresses(chosen={**temporary, FAR: ("eth0", ACCESS)})
    assert len(source_warnings(own, rules_for())) == 1
    named = rules_for(access_addresses=[ACCESS, ACCESS6, "2001:db8::abcd"])
    assert source_warnings(own, named) == []


def test_a_link_local_neighbour_has_no_source_of_the_host():
    rules = rules_for(access_addresses=["fe80::2", ACCESS])
    own = OwnAddresses(chosen={remote: ("eth1", "fe80::9") for remote in remotes_to_ask(rules) if "fe80" in remote})
    assert own.chosen
    assert source_warnings(own, rules) == []


def test_the_passive_host_of_a_failover_is_not_warned():
    own = OwnAddresses(frozenset((ACCESS, ACCESS6)), chosen={FAR: ("eth0", "198.18.0.9")})
    assert source_warnings(own, rules_for()) == []


def test_what_is_asked_has_every_partner_and_the_default_routes():
    asked = remotes_to_ask(rules_for(partner_networks=["198.51.100.0/24", "2001:db8:7::/48"]))
    assert asked[:2] == [FAR, FAR6]
    assert {"198.51.100.1", "198.51.100.254"} <= set(asked)
