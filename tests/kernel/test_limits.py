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
SECONDS = 4
"""Time that connections get. A limit of five a minute lets one more pass in it, and a busy machine fewer than five."""
LONG = 60
"""Time for connections that all come to pass, and so end before."""
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


def passed(network, sources, target, port=PORT, times=20, seconds=SECONDS):
    """Return how many of the connections from each of some addresses come to pass."""
    cases = [("in", target, source, port) for source in sources for _again in range(times)]
    found = network.passes(cases, seconds)
    return [sum(found[number * times : (number + 1) * times]) for number in range(len(sources))]


@pytest.mark.parametrize("placement", PLACES)
def test_each_source_has_its_own_bucket(network, placement):
    access = load(network, placement, limit_new=5, limit_burst=5)
    assert all(1 <= count <= 6 for count in passed(network, PEER["ipv4"], access["ipv4"][0]))
    # These are all of one network.
    assert 1 <= sum(passed(network, PEER["ipv6"], access["ipv6"][0])) <= 6
    # Their other connections have no limit, and all of them come to pass, however long that takes.
    assert passed(network, PEER["ipv6"], access["ipv6"][0], OTHER, times=5, seconds=LONG) == [5, 5, 5]


@pytest.mark.parametrize("placement", PLACES)
def test_who_is_exempt_has_none(network, placement):
    exempt = [PEER["ipv4"][1]]
    access = load(network, placement, limit_new=5, limit_burst=5, limit_open=3, limit_exempt=exempt)
    assert passed(network, exempt, access["ipv4"][0], seconds=LONG) == [20]
    # The smaller of both limits holds for others. A connection that is over may make room for another one.
    others = [one for one in PEER["ipv4"] if one not in exempt]
    assert all(1 <= count <= 6 for count in passed(network, others, access["ipv4"][0]))
    # A list of one family leaves the other one limited.
    assert 1 <= sum(passed(network, PEER["ipv6"], access["ipv6"][0])) <= 6


def test_who_is_not_listed_is_dropped_and_fills_no_set(network):
    access = load(network, "edge", limit_new=5, limit_open=3, partner_networks=[PEER["ipv4"][0], PEER["ipv6"][0]])
    assert passed(network, PEER["ipv4"][1:], access["ipv4"][0], times=2) == [0, 0]
    for name in ("federation_in_new_ipv4", "federation_in_open_ipv4"):
        assert "elements" not in network.edge.run("nft", "list", "set", "inet", "xmpp_edge", name).stdout
    assert passed(network, PEER["ipv4"][:1], access["ipv4"][0], times=1, seconds=LONG) == [1]
