# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that ports of this host are published for, in containers for instance: found by its destination NAT."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

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
    """Place that connections to a port of this host are translated to. port: there; interface: towards it."""

    address: str
    port: int
    interface: str


def targets_of(ruleset: Ruleset, rules: Sequence[Rule], routes: Routes) -> Dict[Tuple[int, Family], List[Target]]:
    """Return the other hosts that connections to a port of the table are translated to, by that port and the family.

    ruleset: of which the managed rules do not count.
    """
    if not any(True for _target in ruleset.translations()):
        return {}
    without = ruleset.without_tables([TABLE])
    found: Dict[Tuple[int, Family], Dict[Target, None]] = {}
    for port, family, connection in _dialled(rules, routes):
        packet = first_packet(without, connection)
        way = packet.translation.way
        address, inner = packet.fields[f"{PROTOCOLS[family]} daddr"], packet.fields["tcp dport"]
        if way in (None, HERE) or not isinstance(address, tuple) or not isinstance(inner, tuple):
            continue
        if inner[0] == inner[1]:
            target = Target(text_of(address[0], family), inner[0], way or "")
            found.setdefault((port, family), {})[target] = None
    return {key: list(targets) for key, targets in found.items()}


def is_unclear(ruleset: Ruleset, port: int, rules: Sequence[Rule], routes: Routes) -> bool:
    """Return whether connections to a port may be translated to a place that is not known."""
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


def rules_for(
    targets: Mapping[Tuple[int, Family], Sequence[Target]], rules: Sequence[Rule], networks: Sequence[str]
) -> Tuple[Rule, ...]:
    """Return the rules of a host with those for the packets that it forwards for published ports.

    networks: those of this host's interfaces, each as an address with the length of its prefix.
    """
    named = [address for rule in rules if rule.action == "allow" and rule.local for address in rule.local.networks]
    added: List[Rule] = []
    for family in FAMILIES:
        found = {port: ends for (port, one), ends in targets.items() if one == family}
        addresses = [end for ends in found.values() for end in ends]
        if addresses:
            group = make_group(f"{CONTAINERS}_{family}", [_network(one, networks, named) for one in addresses])
            for rule in rules:
                if rule.family in (family, "any") and not rule.forwarded:
                    added += _for_servers(rule, family, group, sorted({end.port for end in found.get(rule.port, ())}))
    return _ordered([*rules, *added])


def _for_servers(rule: Rule, family: Family, group: Group, ports: Sequence[int]) -> List[Rule]:
    """Return what a rule means for the servers in some networks. ports: those that a dialled one is translated to.

    What servers of this host send to its own ports is as little guarded as what comes over its loopback interface.
    """
    allow = replace(rule, action="allow", family=family)
    if rule.direction == "out":
        to_them = [replace(allow, source=None, destination=group)] if rule.action == "block" else []
        return [replace(rule, family=family, source=group, forwarded=True), *to_them]
    if rule.action == "block":
        return [replace(allow, source=group, destination=None)]
    return [replace(rule, forwarded=True, inside=Inside(group, port)) for port in ports]


def _network(target: Target, networks: Sequence[str], named: Sequence[str]) -> str:
    """Return the network of an interface that a target is in; only its address where the host is named there too.

    The next container gets another address of the network. Hosts beside this one are no containers.
    """
    number = number_of(target.address)
    for network in networks:
        first, last = span_of(network)
        same = family_of(network) == family_of(target.address) and first <= number <= last
        beside = any(family_of(one) == family_of(network) and first <= number_of(one) <= last for one in named)
        if same and not beside:
            return canonical_network(f"{text_of(first, family_of(network))}/{network.rpartition('/')[2]}")
    return target.address


def _ordered(rules: Sequence[Rule]) -> Tuple[Rule, ...]:
    """Return rules in their order: inbound first, and in each direction those for this host's own packets."""
    return tuple(sorted(rules, key=lambda rule: (rule.direction, rule.forwarded, rule.action)))
