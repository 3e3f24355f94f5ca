# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed allow rules in the model, for evaluating a change before it is made."""

from __future__ import annotations

from typing import List, Optional, Sequence

from ..model.addresses import Span, point, span_of
from ..model.rules import Group, Rule
from .fields import compare
from .ruleset import Content, FilterRule, Match, Step, Verdict
from .values import number_matcher


def allow_rules(rules: Sequence[Rule], direction: str, families: Sequence[str]) -> List[FilterRule]:
    """Return the allow rules of one direction and some families, as they would stand in a chain.

    Guards are left out: packets that the rules allow never get to them.
    """
    return [
        _filter_rule(rule)
        for rule in rules
        if rule.action == "allow" and rule.direction == direction and rule.family in families
    ]


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
