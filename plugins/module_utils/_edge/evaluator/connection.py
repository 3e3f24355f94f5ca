# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP connection as a firewall sees it: the first packet, the answer, and what follows."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from typing import Optional, Sequence, Tuple

from ..model.addresses import Span, number_of, point
from ..model.literals import Direction, Family
from ..model.ownership import TABLE
from .fields import CT_STATES, FIB_TYPES, REWRITTEN, SETS_MAY_CHANGE, TCP_FLAGS, ZONE
from .ruleset import Ruleset
from .translation import AS_SENT, ELSEWHERE, HERE, translated_later
from .values import ABSENT, OUTSIDE, UNKNOWN, Fields, Value
from .walk import ACCEPT, DROP, UNKNOWN_VERDICT, PacketVerdict, evaluate_packet

CLIENT_PORTS = (1024, 65535)
"""Any port that a client may connect from (RFC 6056, 3.2)."""

SEGMENT_SIZES = (536, 65535)
"""Maximum segment sizes that an end may ask for, no less than the default (RFC 9293, 3.7.1)."""

_ADDRESSES = frozenset(
    f"{protocol} {side}{what}"
    for what, protocols in (("addr", ("ip", "ip6")), ("port", ("tcp", "th")))
    for protocol in protocols
    for side in "sd"
)
_LATER = ((False, ("syn", "ack")), (True, ("ack",)), (False, ("ack",)))
"""The packets behind the first one: whether each goes to the server, and its flags."""
_KEPT = frozenset(("ct mark", "ct status dnat", "ct status snat"))
_BETWEEN_OTHERS = dict.fromkeys(("fib saddr type", "fib daddr type"), point(FIB_TYPES["unicast"]))


@dataclass(frozen=True)
class Connection:
    """One connection to evaluate. direction: in (to the local side) or out (from it); family: ipv4 or ipv6.

    local, remote: addresses as text; port: TCP port of the server's side; interface: this host's interface towards
    the remote side, None where that is not known; client_ports: those that the client may connect from; inner: this
    host's interface towards the local side where that is another host, for which this one forwards.
    """

    direction: Direction
    family: Family
    local: str
    remote: str
    port: int
    interface: Optional[str] = None
    client_ports: Span = CLIENT_PORTS
    inner: Optional[str] = None

    @property
    def ways(self) -> Tuple[Optional[str], Optional[str]]:
        """Return the interfaces by which the first packet comes and leaves again, where this host forwards it."""
        return (self.interface, self.inner) if self.direction == "in" else (self.inner, self.interface)

    def __str__(self) -> str:
        """Return the connection on one line."""
        ends = (self.remote, self.local) if self.direction == "in" else (self.local, self.remote)
        return f"tcp {ends[0]} -> {ends[1]} port {self.port}"


def first_packet(ruleset: Ruleset, connection: Connection) -> PacketVerdict:
    """Return the verdict on the first packet of a connection, with all that drops it."""
    return _first_packet(ruleset, connection, "syn")


def _first_packet(
    ruleset: Ruleset, connection: Connection, *flags: str, until_dropped_in: Optional[str] = None
) -> PacketVerdict:
    packet = _packet(connection, connection.direction == "in", *flags)
    return _evaluate(ruleset, connection, packet, until_dropped_in)


def _evaluate(
    ruleset: Ruleset, connection: Connection, packet: Fields, until_dropped_in: Optional[str] = None
) -> PacketVerdict:
    """Return the verdict on a first packet."""
    if connection.inner is None:
        return evaluate_packet(
            ruleset, connection.direction, connection.family, packet, until_dropped_in=until_dropped_in
        )
    coming, going = connection.ways
    packet.update({**link_fields(coming, towards_host=True), **_BETWEEN_OTHERS})
    return evaluate_packet(ruleset, "in", connection.family, packet, None, going or ELSEWHERE, until_dropped_in)


def second_half(ruleset: Ruleset, connection: Connection) -> PacketVerdict:
    """Return the verdict on the answer of a forwarded connection whose question has not passed this host."""
    packet = _packet(connection, connection.direction != "in", "syn", "ack")
    going, coming = connection.ways
    packet.update({**link_fields(coming, towards_host=True), **_BETWEEN_OTHERS})
    packet["ct state"] = point(CT_STATES["invalid"])
    return evaluate_packet(ruleset, "in", connection.family, packet, None, going or ELSEWHERE)


def until_guard(ruleset: Ruleset, connection: Connection) -> PacketVerdict:
    """Return the verdict on the first packet of a connection, which a drop by the managed table ends."""
    return _first_packet(ruleset, connection, "syn", until_dropped_in=TABLE)


