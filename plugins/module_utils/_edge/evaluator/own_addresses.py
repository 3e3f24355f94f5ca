# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparison of the addresses that a request takes for the host's own with those that the host has."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..model.addresses import FAMILIES, family_of
from ..model.errors import OptionError
from ..model.port_table import ACCESS, INTERNAL
from ..model.rules import Rule, own_addresses_of
from .rows import ANYWHERE, Route, Routes, ends_of, remotes_of

Named = Mapping[str, Sequence[str]]
"""The addresses that a request takes for the host's own, by the option that lists them."""

_LOOPBACK, _LINK_LOCAL = "lo", "fe80:"
_NOWHERE: FrozenSet[str] = frozenset()
_MOST_NAMED = 8
"""Addresses of the host that a message names."""


@dataclass(frozen=True)
class OwnAddresses:
    """Addresses of a host. absent: those that a request names and the host does not have; carried: those of its
    interfaces that a network can reach, None where that is not known; interfaces: the interfaces of each; chosen: by
    remote address the interface and the source that the kernel takes for a program that does not bind; one is missing
    where there is no route; networks: interfaces, each with one of its addresses and the length of its prefix.
    """

    absent: FrozenSet[str] = frozenset()
    carried: Optional[Sequence[str]] = None
    interfaces: Mapping[str, FrozenSet[str]] = field(default_factory=dict)
    chosen: Mapping[str, Tuple[str, str]] = field(default_factory=dict)
    networks: Sequence[Tuple[str, str]] = ()


def remotes_to_ask(rules: Sequence[Rule]) -> List[str]:
    """Return the remote addresses for which OwnAddresses.chosen is needed."""
    families = {family_of(address) for addresses in own_addresses_of(rules).values() for address in addresses}
    outbound = [rule for rule in rules if rule.direction == "out" and not rule.forwarded]
    unbound = [rule for rule in outbound if rule.local is None and rule.remote]
    anywhere = [ANYWHERE[family][0] for family in sorted(families)]
    named = [ends_of(network)[0] for rule in unbound for network in (rule.remote.networks if rule.remote else ())]
    return list(dict.fromkeys([*anywhere, *remotes_of(outbound), *named]))


def pairs_to_ask(named: Named) -> List[Route]:
    """Return the pairs of addresses whose routes check_sides needs."""
    return [(address, ANYWHERE[family_of(address)][0]) for address in named.get(ACCESS.option, ())]


def refuse_absent(own: OwnAddresses, named: Named) -> None:
    """Refuse a list of addresses of which the host has none. Raises OptionError."""
    for option, addresses in named.items():
        if own.absent.issuperset(addresses):
            carried = "" if own.carried is None else f", which carries {_listed(own.carried)}"
            raise OptionError(
                option,
                ", ".join(addresses),
                f"{'are' if len(addresses) > 1 else 'is'} not on this host{carried}",
                "is this its inventory? (allow_absent_addresses: true insists on addresses that come later)",
            )


def check_sides(own: OwnAddresses, named: Named, rules: Sequence[Rule], routes: Routes) -> List[str]:
    """Return a warning where access and internal addresses may be swapped.

    Raises OptionError where they are and where that would open the gateway port to the world. They are where packets
    from an access address leave by the internal interface too; with a routing table for them they do not.
    """
    access, internal = named.get(ACCESS.option, ()), named.get(INTERNAL.option, ())
    for family in FAMILIES:
        interface, _source = own.chosen.get(ANYWHERE[family][0], ("", ""))
        inside = [one for one in internal if interface in own.interfaces.get(one, ()) and family_of(one) == family]
        same = [one for one in access if family_of(one) == family]
        elsewhere = [one for one in same if own.interfaces.get(one, _NOWHERE) - {_LOOPBACK}]
        if not inside or not elsewhere or any(interface in own.interfaces[one] for one in elsewhere):
            continue
        if interface not in {routes.get((one, ANYWHERE[family][0])) for one in elsewhere}:
            continue
        problem = f"is on {interface}, by which the default route leaves, and no address of {ACCESS.option} is"
        remedy = f"see whether {ACCESS.option} and {INTERNAL.option} are swapped"
        is_open = any(rule.local and inside[0] in rule.local.networks and rule.remote is None for rule in rules)
        if is_open:
            remedy += ", or name the Front End's networks in front_end_networks, since any would be the whole world"
            raise OptionError(INTERNAL.option, inside[0], problem, remedy)
        return [str(OptionError(INTERNAL.option, inside[0], problem, remedy))]
    return []


