# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The current managed rules of a Windows host as ordered rules, so that diff text is the same on all hosts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import AbstractSet, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ..model.addresses import FAMILIES, Span, merged
from ..model.literals import Direction, Family
from ..model.plan import Item, Observation, Unmanaged
from ..model.port_table import PORT_TABLE
from ..model.rules import ACTIONS, DIRECTIONS, RULE_FAMILIES, Rule, make_group
from .addresses import ANY, read_spans, write_networks
from .compile import NAME_PREFIX, Compiled, compile_rule, names_of
from .live import ALL_PROFILES, PROFILES, TCP, LiveRule

_ROWS = {row.id: row for row in PORT_TABLE}
_MAX_NEIGHBOURS = 256

_Side = Optional[FrozenSet[Tuple[str, Tuple[Span, ...]]]]
"""Addresses of one side by family; None stands for any."""

_Spans = Optional[Tuple[Span, ...]]
"""Addresses of one side in one family; None stands for any."""


class _Frame(NamedTuple):
    """The fields that all pieces of one rule share."""

    row: str
    direction: Direction
    port: int
    family: Family


@dataclass(frozen=True)
class _Piece:
    """A managed live rule in the form that a run writes, with any addresses."""

    row: str
    action: str
    direction: Direction
    local: _Side
    remote: _Side
    port: int


def observe(found: Sequence[LiveRule], unchanged: Iterable[str], desired: Compiled) -> Observation:
    """Return the managed rules and the drift of a host.

    found: the live rules with the ownership tag; unchanged: names of those that are as desired.
    """
    correct = set(unchanged)
    complete = [rule for rule, parts in desired.items() if names_of(parts) <= correct]
    explained = {name for rule in complete for name in names_of(desired[rule])}
    pieces = [(rule, _piece(rule)) for rule in found if rule.name not in explained]
    unreadable = [_unmanaged(rule) for rule, piece in pieces if piece is None]
    readable = [piece for _rule, piece in pieces if piece is not None]
    allowed = _allow_rules([piece for piece in readable if piece.action == "allow"])
    guards, parts = _guards([piece for piece in readable if piece.action == "block"], [*complete, *allowed])
    items: List[Item] = sorted([*complete, *allowed, *guards], key=_order)
    return Observation((*items, *unreadable, *parts), tuple(_drift(found, correct, desired, items)))


def _order(item: Item) -> Tuple[int, ...]:
    """Return a sort key that puts rules in the order of the table, and other items last."""
    if not isinstance(item, Rule):
        return (len(DIRECTIONS),)
    rows = list(_ROWS)
    return (
        DIRECTIONS.index(item.direction),
        ACTIONS.index(item.action),
        rows.index(item.row) if item.row in rows else len(rows),
        RULE_FAMILIES.index(item.family),
    )


def _piece(rule: LiveRule) -> Optional[_Piece]:
    """Return a live rule as a piece; None where it does not have the form that a run writes."""
    row, _slash, _rest = rule.name[len(NAME_PREFIX) :].partition("/")
    direction = next((one for one in DIRECTIONS if one == rule.direction), None)
    known = row in _ROWS and rule.action in ACTIONS
    if direction is None or not known or rule.protocol != TCP or rule.port is None:
        return None
    try:
        piece = _Piece(row, rule.action, direction, _side(rule.local), _side(rule.remote), rule.port)
    except ValueError:
        return None
    return piece if _families(piece) else None


def _side(text: str) -> _Side:
    """Return the addresses of a text. Raises ValueError for keywords and other text."""
    if text == ANY:
        return None
    spans = read_spans(text)
    if spans is None:
        raise ValueError(text)
    return frozenset((family, tuple(found)) for family, found in spans.items())


def _unmanaged(rule: LiveRule) -> Unmanaged:
    ports = rule.local_ports if rule.direction == "in" else rule.remote_ports
    source, destination = (rule.remote, rule.local) if rule.direction == "in" else (rule.local, rule.remote)
    protocol = "tcp" if rule.protocol == TCP else f"protocol {rule.protocol}"
    text = f"{rule.action} {rule.direction} {protocol} {source} -> {destination} port {ports}"
    return Unmanaged(f"rule {rule.name}", text)


def _allow_rules(pieces: Sequence[_Piece]) -> List[Rule]:
    """Return ordered rules, each from all its pieces. A long list of addresses has several pieces."""
    remotes: Dict[Tuple[_Frame, _Spans], List[_Spans]] = {}
    for piece in pieces:
        for family in _families(piece):
            frame = _Frame(piece.row, piece.direction, piece.port, family)
            remotes.setdefault((frame, _spans(piece.local, family)), []).append(_spans(piece.remote, family))
    locals_: Dict[Tuple[_Frame, _Spans], List[_Spans]] = {}
    for (frame, local), sides in remotes.items():
        locals_.setdefault((frame, _union(sides)), []).append(local)
    return [_allow_rule(frame, _union(sides), remote) for (frame, remote), sides in locals_.items()]


