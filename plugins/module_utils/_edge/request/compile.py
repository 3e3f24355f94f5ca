# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options and the port table to ordered rules."""

from __future__ import annotations

from typing import Dict, Iterator, Optional, Tuple

from ..model.addresses import FAMILIES, canonical_network
from ..model.port_table import Endpoint, Row
from ..model.rules import DIRECTIONS, Group, Rule
from .address_input import WHOLE_FAMILY, text_of
from .options import Options


def compile_rules(options: Options) -> Tuple[Rule, ...]:
    """The rules of one host: inbound before outbound, and in each direction all allow rules before the guards.

    A row has an allow rule for each family in which both of its sides have addresses. A guard covers
    both families, because the port has to stay closed also where no address of the row exists.
    """
    if options.state == "absent":
        return ()
    groups: Dict[Tuple[str, str], Optional[Group]] = {}

    def group(endpoint: Endpoint, family: str) -> Optional[Group]:
        key = (endpoint.option, family)
        if key not in groups:
            networks = options.endpoints[endpoint.option][family]
            whole = networks == (WHOLE_FAMILY[family],)
            groups[key] = (
                None
                if whole
                else Group("_".join(key), tuple(canonical_network(text_of(network)) for network in networks))
            )
        return groups[key]

    def allow(row: Row) -> Iterator[Rule]:
        for family in FAMILIES:
            if all(family in options.endpoints[end.option] for end in (row.source, row.destination)):
                source, destination = group(row.source, family), group(row.destination, family)
                yield Rule(row.id, "allow", row.direction, family, source, destination, options.ports[row.port_option])

    def guard(row: Row) -> Iterator[Rule]:
        if options.mode == "exclusive":
            yield Rule(row.id, "block", row.direction, "any", None, None, options.ports[row.port_option])

    return tuple(
        rule
        for direction in DIRECTIONS
        for rules_for in (allow, guard)
        for row in options.rows
        if row.direction == direction
        for rule in rules_for(row)
    )
