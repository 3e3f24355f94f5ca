# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the hosts of a rehearsal are joined: each by links of its own to a router, with routes for single addresses.

No link has a network, so that hosts can have all addresses that an inventory can say, and no two networks clash.
Nothing leads out: the router in the middle, "world", has no other links. The ends of a link have addresses that are
next hops and nothing else, of 169.254.0.0/16 and fe80::/64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..model.addresses import BITS, FAMILIES, family_of, number_of, text_of
from ..model.port_table import ACCESS, INTERNAL
from ..verify.flows import Edge
from ..verify.routers import Router
from .casting import Extra
from .subject import Subject

WORLD = "the world"
"""Name of the router in the middle, which no host of an inventory has."""
EXTERNAL, INSIDE = "external", "internal"
"""Names of an edge's interfaces, and so of its sides."""
UPLINK = "uplink"
"""Name of the interface of every other host."""

_ENDS: Mapping[str, str] = {"ipv4": "169.254.0.0", "ipv6": "fe80::"}
"""The first address of those for ends of links, by family."""


@dataclass(frozen=True)
class Link:
    """A link of two hosts.

    number: of the link, from 0; parent: the host towards the world; child: the other one; device: the child's
    interface; addresses: of the child on this link, none for a router.
    """

    number: int
    parent: str
    child: str
    device: str
    addresses: Tuple[str, ...]

    @property
    def parent_device(self) -> str:
        """Return the name of the parent's interface."""
        return f"down{self.number}"

    def end(self, family: str, of_parent: bool) -> str:
        """Return the address of an end, by which the other one sends."""
        return text_of(number_of(_ENDS[family]) + 4 * self.number + (1 if of_parent else 2), family)


def links_of(subject: Subject, extras: Sequence[Extra]) -> List[Link]:
    """Return all links, those of routers first."""
    ends: List[Tuple[str, str, str, Tuple[str, ...]]] = []
    # A router stands behind another one that is before all of its edges, on one of its sides at least: what is none of
    # its rows it forwards.
    routers = sorted(subject.routers, key=lambda router: (-len(router.edges), -len(_sides(router))))
    for index, router in enumerate(routers):
        before = [one for one in routers[:index] if one.edges >= router.edges and _sides(one) & _sides(router)]
        ends.append((before[-1].name if before else WORLD, router.name, UPLINK, ()))
    for edge in subject.edges:
        for side, addresses in own_addresses(edge).items():
            passed = [router for router in routers if edge.name in router.edges and side in _sides(router)]
            ends.append((passed[-1].name if passed else WORLD, edge.name, side, addresses))
    ends += [(WORLD, extra.name, UPLINK, extra.addresses) for extra in extras]
    return [Link(number, *one) for number, one in enumerate(ends)]


def bypassed(subject: Subject, links: Sequence[Link]) -> List[str]:
    """Return a note for each router that is not on the way to one of its edges, since links are a tree."""
    parents = {link.child: link.parent for link in links if not link.addresses}
    notes = []
    for edge in subject.edges:
        for link in links:
            if link.child != edge.name:
                continue
            way = [link.parent]
            while way[-1] in parents:
                way.append(parents[way[-1]])
            where = f"the {link.device} addresses of {edge.name}"
            notes += [
                f"{router.name}: is not on the way to {where} here, so nothing shows that it lets those packets pass"
                for router in subject.routers
                if edge.name in router.edges and link.device in _sides(router) and router.name not in way
            ]
    return notes


def own_addresses(edge: Edge) -> Dict[str, Tuple[str, ...]]:
    """Return the addresses of an edge by side. One that is on both is on the external side."""
    external = tuple(edge.addresses(ACCESS.option))
    inside = tuple(address for address in edge.addresses(INTERNAL.option) if address not in external)
    return {side: found for side, found in ((EXTERNAL, external), (INSIDE, inside)) if found}


def commands_of(name: str, links: Sequence[Link], inside: Sequence[str]) -> List[str]:
    """Return the lines for "ip -batch" on a host, once its interfaces are there.

    inside: the addresses that an edge reaches by its internal interface.
    """
    lines = ["link set lo up"]
    for link in links:
        if link.parent == name:
            lines += _downlink(link, links)
        elif link.child == name:
            lines += _uplink(link)
    uplinks = [link for link in links if link.child == name]
    for family in FAMILIES:
        # A router has no addresses of its own on its link.
        way = next((link for link in uplinks if _source(link, family) or not link.addresses), None)
        if way is not None:
            lines.append(_route("default", family, way))
    for link in uplinks:
        if link.device == INSIDE:
            lines += [_route(one, family_of(one), link) for one in inside if _source(link, family_of(one))]
    return lines


def _source(link: Link, family: str) -> Optional[str]:
    """Return the first address of a family that the child has on a link."""
    return next((one for one in link.addresses if family_of(one) == family), None)


def _route(target: str, family: str, link: Link) -> str:
    """Return the line for a route towards the world."""
    source = _source(link, family)
    preferred = f" src {source}" if source else ""
    return f"route add {target} via {link.end(family, of_parent=True)} dev {link.device} onlink{preferred}"


def _uplink(link: Link) -> Iterator[str]:
    """Yield the lines for an interface towards the world."""
    yield f"link set {link.device} up"
    for address in link.addresses:
        yield _address(address, link.device)
    if not link.addresses:  # A router, which the other end sends to.
        for family in FAMILIES:
            yield _address(link.end(family, of_parent=False), link.device)


def _downlink(link: Link, links: Sequence[Link]) -> Iterator[str]:
    """Yield the lines for an interface away from the world."""
    yield f"link set {link.parent_device} up"
    for family in FAMILIES:
        yield _address(link.end(family, of_parent=True), link.parent_device)
    for address in link.addresses:
        yield f"route add {address} dev {link.parent_device}"
    for address in _behind(link.child, links):
        way = link.end(family_of(address), of_parent=False)
        yield f"route add {address} via {way} dev {link.parent_device} onlink"


def _behind(router: str, links: Sequence[Link]) -> Iterator[str]:
    """Yield the addresses that are reached through a router."""
    for link in links:
        if link.parent == router:
            yield from link.addresses
            yield from _behind(link.child, links)


def _address(address: str, device: str) -> str:
    family = family_of(address)
    once = " nodad" if family == "ipv6" else ""  # A link has two ends, so that no address is there twice.
    return f"address add {address}/{BITS[family]} dev {device}{once}"


def _sides(router: Router) -> FrozenSet[str]:
    """Return the sides of its edges on which a router stands."""
    local = {row.local for row in router.options.rows}
    return frozenset(side for side, endpoint in ((EXTERNAL, ACCESS), (INSIDE, INTERNAL)) if endpoint in local)
