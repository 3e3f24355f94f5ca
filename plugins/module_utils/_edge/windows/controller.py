# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller side of Windows hosts: the options of xmpp.edge.win_firewall, and the report on its answer."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, List, Mapping, Sequence, Tuple

from ..evaluator.rows import UNKNOWN
from ..model import diff_text
from ..model.drift import drift_of, rows_kept
from ..model.errors import OptionError
from ..model.partner_domains import OPTION as PARTNER_DOMAINS
from ..model.plan import Item, Observation, Plan, Setting, make_plan
from ..model.result import Result, RowResult, diff_of
from ..model.rules import Rule
from ..request.narrowing import LOCAL_SUBNET
from ..request.options import Options
from .compile import FRONT_END_ROW, Compiled, WindowsRule, compile_for_windows, names_of, narrowed, of_local_subnet
from .evaluate import State, Verdict, absent_addresses, evaluate_rows, warnings_of
from .live import LiveRule
from .observed import observe
from .policy_rules import differing

_MAX_NAMED = 5
"""Most rules that a message names."""

ANSWERS = ("found", "unmanaged", "unchanged", "state", "pending", "carried")
"""Keys of the module's answer that only the report needs."""


def refuse_impossible(options: Options) -> None:
    """Refuse what Windows cannot fulfil. Raises OptionError."""
    if not options.persist and options.state == "present":
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


def module_arguments(options: Options, rules: Sequence[Rule]) -> Dict[str, Any]:
    """Return the options of xmpp.edge.win_firewall. Raises EdgeError on an option that Windows cannot fulfil."""
    refuse_impossible(options)
    return {
        "state": options.state,
        "on_policy_override": options.on_policy_override,
        "own_addresses": {} if options.allow_absent_addresses else options.own_addresses,
        "rollback_after": options.confirm_timeout,
        "rules": [part.payload for part in windows_rules(options, rules)],
    }


def windows_rules(options: Options, rules: Sequence[Rule]) -> List[WindowsRule]:
    """Return all rules of a host. Raises EdgeError."""
    return _all_parts(compile_for_windows(rules, options.narrowing), options)


def _all_parts(compiled: Compiled, options: Options) -> List[WindowsRule]:
    return [*(part for parts in compiled.values() for part in parts), *_subnet_rules(options)]


def _subnet_rules(options: Options) -> List[WindowsRule]:
    """Return the rules for Front Ends in the networks of the host's interfaces."""
    if not options.narrowing.local_subnet or FRONT_END_ROW not in [row.id for row in options.rows]:
        return []
    (row,) = (row for row in options.rows if row.id == FRONT_END_ROW)
    found = of_local_subnet(options.endpoints[row.local.option], options.ports[row.port_option])
    return [narrowed(part, options.narrowing) for part in found]


def _settings(options: Options, compiled: Compiled) -> List[Tuple[Setting, FrozenSet[str]]]:
    """Return what the diff says beside the table's rules, and the names of the rules that are for it."""
    given = options.narrowing.given
    if not given:
        return []
    parts = _all_parts(compiled, options)
    inbound = [part for part in parts if (part.action, part.direction) == ("allow", "in")]
    found = []
    if "profiles" in given:
        found.append((Setting(f"all rules  are for the profiles {given['profiles']} only"), names_of(parts)))
    found += [
        (Setting(f"inbound accept rules  are for the {option} {given[option]} only"), names_of(inbound))
        for option in ("program", "service")
        if option in given
    ]
    for part in _subnet_rules(options):
        line = f"{part.row}  allow in tcp {LOCAL_SUBNET} -> {', '.join(part.local)} port {part.port}"
        found.append((Setting(line), names_of([part])))
    return found


def look(answer: Mapping[str, Any], rules: Sequence[Rule], options: Options) -> Dict[str, Any]:
    """Return what a host has, as linux_firewall tells it with the option look. answer: of the module in check mode."""
    compiled = compile_for_windows(rules, options.narrowing)
    plan = _plan(answer, compiled, options)
    told = _report(answer, compiled, plan, options)
    kept = set(rows_kept(plan, rules))
    subnet = _subnet_rules(options)
    if subnet and names_of(subnet) <= set(answer["unchanged"]) and FRONT_END_ROW not in {rule.row for rule in rules}:
        kept.add(FRONT_END_ROW)
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


def _plan(answer: Mapping[str, Any], compiled: Compiled, options: Options) -> Plan:
    settings = _settings(options, compiled)
    unchanged = set(answer["unchanged"])
    subnet = names_of(_subnet_rules(options))
    found = [rule for rule in _live_rules(answer["found"]) if rule.name not in subnet or rule.name not in unchanged]
    observed = observe(found, unchanged, compiled)
    present = [setting for setting, names in settings if names <= unchanged]
    observed = Observation((*observed.items, *present), observed.drift)
    desired: List[Item] = [*compiled, *(setting for setting, _names in settings)]
    plan = make_plan(observed, desired)
    if answer["changed"] and diff_text.before(plan) == diff_text.after(plan):
        # The module compares more than the diff text can show.
        plan = make_plan(Observation(observed.items, ("managed rules  are not as a run writes them",)), desired)
    return plan


def report(answer: Mapping[str, Any], rules: Sequence[Rule], options: Options) -> Dict[str, Any]:
    """Return the serialised result of a task, with its warnings. answer: of the module."""
    compiled = compile_for_windows(rules, options.narrowing)
    return _report(answer, compiled, _plan(answer, compiled, options), options)


def _report(answer: Mapping[str, Any], compiled: Compiled, plan: Plan, options: Options) -> Dict[str, Any]:
    rules, subnet = list(compiled), _subnet_rules(options)
    unmanaged = _live_rules(answer["unmanaged"])
    state = State.from_facts(answer["state"])
    verdicts = evaluate_rows(compiled, unmanaged, state, options.narrowing)
    for part in subnet[:1]:
        decided = f"rule {part.payload['name']}, for networks that only Windows knows ({LOCAL_SUBNET})"
        verdicts.setdefault(FRONT_END_ROW, Verdict(UNKNOWN, decided))
    has_rules = bool(rules or subnet)
    result = Result(
        changed=answer["changed"],
        backend="windows",
        backend_reason="it is a Windows host",
        persisted=has_rules,
        rows={row: RowResult(True, verdict.effective, verdict.decided_by) for row, verdict in verdicts.items()},
        diff=diff_of(plan),
    )
    warnings = warnings_of(rules, unmanaged, state) if has_rules else []
    told = {**result.serialised(), "warnings": warnings}
    if answer.get("carried"):
        warnings.append("a policy has the rules, and ignores local ones: nothing was changed on the host itself")
        other = differing(answer["state"]["policy_texts"], _all_parts(compiled, options))
        if other:
            named = ", ".join(other[:_MAX_NAMED]) + (
                f" and {len(other) - _MAX_NAMED} more" if len(other) > _MAX_NAMED else ""
            )
            why = f"the policy has rules that are otherwise than they should be: {named}"
            told.update(
                failed=True, persisted=False, msg=f"{why}; run what xmpp.edge.windows_policy prints there again"
            )
    return told


def _live_rules(facts: Sequence[Mapping[str, Any]]) -> List[LiveRule]:
    return [LiveRule.from_facts(fact) for fact in facts]
