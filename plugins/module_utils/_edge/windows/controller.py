# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the half that runs on Windows hosts: what the module there gets and what it answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Dict, List, Mapping, Sequence

from ..model import diff_text
from ..model.errors import OptionError
from ..model.plan import Observation, make_plan
from ..model.rules import Rule
from ..request.options import Options
from .compile import compile_for_windows
from .evaluate import State, evaluate_rows, warnings_of
from .live import LiveRule
from .observed import observe

ANSWERS = ("found", "foreign", "kept", "state")
"""Keys of the module's answer that are for the report, and for nobody else."""

_BACKEND = {"backend": "windows", "backend_reason": "it is a Windows host"}


def module_arguments(options: Options, rules: Sequence[Rule]) -> Dict[str, Any]:
    """Options of xmpp.edge.win_firewall. Raises EdgeError on what cannot be had on a Windows host."""
    if not options.persist and rules:
        raise OptionError(
            "persist", False, "cannot be had on a Windows host, whose firewall keeps all rules", "say true"
        )
    return {
        "state": options.state,
        "on_policy_override": options.on_policy_override,
        "rules": [part.payload for parts in compile_for_windows(rules).values() for part in parts],
    }


def report(answer: Mapping[str, Any], rules: Sequence[Rule]) -> Dict[str, Any]:
    """The result of a task, from what the module returned."""
    found, foreign = _live(answer["found"]), _live(answer["foreign"])
    state = State.from_facts(answer["state"])
    compiled = compile_for_windows(rules)
    observed = observe(found, answer["kept"], compiled)
    plan = make_plan(observed, rules)
    if answer["changed"] and diff_text.before(plan) == diff_text.after(plan):
        # The module compares more than has words here.
        plan = make_plan(Observation(observed.items, ("rules of ours  are not as we write them",)), rules)
    rows = evaluate_rows(compiled, foreign, state)
    return {
        "changed": answer["changed"],
        **_BACKEND,
        "persisted": bool(rules),
        "rows": {row: {"present": True, **asdict(verdict), "packets": None} for row, verdict in rows.items()},
        "diff": {"before": diff_text.before(plan), "after": diff_text.after(plan)},
        "warnings": warnings_of(rules, foreign, state) if rules else [],
    }


def _live(facts: Sequence[Mapping[str, Any]]) -> List[LiveRule]:
    return [LiveRule.from_facts(fact) for fact in facts]
