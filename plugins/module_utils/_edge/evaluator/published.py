# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that ports of this host are published for, in containers for instance: found by its destination NAT."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..model.addresses import FAMILIES, PROTOCOLS, canonical_network, family_of, number_of, span_of, text_of
from ..model.literals import Family
from ..model.ownership import TABLE
from ..model.rules import CONTAINERS, Group, Inside, Rule, make_group
from .connection import Connection, first_packet
from .rows import ANYWHERE, Routes, remotes_of
from .ruleset import Ruleset
from .translation import HERE


@dataclass(frozen=True)
class Target:
    """Place that connections to a port of this host are translated to. port: there, None where it is one of several;
    interface: towards it.
    """

    address: str
    port: Optional[int]
    interface: str


def targets_of(ruleset: Ruleset, rules: Sequence[Rule], routes: Routes) -> Dict[Tuple[int, Family], List[Target]]:
    """Return the other hosts that connections to a port of the table are translated to, by that port and the family.

    ruleset: of which the managed rules do not count.
    """
    if not ruleset.translates_destinations():
        return {}
    without = ruleset.without_tables([TABLE])
    found: Dict[Tuple[int, Family], Dict[Target, None]] = {}
    for port, family, connection in _dialled(rules, routes):
        packet = first_packet(without, connection)
        way = packet.translation.way
        address, inner = packet.fields[f"{PROTOCOLS[family]} daddr"], packet.fields["tcp dport"]
        if way not in (None, HERE) and isinstance(address, tuple):
            one_port = inner[0] if isinstance(inner, tuple) and inner[0] == inner[1] else None
            target = Target(text_of(address[0], family), one_port, way or "")
            found.setdefault((port, family), {})[target] = None
    return {key: list(targets) for key, targets in found.items()}


def is_unclear(ruleset: Ruleset, port: int, rules: Sequence[Rule], routes: Routes) -> bool:
    """Return whether connections to a port may be translated to a place that is not known."""
    if not ruleset.translates_destinations():
        return False
    without = ruleset.without_tables([TABLE])
    return any(
        first_packet(without, connection).translation.way is None
        for dialled, _family, connection in _dialled(rules, routes)
        if dialled == port
    )


def _dialled(rules: Sequence[Rule], routes: Routes) -> Iterator[Tuple[int, Family, Connection]]:
    """Yield connections to the ports of the table, at each address of this host that a row names."""
    own = [rule for rule in rules if rule.action == "allow" and not rule.forwarded]
    # A remote address that no row names comes by the interface of those that a row names.
    interfaces = {address: way for (address, _remote), way in routes.items() if way}
    for family in FAMILIES:
        local = {one: None for rule in own if rule.family == family and rule.local for one in rule.local.networks}
        remotes = dict.fromkeys(ANYWHERE[family])
        remotes.update({one: None for one in remotes_of(own) if family_of(one) == family})
        for port in dict.fromkeys(rule.port for rule in own):
            for address in local:
                for remote in remotes:
                    interface = routes.get((address, remote)) or interfaces.get(address)
                    yield port, family, Connection("in", family, address, remote, port, interface)


Networks = Sequence[Tuple[str, str]]
"""Interfaces of this host, each with one of its addresses and the length of its prefix."""


def rules_for(
    targets: Mapping[Tuple[int, Family], Sequence[Target]], rules: Sequence[Rule], networks: Networks
) -> Tuple[Rule, ...]:
    """Return the rules of a host with those for the packets that it forwards for published ports."""
    named = [address for rule in rules if rule.action == "allow" and rule.local for address in rule.local.networks]
    usable = [one for one in networks if not any(_is_in(address, one[1]) for address in named)]
    every = [target for ends in targets.values() for target in ends]
    # A server that is published in one family has addresses of the other one too.
    bridges = {one.interface for one in every if _network(one, usable) != one.address}
    added: List[Rule] = []
    for family in FAMILIES:
        found = {port: ends for (port, one), ends in targets.items() if one == family}
        inside = [_network(end, usable) for ends in found.values() for end in ends]
        inside += [_canonical(one) for interface, one in usable if interface in bridges and family_of(one) == family]
        if inside:
            group = make_group(f"{CONTAINERS}_{family}", inside)
            for rule in rules:
                if rule.family in (family, "any") and not rule.forwarded:
                    ends = found.get(rule.port)
                    ports = None if ends is None else tuple(sorted({end.port for end in ends if end.port}))
                    added += _for_servers(rule, family, group, ports)
    return _ordered([*rules, *added])


def _for_servers(rule: Rule, family: Family, group: Group, ports: Optional[Tuple[int, ...]]) -> List[Rule]:
    """Return what a rule means for the servers in some networks.

    What servers of this host send to its own ports is as little guarded as what comes over its loopback interface.

    ports: those that the rule's port is translated to, None where it is not.
    """
    allow = replace(rule, action="allow", family=family)
    if rule.direction == "out":
        to_them = [replace(allow, source=None, destination=group)] if rule.action == "block" else []
        return [replace(rule, family=family, source=group, forwarded=True), *to_them]
    inside = [] if ports is None else [Inside(group, ports)]
    if rule.action == "block":
        guards = [replace(rule, family=family, destination=group, forwarded=True, inside=one) for one in inside]
        return [replace(allow, source=group, destination=None), *guards]
    return [replace(rule, forwarded=True, inside=one) for one in inside]


def _network(target: Target, networks: Networks) -> str:
    """Return the network of its interface that a target is in; only its address where there is none.

    The next container gets another address of the network. networks: without those that hosts beside this one are in.
    """
    found = [
        network for interface, network in networks if interface == target.interface and _is_in(target.address, network)
    ]
    return _canonical(max(found, key=lambda one: int(one.rpartition("/")[2]))) if found else target.address


def _is_in(address: str, network: str) -> bool:
    first, last = span_of(network)
    return family_of(network) == family_of(address) and first <= number_of(address) <= last


def _canonical(network: str) -> str:
    """Return a network without host bits."""
    first = text_of(span_of(network)[0], family_of(network))
    return canonical_network(f"{first}/{network.rpartition('/')[2]}")


def _ordered(rules: Sequence[Rule]) -> Tuple[Rule, ...]:
    """Return rules in their order: inbound first, and in each direction those for this host's own packets."""
    return tuple(sorted(rules, key=lambda rule: (rule.direction, rule.forwarded, rule.action)))
