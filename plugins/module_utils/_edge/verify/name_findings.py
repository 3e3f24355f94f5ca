# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What DNS says of the edges' own domains and of their partners', held against the table.

A record that contradicts the table is a problem, and fails. What DNS does not say is a note: servers may know each
other in other ways, and the resolver of an edge may have another view than those of its partners.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..model.addresses import FAMILIES, family_of
from ..model.port_table import ACCESS, DEFAULT_PORTS, PORT_TABLE
from ..probe.name_records import NOT_THERE, SERVICES
from .flows import Edge, is_open
from .problems import Problem, Told

_WITHOUT_SERVICES = next(DEFAULT_PORTS[row.port_option] for row in PORT_TABLE if row.local is ACCESS)
"""The port that servers dial where a domain has no SRV records: that of the table is RFC 6120's (3.2.2)."""

_FAMILY_RECORDS = {"ipv4": "A", "ipv6": "AAAA"}


@dataclass(frozen=True)
class Names:
    """What was looked up for an edge.

    records: by domain, as probe.name_records.look_up returns them; whose: the resolver.
    """

    records: Mapping[str, Mapping[str, Any]]
    whose: str


@dataclass(frozen=True)
class _Place:
    """Where a domain's servers are. ports: by what the record is called; addresses: by target."""

    domain: str
    ports: Mapping[str, int]
    addresses: Mapping[str, Sequence[str]]
    not_there: bool

    @property
    def all_addresses(self) -> List[str]:
        return list(dict.fromkeys(address for found in self.addresses.values() for address in found))


def addresses_of_domain(edges: Sequence[Edge], domain: str) -> List[str]:
    """Return what leads to a domain: what the world dials, and the own addresses, of all edges that serve it."""
    same = [edge for edge in edges if edge.service.domain == domain]
    dialled = [address for edge in same for address, _own in edge.dialled(ACCESS.option)]
    return list(dict.fromkeys([*dialled, *(address for edge in same for address in edge.addresses(ACCESS.option))]))


def name_findings(edge: Edge, own: Sequence[str], partners: Sequence[str], names: Names) -> Told:
    """Return what DNS says against the table of an edge.

    own: what the world dials for the edge's domain, of all edges that serve it; partners: their domains.
    """
    problems: List[Problem] = []
    notes: List[str] = []
    unknown: Dict[str, List[str]] = {}
    for domain in dict.fromkeys([edge.service.domain, *partners]):
        records = names.records.get(domain)
        if records is None:
            continue
        place = _place_of(domain, records)
        if records["fault"]:
            unknown.setdefault(records["fault"], []).append(domain)
        elif not place.not_there and not place.all_addresses:
            unknown.setdefault(f"{names.whose} finds neither services nor addresses", []).append(domain)
        if not place.not_there and not place.all_addresses:
            continue
        is_own = domain == edge.service.domain
        for sentence, remedy, fails in _against_row(edge, place, own if is_own else None):
            said = f"DNS: {sentence}"
            if fails:
                problems.append(Problem(edge.name, said, remedy=remedy))
            else:
                notes.append(f"{said}; {remedy}")
    for reason, some in unknown.items():
        notes.append(f"DNS of {' and '.join(some)} is not known as a whole: {reason}")
    return Told(problems, notes)


_Found = Iterator[Tuple[str, str, bool]]
"""A sentence, a remedy, and whether it fails."""


def _against_row(edge: Edge, place: _Place, own: Optional[Sequence[str]]) -> _Found:
    """Yield what keeps servers from finding each other. own: what leads to the edge's domain, None for a partner's."""
    row = edge.federation_row("out" if own is None else "in")
    if row is None:
        return
    if place.not_there:
        remedy = "ask the partner" if own is None else "remove that SRV record"
        yield f"{place.domain} says that it has no XMPP server (target '.')", remedy, True
        return
    port = edge.options.ports[row.port_option]
    yield from _other_ports(place, row.id, port)
    yield from _of_partner(edge, place, port) if own is None else _of_own(edge, own, place, row.id)


def _of_own(edge: Edge, own: Sequence[str], place: _Place, row: str) -> _Found:
    """Yield addresses of an edge's domain that lead elsewhere, or nowhere."""
    addresses = place.all_addresses
    foreign = [one for one in addresses if one not in own]
    closed = [one for one in foreign if not any(family_of(one) == family_of(mine) for mine in own)]
    for family in FAMILIES:
        found = [one for one in closed if family_of(one) == family]
        if found:
            kind = _FAMILY_RECORDS[family]
            yield (
                f"{place.domain} has the {kind} record {' and '.join(found)}, and row {row} of {edge.name} is closed "
                "in that family",
                f"remove the record, or give {edge.name} such an address",
                True,
            )
    others = [one for one in foreign if one not in closed]
    if others:
        # Behind a translation, or within, the world's addresses and the edge's are of two kinds.
        comparable = [one for one in others if any(_is_private(one) == _is_private(mine) for mine in own)]
        yield (
            f"{place.domain} leads to {' and '.join(others)}, which {edge.name} does not have",
            "correct the record, or set xmpp_edge_verify_public_addresses to what the world dials",
            bool(comparable) and len(foreign) == len(addresses),
        )


def _of_partner(edge: Edge, place: _Place, port: int) -> _Found:
    """Yield addresses of a partner's domain that the edge cannot connect to."""
    inside = [address for address in place.all_addresses if _reaches(edge, port, address)]
    outside = [address for address in place.all_addresses if address not in inside]
    families = {family_of(one) for one in edge.addresses(ACCESS.option)}
    listed = [one for one in outside if family_of(one) in families]
    if listed:
        yield (
            f"{place.domain} leads to {' and '.join(listed)}, outside {edge.partners_option} of {edge.name}",
            f"{'run xmpp.edge.site, which looks it up again, or ' if edge.options.domains else ''}list the addresses, "
            "if the partner may be reached",
            not inside,
        )
    elif outside and not inside:
        yield (
            f"{place.domain} has addresses in a family only that {edge.name} has none in: {' and '.join(outside)}",
            f"give {edge.name} an Access Edge address of that family",
            True,
        )


def _reaches(edge: Edge, port: int, address: str) -> bool:
    """Return whether the rules let an edge connect to an address from any of its own."""
    own = [one for one in edge.addresses(ACCESS.option) if family_of(one) == family_of(address)]
    # Where no rule is about it, as in the mode "permit", the rules close nothing.
    return any(is_open(edge, "out", port, one, address) is not False for one in own)


def _other_ports(place: _Place, row: str, port: int) -> _Found:
    """Yield records with another port than the row's. It fails where no record has the row's."""
    wrong = {what: found for what, found in place.ports.items() if found != port}
    if wrong:
        listed = " and ".join(f"port {found} ({what})" for what, found in wrong.items())
        yield (
            f"{place.domain} is to be dialled at {listed}, and row {row} is about port {port}",
            "correct the record, or let that port pass by rules of your own",
            len(wrong) == len(place.ports),
        )


def _place_of(domain: str, records: Mapping[str, Any]) -> _Place:
    ports: Dict[str, int] = {}
    targets: List[str] = []
    for service in SERVICES:
        for one in records["services"].get(service) or ():
            targets.append(one["target"])
            if one["target"] != NOT_THERE:
                ports[f"{service} at {one['target']}"] = one["port"]
    if not targets:
        ports["no SRV record"] = _WITHOUT_SERVICES
    return _Place(domain, ports, records["addresses"], bool(targets) and not ports)


def _is_private(address: str) -> bool:
    return ipaddress.ip_address(address).is_private
