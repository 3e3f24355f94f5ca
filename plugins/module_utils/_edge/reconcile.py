# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host side from end to end: observe, plan, execute, observe again, evaluate, and roll back what does not hold."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .backends.base import Backend, Change
from .backends.choose import Choice
from .backends.guards import Guards
from .evaluator.connection import walk_all
from .evaluator.denials import denials_of
from .evaluator.guarded import GuardVerdict, evaluate_guards
from .evaluator.other_servers import Place, with_other_servers
from .evaluator.own_addresses import (
    absent_of,
    check_not_own,
    check_sides,
    pairs_to_ask,
    refuse_absent,
    remotes_to_ask,
    source_warnings,
    with_samples,
)
from .evaluator.published import rules_for, targets_of
from .evaluator.router import hairpin_notes, path_notes, translation_notes
from .evaluator.rows import (
    NO,
    UNKNOWN,
    YES,
    Routes,
    RowVerdict,
    Surroundings,
    connections_of,
    evaluate_rows,
    routes_to_ask,
)
from .evaluator.ruleset import Ruleset
from .evaluator.walk import Decision
from .host.facts import Asked, Facts, read_facts
from .host.firewall import explain
from .host.loaders import GUARDS
from .host.managed_table import packets_by_row
from .host.persistence import PersistenceChange, plan_persistence
from .host.runner import Runner
from .host.steps import carry_out, try_out
from .model import diff_text
from .model.desired import ABSENT, Desired
from .model.errors import EdgeError, understood
from .model.literals import Effective
from .model.plan import Placed, Plan
from .model.rollback_data import RollbackData, together
from .model.rules import Rule
from .model.steps import Command, LoadNft, Step
from .rollback import HOME
from .rollback.lock import HostLock

if TYPE_CHECKING:
    from .rollback.changes import PendingChange


@dataclass(frozen=True)
class Terms:
    """Terms on which a change is made.

    lock: that of the host, which is held; seconds: how long the change waits for its confirmation, 0 if it needs none;
    undo_ineffective: whether it is rolled back when a row turns out not to be effective; cut_revoked: whether
    connections are closed that are not allowed any more; home: where the change is kept while it is under way; files:
    other files that a rollback restores; besides: steps that are done with a change, after those of the rules.
    """

    lock: HostLock
    seconds: int = 0
    undo_ineffective: bool = True
    cut_revoked: bool = False
    home: str = HOME
    files: Tuple[str, ...] = ()
    besides: Tuple[Step, ...] = ()


@dataclass(frozen=True)
class WholeChange:
    """The change of a host: that of each part, put together in the order in which nothing opens that should not.

    plan: the diff; steps: everything that is done; rollback: what restores the current state; simulated: the host's
    ruleset as it will be; persisted: whether the guards, and the accept rules, will be there after a reload and a boot;
    warnings: sentences for the administrator.
    """

    plan: Plan
    steps: Tuple[Step, ...]
    rollback: RollbackData
    simulated: Ruleset
    persisted: Mapping[str, Effective]
    warnings: Tuple[str, ...]

    @property
    def permanent(self) -> bool:
        """Return whether anything is changed that a boot would not bring back."""
        return any(
            not isinstance(step, (Command, LoadNft)) or (isinstance(step, Command) and step.arguments[0] == "systemctl")
            for step in self.steps
        )


NO_CHANGE = WholeChange(Plan((), ()), (), RollbackData(), Ruleset(), {}, ())


@dataclass(frozen=True)
class Outcome:
    """Result of a run, or in check mode the prediction of one.

    change: the change; rows: the verdict on each row that has a rule; decided_by: what decides it, in words; guards,
    guarded_by: the same for each row that has a guard; packets: what each row has counted, and since when;
    rolled_back: whether the change was rolled back, with what could not be in rollback_fault; confirmation: the
    command that confirms the change, None where it need not be confirmed; cut: the
    connections that are not allowed any more and get closed.
    """

    change: WholeChange
    rows: Mapping[str, RowVerdict]
    decided_by: Mapping[str, Optional[str]]
    guards: Mapping[str, GuardVerdict]
    guarded_by: Mapping[str, Optional[str]]
    packets: Mapping[str, Mapping[str, Any]]
    warnings: Sequence[str]
    rolled_back: bool = False
    rollback_fault: Optional[str] = None
    confirmation: Optional[str] = None
    cut: Sequence[str] = ()


