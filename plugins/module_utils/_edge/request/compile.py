# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options and the port table to ordered rules."""

from __future__ import annotations

from typing import Dict, Iterator, List, Optional, Tuple

from ..model.addresses import FAMILIES, canonical_network
from ..model.literals import Family
from ..model.partner_domains import OPTION as PARTNER_DOMAINS
from ..model.port_table import ADDRESS_ENDPOINTS, ROW_IDS, Endpoint, Row
from ..model.rules import DIRECTIONS, Group, Rule, make_group
from .address_input import WHOLE_FAMILY, text_of
from .options import FIREWALL, FRONT_END, Inputs, Options
from .partner_domains import ROW as DIALLED

EDGE_ADDRESSES = "edge_addresses"
"""Name of the group of all addresses of the edges that a router stands before."""


def compile_rules(options: Options) -> Tuple[Rule, ...]:
    """The rules of one host: inbound before outbound, and in each direction all allow rules before the guards.

    A row has an allow rule for each family in which both of its sides have addresses. A guard covers
    both families, because the port has to stay closed also where no address of the row exists.
    """
    rules = [rule for suffix, inputs in options.numbered.items() for rule in _Compiler(options, inputs, suffix).rules()]
    # Edges of one router may have the same ports, which a host guards once.
    return tuple(sorted(dict.fromkeys(rules), key=_order))


def _order(rule: Rule) -> Tuple[int, str, int, str]:
    """Return the sort key of a rule.

    The rules of one row and family stand together, since some managers do not tell those of one edge from others.
    """
    return DIRECTIONS.index(rule.direction), rule.action, ROW_IDS.index(rule.row), rule.family


class _Compiler:
    """Compiler of the rules of one edge. suffix: of the names of its groups."""

    def __init__(self, options: Options, inputs: Inputs, suffix: str) -> None:
        self._options = options
        self._inputs = inputs
        self._suffix = suffix
        self._groups: Dict[Tuple[str, str], Optional[Group]] = {}

    def rules(self) -> Iterator[Rule]:
        for row in self._inputs.rows:
            if self._options.placement == FRONT_END:
                yield from self._of_front_end(row)
            else:
                yield from self._allows(row)
                if self._options.mode == "exclusive":
                    yield from self._guards(row)

    def _allows(self, row: Row) -> Iterator[Rule]:
        forwarded = self._options.placement == FIREWALL
        if row is DIALLED and self._inputs.domains:
            for family in FAMILIES:
                if family in self._inputs.endpoints[row.source.option]:
                    source, partners = self._group(row.source, family), self._partners(family)
                    yield Rule(row.id, "allow", row.direction, family, source, partners, self._port(row), forwarded)
            return
        for family in FAMILIES:
            if all(family in self._inputs.endpoints[end.option] for end in (row.source, row.destination)):
                source, destination = self._group(row.source, family), self._group(row.destination, family)
                yield Rule(row.id, "allow", row.direction, family, source, destination, self._port(row), forwarded)

    def _guards(self, row: Row) -> Iterator[Rule]:
        if self._options.placement != FIREWALL:
            yield Rule(row.id, "block", row.direction, "any", None, None, self._port(row))
            return
        for family in FAMILIES:
            edges = self._edges(family)
            if edges is not None:
                source, destination = (None, edges) if row.direction == "in" else (edges, None)
                yield Rule(row.id, "block", row.direction, family, source, destination, self._port(row), True)

    def _of_front_end(self, row: Row) -> Iterator[Rule]:
        """Yield the rules of a row at its source, for which it is outbound."""
        for family in FAMILIES:
            if family in self._inputs.endpoints[row.destination.option]:
                destination = self._group(row.destination, family)
                yield Rule(row.id, "allow", "out", family, None, destination, self._port(row))
        if self._options.mode == "exclusive":
            yield Rule(row.id, "block", "out", "any", None, None, self._port(row))

    def _port(self, row: Row) -> int:
        return self._inputs.ports[row.port_option]

    def _group(self, endpoint: Endpoint, family: Family) -> Optional[Group]:
        key = (endpoint.option, family)
        if key not in self._groups:
            networks = self._inputs.endpoints[endpoint.option][family]
            whole = networks == (WHOLE_FAMILY[family],)
            texts = tuple(canonical_network(text_of(network)) for network in networks)
            self._groups[key] = None if whole else Group(f"{endpoint.option}{self._suffix}_{family}", texts)
        return self._groups[key]

    def _partners(self, family: Family) -> Group:
        """Return the group of partners by domain with the listed networks: "any" would not narrow anything.

        It may be empty, since only the host knows what earlier answers have told.
        """
        networks = self._inputs.endpoints[DIALLED.destination.option].get(family, ())
        given = () if networks == (WHOLE_FAMILY[family],) else networks
        return make_group(f"{PARTNER_DOMAINS}{self._suffix}_{family}", map(text_of, given))

    def _edges(self, family: Family) -> Optional[Group]:
        """Return all addresses of the edges, whichever rows they carry."""
        found: List[str] = []
        for endpoint in ADDRESS_ENDPOINTS:
            found += map(text_of, self._inputs.endpoints.get(endpoint.option, {}).get(family, ()))
        return make_group(f"{EDGE_ADDRESSES}{self._suffix}_{family}", found) if found else None
