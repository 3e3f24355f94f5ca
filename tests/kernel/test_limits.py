# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits against the kernel, on the edge itself and on a router before it."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.nft_table import to_table, write_table
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.controls import Controls
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from network import BEHIND, EDGE, INNER, PEER

PORT, OTHER = 5269, 22
SECONDS = 10
"""Time that connections get. A limit of five a minute lets one more pass in it."""
PLACES = {"edge": (EDGE, BEHIND), "firewall": (INNER, BEHIND)}


def load(network, placement, **limits):
    """Load the managed table. Return the addresses that the limits are for."""
    access, internal = PLACES[placement]
    options = parse_options(
        {
            "placement": placement,
            "rows": ["federation_in", "federation_out"],
            "access_addresses": [one for family in access.values() for one in family],
            "internal_addresses": [one for family in internal.values() for one in family],
            **limits,
        }
    )
    table = to_table(compile_rules(options), Controls(options.limits, options.log_blocked))
    network.edge.run("nft", "-f", "-", stdin=write_table(table))
    return access


def passed(network, sources, target, port=PORT, times=20):
    """Return how many of the connections from each of some addresses come to pass."""
    cases = [("in", target, source, port) for source in sources for _again in range(times)]
    found = network.passes(cases, SECONDS)
    return [sum(found[number * times : (number + 1) * times]) for number in range(len(sources))]


@pytest.mark.parametrize("placement", PLACES)
def test_each_source_has_its_own_bucket(network, placement):
    access = load(network, placement, limit_new=5, limit_burst=5)
    assert all(5 <= count <= 6 for count in passed(network, PEER["ipv4"], access["ipv4"][0]))
    # These are all of one network.
    assert 5 <= sum(passed(network, PEER["ipv6"], access["ipv6"][0])) <= 6
    assert passed(network, PEER["ipv6"], access["ipv6"][0], OTHER, times=5) == [5, 5, 5]


@pytest.mark.parametrize("placement", PLACES)
def test_who_is_exempt_has_none(network, placement):
    exempt = [PEER["ipv4"][1]]
    access = load(network, placement, limit_new=5, limit_burst=5, limit_open=3, limit_exempt=exempt)
    first, second, third = passed(network, PEER["ipv4"], access["ipv4"][0])
    assert second == 20
    # The smaller of both limits holds. A connection that is over may make room for another one.
    assert all(3 <= count <= 6 for count in (first, third))
    # A list of one family leaves the other one limited.
    assert 3 <= sum(passed(network, PEER["ipv6"], access["ipv6"][0])) <= 6


def test_who_is_not_listed_is_dropped_and_fills_no_set(network):
    access = load(network, "edge", limit_new=5, limit_open=3, partner_networks=[PEER["ipv4"][0], PEER["ipv6"][0]])
    assert passed(network, PEER["ipv4"][1:], access["ipv4"][0], times=2) == [0, 0]
    for name in ("federation_in_new_ipv4", "federation_in_open_ipv4"):
        assert "elements" not in network.edge.run("nft", "list", "set", "inet", "xmpp_edge", name).stdout
    assert passed(network, PEER["ipv4"][:1], access["ipv4"][0], times=1) == [1]
