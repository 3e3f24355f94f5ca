# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between the rules that a host has and those that it is to have, in their serialised form."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Set

from . import diff_text
from .plan import Item, Placed, Plan
from .result import rule_result
from .rules import Rule, make_group

MISSING, SUPERFLUOUS = "+", "-"
"""Signs of a diff line: what a run would add, and what it would remove or repair."""


def drift_of(plan: Plan) -> List[Dict[str, Any]]:
    """Return each difference that a run would end: its sign, its diff line, and the rule where it is one."""
    lines = [_entry(SUPERFLUOUS, item) for item in plan.remove] + [_entry(MISSING, item) for item in plan.add]
    return [*lines, *({"sign": SUPERFLUOUS, "line": note, "rule": None} for note in plan.drift)]


def rows_kept(plan: Plan, rules: Sequence[Rule]) -> Set[str]:
    """Return the rows of which nothing is missing on the host, by row id."""
    missing = (item.rule if isinstance(item, Placed) else item for item in plan.add)
    return {rule.row for rule in rules} - {rule.row for rule in missing if isinstance(rule, Rule)}


def rule_of(entry: Mapping[str, Any]) -> Optional[Rule]:
    """Return the rule of a serialised difference, None where it is another difference."""
    data = entry["rule"]
    if data is None:
        return None

    def group(side: str) -> Any:
        networks = data[side]
        return None if networks == ["any"] else make_group(f"{side}_{data['family']}", networks)

    return Rule(
        row=data["row"],
        action=data["action"],
        direction=data["direction"],
        family=data["family"],
        source=group("source"),
        destination=group("destination"),
        port=data["port"],
    )


def _entry(sign: str, item: Item) -> Dict[str, Any]:
    rule = item.rule if isinstance(item, Placed) else item
    return {
        "sign": sign,
        "line": diff_text.line(item),
        "rule": rule_result(rule) if isinstance(rule, Rule) else None,
    }