def source_warnings(own: OwnAddresses, rules: Sequence[Rule]) -> List[str]:
    """Return a warning for each source that the kernel takes by itself and a guard rejects."""
    if not any(rule.action == "block" and rule.direction == "out" for rule in rules):
        return []
    warned: Dict[str, str] = {}
    for rule in rules:
        if rule.direction != "out" or not rule.local or rule.forwarded:
            continue
        bound = next((one for one in rule.local.networks if one not in own.absent), None)
        for remote in remotes_of([rule]):
            _interface, source = own.chosen.get(remote, ("", ""))
            if bound and source and source not in rule.local.networks and not remote.startswith(_LINK_LOCAL):
                option = rule.local.option
                warned.setdefault(
                    source,
                    f"{option}: this host connects to {remote} from {source}, which is not listed, and the guard of "
                    f"{rule.row} rejects that; list it, or bind the server to {bound}",
                )
    return list(warned.values())


def with_samples(own: OwnAddresses, rules: Sequence[Rule]) -> Tuple[Rule, ...]:
    """Return rules that have addresses of this host to be evaluated with, where they do not name its side."""
    found: Dict[str, List[str]] = {}
    for address in own.carried or ():
        found.setdefault(family_of(address), []).append(address)
    return tuple(
        rule
        if rule.local or rule.forwarded or rule.action == "block" or rule.is_inner
        else replace(rule, samples=tuple(found.get(rule.family, ())[:_MOST_NAMED]))
        for rule in rules
    )


def check_not_own(own: OwnAddresses, rules: Sequence[Rule]) -> None:
    """Refuse rules for packets to edges whose addresses this host has itself. Raises OptionError."""
    for rule in rules:
        for address in rule.local.networks if rule.forwarded and rule.local and rule.action == "allow" else ():
            if address in own.interfaces:
                raise OptionError(
                    rule.local.option if rule.local else "",
                    address,
                    "is an address of this router itself, which forwards no packets to it",
                    "name the edge's own address, which destination NAT leads to, or say placement: edge",
                )


def absent_of(own: OwnAddresses, rules: Sequence[Rule]) -> Dict[str, str]:
    """Return by row what is to be said about its addresses that the host does not have."""
    return {row: _sentence(addresses) for row, addresses in _absent_by_row(own, rules)}


def _listed(addresses: Sequence[str]) -> str:
    if not addresses:
        return "no address of a network"
    named = list(addresses[:_MOST_NAMED])
    more = [f"{len(addresses) - _MOST_NAMED} more"] if len(addresses) > _MOST_NAMED else []
    *first, last = [*named, *more]
    return f"{', '.join(first)} and {last}" if first else last


def _absent_by_row(own: OwnAddresses, rules: Sequence[Rule]) -> Iterator[Tuple[str, List[str]]]:
    for row in dict.fromkeys(rule.row for rule in rules):
        groups = [rule.local for rule in rules if rule.row == row and rule.local and not rule.forwarded]
        addresses = [one for group in groups for one in group.networks if one in own.absent]
        if addresses:
            yield row, addresses


def _sentence(addresses: Sequence[str]) -> str:
    subject = f"the address {addresses[0]}" if len(addresses) == 1 else f"the addresses {', '.join(addresses)}"
    return f"no interface of this host has {subject}, so rules for it match nothing now"
