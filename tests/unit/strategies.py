# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random options that are sound, for property tests."""

from __future__ import annotations

import ipaddress

from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.port_table import DEFAULT_PORTS
from hypothesis import strategies as st

# Documentation, benchmark and private space: all of it can stand in a rule, and none of it is special to a packet.
IPV4_SPACE = ipaddress.IPv4Network("198.18.0.0/15")
IPV6_SPACE = ipaddress.IPv6Network("2001:db8::/32")


def hosts_in(space):
    """Texts of single addresses out of a network."""
    return st.integers(0, space.num_addresses - 1).map(lambda number: str(space[number]))


def networks_in(space):
    """Texts of networks of any size inside a network."""
    return st.tuples(hosts_in(space), st.integers(space.prefixlen, space.max_prefixlen)).map(
        lambda pair: str(ipaddress.ip_network(f"{pair[0]}/{pair[1]}", strict=False))
    )


addresses = st.one_of(hosts_in(IPV4_SPACE), hosts_in(IPV6_SPACE))
networks = st.one_of(networks_in(IPV4_SPACE), networks_in(IPV6_SPACE), addresses)
ports = st.integers(1, 65535)


@st.composite
def controls(draw):
    """Options of limits and log, of which any may be off."""
    counts = st.one_of(st.just(0), st.integers(1, 60_000))
    new = draw(counts)
    given = {"limit_new": new, "limit_burst": draw(counts) if new else 0, "limit_open": draw(counts)}
    return {**given, "limit_exempt": draw(st.lists(networks, max_size=4)), "log_blocked": draw(st.booleans())}


@st.composite
def options(draw):
    """Options that pass every check: each family of ours has a remote side, and no address is on both sides."""
    access = draw(st.lists(addresses, min_size=1, max_size=5))
    internal = [a for a in draw(st.lists(addresses, min_size=1, max_size=5)) if a not in access]
    remote = st.one_of(st.just(["any"]), st.lists(networks, min_size=1, max_size=12))
    given = {
        "mode": draw(st.sampled_from(["exclusive", "permit"])),
        "access_addresses": access,
        "internal_addresses": internal or ["10.0.0.1"],
    }
    for local, option in (("access_addresses", "partner_networks"), ("internal_addresses", "front_end_networks")):
        chosen = draw(remote)
        if chosen != ["any"]:
            versions = {ipaddress.ip_network(text).version for text in chosen}
            if not versions & {ipaddress.ip_address(text).version for text in given[local]}:
                chosen = [*chosen, given[local][0]]
        given[option] = chosen
    if given["mode"] == "exclusive":
        given.update(draw(controls()))
    given.update(zip(DEFAULT_PORTS, draw(st.lists(ports, min_size=2, max_size=2, unique=True))))
    return given
