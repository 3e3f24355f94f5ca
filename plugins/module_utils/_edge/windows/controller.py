# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller side of Windows hosts: the options of xmpp.edge.win_firewall, and the report on its answer."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

from ..model import diff_text
from ..model.errors import OptionError
from ..model.plan import Observation, make_plan
from ..model.result import Result, RowResult, diff_of
from ..model.rules import Rule, own_addresses_of
from ..request.options import Options
from .compile import compile_for_windows
from .evaluate import State, evaluate_rows, warnings_of
from .live import LiveRule
from .observed import observe

ANSWERS = ("found", "unmanaged", "unchanged", "state")
"""Keys of the module's answer that only the report needs."""


def module_arguments(options: Options, rules: Sequence[Rule]) -> Dict[str, Any]:
    """Return the options of xmpp.edge.win_firewall. Raises EdgeError on an option that Windows cannot fulfil."""
    if not options.persist and rules:
        raise OptionError(
            "persist", False, "cannot be had on a Windows host, whose firewall keeps all rules", "say true"
        )
    return {
        "state": options.state,
        "on_policy_override": options.on_policy_override,
        "own_addresses": {} if options.allow_absent_addresses else own_addresses_of(rules),
        "rules": [part.payload for parts in compile_for_windows(rules).values() for part in parts],
    }


def report(answer: Mapping[str, Any], rules: Sequence[Rule]) -> Dict[str, Any]:
    """Return the serialised result of a task, with its warnings. answer: of the module."""
    unmanaged = _live_rules(answer["unmanaged"])
    state = State.from_facts(answer["state"])
    compiled = compile_for_windows(rules)
    observed = observe(_live_rules(answer["found"]), answer["unchanged"], compiled)
    plan = make_plan(observed, rules)
    if answer["changed"] and diff_text.before(plan) == diff_text.after(plan):
        # The module compares more than the diff text can show.
        plan = make_plan(Observation(observed.items, ("managed rules  are not as a run writes them",)), rules)
    verdicts = evaluate_rows(compiled, unmanaged, state)
    result = Result(
        changed=answer["changed"],
        backend="windows",
        backend_reason="it is a Windows host",
        persisted=bool(rules),
        rows={row: RowResult(True, verdict.effective, verdict.decided_by) for row, verdict in verdicts.items()},
        diff=diff_of(plan),
    )
    return {**result.serialised(), "warnings": warnings_of(rules, unmanaged, state) if rules else []}


def _live_rules(facts: Sequence[Mapping[str, Any]]) -> List[LiveRule]:
    return [LiveRule.from_facts(fact) for fact in facts]