def observe(run: Runner, desired: Desired, before: Optional[Facts] = None) -> Facts:
    """Return the facts of this host that matter for a desired state. before: of the same run. Raises EdgeError."""

    def consult(ruleset: Ruleset, routes: Routes, surroundings: Surroundings) -> None:
        evaluate_rows(ruleset, desired.accepts, routes, surroundings)
        for connection in connections_of(desired.accepts, routes):
            # What is dropped now may pass once the rules are there.
            walk_all(ruleset, connection)
        denials_of(ruleset, desired.accepts, routes)
        if desired.guarded:
            evaluate_guards(ruleset, desired.rules, routes)

    own = [address for addresses in desired.named.values() for address in addresses]
    pairs = [*routes_to_ask(desired.accepts), *pairs_to_ask(desired.named)]
    ports = frozenset(rule.port for rule in desired.rules if rule.action == "block" and not rule.forwarded)
    forwarded = routes_to_ask(desired.accepts, forwarded=True)
    asked = Asked(pairs, remotes_to_ask(desired.accepts), own, forwarded, ports)
    return read_facts(run, asked, consult, before)


def completed(run: Runner, desired: Desired, facts: Facts) -> Tuple[Desired, Facts]:
    """Return a desired state with what only this host knows, and its facts.

    That is: the rules for the packets that it forwards for its published ports, and addresses of its own to evaluate
    rules with that do not name any. facts: of the state without them. Raises EdgeError.
    """
    if not desired.present:
        return desired, facts
    rules = with_samples(facts.own, desired.rules)
    with understood("the firewall of this host"):
        targets = targets_of(facts.firewall.ruleset, rules, facts.routes)
    if not targets and not any(rule.samples for rule in rules):
        return desired, facts
    extended = replace(desired, rules=rules_for(targets, rules, facts.own.networks) if targets else rules)
    return extended, observe(run, extended, facts)


def check_addresses(facts: Facts, desired: Desired, *, may_be_absent: bool) -> List[str]:
    """Return warnings about addresses that are hardly those of this host.

    may_be_absent: whether the administrator insists on addresses that it does not have. Raises OptionError.
    """
    if not may_be_absent:
        refuse_absent(facts.own, desired.named)
        check_not_own(facts.own, desired.rules)
    sides = check_sides(facts.own, desired.named, desired.accepts, facts.routes)
    return [*sides, *source_warnings(facts.own, desired.rules)]


def reconcile(
    run: Runner, facts: Facts, choice: Choice, desired: Desired, *, check_mode: bool, terms: Terms
) -> Outcome:
    """Make the host as desired, and evaluate its rows. Raises EdgeError, with the change rolled back.

    facts: of the host as it is now.
    """
    change = plan_host(facts, choice, desired)
    cut, commands = _cut(run, change, desired, terms)
    if not change.plan.changed:
        if not check_mode:
            carry_out(terms.besides, run)
        return replace(_outcome(run, facts, facts.firewall.ruleset, change, desired), cut=cut)
    # Imported where it is needed: a host compiles what it imports anew on every run.
    from .rollback.changes import Changes

    changes = Changes(run, terms.lock, terms.home)
    changes.refuse_impossible(change.steps, terms.seconds, change.permanent)
    if check_mode:
        try_out(change.steps, run)
        return replace(_outcome(run, facts, change.simulated, change, desired), cut=cut)
    pending = changes.begin([change.rollback, RollbackData(paths=terms.files)], terms.seconds, change.permanent)
    try:
        _execute([*change.steps, *terms.besides], run)
        facts = observe(run, desired, facts)
        remaining = plan_host(facts, choice, desired)
        if remaining.plan.changed:
            raise EdgeError(f"the host still differs after the change, in: {'; '.join(_difference(remaining.plan))}")
        outcome = _outcome(run, facts, facts.firewall.ruleset, change, desired)
        pending.cut(commands)
    except Exception as error:
        said = diff_text.undo_message(pending.roll_back())
        if isinstance(error, EdgeError):
            raise EdgeError(f"{error}; {said}", error.traceback) from None
        raise
    return replace(_end(pending, outcome, terms), cut=cut)


