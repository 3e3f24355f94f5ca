# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host side of the module linux_firewall: from its options to its result."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any, Callable, Dict, FrozenSet, List, Mapping, NoReturn, Optional, Protocol, Tuple

from .backends.choose import Choice, choose_backend
from .host.managed_table import blocked_by_row
from .host.partner_answers import ANSWERS_FILE, read_kept, steps_to_keep
from .host.programs import HostRunner
from .host.runner import Runner
from .model import diff_text
from .model.controls import DEFAULT_BURST, Controls
from .model.controls import from_payload as limits_from_payload
from .model.desired import Desired
from .model.drift import drift_of, rows_kept
from .model.errors import EdgeError, MissingPackageError, failure
from .model.partner_domains import Merged, answers_from_payload, filled, merged
from .model.plan import Observation, make_plan
from .model.result import Result, RowResult, diff_of
from .model.rules import ACTIONS, DIRECTIONS, RULE_FAMILIES, from_payload
from .reconcile import Outcome, Terms, check_addresses, completed, evaluate_host, observe, plan_host, reconcile
from .request.host_options import HOST_OPTIONS
from .rollback import HOME
from .rollback.lock import HostLock

ARGUMENT_SPEC: Dict[str, Dict[str, Any]] = {
    **HOST_OPTIONS,
    "rules": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "row": {"type": "str", "required": True},
            "action": {"type": "str", "choices": list(ACTIONS), "required": True},
            "direction": {"type": "str", "choices": list(DIRECTIONS), "required": True},
            "family": {"type": "str", "choices": list(RULE_FAMILIES), "required": True},
            "source": {"type": "str"},
            "destination": {"type": "str"},
            "port": {"type": "int", "required": True},
            "forwarded": {"type": "bool", "default": False},
        },
    },
    "groups": {"type": "dict", "default": {}},
    "partner_domains": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "group": {"type": "str", "required": True},
            "domain": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "fault": {"type": "str", "default": ""},
        },
    },
    "own_addresses": {"type": "dict", "default": {}},
    "limits": {
        "type": "dict",
        "options": {
            "row": {"type": "str", "required": True},
            "new": {"type": "int", "default": 0},
            "burst": {"type": "int", "default": DEFAULT_BURST},
            "open": {"type": "int", "default": 0},
            "exempt": {"type": "dict", "default": {}},
        },
    },
    "look": {"type": "bool", "default": False},
    "rollback_after": {"type": "int", "default": 0},
}
"""Every option of linux_firewall, as an Ansible argument spec."""


class Module(Protocol):
    """The part of AnsibleModule that is used here."""

    params: Mapping[str, Any]
    check_mode: bool
    _verbosity: int

    @property
    def run_command(self) -> Callable[..., Any]:
        """Return the function that runs a program."""

    def exit_json(self, **result: Any) -> NoReturn:
        """End with a result."""

    def fail_json(self, msg: str, **result: Any) -> NoReturn:
        """End with a failure."""


def run_module(module: Module) -> NoReturn:
    """Make the host as the module's options say, and end the module."""
    options = module.params
    run = HostRunner(module.run_command)
    if options["look"]:
        _look(module, run)
    lock = HostLock(may_create=not module.check_mode)
    desired: Optional[Desired] = None
    choice: Optional[Choice] = None
    notes: List[str] = []
    try:
        lock.acquire()
        notes += _earlier_changes(run, lock, module.check_mode)
        known = _partners(options)
        notes += known.notes
        desired = _desired(options, known)
        facts = observe(run, desired)
        notes += check_addresses(facts, desired, may_be_absent=options["allow_absent_addresses"])
        desired, facts = completed(run, desired, facts)
        choice = choose_backend(facts, run, options["backend"], desired)
        undo = options["on_ineffective"] == "rollback"
        files = _usable_files(options["metrics_file"], desired)
        restored, kept = (*files, ANSWERS_FILE), steps_to_keep(known.kept)
        terms = Terms(lock, options["rollback_after"], undo, options["cut_revoked"], files=restored, besides=kept)
        outcome = reconcile(run, facts, choice, desired, check_mode=module.check_mode, terms=terms)
    except MissingPackageError as error:
        nothing_yet = make_plan(Observation(), desired.rules if desired else ())
        chosen = {"backend": choice.backend.name, "backend_reason": choice.reason} if choice else {}
        module.fail_json(
            **failure(error), **chosen, missing_package=error.package, diff=diff_of(nothing_yet), notes=notes
        )
    except EdgeError as error:
        module.fail_json(**failure(error), notes=notes)
    finally:
        lock.release()
    result = _result_of(outcome, choice, module._verbosity > 0).serialised()
    for path in files if not module.check_mode else ():
        from .host.metrics_file import write_figures

        notes += write_figures(path, result, desired, time.time())
    result.update({"partner_addresses": known.addresses} if known.addresses else {})
    _finish(module, outcome, result, undo, [*notes, *outcome.warnings])


