# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed allow rules in the model, for evaluating a change before it is made."""

from __future__ import annotations

from typing import List, Optional, Sequence

from ..model.addresses import Span, point, span_of
from ..model.rules import Group, Rule
from .fields import CT_STATES, FIB_TYPES, compare
from .ruleset import Content, FilterRule, Match, Step, Verdict
from .values import name_matcher, number_matcher, opposite


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


def _guard(rule: Rule, before_translation: bool) -> FilterRule:
    loopback = name_matcher(["lo"])
    established = number_matcher([point(CT_STATES["established"])])
    steps: List[Step] = [
        Match(
            compare("meta iifname" if rule.direction == "in" else "meta oifname", lambda one: opposite(loopback(one)))
        ),
        Match(compare("tcp dport", number_matcher([point(rule.port)]))),
        Match(compare("ct state", lambda one: opposite(established(one)))),
        Verdict("drop"),
    ]
    if before_translation:
        steps.insert(1, Match(compare("fib daddr type", number_matcher([point(FIB_TYPES["local"])]))))
    content = Content(tuple(steps), frozenset(("port",)))
    return FilterRule(f'comment "{rule.row} guard"', lambda: content, None, f"{rule.row} guard")


def _filter_rule(rule: Rule) -> FilterRule:
    protocol = "ip" if rule.family == "ipv4" else "ip6"
    steps: List[Step] = [Match(compare("tcp dport", number_matcher([point(rule.port)])))]
    kinds = {"port"}
    for side, kind, group in (("saddr", "source", rule.source), ("daddr", "destination", rule.destination)):
        if group is not None:
            kinds.add(kind)
            steps.append(Match(compare(f"{protocol} {side}", number_matcher(_spans(group)))))
    content = Content((*steps, Verdict("accept")), frozenset(kinds))
    return FilterRule(f'comment "{rule.row}"', lambda: content, None, rule.row)


def _spans(group: Optional[Group]) -> List[Span]:
    return [span_of(text) for text in group.networks] if group else []
