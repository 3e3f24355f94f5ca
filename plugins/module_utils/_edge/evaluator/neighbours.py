# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Discovery of neighbours, without which no packet crosses a link: RFC 4861 for IPv6, ARP (RFC 826) for IPv4.

Connection tracking takes no notice of it, so no rule for established connections lets it pass. ARP meets tables of the
families arp and netdev only.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from typing import Iterator, Optional, Tuple

from ..model.addresses import Span, number_of, point, span_of
from ..model.literals import Direction, Family, PacketFamily
from .connection import Connection, link_fields
from .fields import CT_STATES, FIB_TYPES, PROTOCOLS
from .ruleset import Ruleset
from .translation import AS_SENT, HERE, Translation
from .values import Fields
from .walk import ACCEPT, DROP, UNKNOWN_VERDICT, PacketVerdict, evaluate_packet

_SOLICITATION, _ADVERTISEMENT = 135, 136
_LINK_LOCAL = span_of("fe80::/64")
_ANY: Span = (0, (1 << 128) - 1)
_SOLICITED_NODE = number_of("ff02::1:ff00:0")


@dataclass(frozen=True)
class NeighbourPacket:
    """A message of neighbour discovery. direction: seen from this host; kind: its type; source, target: addresses of
    who sends it, and of who is asked for or answered; of the link-local one of a router that is not known every one.
    """

    direction: Direction
    kind: int
    source: Span
    target: Span
    interface: Optional[str]

    @property
    def family(self) -> PacketFamily:
        """Return the family of the packet."""
        return "ipv6"

    def __str__(self) -> str:
        """Return the message on one line."""
        word = "solicitation" if self.kind == _SOLICITATION else "advertisement"
        way = "from" if self.direction == "in" else "to"
        return f"ICMPv6 neighbour {word} {way} {self.interface or 'the network'}"

    @property
    def fields(self) -> Fields:
        """Return the fields of the packet."""
        inbound = self.direction == "in"
        multicast = self.kind == _SOLICITATION
        local, unicast = point(FIB_TYPES["local"]), point(FIB_TYPES["unicast"])
        return {
            "meta l4proto": point(PROTOCOLS["icmpv6"]),
            "meta nfproto": point(socket.AF_INET6),
            "meta protocol": point(0x86DD),
            "meta pkttype": point(2 if multicast and inbound else 0),
            **link_fields(self.interface, inbound),
            "ct state": point(CT_STATES["untracked"]),
            "ip6 nexthdr": point(PROTOCOLS["icmpv6"]),
            "ip6 hoplimit": point(255),
            "icmpv6 type": point(self.kind),
            "icmpv6 code": point(0),
            "ip6 saddr": self.source,
            "ip6 daddr": _solicited(self.target) if multicast else self.target,
            "fib saddr type": unicast if inbound else local,
            "fib daddr type": point(FIB_TYPES["multicast"]) if multicast else local if inbound else unicast,
            "exthdr exists": point(0),
        }


@dataclass(frozen=True)
class ArpPacket(NeighbourPacket):
    """A message of ARP, with addresses of IPv4."""

    def __str__(self) -> str:
        """Return the message on one line."""
        word = "request" if self.kind == _SOLICITATION else "reply"
        return f"ARP {word} {'from' if self.direction == 'in' else 'to'} {self.interface or 'the network'}"

    @property
    def family(self) -> PacketFamily:
        """Return the family of the packet."""
        return "arp"

    @property
    def fields(self) -> Fields:
        """Return the fields of the packet."""
        inbound, asks = self.direction == "in", self.kind == _SOLICITATION
        return {
            "meta protocol": point(0x0806),
            "ether type": point(0x0806),
            "meta pkttype": point(1 if asks and inbound else 0),
            **link_fields(self.interface, inbound),
            "ct state": point(CT_STATES["invalid"]),
            "arp operation": point(1 if asks else 2),
            "arp htype": point(1),
            "arp ptype": point(0x0800),
            "arp hlen": point(6),
            "arp plen": point(4),
            "arp saddr ip": self.source,
            "arp daddr ip": self.target,
        }


