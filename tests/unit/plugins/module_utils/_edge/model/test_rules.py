# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules on their way to a host: nothing is lost, and nothing that we did not write is taken."""

from __future__ import annotations

import pytest
import strategies
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import (
    canonical_network,
    from_payload,
    to_payload,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from hypothesis import given

RULE = {
    "row": "federation_in",
    "action": "allow",
    "direction": "in",
    "family": "ipv4",
    "source": None,
    "destination": "access_addresses_ipv4",
    "port": 5269,
}
GROUPS = {"access_addresses_ipv4": ["198.18.0.2"]}


@given(strategies.options())
def test_payload_round_trip(options):
    rules = compile_rules(parse_options(options))
    assert from_payload(**to_payload(rules)) == rules


def test_payload_has_each_group_once():
    partners = [f"198.18.{number}.7" for number in range(100)]
    options = {"access_addresses": ["198.18.0.2"], "internal_addresses": ["198.18.1.2"], "partner_networks": partners}
    payload = to_payload(compile_rules(parse_options(options)))
    assert str(payload).count("198.18.42.7") == 1


@pytest.mark.parametrize(
    ("change", "groups", "words"),
    [
        ({"row": 'x" accept'}, GROUPS, "rules.row"),
        ({"row": ""}, GROUPS, "rules.row"),
        ({"port": 0}, GROUPS, "rules.port"),
        ({"destination": "elsewhere_ipv4"}, GROUPS, "is not among the groups"),
        ({"destination": None}, GROUPS, "allows any address on both sides"),
        ({"action": "block"}, GROUPS, "blocks only some addresses"),
        ({"family": "ipv6"}, GROUPS, "names a group of another family"),
        ({}, {"access_addresses_ipv4": []}, "is no list with an entry"),
        ({}, {"access_addresses_ipv4": 7}, "is no list with an entry"),
        ({}, {"access_addresses_ipv4": [7]}, "is not an address or network"),
        ({}, {"access_addresses_ipv4": ["198.18.0.2/24"]}, "without host bits"),
        ({}, {"access_addresses_ipv6": ["198.18.0.2"]}, "is not an address or network"),
        ({}, {"access_addresses_ipv4": ["198.18.0.2 }"]}, "is not an address or network"),
        ({}, {"access_addresses_ipv4": ["198.18.0.2/32"]}, "is not an address or network"),
        ({}, {"access_addresses_ipv4": ["198.18.0.2/0"]}, "is not an address or network"),
        ({}, {"access_addresses_ipv4": ["198.18.0.2/"]}, "is not an address or network"),
        ({}, {"access_addresses_ipv4": ["2001:db8::2"]}, "is not an address or network"),
        ({}, {"access_addresses_ipv4": ["198.18.0.\u0662"]}, "is not an address or network"),
        ({}, {"access_addresses_ipv4": ["198.18.0.2\x00"]}, "is not an address or network"),
        ({}, {"x y_ipv4": ["198.18.0.2"]}, "is not a name"),
        ({}, {"access_addresses": ["198.18.0.2"]}, "does not end in its family"),
    ],
)
def test_payload_that_we_did_not_write_is_refused(change, groups, words):
    with pytest.raises(EdgeError, match=words):
        from_payload([{**RULE, **change}], groups)


def test_inbound_rules_come_first():
    rules = from_payload([{**RULE, "direction": "out"}, RULE], GROUPS)
    assert [rule.direction for rule in rules] == ["in", "out"]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2001:DB8:0::2", "2001:db8::2"),
        ("2001:db8:0:0::/64", "2001:db8::/64"),
        ("198.18.0.2", "198.18.0.2"),
        ("198.18.0.2-198.18.0.9", "198.18.0.2-198.18.0.9"),
        ("128.0.0.0-255.255.255.255", "128.0.0.0/1"),
        ("8000::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "8000::/1"),
        ("198.18.0.1-198.18.0.2", "198.18.0.1-198.18.0.2"),
        ("198.18.0.9-198.18.0.2", "198.18.0.9-198.18.0.2"),
        ("no address", "no address"),
    ],
)
def test_canonical_network(text, canonical):
    assert canonical_network(text) == canonical
