# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own allow rules in the model, for judging a change before it is made."""

from __future__ import annotations

import socket
from typing import List, Optional, Sequence

from ..model.rules import Group, Rule
from .fields import compare
from .ruleset import Content, FilterRule, Match, Step, Verdict
from .values import Span, number_matcher, point


def allow_rules(rules: Sequence[Rule], direction: str, families: Sequence[str]) -> List[FilterRule]:
    """The allow rules of one direction and some families, as they would stand in a chain.

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
    for side, group in (("saddr", rule.source), ("daddr", rule.destination)):
        if group is not None:
            steps.append(Match(compare(f"{protocol} {side}", number_matcher(_spans(group)))))
    content = Content((*steps, Verdict("accept")), narrow=True)
    return FilterRule(f'comment "{rule.row}"', lambda: content, None, rule.row)


def _spans(group: Optional[Group]) -> List[Span]:
    return [span_of_network(text) for text in group.networks] if group else []


def span_of_network(text: str) -> Span:
    """First and last address of a canonical network, as numbers."""
    address, _slash, length = text.partition("/")
    family, bits = (socket.AF_INET6, 128) if ":" in address else (socket.AF_INET, 32)
    first = int.from_bytes(socket.inet_pton(family, address), "big")
    return first, first + (1 << (bits - int(length or bits))) - 1
