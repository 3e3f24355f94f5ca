# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The items of a change, and the diff between the current and the desired ones."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Iterable, List, Sequence, Tuple, Union

from .rules import Group, Rule


@dataclass(frozen=True)
class Unmanaged:
    """A rule inside a managed resource that is not as a run would write it.

    place: the chain it stands in; text: the rule in the firewall manager's own words.
    """

    place: str
    text: str


@dataclass(frozen=True)
class Placed:
    """An accept rule in a place that the firewall manager or an administrator owns. place: as people name it."""

    place: str
    rule: Rule


@dataclass(frozen=True)
class Setting:
    """Something else that the managed table does.

    text: as a line of a diff has it; groups: the networks that it is about.
    """

    text: str
    groups: Tuple[Group, ...] = ()


Item = Union[Rule, Unmanaged, Placed, Setting]


@dataclass(frozen=True)
class Observation:
    """Managed resources as they were found on a host.

    items: the rules in their order, inbound first; drift: a line for each other difference from what a run would leave
    (a chain's policy, a missing file).
    """

    items: Tuple[Item, ...] = ()
    drift: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The way from the current to the desired state.

    steps: "keep", "remove" or "add" with the item, in the order of the rules; drift: what else is repaired.
    """

    steps: Tuple[Tuple[str, Item], ...]
    drift: Tuple[str, ...]

    @property
    def before(self) -> Tuple[Item, ...]:
        """Return the observed items."""
        return tuple(item for step, item in self.steps if step != "add")

    @property
    def after(self) -> Tuple[Item, ...]:
        """Return the desired items."""
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
        """Return whether anything has to be written on the host."""
        return bool(self.add or self.remove or self.drift)

    def _only(self, wanted_step: str) -> Tuple[Item, ...]:
        return tuple(item for step, item in self.steps if step == wanted_step)


def make_plan(observed: Observation, desired: Sequence[Item]) -> Plan:
    """Return the fewest removals and additions that lead to the desired items in the desired order."""
    have: Sequence[Item] = observed.items
    matcher: SequenceMatcher[Item] = SequenceMatcher(None, have, desired, autojunk=False)
    steps: List[Tuple[str, Item]] = []
    for tag, have_from, have_to, to_from, to_to in matcher.get_opcodes():
        if tag == "equal":
            steps += _marked("keep", have[have_from:have_to])
        else:
            steps += _marked("remove", have[have_from:have_to])
            steps += _marked("add", desired[to_from:to_to])
    return Plan(tuple(steps), observed.drift)


def _marked(step: str, items: Iterable[Item]) -> List[Tuple[str, Item]]:
    return [(step, item) for item in items]
