# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accept rules in unmanaged chains: where they have to stand, and whether they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ..evaluator.managed import allow_rules
from ..evaluator.placement import Place
from ..evaluator.ruleset import FilterRule, Match, Ruleset, Verdict
from ..model.rules import Rule

ChainKey = Tuple[str, str]
"""Table, such as "inet filter", and chain."""


@dataclass(frozen=True)
class Slot:
    """Accept rules that belong together in one chain. before: the unmanaged rule that they precede, None: the end."""

    before: Optional[FilterRule]
    rules: Tuple[Rule, ...]


Slots = Mapping[ChainKey, Sequence[Slot]]
"""The slots of each chain."""


def slots_by_chain(places: Mapping[Place, Tuple[Rule, ...]], unmanaged: Ruleset) -> Dict[ChainKey, List[Slot]]:
    """Return the slots of each chain, in the order in which they stand there."""
    slots: Dict[ChainKey, List[Slot]] = {}
    for place, rules in places.items():
        slots.setdefault(place.chain, []).append(Slot(place.before, rules))
    return {
        key: sorted(found, key=lambda slot: _position(unmanaged.chains[key].rules, slot.before))
        for key, found in sorted(slots.items())
    }


def segments(
    rules: Sequence[FilterRule], is_managed: Callable[[FilterRule], bool], slots: Sequence[Slot]
) -> Tuple[List[List[FilterRule]], List[FilterRule]]:
    """Return the managed rules that stand in each slot, and those that stand elsewhere.

    A managed rule stands in a slot where it precedes the slot's unmanaged rule, and nothing between the two may deny:
    an explicit denial is to be heard first. What else stands between them does not matter.
    """
    found: List[List[FilterRule]] = [[] for _slot in slots]
    astray: List[FilterRule] = []
    pending: List[FilterRule] = []
    number = 0
    for rule in rules:
        if is_managed(rule):
            pending.append(rule)
        elif number < len(slots) and slots[number].before is rule:
            found[number] = pending
            pending, number = [], number + 1
        elif may_deny(rule):
            astray += pending
            pending = []
    if number < len(slots) and slots[number].before is None:
        found[number] = pending
    else:
        astray += pending
    return found, astray


def may_deny(rule: FilterRule) -> bool:
    """Return whether a rule can do anything else than to accept, to log or to count."""
    return not all(
        isinstance(step, Match) or (isinstance(step, Verdict) and step.kind in ("accept", "return", "continue"))
        for step in rule.content.steps
    )


def with_slots(ruleset: Ruleset, slots: Slots) -> Ruleset:
    """Return the unmanaged ruleset with the accept rules in their slots."""
    for key, found in slots.items():
        chain = ruleset.chains[key]
        rules = list(chain.rules)
        for slot in found:
            at = _position(rules, slot.before)
            rules[at:at] = [one for rule in slot.rules for one in allow_rules([rule], rule.direction, chain.families)]
        ruleset = ruleset.with_rules(key, rules)
    return ruleset


def _position(rules: Sequence[FilterRule], before: Optional[FilterRule]) -> int:
    return next((number for number, rule in enumerate(rules) if rule is before), len(rules))
