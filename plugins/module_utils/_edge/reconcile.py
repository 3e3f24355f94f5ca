# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's half from end to end: observe, plan, apply, persist, observe again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from . import words
from .backends import Backend
from .errors import EdgeError
from .plan import Plan, make_plan
from .rules import Rule


@dataclass(frozen=True)
class Outcome:
    """What a run found and did, or in check mode would do."""

    plan: Plan
    persisted: bool
    warnings: Sequence[str]


def reconcile(backend: Backend, wanted: Sequence[Rule], check_mode: bool) -> Outcome:
    """Make the host's rules equal to the wanted ones. Raises EdgeError."""
    plan = make_plan(backend.observe(wanted), wanted)
    if plan.changed and not check_mode:
        backend.apply(plan, wanted)
        backend.persist(wanted)
        remaining = make_plan(backend.observe(wanted), wanted)
        if remaining.changed:
            found = words.before(remaining).splitlines()
            expected = words.after(remaining).splitlines()
            difference = [line for line in found if line not in expected] + [
                line for line in expected if line not in found
            ]
            raise EdgeError(f"the host still differs after the change, in: {'; '.join(difference)}")
    return Outcome(plan, backend.persisted and bool(wanted), backend.warnings if wanted else ())
