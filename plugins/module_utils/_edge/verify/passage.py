# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far an attempt has come, by the packets that were seen at either end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Optional, Sequence, Tuple

from ..probe.watch import RST, SYN, SYN_ACK
from .flows import Flow

Packets = Sequence[Mapping[str, Any]]
"""Packets as xmpp.edge.connection_info returns them."""


@dataclass(frozen=True)
class Passage:
    """What was seen of an attempt.

    left: whether it left the host that makes it; came_back: whether an answer came to that host's device; arrived:
    whether it arrived at its target; all three None where nobody has watched. arrived_as: another source address that
    it arrived with; devices: that it arrived by, lower ones first; answered, reset: what the target has sent.
    """

    left: Optional[bool] = None
    came_back: Optional[bool] = None
    arrived: Optional[bool] = None
    arrived_as: str = ""
    devices: Tuple[str, ...] = ()
    answered: bool = False
    reset: bool = False


def passage_of(
    flow: Flow,
    source: Optional[str],
    source_port: Optional[int],
    at_origin: Optional[Packets],
    at_target: Optional[Packets],
) -> Passage:
    """Return what was seen of an attempt. at_origin, at_target: what was seen there, None where nobody has watched."""
    if source_port is None:
        return Passage()
    left: Optional[bool] = None
    came_back: Optional[bool] = None
    if at_origin is not None:
        mine = [one for one in at_origin if _is_of(one, flow, source_port)]
        left = any(one["kind"] == SYN and one["sent"] for one in mine)
        came_back = any(one["kind"] in (SYN_ACK, RST) and not one["sent"] for one in mine)
    if at_target is None:
        return Passage(left, came_back)
    there = [
        one for one in at_target if _is_of(one, flow, source_port) or _is_at_partner(one, flow, source, source_port)
    ]
    arrivals = [one for one in there if one["kind"] == SYN and not one["sent"]]
    if not arrivals:
        return Passage(left, came_back, None if _may_be_renumbered(at_target, flow, source, source_port) else False)
    exact = [one for one in arrivals if one["source"] == source] or arrivals
    sent = {one["kind"] for one in there if one["sent"]}
    return Passage(
        left,
        came_back,
        True,
        str(exact[0]["source"]) if exact[0]["source"] != source else "",
        tuple(dict.fromkeys(str(one["device"]) for one in exact)),
        SYN_ACK in sent,
        RST in sent,
    )


def foreign_sources(packets: Packets, port: int, own: Sequence[str]) -> Iterator[str]:
    """Yield the source addresses of connections that leave for a port from none of a host's own addresses."""
    # What has arrived before is forwarded, and no connection of this host.
    forwarded = {_ends(one) for one in packets if one["kind"] == SYN and not one["sent"]}
    for one in packets:
        leaves = one["kind"] == SYN and one["sent"] and one["port"] == port
        if leaves and one["source"] not in own and _ends(one) not in forwarded:
            yield str(one["source"])


def _is_of(packet: Mapping[str, Any], flow: Flow, source_port: int) -> bool:
    """Return whether a packet is of an attempt, whatever a translation has done to its source address."""
    client, server, _far, near = _ends(packet)
    return bool(client == source_port and server == flow.port and near in (flow.address, flow.own))


def _is_at_partner(packet: Mapping[str, Any], flow: Flow, source: Optional[str], source_port: int) -> bool:
    """Return whether a packet at a partner is of an attempt of the edge, whatever address leads to the partner."""
    client, server, far, _near = _ends(packet)
    return bool(flow.direction == "out" and client == source_port and server == flow.port and far == source)


def _may_be_renumbered(packets: Packets, flow: Flow, source: Optional[str], source_port: int) -> bool:
    """Return whether another attempt from the same address has arrived: a translation may have changed the port."""
    for packet in packets:
        client, server, far, near = _ends(packet)
        arrived = packet["kind"] == SYN and not packet["sent"]
        same_way = server == flow.port and far == source and near in (flow.address, flow.own)
        if arrived and same_way and client != source_port:
            return True
    return False


def _ends(packet: Mapping[str, Any]) -> Tuple[Any, Any, Any, Any]:
    """Return the ports of client and server, and their addresses."""
    names = ("source_port", "port", "source", "destination")
    if packet["kind"] != SYN:
        names = ("port", "source_port", "destination", "source")
    client, server, far, near = (packet[name] for name in names)
    return client, server, far, near
