# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as managers without named groups have them: a line for each pair of a source and a destination, by family.

Written out of rules, and folded back into rules, for every manager whose own syntax can say one line at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from ..model.ownership import NAME_PREFIX
from ..model.plan import Item, Unmanaged
from ..model.rules import Group, Rule, canonical_network, make_group

FAMILIES: Tuple[str, ...] = ("ipv4", "ipv6")
SET = "@"
"""What a side begins with that names a set of networks instead of a network."""


@dataclass(frozen=True)
class Line:
    """One line. source, destination: a network, the name of a set behind SET, or empty for any."""

    row: str
    action: str
    direction: str
    family: str
    source: str
    destination: str
    port: int


Found = Union[Line, Unmanaged]


def lines_of(rules: Iterable[Rule], family: str, longest: Optional[int] = None) -> List[Line]:
    """The lines of one family; a group longer than longest stands there as a set."""
    return [
        Line(rule.row, rule.action, rule.direction, family, source, destination, rule.port)
        for rule in rules
        if rule.family in (family, "any")
        for source in _side(rule.source, longest)
        for destination in _side(rule.destination, longest)
    ]


def sets_of(rules: Iterable[Rule], longest: int) -> Dict[str, Group]:
    """The groups that stand in lines as sets, by the names of the sets."""
    groups = [group for rule in rules for group in rule.groups]
    return {set_name(group): group for group in groups if len(group.networks) > longest}


def set_name(group: Group) -> str:
    """Name of the set for a group: of at most 31 characters, as ipset(8) asks, and marked as ours."""
    return f"{NAME_PREFIX}{group.name.replace('_networks', '').replace('_addresses', '_own')}"


def rules_of(
    found: Mapping[str, Sequence[Found]], wanted: Sequence[Rule], sets: Mapping[str, Sequence[str]]
) -> List[Item]:
    """What the lines of one direction, given by family, come to: rules where they make up such, else strangers.

    sets: the networks of each set by name. Groups get the names that they have in wanted rules.
    """
    like = {rule.id: rule for rule in wanted}
    folded = {family: _fold(found.get(family, ()), like, sets) for family in FAMILIES}
    order = {rule.id: number for number, rule in enumerate(wanted)}
    return _merge(folded["ipv4"], folded["ipv6"], order)


def _side(group: Optional[Group], longest: Optional[int]) -> Tuple[str, ...]:
    if group is None:
        return ("",)
    if longest is not None and len(group.networks) > longest:
        return (SET + set_name(group),)
    return group.networks


def _fold(found: Sequence[Found], like: Mapping[str, Rule], sets: Mapping[str, Sequence[str]]) -> List[Item]:
    """Rules out of lines that follow each other and agree in all but their networks."""
    items: List[Item] = []
    for key, run in groupby(found, lambda one: one if isinstance(one, Unmanaged) else _key(one)):
        lines = list(run)
        if isinstance(key, Unmanaged):
            items += [line for line in lines if isinstance(line, Unmanaged)]
            continue
        same = [line for line in lines if isinstance(line, Line)]
        rule = _rule(same, like, sets)
        if rule is not None and _again(rule, same):
            items.append(rule)
        else:
            items += [stranger(line) for line in same]
    return items


def _key(line: Line) -> Tuple[str, str, str, str, int]:
    return line.row, line.action, line.direction, line.family, line.port


def _again(rule: Rule, lines: Sequence[Line]) -> bool:
    """Whether a rule comes to just these lines, in whatever order and whichever of its groups are sets."""
    sides = [(line.source, line.destination) for line in lines]
    source_longest = 0 if any(source.startswith(SET) for source, _destination in sides) else None
    sources = _side(rule.source, source_longest)
    destination_longest = 0 if any(destination.startswith(SET) for _source, destination in sides) else None
    destinations = _side(rule.destination, destination_longest)
    return sorted(sides) == sorted((source, destination) for source in sources for destination in destinations)


def _rule(lines: Sequence[Line], like: Mapping[str, Rule], sets: Mapping[str, Sequence[str]]) -> Optional[Rule]:
    first = lines[0]
    if first.action == "block":
        # One of the two halves of a guard: _merge puts them together.
        plain = len(lines) == 1 and not (first.source or first.destination)
        return Rule(first.row, "block", first.direction, first.family, None, None, first.port) if plain else None
    known = like.get(f"{first.row}/{first.action}/{first.family}")
    groups: List[Optional[Group]] = []
    for side, texts in (
        ("source", {line.source for line in lines}),
        ("destination", {line.destination for line in lines}),
    ):
        name = getattr(known, side).name if known and getattr(known, side) else f"{side}_{first.family}"
        networks = [network for text in texts for network in _networks(text, sets)]
        groups.append(make_group(name, networks) if texts != {""} else None)
    return Rule(first.row, "allow", first.direction, first.family, groups[0], groups[1], first.port)


def _networks(text: str, sets: Mapping[str, Sequence[str]]) -> Sequence[str]:
    return sets.get(text[len(SET) :], ()) if text.startswith(SET) else (canonical_network(text),)


def stranger(line: Line) -> Unmanaged:
    """A line that is no rule of ours by itself, in the table's words."""
    sides = f"{line.source or 'any'} -> {line.destination or 'any'}"
    return Unmanaged(line.row, f"{line.action} {line.direction} tcp {sides} port {line.port} {line.family} only")


def _merge(four: List[Item], six: List[Item], order: Mapping[str, int]) -> List[Item]:
    """One list out of those of both families, in the order of the wanted rules; halves of guards become one."""
    items: List[Item] = []
    while four and six:
        guard = _guard(four[0])
        if guard is not None and guard == _guard(six[0]):
            items.append(guard)
            four, six = four[1:], six[1:]
            continue
        six_first = _rank(six[0], order) < _rank(four[0], order)
        # The other half of a guard may come later.
        if guard is not None and guard in map(_guard, six):
            six_first = True
        elif _guard(six[0]) is not None and _guard(six[0]) in map(_guard, four):
            six_first = False
        items.append(_whole(six[0] if six_first else four[0]))
        four, six = (four, six[1:]) if six_first else (four[1:], six)
    return items + [_whole(item) for item in four + six]


def _whole(item: Item) -> Item:
    """The item itself, or for half a guard, which is none of ours as we write them, a stranger."""
    if not isinstance(item, Rule) or item.action != "block":
        return item
    return stranger(Line(item.row, item.action, item.direction, item.family, "", "", item.port))


def _rank(item: Item, order: Mapping[str, int]) -> int:
    if not isinstance(item, Rule):
        return -1
    return order.get(item.id, order.get(f"{item.row}/{item.action}/any", -1))


def _guard(item: Item) -> Optional[Rule]:
    """For half a guard the guard that it is half of."""
    if not isinstance(item, Rule) or item.action != "block":
        return None
    return Rule(item.row, item.action, item.direction, "any", None, None, item.port)