def plan_host(facts: Facts, choice: Choice, desired: Desired) -> WholeChange:
    """Return the change of a host. Pure but for what backends still observe. Raises EdgeError."""
    guards = Guards()
    backends: List[Backend[Any]] = [guards, choice.backend, *choice.others]
    with understood("what this host has that is managed"):
        snapshots = [backend.observe(facts) for backend in backends]
        unmanaged = facts.firewall.ruleset
        for backend, snapshot in zip(backends, snapshots):
            unmanaged = backend.without_managed(snapshot, unmanaged)
        changes = []
        ruleset = unmanaged
        # The guards come last, so that they are simulated on top of the accept rules.
        for backend, snapshot in [*zip(backends[1:], snapshots[1:]), (guards, snapshots[0])]:
            goal = desired if backend in (guards, choice.backend) else ABSENT
            seen = ruleset if backend is guards else unmanaged
            changes.append(backend.plan(replace(snapshot, unmanaged=seen), goal))
            ruleset = changes[-1].simulated if goal.present else ruleset
        kept = [one for change in (changes[-1], *changes[:-1]) for one in change.kept]
        persistence = plan_persistence(
            facts.persistence, kept, desired.persist, choice.backend.name if desired.present else ""
        )
    return _whole(desired, choice, changes, snapshots[0].table is not None, persistence)


def _whole(
    desired: Desired,
    choice: Choice,
    changes: Sequence[Change],
    guarded_now: bool,
    persistence: PersistenceChange,
) -> WholeChange:
    """Return the changes as one. changes: of the chosen backend, of the others, and of the guards, in this order."""
    accepts, others, guards = changes[0], changes[1:-1], changes[-1]
    leftovers = [
        f"{backend.name}  {diff_text.line(item)}"
        for backend, other in zip(choice.others, others)
        for item in other.plan.before
    ]
    drift = [*guards.plan.drift, *accepts.plan.drift, *leftovers, *(note for one in others for note in one.plan.drift)]
    live = bool(guards.plan.before or accepts.plan.before or leftovers)
    # On a host that has nothing managed yet, missing files are no finding of their own.
    fresh = persistence.fresh and not live and desired.present
    plan = Plan((*guards.plan.steps, *accepts.plan.steps), (*drift, *(() if fresh else persistence.drift)))
    # What closes goes first, what opens goes last. Where guards go, what they narrow has to be narrowed before.
    ordered = [guards, accepts, *others] if desired.guarded else [accepts, *others, guards]
    back = [guards, accepts, *others] if guarded_now else [accepts, *others, guards]
    steps = [step for one in ordered for step in one.live]
    steps += [step for one in (*others, accepts) for step in one.permanent]
    return WholeChange(
        plan=plan,
        steps=(*steps, *persistence.steps) if plan.changed else (),
        rollback=together([persistence.rollback, *(one.rollback for one in back)]),
        simulated=guards.simulated,
        persisted={
            part: answer if part == GUARDS or accepts.persisted else "no"
            for part, answer in persistence.persisted.items()
        },
        warnings=(*persistence.warnings, *accepts.warnings, *guards.warnings),
    )


