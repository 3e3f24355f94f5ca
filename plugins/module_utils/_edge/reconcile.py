# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's half from end to end: observe, plan, apply, persist, observe again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Sequence, Tuple

from . import words
from .backends import Backend
from .effective.rows import UNKNOWN, RowVerdict, judge_rows, routes_to_ask
from .errors import EdgeError
from .host_firewall import Host
from .plan import Observation, Plan, make_plan
from .rules import Rule


@dataclass(frozen=True)
class Outcome:
    """What a run found and did, or in check mode would do. rows: the verdict on each row that has a rule."""

    plan: Plan
    persisted: bool
    rows: Mapping[str, RowVerdict]
    warnings: Sequence[str]


def reconcile(
    host: Host, backend: Backend, wanted: Sequence[Rule], check_mode: bool, others: Sequence[Backend] = ()
) -> Outcome:
    """Make the host's rules equal to the wanted ones, and judge them. Raises EdgeError.

    others: backends that are not to have any rules on this host.
    """
    plan, leftovers = _plan(backend, wanted, others)
    if plan.changed and not check_mode:
        backend.apply(plan, wanted)
        # In this order no moment is without guards, and files that backends share are written last.
        for other, removal in leftovers:
            other.apply(removal, ())
            other.persist(())
        backend.persist(wanted)
        host.forget()
        remaining, _leftovers = _plan(backend, wanted, others)
        if remaining.changed:
            raise EdgeError(f"the host still differs after the change, in: {'; '.join(_difference(remaining))}")
    ruleset = host.firewall.ruleset
    if plan.changed and check_mode:
        for other, _removal in leftovers:
            ruleset = other.without_ours(ruleset)
        ruleset = backend.placed(ruleset, wanted)
    # Only what this backend has on this host can be expected to be effective.
    judged = [item for item in backend.target(wanted) if isinstance(item, Rule)]
    rows = judge_rows(ruleset, judged, host.routes(routes_to_ask(judged)))
    if host.firewall.unread:
        rows = {row: RowVerdict(UNKNOWN, None, None) for row in rows}
    return Outcome(plan, backend.persisted and bool(wanted), rows, backend.warnings if wanted else ())


def _plan(
    backend: Backend, wanted: Sequence[Rule], others: Sequence[Backend]
) -> Tuple[Plan, Sequence[Tuple[Backend, Plan]]]:
    """The plan, in which what other backends have is something to be repaired, and the plans that remove that."""
    observed = backend.observe(wanted)
    leftovers = [
        (other, make_plan(other.observe(()), ())) for other in others if other.name != backend.name and other.has_traces
    ]
    notes = [f"{other.name}  {words.line(item)}" for other, removal in leftovers for item in removal.before]
    notes += [f"{other.name}  has more than rules" for other, removal in leftovers if not removal.before]
    observed = Observation(observed.items, (*observed.deviations, *notes))
    return make_plan(observed, backend.target(wanted)), leftovers


def _difference(plan: Plan) -> Sequence[str]:
    found, expected = words.before(plan).splitlines(), words.after(plan).splitlines()
    return [line for line in found if line not in expected] + [line for line in expected if line not in found]
