# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backends: each knows one firewall manager, and nothing of the port table."""

from __future__ import annotations

from typing import Sequence

from ..evaluator.ruleset import Ruleset
from ..model.plan import Item, Observation, Plan
from ..model.rollback_data import RollbackData
from ..model.rules import Rule


class Backend:
    """What every backend can do. All raise EdgeError, and MissingPackageError where a tool is missing."""

    name: str

    def observe(self, wanted: Sequence[Rule]) -> Observation:
        """What the host has of ours, live and persisted, beside what is wanted; changes nothing."""
        raise NotImplementedError

    def target(self, wanted: Sequence[Rule]) -> Sequence[Item]:
        """What this host should have for the wanted rules; to be asked after observe."""
        return wanted

    def restoration(self, wanted: Sequence[Rule]) -> RollbackData:
        """What puts back what the host has of ours, once it has been made what is wanted; to be asked after observe."""
        raise NotImplementedError

    def apply(self, plan: Plan, wanted: Sequence[Rule]) -> Sequence[str]:
        """Carry the plan out on the live rules, in one transaction; no wanted rules means: leave nothing.

        Returns what the administrator should know of it.
        """
        raise NotImplementedError

    def persist(self, wanted: Sequence[Rule]) -> None:
        """Make what survives a reboot equal to what is wanted."""
        raise NotImplementedError

    def placed(self, ruleset: Ruleset, wanted: Sequence[Rule]) -> Ruleset:
        """The host's ruleset as it would be with the wanted rules in their place."""
        raise NotImplementedError

    def without_ours(self, ruleset: Ruleset) -> Ruleset:
        """The host's ruleset as it would be without any rule of this backend's."""
        raise NotImplementedError

    @property
    def has_traces(self) -> bool:
        """Whether the host has anything of this backend's, as far as can be told at no cost."""
        raise NotImplementedError

    @property
    def persisted(self) -> bool:
        """Whether this backend keeps the rules over a reboot on this host."""
        raise NotImplementedError

    @property
    def warnings(self) -> Sequence[str]:
        """What the administrator should know although nothing failed."""
        return ()
