# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of this host that its guards do not see: those that are reached without an address or socket of the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..model.addresses import common, family_of, number_of, point, span_of
from ..model.literals import Direction
from ..model.rules import CONTAINERS, Rule
from .connection import Connection, first_packet
from .guarded import GuardVerdict
from .own_addresses import OwnAddresses
from .router import is_private
from .rows import ANYWHERE, NO, UNKNOWN, WEIGHT, Routes
from .ruleset import Ruleset
from .walk import ACCEPT, DROP

_BY_FORWARDING = "this host forwards packets to and from it without the guard"
_BESIDE = "its packets do not pass the firewall of this host"
# Devices on top of one of this host, whose packets its firewall does not see; and those that may be such.
_STACKED = ("macvlan", "macvtap", "ipvlan", "ipvtap", "")
_LINK_LOCAL = "fe80:"
_KUBE_PROXY = ("KUBE-SERVICES", "KUBE-NODEPORTS")


@dataclass(frozen=True)
class Server:
    """A server in another network namespace.

    process: the name of one there; kind: of the device that has the address, such as veth; empty where it is not known;
    gateways: the routers of its default routes, None where they are not known.
    """

    address: str
    port: int
    process: str
    kind: str = ""
    gateways: Optional[Tuple[str, ...]] = None

    def is_behind(self, own: OwnAddresses) -> bool:
        """Return whether its answers to hosts elsewhere come back to this host, or may do so."""
        if self.gateways is None:
            return True
        same = [one for one in self.gateways if family_of(one) == family_of(self.address)]
        return any(one in own.interfaces or one.startswith(_LINK_LOCAL) for one in same)

    def __str__(self) -> str:
        """Return the server as people name it."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"a server in another network namespace ({self.process}) listens on {address}:{self.port}"


@dataclass(frozen=True)
class Place:
    """Facts about the network of this host. own: its addresses; routes: as facts have them."""

    own: OwnAddresses
    routes: Routes


def with_other_servers(
    guards: Mapping[str, GuardVerdict],
    ruleset: Ruleset,
    rules: Sequence[Rule],
    servers: Sequence[Server],
    place: Place,
) -> Dict[str, GuardVerdict]:
    """Return the verdicts on guards, with what they do not hold for. rules: all that are desired."""
    found = dict(guards)
    for rule in rules:
        if rule.action != "block" or rule.forwarded or rule.row not in found:
            continue
        for verdict in _verdicts(ruleset, rule, rules, servers, place):
            if WEIGHT[verdict.guarded] > WEIGHT[found[rule.row].guarded]:
                found[rule.row] = verdict
    return found


def _verdicts(
    ruleset: Ruleset, guard: Rule, rules: Sequence[Rule], servers: Sequence[Server], place: Place
) -> Iterator[GuardVerdict]:
    for name in _programs_of_clusters(ruleset):
        why = f"{name} translates and forwards connections of pods, by rules that it changes at any time"
        yield GuardVerdict(UNKNOWN, None, "", why)
    for server in servers:
        if server.port == guard.port and not _is_published(server, rules):
            verdict = _verdict(ruleset, guard, server, place)
            if verdict:
                yield verdict


def _programs_of_clusters(ruleset: Ruleset) -> Iterator[str]:
    names = {name for _table, name in ruleset.chains}
    if any(name.startswith("CILIUM_") for name in names):
        yield "Cilium"
    if any(name.startswith(_KUBE_PROXY) for name in names) or any("kube-proxy" in one for one in ruleset.tables()):
        yield "kube-proxy"


def _is_published(server: Server, rules: Sequence[Rule]) -> bool:
    """Return whether a server is in a network that ports of this host are published for."""
    number = point(number_of(server.address))
    groups = [rule.source for rule in rules if rule.forwarded and rule.source and rule.source.option == CONTAINERS]
    return any(
        family_of(group.networks[0]) == family_of(server.address) and common([number], list(group.spans))
        for group in groups
    )


def _verdict(ruleset: Ruleset, guard: Rule, server: Server, place: Place) -> Optional[GuardVerdict]:
    """Return the verdict on a guard because of a server; None where it does not matter to it."""
    number = number_of(server.address)
    around = [
        (interface, network.partition("/")[0])
        for interface, network in place.own.networks
        if family_of(network) == family_of(server.address) and span_of(network)[0] <= number <= span_of(network)[1]
    ]
    if not around or server.address in [own for _interface, own in around]:
        # Without a network of this host in common, as with rootless containers, it is reached by sockets of this host.
        return None
    inner = {interface for interface, _own in around}
    outside = {way for way in place.routes.values() if way}
    if inner & outside and server.kind not in _STACKED:
        # A neighbour on a link of the table: what it sends to this host passes the guards.
        return None
    if inner & outside:
        return GuardVerdict(UNKNOWN, None, "", f"{server}, and {_BESIDE}")
    if not server.is_behind(place.own):
        # A neighbour that this host forwards nothing for.
        return None
    ways: List[Optional[str]] = [*sorted(outside)] or [None]
    found = [_forwarded(ruleset, guard, server, min(inner), interface) for interface in ways]
    return max((one for one in found if one), key=lambda one: WEIGHT[one.guarded], default=None)


def _forwarded(
    ruleset: Ruleset, guard: Rule, server: Server, inner: str, interface: Optional[str]
) -> Optional[GuardVerdict]:
    """Return the verdict by what this host forwards between a server and one of its other interfaces."""
    family = family_of(server.address)
    direction: Direction = "in" if guard.direction == "in" else "out"
    connection = Connection(direction, family, server.address, ANYWHERE[family][0], guard.port, interface, inner=inner)
    verdict = first_packet(ruleset, connection)
    if family not in ruleset.forwards or verdict.verdict == DROP:
        return None
    answer = NO if verdict.verdict == ACCEPT and not is_private(server.address) else UNKNOWN
    return GuardVerdict(answer, None, "", f"{server}, and {_BY_FORWARDING}")