def first_packets(
    ruleset: Ruleset, connection: Connection, remotes: Span, sets_may_change: bool = True
) -> PacketVerdict:
    """Return the verdict on the first packets from or to any of many remote addresses.

    sets_may_change: whatever named sets hold, since programs change them at any time.
    """
    inbound = connection.direction == "in"
    packet = _packet(connection, inbound, "syn")
    packet[f"{'ip6' if connection.family == 'ipv6' else 'ip'} {'saddr' if inbound else 'daddr'}"] = remotes
    if sets_may_change:
        packet[SETS_MAY_CHANGE] = point(1)
    return _evaluate(ruleset, connection, packet)


def evaluate_connection(ruleset: Ruleset, connection: Connection) -> PacketVerdict:
    """Return the verdict on a connection: on its first packet, then on the answer, then on the packets that follow.

    The verdict is unknown where that on one of the packets is.
    """
    first = first_packet(ruleset, connection)
    if first.verdict == DROP:
        return first
    if (connection.direction == "in" or connection.inner) and first.verdict == ACCEPT:
        explicit = _first_packet(ruleset, connection, "syn", "ecn", "cwr")
        if explicit.verdict != ACCEPT:
            # Some clients ask for explicit congestion notification (RFC 3168, 6.1.1), others do not.
            return replace(explicit, verdict=UNKNOWN_VERDICT)
    if not _is_followed(first, connection):
        return replace(first, verdict=UNKNOWN_VERDICT)
    tracked = first.fields.get("ct state") == point(CT_STATES["new"])
    result, left = first, first.fields
    if REWRITTEN in left and first.verdict == ACCEPT:
        result = replace(first, verdict=UNKNOWN_VERDICT)
    for to_server, flags in _LATER:
        verdict = _later_packet(ruleset, connection, first, left, (to_server, flags, tracked))
        left = verdict.fields
        # The state of a packet depends on every packet that connection tracking saw before.
        tracked = tracked and left.get("ct state") == point(CT_STATES["established"])
        if verdict.verdict == DROP:
            # That drop is sure only if the first packet was sure to pass.
            return verdict if result.verdict == ACCEPT else result
        untracked = first.translation.new and not tracked
        if verdict.verdict == ACCEPT and (untracked or REWRITTEN in left or not _same_zone(left, first.fields)):
            # Nothing translates a packet back that is not tracked, so that the other side does not know it. In another
            # zone a packet belongs to another connection, and with rewritten addresses to none that is known.
            verdict = replace(verdict, verdict=UNKNOWN_VERDICT)
        if verdict.verdict != ACCEPT and result.verdict == ACCEPT:
            result = verdict
    return result


def _same_zone(one: Fields, other: Fields) -> bool:
    return one[ZONE] == other[ZONE] and one[ZONE] is not UNKNOWN


def walk_all(ruleset: Ruleset, connection: Connection) -> None:
    """Evaluate all packets of a connection, even behind a dropped one, for the sets that they are looked up in."""
    first = first_packet(ruleset, connection)
    if _is_followed(first, connection):
        for to_server, flags in _LATER:
            _later_packet(ruleset, connection, first, first.fields, (to_server, flags, True))


def _is_followed(first: PacketVerdict, connection: Connection) -> bool:
    """Return whether it is known where the packets of a connection go."""
    way = first.translation.way
    if way in (None, ELSEWHERE) or (way == HERE and (connection.direction == "out" or connection.inner)):
        return False
    return way in (HERE, AS_SENT) or connection.interface is not None


