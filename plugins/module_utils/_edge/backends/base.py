# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of backends: each knows one firewall manager, and nothing of the port table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Generic, Tuple, TypeVar

from ..evaluator.ruleset import Ruleset
from ..host.facts import Facts
from ..host.persistence import Kept
from ..model.desired import Desired
from ..model.plan import Plan
from ..model.rollback_data import RollbackData
from ..model.steps import Step


@dataclass(frozen=True)
class Snapshot:
    """Facts of a host, each read once. Each backend adds its own.

    facts: what all backends share; unmanaged: the host's ruleset as it would be without anything managed, by whichever
    backend. The caller sets it, once all backends have observed.
    """

    facts: Facts
    unmanaged: Ruleset = field(default_factory=Ruleset, compare=False)


@dataclass(frozen=True)
class Change:
    """Change by one backend: the one source of the diff, check mode, execution and rollback.

    plan: the diff; live: steps that change the live rules; simulated: the host's ruleset as it will be; permanent:
    steps that change what the manager itself loads at boot; kept: what the managed unit loads at boot; rollback: what
    restores the current state; persisted: whether all of it is loaded at boot, by the manager or the unit; warnings:
    sentences for the administrator.
    """

    plan: Plan
    live: Tuple[Step, ...]
    simulated: Ruleset
    permanent: Tuple[Step, ...] = ()
    kept: Tuple[Kept, ...] = ()
    rollback: RollbackData = field(default_factory=RollbackData)
    persisted: bool = True
    warnings: Tuple[str, ...] = ()

    @property
    def needed(self) -> bool:
        """Return whether anything has to be done."""
        return self.plan.changed


S = TypeVar("S", bound=Snapshot)


class Backend(ABC, Generic[S]):
    """One firewall manager. It has no state: a later call knows of an earlier one by its arguments only."""

    name: ClassVar[str]

    @abstractmethod
    def observe(self, facts: Facts) -> S:
        """Return what the host has, read once. Changes nothing. Raises EdgeError."""

    @abstractmethod
    def without_managed(self, snapshot: S, ruleset: Ruleset) -> Ruleset:
        """Return a ruleset of this host as it would be without what this backend manages."""

    @abstractmethod
    def plan(self, snapshot: S, desired: Desired) -> Change:
        """Return the change that leads to the desired state. Pure. Raises EdgeError and MissingPackageError."""

    @abstractmethod
    def has_traces(self, snapshot: S) -> bool:
        """Return whether the host has anything managed by this backend."""
