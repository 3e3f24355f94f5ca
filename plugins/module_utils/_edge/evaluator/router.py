# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a router's address translation does to the connections of the table. It stays as the administrator made it."""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence, Tuple

from ..model.addresses import PROTOCOLS, Span, family_of, number_of, overlap, point, span_of, text_of
from ..model.port_table import ACCESS
from ..model.rules import Rule
from .connection import Connection, first_packet, second_half
from .rows import Routes, Surroundings, connections_of
from .ruleset import Match, Ruleset
from .values import UNKNOWN, spans_of
from .walk import DROP

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


def path_notes(ruleset: Ruleset, rules: Sequence[Rule], routes: Routes, surroundings: Surroundings) -> List[str]:
    """Return sentences on what a router with several ways out does to packets whose other half takes another way."""
    if len(surroundings.defaults) < 2:
        return []
    ways = ", ".join(sorted(surroundings.defaults))
    notes = []
    if surroundings.strict:
        notes.append(
            f"this router has default routes by {ways}, and rp_filter is strict on "
            f"{', '.join(sorted(surroundings.strict))}: packets that come by another interface than the way back are "
            "dropped; set rp_filter to 2 there"
        )
    for rule in rules:
        for connection in connections_of([rule], routes) if rule.forwarded and not rule.inside else ():
            verdict = second_half(ruleset, connection)
            if verdict.verdict == DROP and verdict.decision is not None:
                notes.append(
                    f"this router has default routes by {ways}: where only one half of a connection passes it, "
                    f"{verdict.decision.chain.label} drops that (ct state invalid)"
                )
                return notes
    return notes


def hairpin_notes(ruleset: Ruleset, rules: Sequence[Rule], routes: Routes) -> List[str]:
    """Return sentences on edges that dial each other by an address that this router translates.

    With one edge there is nobody to be dialled.
    """
    inbound = [rule for rule in rules if rule.forwarded and rule.direction == "in" and not rule.inside and rule.local]
    ports = {
        address: rule.port
        for rule in inbound
        for address in (rule.local.networks if rule.local and rule.local.option == ACCESS.option else ())
    }
    notes: Dict[str, None] = {}
    for public, target in _public_addresses(ruleset, ports):
        family = family_of(target)
        for source in ports:
            if source == target or family_of(source) != family:
                continue
            way = routes.get((source, source))
            packet = first_packet(ruleset, Connection("in", family, public, source, ports[target], way))
            if packet.fields.get(f"{PROTOCOLS[family]} daddr") != point(number_of(target)):
                notes[f"edges behind this router that dial {public} are not led to {target} (hairpin)"] = None
            elif f"{PROTOCOLS[family]} saddr" not in packet.translation.new:
                notes[
                    f"{source} dials {public} and is led to {target} with its own address as the source, so that the "
                    "answer does not pass this router (hairpin); translate the source too"
                ] = None
    return list(notes)


def _public_addresses(ruleset: Ruleset, edges: Mapping[str, int]) -> List[Tuple[str, str]]:
    """Return the constant addresses that are translated to edges, each with the edge."""
    numbers = {(family_of(edge), number_of(edge)): edge for edge in edges}
    found = []
    for step, rule, chain in ruleset.destination_steps():
        family = step.family or chain.families[0]
        edge = numbers.get((family, step.address[0])) if isinstance(step.address, tuple) else None
        tests = [match.test for match in rule.content.steps if isinstance(match, Match)] if edge else []
        for test in tests:
            if vars(test).get("field") == f"{PROTOCOLS[family]} daddr":
                found += [(text_of(first, family), str(edge)) for first, last in spans_of(test) if first == last]
    return found


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
