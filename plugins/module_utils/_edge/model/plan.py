# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to change: the one plan that feeds changed, the diff, check mode and apply."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Iterable, List, Sequence, Tuple, Union

from .rules import Rule


@dataclass(frozen=True)
class Unmanaged:
    """A rule inside what is ours that is not one of ours as we write them.

    place: the chain it stands in; text: the rule in the firewall manager's own words.
    """

    place: str
    text: str


@dataclass(frozen=True)
class Placed:
    """A rule of ours in a place that is somebody else's. place: the chain, as people name it."""

    place: str
    rule: Rule


Item = Union[Rule, Unmanaged, Placed]


@dataclass(frozen=True)
class Observation:
    """What a host has of ours.

    items: the rules in their order, inbound first; deviations: one line for everything else that is not
    as we would have it (a chain's policy, a missing file).
    """

    items: Tuple[Item, ...] = ()
    deviations: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """How to get from the observed to the wanted.

    steps: "keep", "remove" or "add" with the item, in the order of the rules; deviations: what else gets repaired.
    """

    steps: Tuple[Tuple[str, Item], ...]
    deviations: Tuple[str, ...]

    @property
    def before(self) -> Tuple[Item, ...]:
        """The observed items."""
        return tuple(item for step, item in self.steps if step != "add")

    @property
    def after(self) -> Tuple[Item, ...]:
        """The wanted items."""
        return tuple(item for step, item in self.steps if step != "remove")

    @property
    def add(self) -> Tuple[Item, ...]:
        """Items that come."""
        return self._only("add")

    @property
    def remove(self) -> Tuple[Item, ...]:
        """Items that go."""
        return self._only("remove")

    @property
    def keep(self) -> Tuple[Item, ...]:
        """Items that stay."""
        return self._only("keep")

    @property
    def changed(self) -> bool:
        """Whether anything has to be written on the host."""
        return bool(self.add or self.remove or self.deviations)

    def _only(self, wanted_step: str) -> Tuple[Item, ...]:
        return tuple(item for step, item in self.steps if step == wanted_step)


def make_plan(observed: Observation, wanted: Sequence[Item]) -> Plan:
    """The fewest removals and additions that lead to the wanted items in the wanted order."""
    have: Sequence[Item] = observed.items
    matcher: SequenceMatcher[Item] = SequenceMatcher(None, have, wanted, autojunk=False)
    steps: List[Tuple[str, Item]] = []
    for tag, have_from, have_to, want_from, want_to in matcher.get_opcodes():
        if tag == "equal":
            steps += _marked("keep", have[have_from:have_to])
        else:
            steps += _marked("remove", have[have_from:have_to])
            steps += _marked("add", wanted[want_from:want_to])
    return Plan(tuple(steps), observed.deviations)


def _marked(step: str, items: Iterable[Item]) -> List[Tuple[str, Item]]:
    return [(step, item) for item in items]
