# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed rules in the model, for evaluating a change before it is made."""

from __future__ import annotations

from typing import List, Optional, Sequence

from ..model.addresses import PROTOCOLS, point
from ..model.rules import Group, Rule
from .fields import CT_STATES, FIB_TYPES, compare
from .ruleset import Content, FilterRule, Match, Step, Verdict
from .values import name_matcher, number_matcher, opposite

_loopback = name_matcher(["lo"])
_established = number_matcher([point(CT_STATES["established"])])
_NOT_ESTABLISHED = Match(compare("ct state", lambda one: opposite(_established(one))))


def first_rule() -> FilterRule:
    """Return the rule by which packets of established connections leave each chain of the managed table."""
    content = Content((Match(compare("ct state", _established)), Verdict("accept")))
    return FilterRule("ct state established accept", lambda: content)


def allow_rules(rules: Sequence[Rule], direction: str, families: Sequence[str]) -> List[FilterRule]:
    """Return the allow rules of one direction and some families, as they would stand in a chain."""
    return [
        _filter_rule(rule)
        for rule in rules
        if rule.action == "allow" and rule.direction == direction and rule.family in families
    ]


def block_rules(rules: Sequence[Rule], direction: str, before_translation: bool) -> List[FilterRule]:
    """Return the guards of one direction. before_translation: those that see the port that a client dials."""
    return [
        _guard(rule, before_translation) for rule in rules if rule.action == "block" and rule.direction == direction
    ]


def guards_behind(networks: Optional[Group], access: Sequence[Group], rule: Rule) -> List[FilterRule]:
    """Return the rules that stand behind source NAT, for what servers in some networks send. rule: their guard."""
    protocol = PROTOCOLS[rule.family]
    if networks is None:
        return []
    inside = Match(compare(f"ct original {protocol} saddr", number_matcher(networks.spans)))
    outside = number_matcher(networks.spans)
    away = Match(compare(f"{protocol} daddr", lambda one: opposite(outside(one))))
    dport = Match(compare("tcp dport", number_matcher([point(rule.port)])))
    steps: List[Step] = [inside, away, dport]
    accepts = [
        _named(rule.row, (*steps, _side(protocol, "saddr", group), Verdict("accept")), "source") for group in access
    ]
    return [*accepts, _named(f"{rule.row} guard", (*steps, _NOT_ESTABLISHED, Verdict("drop")), "source")]


def guards_of_published(rule: Rule) -> List[FilterRule]:
    """Return the rules that keep others from a published server by any other way than its port. rule: their guard."""
    if rule.inside is None:
        return []
    protocol, matcher = PROTOCOLS[rule.family], number_matcher(rule.inside.group.spans)
    other_port = number_matcher([point(rule.port)])
    foreign = Match(compare(f"{protocol} saddr", lambda one: opposite(matcher(one))))
    ways = (
        [Match(compare(f"ct original {protocol} daddr", matcher))],
        [
            Match(compare(f"{protocol} daddr", matcher)),
            Match(compare("ct original proto-dst", lambda one: opposite(other_port(one)))),
        ],
    )
    return [
        _named(
            f"{rule.row} guard",
            (
                *way,
                foreign,
                Match(compare("tcp dport", number_matcher([point(port)]))),
                _NOT_ESTABLISHED,
                Verdict("drop"),
            ),
            "destination",
        )
        for port in rule.inside.ports
        for way in ways
    ]


def _named(comment: str, steps: Sequence[Step], kind: str) -> FilterRule:
    content = Content(tuple(steps), frozenset((kind, "port")))
    return FilterRule(f'comment "{comment}"', lambda: content, None, comment)


def _side(protocol: str, side: str, group: Group) -> Match:
    return Match(compare(f"{protocol} {side}", number_matcher(group.spans)))


def _guard(rule: Rule, before_translation: bool) -> FilterRule:
    dport = Match(compare("tcp dport", number_matcher([point(rule.port)])))
    if rule.forwarded:
        return _named(f"{rule.row} guard", (*_between_others(rule), dport, _NOT_ESTABLISHED, Verdict("drop")), "source")
    interface = "meta iifname" if rule.direction == "in" else "meta oifname"
    steps: List[Step] = [Match(compare(interface, lambda one: opposite(_loopback(one))))]
    if before_translation:
        steps.append(Match(compare("fib daddr type", number_matcher([point(FIB_TYPES["local"])]))))
    content = Content((*steps, dport, _NOT_ESTABLISHED, Verdict("drop")), frozenset(("port",)))
    return FilterRule(f'comment "{rule.row} guard"', lambda: content, None, f"{rule.row} guard")


def _between_others(rule: Rule) -> List[Step]:
    """Return the conditions of a guard on its local side. What stays on that side it spares."""
    protocol, local = PROTOCOLS[rule.family], rule.local
    if local is None:
        return []
    matcher = number_matcher(local.spans)
    if rule.direction == "in":
        return [Match(compare(f"{protocol} daddr", matcher))]
    others = compare(f"{protocol} daddr", lambda one: opposite(matcher(one)))
    return [Match(compare(f"{protocol} saddr", matcher)), Match(others)]


def _filter_rule(rule: Rule) -> FilterRule:
    protocol = PROTOCOLS[rule.family]
    dialled = "ct original " if rule.inside else ""
    port = "ct original proto-dst" if rule.inside else "tcp dport"
    steps: List[Step] = [Match(compare(port, number_matcher([point(rule.port)])))]
    kinds = {"port"}
    for side, kind, group, prefix in (
        ("saddr", "source", rule.source, ""),
        ("daddr", "destination", rule.destination, dialled),
    ):
        if group is not None:
            kinds.add(kind)
            steps.append(_side(f"{prefix}{protocol}", side, group))
    content = Content((*steps, Verdict("accept")), frozenset(kinds))
    return FilterRule(f'comment "{rule.row}"', lambda: content, None, rule.row)