def _end(pending: PendingChange, outcome: Outcome, terms: Terms) -> Outcome:
    """Roll back a change that did not do what it should; commit another one, or have it wait for its confirmation."""
    fails = any(verdict.effective == NO for verdict in outcome.rows.values())
    fails = fails or any(verdict.guarded == NO for verdict in outcome.guards.values())
    if terms.undo_ineffective and fails:
        return replace(outcome, rolled_back=True, rollback_fault=pending.roll_back())
    if terms.seconds:
        try:
            pending.wait_from_now(terms.seconds)
        except EdgeError as error:
            raise EdgeError(f"{error}; {diff_text.undo_message(pending.roll_back())}") from None
        return replace(outcome, confirmation=pending.command)
    return replace(outcome, warnings=[*outcome.warnings, *pending.commit()])


def _execute(steps: Sequence[Step], run: Runner) -> None:
    """Change the host in a process that goes on when this one is killed, so that no change is left unfinished."""
    from .rollback.daemon import out_of_reach

    def work() -> Sequence[str]:
        carry_out(steps, run)
        return ()

    out_of_reach(work)


def _outcome(run: Runner, facts: Facts, ruleset: Ruleset, change: WholeChange, desired: Desired) -> Outcome:
    evaluated = evaluate_host(run, facts, ruleset, desired)
    return replace(evaluated, change=change, warnings=[*change.warnings, *evaluated.warnings])


def evaluate_host(run: Runner, facts: Facts, ruleset: Ruleset, desired: Desired) -> Outcome:
    """Return the verdicts on a ruleset of this host, without any change. Raises EdgeError."""
    with understood("the firewall of this host"):
        rows = evaluate_rows(ruleset, desired.accepts, facts.routes, facts.surroundings)
        guards = evaluate_guards(ruleset, desired.rules, facts.routes) if desired.guarded else {}
        place = Place(facts.own, facts.routes)
        guards = with_other_servers(guards, ruleset, desired.rules, facts.servers, place)
        if facts.firewall.unread:
            rows = {row: RowVerdict(UNKNOWN, None, "") for row in rows}
            guards = {row: GuardVerdict(UNKNOWN, None, "") for row in guards}
        explanation = explain(facts.firewall, rows, guards, _denials(ruleset, rows, desired, facts), run)
        absent = absent_of(facts.own, desired.accepts)
        unused = [row for row in absent if rows[row].effective == YES]
        return Outcome(
            change=NO_CHANGE,
            rows={**rows, **{row: replace(rows[row], effective=UNKNOWN) for row in unused}},
            decided_by={**explanation.decided_by, **{row: absent[row] for row in unused}},
            guards=guards,
            guarded_by=explanation.guarded_by,
            packets=packets_by_row(facts.firewall.listing or {}, facts.firewall.guards, time.time()),
            warnings=[
                *diff_text.denial_messages(explanation.denials),
                *translation_notes(ruleset, desired.accepts, facts.routes),
                *path_notes(ruleset, desired.accepts, facts.routes, facts.surroundings),
                *hairpin_notes(ruleset, desired.accepts, facts.routes),
            ],
        )


def _denials(
    ruleset: Ruleset, rows: Mapping[str, RowVerdict], desired: Desired, facts: Facts
) -> Dict[str, List[Decision]]:
    """Return the rules that deny a part of each row, without the one that its verdict names."""
    return {
        row: [one for one in found if verdict.decision is None or one.rule is not verdict.decision.rule]
        for row, found in denials_of(ruleset, desired.accepts, facts.routes).items()
        for verdict in [rows[row]]
        if verdict.effective != NO
    }


def _cut(run: Runner, change: WholeChange, desired: Desired, terms: Terms) -> Tuple[List[str], List[str]]:
    """Return the connections that the change does not allow any more, and the commands that close them."""
    if not (terms.cut_revoked and change.plan.changed):
        return [], []
    from .rollback.revoked import closing_commands, established, revoked

    items = [item.rule if isinstance(item, Placed) else item for item in change.plan.before]
    found = [item for item in items if isinstance(item, Rule)]
    sockets = revoked(found, desired.rules, established(run))
    return list(map(str, sockets)), closing_commands(sockets)


def _difference(plan: Plan) -> Sequence[str]:
    found, expected = diff_text.before(plan).splitlines(), diff_text.after(plan).splitlines()
    return [line for line in found if line not in expected] + [line for line in expected if line not in found]