def _union(sides: Sequence[_Spans]) -> _Spans:
    """Return the union of all addresses; any address where one of them is that."""
    return None if None in sides else tuple(merged(span for side in sides for span in side or ()))


def _allow_rule(frame: _Frame, local: _Spans, remote: _Spans) -> Rule:
    row = _ROWS[frame.row]
    local_group = None
    if local is not None:
        local_group = make_group(f"{row.local.option}_{frame.family}", _addresses(local, frame.family))
    remote_group = None
    if remote is not None:
        remote_group = make_group(f"{row.remote.option}_{frame.family}", write_networks(remote, frame.family))
    source, destination = (remote_group, local_group) if frame.direction == "in" else (local_group, remote_group)
    return Rule(frame.row, "allow", frame.direction, frame.family, source, destination, frame.port)


def _addresses(spans: Sequence[Span], family: str) -> List[str]:
    """Return local addresses one by one, even where some are adjacent.

    A run writes single addresses only, so a large span is drift and is shown as networks.
    """
    pieces = [
        piece
        for first, last in spans
        for piece in ([(n, n) for n in range(first, last + 1)] if last - first < _MAX_NEIGHBOURS else [(first, last)])
    ]
    return write_networks(pieces, family)


def _families(piece: _Piece) -> Sequence[Family]:
    """Return the families in which both sides have addresses: only their connections can match."""
    return [family for family in FAMILIES if () not in (_spans(piece.local, family), _spans(piece.remote, family))]


def _spans(side: _Side, family: str) -> _Spans:
    """Return the addresses of a side in a family."""
    return None if side is None else dict(side).get(family, ())


def _guards(pieces: Sequence[_Piece], allowed: Sequence[Rule]) -> Tuple[List[Rule], List[Unmanaged]]:
    """Return the complete guards beside these allow rules, and the pieces of incomplete guards."""
    guards, parts = [], []
    groups: Dict[Tuple[str, Direction, int], List[_Piece]] = {}
    for piece in pieces:
        groups.setdefault((piece.row, piece.direction, piece.port), []).append(piece)
    for (row, direction, port), members in groups.items():
        guard = Rule(row, "block", direction, "any", None, None, port)
        expected = Counter((_side(",".join(p.local)), _side(",".join(p.remote))) for p in compile_rule(guard, allowed))
        if expected == Counter((piece.local, piece.remote) for piece in members):
            guards.append(guard)
        else:
            parts += [_part(piece) for piece in members]
    return guards, parts


def _part(piece: _Piece) -> Unmanaged:
    source, destination = (piece.remote, piece.local) if piece.direction == "in" else (piece.local, piece.remote)
    text = f"block {piece.direction} tcp {_shown(source)} -> {_shown(destination)} port {piece.port}"
    return Unmanaged(piece.row, f"{text} (part of a guard)")


def _shown(side: _Side) -> str:
    if side is None:
        return "any"
    count = sum(len(spans) for _family, spans in side)
    return f"{count} range{'s' if count != 1 else ''} of addresses"


def _drift(found: Sequence[LiveRule], correct: AbstractSet[str], desired: Compiled, items: Sequence[Item]) -> List[str]:
    """Return a line for each managed rule that differs in something that is no item."""
    names = {name for parts in desired.values() for name in names_of(parts)}
    duplicates = Counter(rule.name for rule in found)
    lines = [f"rule {name}  is there {count} times" for name, count in duplicates.items() if count > 1]
    shown = set(items)
    for rule in found:
        # The module knows what Windows itself has made of a rule that was written as desired.
        faults = _faults(rule) if rule.name not in correct else []
        if faults:
            lines.append(f"rule {rule.name}  {', '.join(faults)}")
        elif rule.name not in correct and (rule.name in names or _decoded(rule) & shown & set(desired)):
            lines.append(f"rule {rule.name}  is not as a run writes it")
    return list(dict.fromkeys(lines))


def _decoded(rule: LiveRule) -> FrozenSet[Item]:
    piece = _piece(rule)
    return frozenset(_allow_rules([piece]) if piece and piece.action == "allow" else ())


def _faults(rule: LiveRule) -> List[str]:
    """Return the differences of a rule from all managed rules, apart from addresses and ports."""
    faults = [] if rule.enabled else ["is disabled"]
    if rule.profiles != ALL_PROFILES:
        names = [name for name, bit in PROFILES.items() if rule.profiles & bit]
        faults.append(f"is for {' and '.join(names) or 'no'} profile{'s' if len(names) > 1 else ''} only")
    return faults + [f"is for {condition} only" for condition in rule.conditions]
