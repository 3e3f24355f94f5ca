# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's half from end to end: observe, plan, apply, persist, observe again, judge, and undo what is no good."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, List, Mapping, Optional, Sequence, Tuple

from .backends.base import Backend
from .evaluator.rows import NO, UNKNOWN, RowVerdict, evaluate_rows, routes_to_ask
from .host.firewall import Host, explain
from .model import diff_text
from .model.errors import EdgeError, understood
from .model.plan import Observation, Plan, make_plan
from .model.rules import Rule
from .rollback import HOME
from .rollback.lock import HostLock

if TYPE_CHECKING:
    from .rollback.changes import Change

Leftovers = Sequence[Tuple[Backend, Plan]]
"""Backends that have rules and are to have none, each with the plan that removes them."""


@dataclass(frozen=True)
class Safety:
    """How a change is made safe.

    lock: that of the host, which is held; seconds: how long the change waits for its confirmation, 0 if it needs none;
    undo_ineffective: whether it is undone when a row turns out not to be effective; cut_revoked: whether connections
    are closed that are not allowed any more; home: where the change is kept while it is under way.
    """

    lock: HostLock
    seconds: int = 0
    undo_ineffective: bool = True
    cut_revoked: bool = False
    home: str = HOME


@dataclass(frozen=True)
class Outcome:
    """What a run found and did, or in check mode would do.

    rows: the verdict on each row that has a rule; decided_by: what decides it, in words; undone: whether the change was
    undone, with what could not be in undo_fault; confirmation: the command that confirms the change, None where it
    need not be confirmed; cut: the connections that are not allowed any more and get closed.
    """

    plan: Plan
    persisted: bool
    rows: Mapping[str, RowVerdict]
    decided_by: Mapping[str, Optional[str]]
    warnings: Sequence[str]
    undone: bool = False
    undo_fault: Optional[str] = None
    confirmation: Optional[str] = None
    cut: Sequence[str] = ()


def reconcile(
    host: Host,
    backend: Backend,
    wanted: Sequence[Rule],
    *,
    check_mode: bool,
    others: Sequence[Backend],
    safety: Safety,
) -> Outcome:
    """Make the host's rules equal to the wanted ones, and judge them. Raises EdgeError, with the change undone.

    others: backends that are not to have any rules on this host.
    """
    plan, leftovers = _plan(backend, wanted, others)
    if check_mode or not plan.changed:
        rows = _judge(host, backend, wanted, leftovers if plan.changed else None)
        cut, _commands = _cut(host, plan, leftovers, wanted, safety)
        return replace(_outcome(host, backend, wanted, plan, rows), cut=cut)
    # Imported where it is needed: a host compiles what it imports anew on every run.
    from .rollback.changes import Changes

    with understood("what this host has of ours"):
        parts = [backend.restoration(wanted), *(other.restoration(()) for other, _removal in leftovers)]
    change = Changes(host.run, safety.lock, safety.home).begin(parts, safety.seconds)
    try:
        notes = _carry_out(backend, wanted, plan, leftovers)
        host.forget()
        remaining, _leftovers = _plan(backend, wanted, others)
        if remaining.changed:
            raise EdgeError(f"the host still differs after the change, in: {'; '.join(_difference(remaining))}")
        outcome = _outcome(host, backend, wanted, plan, _judge(host, backend, wanted, None))
        outcome = replace(outcome, warnings=[*notes, *outcome.warnings])
        cut, commands = _cut(host, plan, leftovers, wanted, safety)
        change.cut(commands)
    except Exception as error:
        said = diff_text.undo_message(change.take_back())
        if isinstance(error, EdgeError):
            raise EdgeError(f"{error}; {said}") from None
        raise
    return replace(_end(change, outcome, safety), cut=cut)


def _end(change: Change, outcome: Outcome, safety: Safety) -> Outcome:
    """Undo a change that did not do what it should; let another one stand, or wait for its confirmation."""
    if safety.undo_ineffective and any(verdict.effective == NO for verdict in outcome.rows.values()):
        return replace(outcome, undone=True, undo_fault=change.take_back())
    if safety.seconds:
        return replace(outcome, confirmation=change.command)
    return replace(outcome, warnings=[*outcome.warnings, *change.keep()])


