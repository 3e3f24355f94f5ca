# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a router's address translation does to the connections of the table. It stays as the administrator made it."""

from __future__ import annotations

from typing import Dict, List, Sequence

from ..model.addresses import PROTOCOLS, Span, family_of, number_of, overlap, point, span_of, text_of
from ..model.port_table import ACCESS
from ..model.rules import Rule
from .connection import first_packet
from .rows import Routes, connections_of
from .ruleset import Ruleset
from .values import UNKNOWN

# Destinations that no packet from the internet has (RFC 1918, RFC 6598, RFC 4193).
PRIVATE: Dict[str, Sequence[Span]] = {
    "ipv4": [span_of(one) for one in ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")],
    "ipv6": [span_of("fc00::/7")],
}


def is_private(address: str) -> bool:
    """Return whether an address is one that the internet has no route to."""
    return overlap([point(number_of(address))], PRIVATE[family_of(address)])


def translation_notes(ruleset: Ruleset, rules: Sequence[Rule], routes: Routes) -> List[str]:
    """Return sentences on translation that partners, or the lists of an edge, may stumble over.

    ruleset: of the router; rules: the accept rules, of which those for the packets of edges are looked at.
    """
    notes: Dict[str, None] = {}
    targets = set(ruleset.translations())
    for rule in rules:
        if not rule.forwarded or rule.inside or rule.local is None:
            continue
        option = rule.local.option
        for address in rule.local.networks if option == ACCESS.option else ():
            family = family_of(address)
            if rule.direction == "in" and is_private(address) and (family, number_of(address)) not in targets:
                notes[
                    f"{option}: {address} is a private address, and no rule of this router translates a destination to "
                    "it: partners reach it only if another router does"
                ] = None
        for note in _source_notes(ruleset, rule, routes):
            notes[note] = None
    return list(notes)


def _source_notes(ruleset: Ruleset, rule: Rule, routes: Routes) -> List[str]:
    protocol = PROTOCOLS[rule.family]
    notes = []
    for connection in connections_of([rule], routes):
        source = first_packet(ruleset, connection).translation.new.get(f"{protocol} saddr")
        if rule.direction == "in" and source is not None:
            seen = text_of(source[0], connection.family) if isinstance(source, tuple) else "another address"
            notes.append(
                f"{rule.row}: this router changes the source of connections to {connection.local}, which arrive there "
                f"from {seen}: lists of networks hold on this router, and not on the edge"
            )
        if rule.direction == "out" and source is None and is_private(connection.local):
            notes.append(
                f"{rule.row}: this router leaves {connection.local} as the source, a private address that partners "
                "cannot answer, unless another router translates it"
            )
        if rule.direction == "out" and source is UNKNOWN:
            notes.append(f"{rule.row}: by which address {connection.local} leaves this router is not known")
    return notes[:1]