@dataclass(frozen=True)
class Link:
    """A link that a connection crosses. direction: in where the other side sends the first packet over it; local:
    addresses of this host, from which it may ask; other: those of the neighbour; asker: those from which it may ask.
    """

    family: Family
    direction: Direction
    local: Span
    other: Span
    asker: Span
    interface: Optional[str]


def link_of(connection: Connection, gateway: Optional[str], *, on_link: bool) -> Link:
    """Return the link towards the remote side of a connection.

    gateway: address of the router there; on_link: whether it is known that there is none.
    """
    local = point(number_of(connection.local))
    other = point(number_of(gateway or connection.remote)) if gateway or on_link else _LINK_LOCAL
    # A router asks from its link-local address.
    asker = other if on_link else _LINK_LOCAL
    if connection.family == "ipv4":
        other = asker = other if gateway or on_link else _ANY
    return Link(connection.family, connection.direction, local, other, asker, connection.interface)


def link_behind(translation: Translation) -> Optional[Link]:
    """Return the link by which this host passes the packets of a connection on; None where it does not do so."""
    way, family = translation.way, translation.family
    if way in (None, HERE, AS_SENT) or family == "arp":
        return None
    # Of which address this host asks there is not known, nor whether a router stands in between.
    return Link(family, "out", _ANY, _ANY, _ANY, way)


def link_between_others(family: Family, interface: Optional[str], neighbour: Optional[str]) -> Link:
    """Return a link of a connection between other hosts. neighbour: of this host there, None where it is not known.

    A router asks for it from its link-local address (ndisc.c), in IPv4 from whichever it has there.
    """
    other = point(number_of(neighbour)) if neighbour and (":" in neighbour) == (family == "ipv6") else _ANY
    local = _LINK_LOCAL if family == "ipv6" else _ANY
    return Link(family, "out", local, other, other, interface)


def evaluate_neighbours(ruleset: Ruleset, link: Link) -> Optional[Tuple[PacketVerdict, NeighbourPacket]]:
    """Return the verdict on what a connection needs of neighbour discovery on a link, None where all of it passes.

    Whoever begins asks for the other's address, and the other one learns from the question: the other one's own
    question matters only once an address is forgotten, so where that is dropped the verdict is unknown.
    """
    found: Optional[Tuple[PacketVerdict, NeighbourPacket]] = None
    for needed, packet in _packets(link):
        verdict = evaluate_packet(ruleset, packet.direction, packet.family, packet.fields)
        if verdict.verdict == DROP and needed:
            return verdict, packet
        if verdict.verdict != ACCEPT and found is None:
            found = replace(verdict, verdict=UNKNOWN_VERDICT), packet
    return found


def _packets(link: Link) -> Iterator[Tuple[bool, NeighbourPacket]]:
    """Yield the messages, each with whether the connection needs it from the beginning."""
    inbound = link.direction == "in"
    for direction, needed in (("in", inbound), ("out", not inbound)):
        asked_in = direction == "in"
        source, target = (link.asker, link.local) if asked_in else (link.local, link.other)
        question: Direction = "in" if asked_in else "out"
        answer: Direction = "out" if asked_in else "in"
        message = NeighbourPacket if link.family == "ipv6" else ArpPacket
        yield needed, message(question, _SOLICITATION, source, target, link.interface)
        yield needed, message(answer, _ADVERTISEMENT, target, source, link.interface)


def _solicited(target: Span) -> Span:
    """Return the multicast addresses of the nodes that may have one of some addresses (RFC 4291, 2.7.1)."""
    low = (1 << 24) - 1
    if target[0] == target[1]:
        return point(_SOLICITED_NODE | target[0] & low)
    return _SOLICITED_NODE, _SOLICITED_NODE | low
