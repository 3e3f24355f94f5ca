# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accept rules for managers without named groups: a line for each pair of a source and a destination, by family.

They are written out of rules and folded back into rules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from ..model.addresses import canonical_network
from ..model.errors import EdgeError
from ..model.literals import Direction, Family, RuleFamily
from ..model.plan import Item, Unmanaged
from ..model.rules import Group, Rule, make_group

LONGEST_LIST = 32
"""Networks of one list and family that get a line each. Of a longer list the accept rules name no source."""


@dataclass(frozen=True)
class Line:
    """One line. source, destination: an address or network, empty for any; forwarded: see Rule; dialled: whether
    destination and port are those before destination NAT.
    """

    row: str
    direction: Direction
    family: Family
    source: str
    destination: str
    port: int
    forwarded: bool = False
    dialled: bool = False


Found = Union[Line, Unmanaged]
Key = Tuple[str, Direction, Family, int, bool, bool]
"""What the lines of a rule have in common: row, direction, family, port, and what forwarded and dialled say."""


def shortened(rules: Sequence[Rule], manager: str, guarded: bool) -> Tuple[Tuple[Rule, ...], Tuple[str, ...]]:
    """Return accept rules without the sides that are too long for lines, and what is to be said of that.

    guarded: whether guards narrow what the rules then leave open. Raises EdgeError where nothing does.
    """
    short: List[Rule] = []
    long: List[str] = []
    for rule in rules:
        group = rule.remote
        if group is None or len(group.networks) <= LONGEST_LIST:
            short.append(rule)
            continue
        option = group.option
        if not guarded:
            raise EdgeError(
                f"{option}: {len(group.networks)} networks are more than the {LONGEST_LIST} that {manager} can take "
                "without guards; name wider networks, or say mode: exclusive or backend: nftables"
            )
        short.append(replace(rule, source=None) if rule.direction == "in" else replace(rule, destination=None))
        long.append(f"{option} has {len(group.networks)} {rule.family} networks")
    notes = tuple(
        f"{text}, more than {LONGEST_LIST}: the accept rules of {manager} name none of them, and only the guards narrow"
        for text in dict.fromkeys(long)
    )
    return tuple(short), notes


def with_inner_addresses(rules: Iterable[Rule]) -> List[Rule]:
    """Return rules as a manager writes them that knows packets by their addresses behind destination NAT only."""
    return [
        replace(rule, destination=rule.inside.group, port=port, inside=None) if rule.inside else rule
        for rule in rules
        for port in (rule.inside.ports if rule.inside else (rule.port,))
    ]


def lines_of(rules: Iterable[Rule], family: RuleFamily) -> List[Line]:
    """Return the lines of one family."""
    return [
        Line(rule.row, rule.direction, rule.family, source, destination, rule.port, rule.forwarded, bool(rule.inside))
        for rule in rules
        if rule.family == family and rule.family != "any"
        for source in _side(rule.source)
        for destination in _side(rule.destination)
    ]


def rules_of(found: Iterable[Found], desired: Sequence[Rule]) -> List[Item]:
    """Return what lines come to: rules where they make up such, unmanaged items else, in the order of the lines.

    Groups get the names that they have in desired rules.
    """
    like: Dict[Key, List[Rule]] = {}
    for one in desired:
        for line in lines_of([one], one.family)[:1]:
            like.setdefault(_key(line), []).append(one)
    items: List[Item] = []
    for key, run in groupby(found, lambda one: None if isinstance(one, Unmanaged) else _key(one)):
        same = list(run)
        lines = [line for line in same if isinstance(line, Line)]
        alike = like.get(key, []) if key else []
        if len(alike) > 1 and lines == [line for rule in alike for line in lines_of([rule], rule.family)]:
            # A router has such rules for each edge.
            items += alike
            continue
        rule = _rule(lines, next(iter(alike), None)) if key else None
        if rule is not None and sorted(map(_sides, lines)) == sorted(map(_sides, lines_of([rule], rule.family))):
            items.append(rule)
        else:
            items += [one if isinstance(one, Unmanaged) else unmanaged(one) for one in same]
    return items


def unmanaged(line: Line) -> Unmanaged:
    """Return the item for a line that makes up no rule, in the table's words."""
    sides = f"{line.source or 'any'} -> {line.destination or 'any'}"
    return Unmanaged(line.row, f"allow {line.direction} tcp {sides} port {line.port}")


def _side(group: Optional[Group]) -> Tuple[str, ...]:
    return ("",) if group is None else group.networks


def _sides(line: Line) -> Tuple[str, str]:
    return line.source, line.destination


def _key(line: Line) -> Key:
    return line.row, line.direction, line.family, line.port, line.forwarded, line.dialled


def _rule(lines: Sequence[Line], like: Optional[Rule]) -> Rule:
    first = lines[0]
    source = _group({line.source for line in lines}, like.source if like else None, f"source_{first.family}")
    destination = _group(
        {line.destination for line in lines}, like.destination if like else None, f"destination_{first.family}"
    )
    inside = like.inside if like and first.dialled else None
    return Rule(
        first.row, "allow", first.direction, first.family, source, destination, first.port, first.forwarded, inside
    )


def _group(texts: Iterable[str], like: Optional[Group], name: str) -> Optional[Group]:
    networks = [canonical_network(text) for text in texts if text]
    return make_group(like.name if like else name, networks) if networks else None


def by_family(rules: Iterable[Rule], families: Sequence[Family]) -> Mapping[Family, List[Line]]:
    """Return the lines of each family."""
    listed = list(rules)
    return {family: lines_of(listed, family) for family in families}
