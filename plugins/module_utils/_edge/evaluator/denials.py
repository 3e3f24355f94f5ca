# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Explicit denials: rules that name a source, a port or a mark, and so shut out some connections of a row."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..model.addresses import UNICAST, Span, common, number_of, span_of, text_of
from ..model.literals import Direction, Family
from ..model.ownership import TABLE
from ..model.rules import Group, Rule
from .connection import Connection, first_packet, first_packets
from .rows import MOST_NETWORKS, Routes, connections_of
from .ruleset import Match, Ruleset
from .values import spans_of
from .walk import ACCEPT, Decision, Ending

LOCAL_SIDES: Mapping[Direction, FrozenSet[str]] = {"in": frozenset(("destination",)), "out": frozenset(("source",))}
"""The address that is the host's own, which a general drop may name."""

# Outside of these, a denial of what may federate with any is one of forged addresses.
_GLOBAL: Mapping[Family, Sequence[Span]] = {
    "ipv4": common(
        UNICAST["ipv4"],
        [
            span_of("0.0.0.0-9.255.255.255"),
            span_of("11.0.0.0-100.63.255.255"),
            span_of("100.128.0.0-169.253.255.255"),
            span_of("169.255.0.0-172.15.255.255"),
            span_of("172.32.0.0-192.167.255.255"),
            span_of("192.169.0.0-255.255.255.255"),
        ],
    ),
    # Without 6to4 (RFC 7526), of which firewalld denies what embeds a private address.
    "ipv6": [
        span_of("2000::-2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        span_of("2003::-3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ],
}


def is_denial(drop: Ending, local_side: FrozenSet[str]) -> bool:
    """Return whether a drop singles out packets by source, port, mark or MAC address. local_side: see LOCAL_SIDES."""
    rules = [rule for _chain, rule in drop.way] + ([drop.rule] if drop.rule else [])
    return any(rule.content.kinds - local_side - {"other"} for rule in rules)


def denials_of(ruleset: Ruleset, rules: Sequence[Rule], routes: Routes) -> Dict[str, Tuple[Decision, ...]]:
    """Return by row the unmanaged rules that deny some of its connections explicitly; only rows that have some.

    rules: the accept rules, which are in the ruleset as well, so that only what stands before them is found.
    """
    found: Dict[str, Dict[Tuple[int, Optional[int]], Decision]] = {}
    for rule in rules:
        seen = set()
        for connection in connections_of([rule], routes):
            for span in _spans(rule.remote, connection):
                if (connection.local, span) not in seen:
                    seen.add((connection.local, span))
                    for decision in _denials(ruleset, connection, span):
                        key = id(decision.chain), id(decision.rule)
                        found.setdefault(rule.row, {}).setdefault(key, decision)
    return {row: tuple(decisions.values()) for row, decisions in found.items()}


def _denials(ruleset: Ruleset, connection: Connection, span: Span) -> Iterator[Decision]:
    local_side = LOCAL_SIDES[connection.direction]
    for base, drops in first_packets(ruleset, connection, span, sets_may_change=False).drops:
        if base.kind == "filter" and base.table != TABLE:
            denials = [drop for drop in drops if is_denial(drop, local_side)]
            for number, drop in enumerate(denials):
                # A long blocklist is taken as it is: its first rules show whether it is reached.
                if number >= _MOST_TRIED or _is_real(ruleset, connection, span, drop):
                    yield Decision(drop.chain, drop.rule, base, drop.way)


def _is_real(ruleset: Ruleset, connection: Connection, span: Span, drop: Ending) -> bool:
    """Return whether a drop is reached by one of the addresses that it names; true where it names none.

    A rule before it may have sent just these addresses elsewhere, which a walk of many addresses at once does not see.
    """
    six = connection.family == "ipv6"
    side = f"{'ip6' if six else 'ip'} {'saddr' if connection.direction == 'in' else 'daddr'}"
    rules = [rule for _chain, rule in drop.way] + ([drop.rule] if drop.rule else [])
    tests = [step.test for rule in rules for step in rule.content.steps if isinstance(step, Match)]
    named = [spans for test in tests if vars(test).get("field") == side for spans in [spans_of(test)] if spans]
    if not named:
        return True
    left: List[Span] = [span]
    for spans in named:
        left = common(left, list(spans))
    samples = [text_of(first, connection.family) for first, _last in left[:_MOST_SAMPLES]]
    return any(first_packet(ruleset, replace(connection, remote=one)).verdict != ACCEPT for one in samples)


_MOST_SAMPLES = 3
_MOST_TRIED = 16


def _spans(group: Optional[Group], connection: Connection) -> List[Span]:
    """Return the spans of remote addresses that a connection stands for."""
    return list(_GLOBAL[connection.family]) if group is None else [span_around(group, connection)]


def span_around(group: Optional[Group], connection: Connection) -> Span:
    """Return the addresses that a connection stands for: its network, or the whole group where that is long."""
    if group is None:
        spans = UNICAST[connection.family]
        return spans[0][0], spans[-1][1]
    number = number_of(connection.remote)
    if len(group.spans) > MOST_NETWORKS:
        return group.extent
    return next(span for span in group.spans if span[0] <= number <= span[1])