def _later_packet(
    ruleset: Ruleset, connection: Connection, first: PacketVerdict, left: Fields, kind: Tuple[bool, Sequence[str], bool]
) -> PacketVerdict:
    """Return the verdict on a packet behind the first one.

    left: the packet before it, at the end of its way; kind: whether it goes to the server, its TCP flags, and whether
    connection tracking surely knows it.
    """
    to_server, flags, tracked = kind
    inbound, way = connection.direction == "in", first.translation.way
    towards_host = inbound == to_server
    packet = _packet(connection, towards_host, *flags)
    packet["ct state"] = point(CT_STATES["established"]) if tracked else UNKNOWN
    packet["ct direction"] = point(0 if to_server else 1)
    packet["ct status seen-reply"] = packet["ct status confirmed"] = point(1)
    # Earlier packets left marks of the connection and changed sets behind.
    packet.update({name: value for name, value in left.items() if name in _KEPT or name.startswith("touched ")})
    original = _packet(connection, inbound, "syn")
    on_the_wire, translations = translated_later(first.translation, original, to_server=to_server)
    packet.update(on_the_wire)
    if REWRITTEN in left:
        # Where an address is rewritten and whether it is so for answers decides which chains see which address.
        packet.update(dict.fromkeys(_ADDRESSES & set(packet), UNKNOWN))
        translations = {}
    if way in (HERE, AS_SENT):
        return evaluate_packet(ruleset, "in" if towards_host else "out", connection.family, packet, translations)
    if inbound or connection.inner:
        client_side = connection.interface if inbound else connection.inner
        coming, going = (client_side, way) if to_server else (way, client_side)
        between_others = connection.inner is not None or not to_server
        packet.update({**link_fields(coming, towards_host=True), **(_BETWEEN_OTHERS if between_others else {})})
        if on_the_wire and not to_server:
            packet["fib daddr type"] = UNKNOWN  # It may be one of this host's addresses until it is translated back.
        return evaluate_packet(ruleset, "in", connection.family, packet, translations, going)
    if towards_host:
        packet.update(link_fields(way, towards_host))
        return evaluate_packet(ruleset, "in", connection.family, packet, translations)
    # The hook output sees the interface of the untranslated destination.
    return evaluate_packet(ruleset, "out", connection.family, packet, translations, way)


def _packet(connection: Connection, towards_host: bool, *flags: str) -> Fields:
    """Return the fields of a packet of the connection, as if it were the first."""
    six = connection.family == "ipv6"
    local, remote = number_of(connection.local), number_of(connection.remote)
    from_server = towards_host == (connection.direction == "out")
    client, server = connection.client_ports, point(connection.port)
    ports = (server, client) if from_server else (client, server)
    source, destination = (remote, local) if towards_host else (local, remote)
    local_type, remote_type = point(FIB_TYPES["local"]), point(FIB_TYPES["unicast"])
    fields: Fields = {
        "meta l4proto": point(socket.IPPROTO_TCP),
        "meta nfproto": point(socket.AF_INET6 if six else socket.AF_INET),
        "meta protocol": point(0x86DD if six else 0x0800),
        "meta pkttype": point(0),
        **link_fields(connection.interface, towards_host),
        "ct state": point(CT_STATES["new"]),
        "ct mark": point(0),
        ZONE: point(0),
        "ct direction": point(0),
        **dict.fromkeys(("ct status dnat", "ct status snat", "ct status expected", "ct status dying"), point(0)),
        **dict.fromkeys(("ct status seen-reply", "ct status confirmed"), point(0)),
        "fib saddr type": remote_type if towards_host else local_type,
        "fib daddr type": local_type if towards_host else remote_type,
        "tcp flags": point(sum(TCP_FLAGS[flag] for flag in flags)),
        "tcp option maxseg size": SEGMENT_SIZES if "syn" in flags else ABSENT,
        "ip6 nexthdr" if six else "ip protocol": point(socket.IPPROTO_TCP),
    }
    for protocol in ("tcp", "th"):
        fields[f"{protocol} sport"], fields[f"{protocol} dport"] = ports
    protocol = "ip6" if six else "ip"
    fields[f"{protocol} saddr"], fields[f"{protocol} daddr"] = point(source), point(destination)
    first, second = (destination, source) if from_server else (source, destination)
    fields[f"ct original {protocol} saddr"], fields[f"ct original {protocol} daddr"] = point(first), point(second)
    fields["ct original proto-src"], fields["ct original proto-dst"] = client, server
    fields.update({f"ct original {'ip' if six else 'ip6'} {side}addr": ABSENT for side in "sd"})
    fields["meta secpath"] = point(0)
    if six:
        fields["exthdr exists"], fields["ip6 version"] = point(0), point(6)
    else:
        fields["ip version"], fields["ip hdrlength"], fields["ip frag-off without flags"] = point(4), point(5), point(0)
    return fields


def link_fields(interface: Optional[str], towards_host: bool) -> Fields:
    """Return the fields of a packet that say by which interface it comes or goes, None where that is not known."""
    name: Value = interface or OUTSIDE
    fields: Fields = {
        "meta mark": point(0),
        "meta iifname": name if towards_host else "",
        "meta iif": name if towards_host else "",
        "meta oifname": "" if towards_host else name,
        "meta oif": "" if towards_host else name,
    }
    if towards_host and interface:
        # This host reaches the remote side by this interface, so that the reverse path check passes.
        for key in ("fib saddr.iif oif", "fib saddr.mark.iif oif"):
            fields[key], fields[f"{key} exists"] = (1, 1 << 31), point(1)
    return fields
