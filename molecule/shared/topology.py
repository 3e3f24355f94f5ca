# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Standing topology of tests and demo: its hosts, their networks and their addresses.

    partner, outsider -- external network -- edge, edge_bare -- internal network -- front_end, intruder

Two topologies can exist side by side when they differ in name and number: XMPP_EDGE_TOPOLOGY=NAME:NUMBER.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

FAMILIES = ("ipv4", "ipv6")
SIDES = ("external", "internal")

# Networks of each host, and the last part of its addresses there.
PLACES: dict[str, dict[str, int]] = {
    "edge": {"external": 2, "internal": 2},
    "edge_bare": {"external": 3, "internal": 3},
    "partner": {"external": 10},
    "outsider": {"external": 20},
    "front_end": {"internal": 10},
    "intruder": {"internal": 20},
}

# edge runs systemd and has the firewall manager of the scenario. With nftables, or where a scenario asks for it, there
# is also edge_bare, which has neither, until nftables gets installed.
EDGE_KIND = os.environ.get("XMPP_EDGE_KIND", "edge")
EDGE_RELEASE = os.environ.get("XMPP_EDGE_RELEASE", "trixie")
EDGES = ("edge", "edge_bare") if EDGE_KIND == "edge" or os.environ.get("XMPP_EDGE_WITH_BARE") else ("edge",)
HOSTS = (*EDGES, "partner", "outsider", "front_end", "intruder")
GROUPS: dict[str, tuple[str, ...]] = {
    "xmpp_edge": EDGES,
    "xmpp_partner": ("partner",),
    "xmpp_outsider": ("outsider", "intruder"),
    "xmpp_front_end": ("front_end",),
}


@dataclass(frozen=True)
class Topology:
    """One standing topology; number is the third part of its external IPv4 addresses, even and below 254."""

    name: str
    number: int

    @classmethod
    def from_environment(cls) -> Topology:
        """Return the topology that XMPP_EDGE_TOPOLOGY names, else the tests' own."""
        name, _colon, number = os.environ.get("XMPP_EDGE_TOPOLOGY", "xmpp-edge-test:0").partition(":")
        return cls(name, int(number))

    @staticmethod
    def image(host: str) -> tuple[str, str]:
        """Return release and kind of a host's image, as build-image takes them."""
        partner = "xmpp" if EDGE_KIND == "xmpp" else "edge"
        images = {
            "edge": (EDGE_RELEASE, EDGE_KIND),
            "edge_bare": (EDGE_RELEASE, "bare"),
            "partner": ("trixie", partner),
        }
        return images.get(host, ("trixie", "edge"))

    @staticmethod
    def boots(host: str) -> bool:
        """Return whether a host runs systemd; the others run a listener on the table's ports, and nothing else."""
        return host == "edge" or (host == "partner" and EDGE_KIND == "xmpp")

    @classmethod
    def boots_listener(cls, host: str) -> bool:
        """Return whether systemd starts the listener of a host; an XMPP server has its ports already."""
        return cls.boots(host) and cls.image(host)[1] != "xmpp"

    def container(self, host: str) -> str:
        """Return the name of a host's container."""
        return f"{self.name}-{host.replace('_', '-')}"

    def network(self, side: str) -> str:
        """Return the name of a podman network."""
        return f"{self.name}-{side}"

    def prefix(self, side: str, family: str) -> str:
        """Return the beginning of all addresses of a network."""
        number = self.number + SIDES.index(side)
        return f"198.18.{number}." if family == "ipv4" else f"2001:db8:0:{number}::"

    def subnet(self, side: str, family: str) -> str:
        """Return a network in CIDR form."""
        return self.prefix(side, family) + ("0/24" if family == "ipv4" else "/64")

    def address(self, host: str, side: str, family: str) -> str:
        """Return the address of a host in one of its networks."""
        return f"{self.prefix(side, family)}{PLACES[host][side]}"

    def addresses(self, host: str, side: str) -> list[str]:
        """Return both addresses of a host in one of its networks."""
        return [self.address(host, side, family) for family in FAMILIES]

    def attachments(self, host: str) -> list[str]:
        """Return the networks of a host as "podman run --network" takes them.

        MAC addresses are fixed, so that the neighbour caches of other hosts stay valid when a host restarts. The names
        of interfaces are, too: Podman 4.3 gives eth0 and eth1 to the networks of a host in random order.
        """
        return [
            f"{self.network(side)}:ip={self.address(host, side, 'ipv4')},ip6={self.address(host, side, 'ipv6')},"
            f"mac=02:00:00:{self.number:02x}:{SIDES.index(side):02x}:{number:02x},interface_name=eth{position}"
            for position, (side, number) in enumerate(PLACES[host].items())
        ]

    def routes(self, host: str) -> list[str]:
        """Return the routes to the other network, through the edge, as "ip route add" takes them."""
        return [
            f"{self.subnet(far, family)} via {self.address('edge', near, family)}"
            for near in PLACES[host]
            for far in SIDES
            if far not in PLACES[host]
            for family in FAMILIES
        ]