def _look(module: Module, run: Runner) -> NoReturn:
    """Tell what this host has, without any change, and end the module."""
    options = module.params
    try:
        known = _partners(options)
        desired = _desired(options, known)
        desired, facts = completed(run, desired, observe(run, desired))
        found = evaluate_host(run, facts, facts.firewall.ruleset, desired)
    except EdgeError as error:
        module.fail_json(**failure(error))
    backend: Optional[str] = None
    fault: Optional[str] = None
    drift: List[Dict[str, Any]] = []
    kept: FrozenSet[str] = frozenset()
    try:
        choice = choose_backend(facts, run, options["backend"], desired)
        backend = choice.backend.name
        plan = plan_host(facts, choice, desired).plan
        drift, kept = drift_of(plan), frozenset(rows_kept(plan, desired.rules))
    except EdgeError as error:
        # What stands in the way of a run says nothing against what was seen.
        fault = str(error)
    rows = {row: replace(_row_of(found, row), present=row in kept).serialised() for row in found.rows}
    module.exit_json(
        changed=False,
        backend=backend,
        rows=rows,
        drift=drift,
        not_compared=fault,
        absent=sorted(facts.own.absent),
        blocked=blocked_by_row(facts.firewall.listing or {}),
        notes=list(found.warnings),
        **({"partner_addresses": known.addresses} if known.addresses else {}),
    )


def _partners(options: Mapping[str, Any]) -> Merged:
    """Return what is known of partners by domain. Raises EdgeError where nothing is, and rules are to be made."""
    if not options["partner_domains"]:
        return Merged({}, {})
    kept, faults = read_kept()
    answers = answers_from_payload(options["partner_domains"])
    known = merged(answers, kept, int(time.time()), must_be_known=not options["look"])
    return replace(known, notes=(*faults, *known.notes))


def _desired(options: Mapping[str, Any], known: Merged) -> Desired:
    rules = from_payload(*filled(options["rules"], options["groups"], known.addresses))
    integrate = options["integrate"] == "auto"
    controls = Controls(limits_from_payload(options["limits"] or {}), options["log_blocked"])
    return Desired(options["state"], rules, options["persist"], integrate, options["own_addresses"], controls)


def _usable_files(path: Optional[str], desired: Desired) -> Tuple[str, ...]:
    """Return the files that a run writes beside rules, or removes with them. Raises EdgeError where that cannot be."""
    if not path:
        return ()
    # Imported where it is needed: a host compiles what it imports anew on every run.
    from .host.metrics_file import is_managed, refuse_unusable

    if desired.present:
        refuse_unusable(path)
    return (path,) if desired.present or is_managed(path) else ()


def _finish(module: Module, outcome: Outcome, result: Dict[str, Any], undo: bool, notes: List[str]) -> NoReturn:
    dropped = diff_text.drop_message(result["rows"], module.check_mode)
    if dropped and undo:
        undone = f"; {diff_text.undo_message(outcome.rollback_fault)}" if outcome.rolled_back else ""
        module.fail_json(msg=f"{dropped}{undone}", **result, notes=notes)
    notes += [*([dropped] if dropped else []), *diff_text.unknown_messages(result["rows"])]
    module.exit_json(**result, notes=notes)


def _result_of(outcome: Outcome, choice: Choice, verbose: bool) -> Result:
    stands = not outcome.rolled_back
    change = outcome.change
    return Result(
        changed=change.plan.changed and stands,
        backend=choice.backend.name,
        backend_reason=choice.reason,
        persisted=bool(outcome.rows) and all(word == "yes" for word in change.persisted.values()) and stands,
        persistence=dict(change.persisted) if stands else dict.fromkeys(change.persisted, "no"),
        rows={row: _row_of(outcome, row) for row in outcome.rows},
        cut=outcome.cut if stands else (),
        diff=diff_of(change.plan) if stands else None,
        confirmation=outcome.confirmation,
        steps=list(map(str, change.steps)) if verbose else None,
    )


def _row_of(outcome: Outcome, row: str) -> RowResult:
    guard = outcome.guards.get(row)
    return RowResult(
        not outcome.rolled_back,
        outcome.rows[row].effective,
        outcome.decided_by[row],
        outcome.packets.get(row),
        guard.guarded if guard else None,
        outcome.guarded_by.get(row),
    )


def _earlier_changes(run: Runner, lock: HostLock, check_mode: bool) -> List[str]:
    """Return what is to be said of changes before this run, once they are over."""
    if not os.path.lexists(HOME):
        return []
    # Imported where it is needed: a host compiles what it imports anew on every run.
    from .rollback.changes import Changes

    return Changes(run, lock).recover(check_mode)
