# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller side of Windows hosts: the options of xmpp.edge.win_firewall, and the report on its answer."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

from ..model import diff_text
from ..model.drift import drift_of, rows_kept
from ..model.errors import OptionError
from ..model.partner_domains import OPTION as PARTNER_DOMAINS
from ..model.plan import Observation, Plan, make_plan
from ..model.result import Result, RowResult, diff_of
from ..model.rules import Rule
from ..request.options import Options
from .compile import compile_for_windows
from .evaluate import State, absent_addresses, evaluate_rows, warnings_of
from .live import LiveRule
from .observed import observe

ANSWERS = ("found", "unmanaged", "unchanged", "state", "pending", "carried")
"""Keys of the module's answer that only the report needs."""


def module_arguments(options: Options, rules: Sequence[Rule]) -> Dict[str, Any]:
    """Return the options of xmpp.edge.win_firewall. Raises EdgeError on an option that Windows cannot fulfil."""
    if not options.persist and rules:
        raise OptionError(
            "persist", False, "cannot be had on a Windows host, whose firewall keeps all rules", "say true"
        )
    limits = {"limit_new": options.limits.new, "limit_open": options.limits.opened} if options.limits else {}
    given: Dict[str, Any] = {**limits, "log_blocked": options.log_blocked, "metrics_file": options.metrics_file}
    for option, value in given.items():
        if value and options.state == "present":
            raise OptionError(
                option,
                value,
                "cannot be had on a Windows host, whose firewall neither limits nor counts",
                "leave it out",
            )
    if options.domains:
        domains = [domain for listed, _port in options.domains.values() for domain in listed]
        raise OptionError(
            PARTNER_DOMAINS,
            ", ".join(domains),
            "cannot be had on a Windows host, which does not keep the answers",
            "list the partners' networks",
        )
    return {
        "state": options.state,
        "on_policy_override": options.on_policy_override,
        "own_addresses": {} if options.allow_absent_addresses else options.own_addresses,
        "rollback_after": options.confirm_timeout,
        "rules": [part.payload for parts in compile_for_windows(rules).values() for part in parts],
    }


def look(answer: Mapping[str, Any], rules: Sequence[Rule]) -> Dict[str, Any]:
    """Return what a host has, as linux_firewall tells it with the option look. answer: of the module in check mode."""
    told = report(answer, rules)
    plan = _plan(answer, rules)
    kept = rows_kept(plan, rules)
    rows = {row: {**entry, "present": row in kept} for row, entry in told["rows"].items()}
    for entry in rows.values():
        if not entry["present"]:
            # The verdict is about the rules as a run would make them.
            entry.update(effective="unknown", decided_by="rules of the row are missing on the host")
    absent = absent_addresses(rules, State.from_facts(answer["state"]))
    keys: Dict[str, Any] = {
        "backend": "windows",
        "drift": drift_of(plan),
        "not_compared": None,
        "absent": absent,
        "blocked": {},
    }
    return {"changed": False, "rows": rows, **keys, "notes": told["warnings"]}


def _plan(answer: Mapping[str, Any], rules: Sequence[Rule]) -> Plan:
    observed = observe(_live_rules(answer["found"]), answer["unchanged"], compile_for_windows(rules))
    plan = make_plan(observed, rules)
    if answer["changed"] and diff_text.before(plan) == diff_text.after(plan):
        # The module compares more than the diff text can show.
        plan = make_plan(Observation(observed.items, ("managed rules  are not as a run writes them",)), rules)
    return plan


def report(answer: Mapping[str, Any], rules: Sequence[Rule]) -> Dict[str, Any]:
    """Return the serialised result of a task, with its warnings. answer: of the module."""
    unmanaged = _live_rules(answer["unmanaged"])
    state = State.from_facts(answer["state"])
    compiled = compile_for_windows(rules)
    verdicts = evaluate_rows(compiled, unmanaged, state)
    result = Result(
        changed=answer["changed"],
        backend="windows",
        backend_reason="it is a Windows host",
        persisted=bool(rules),
        rows={row: RowResult(True, verdict.effective, verdict.decided_by) for row, verdict in verdicts.items()},
        diff=diff_of(_plan(answer, rules)),
    )
    warnings = warnings_of(rules, unmanaged, state) if rules else []
    if answer.get("carried"):
        warnings.append("a policy has the rules, and ignores local ones: nothing was changed on the host itself")
    return {**result.serialised(), "warnings": warnings}


def _live_rules(facts: Sequence[Mapping[str, Any]]) -> List[LiveRule]:
    return [LiveRule.from_facts(fact) for fact in facts]