def _carry_out(backend: Backend, wanted: Sequence[Rule], plan: Plan, leftovers: Leftovers) -> Sequence[str]:
    """Change the host in a process that goes on when this one is killed, so that no change is left half done."""
    from .rollback.daemon import out_of_reach

    def change() -> Sequence[str]:
        notes = [*backend.apply(plan, wanted)]
        # In this order no moment is without guards, and files that backends share are written last.
        for other, removal in leftovers:
            notes += other.apply(removal, ())
            other.persist(())
        backend.persist(wanted)
        return notes

    return out_of_reach(change)


def _judge(
    host: Host, backend: Backend, wanted: Sequence[Rule], to_come: Optional[Leftovers]
) -> Mapping[str, RowVerdict]:
    """The verdict on each row. to_come: None once the host is as it should be; else what is yet to be removed."""
    with understood("the firewall of this host"):
        ruleset = host.firewall.ruleset
        if to_come is not None:
            for other, _removal in to_come:
                ruleset = other.without_ours(ruleset)
            ruleset = backend.placed(ruleset, wanted)
        # Only what this backend has on this host can be expected to be effective.
        judged = [item for item in backend.target(wanted) if isinstance(item, Rule)]
        rows = evaluate_rows(ruleset, judged, host.routes(routes_to_ask(judged)))
    return {row: RowVerdict(UNKNOWN, None, None) for row in rows} if host.firewall.unread else rows


def _outcome(
    host: Host, backend: Backend, wanted: Sequence[Rule], plan: Plan, rows: Mapping[str, RowVerdict]
) -> Outcome:
    with understood("the firewall of this host"):
        return Outcome(
            plan=plan,
            persisted=backend.persisted and bool(wanted),
            rows=rows,
            decided_by=explain(host.firewall, rows, host.run),
            warnings=backend.warnings if wanted else (),
        )


def _cut(
    host: Host, plan: Plan, leftovers: Leftovers, wanted: Sequence[Rule], safety: Safety
) -> Tuple[List[str], List[str]]:
    """The connections that the plan does not allow any more, and the commands that close them."""
    if not (safety.cut_revoked and plan.changed):
        return [], []
    from .rollback.revoked import closing_commands, established, revoked

    found = [item for one in (plan, *(removal for _other, removal in leftovers)) for item in one.before]
    sockets = revoked([item for item in found if isinstance(item, Rule)], wanted, established(host.run))
    return list(map(str, sockets)), closing_commands(sockets)


def _plan(backend: Backend, wanted: Sequence[Rule], others: Sequence[Backend]) -> Tuple[Plan, Leftovers]:
    """The plan, in which what other backends have is something to be repaired, and the plans that remove that."""
    observed = _observed(backend, wanted)
    leftovers = [
        (other, make_plan(_observed(other, ()), ()))
        for other in others
        if other.name != backend.name and _has_traces(other)
    ]
    notes = [f"{other.name}  {diff_text.line(item)}" for other, removal in leftovers for item in removal.before]
    notes += [f"{other.name}  has more than rules" for other, removal in leftovers if not removal.before]
    observed = Observation(observed.items, (*observed.deviations, *notes))
    return make_plan(observed, backend.target(wanted)), leftovers


def _observed(backend: Backend, wanted: Sequence[Rule]) -> Observation:
    with understood(f"what this host has of ours in {backend.name}"):
        return backend.observe(wanted)


def _has_traces(backend: Backend) -> bool:
    with understood(f"what this host has of ours in {backend.name}"):
        return backend.has_traces


def _difference(plan: Plan) -> Sequence[str]:
    found, expected = diff_text.before(plan).splitlines(), diff_text.after(plan).splitlines()
    return [line for line in found if line not in expected] + [line for line in expected if line not in found]
