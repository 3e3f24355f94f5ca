# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a Windows host read back to ordered rules, so that the diff there has the same words as elsewhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import AbstractSet, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ..evaluator.values import Span, merged
from ..model.plan import Item, Observation, Unmanaged
from ..model.port_table import PORT_TABLE
from ..model.rules import ACTIONS, DIRECTIONS, RULE_FAMILIES, Rule, make_group
from ..request.address_input import FAMILIES
from .addresses import ANY, read_spans, write_networks
from .compile import NAME_PREFIX, Compiled, compile_rule, names_of
from .live import ALL_PROFILES, PROFILES, TCP, LiveRule

_ROWS = {row.id: row for row in PORT_TABLE}
_MOST_NEIGHBOURS = 256

_Side = Optional[FrozenSet[Tuple[str, Tuple[Span, ...]]]]
"""Addresses of one side by family; None stands for any."""


_Spans = Optional[Tuple[Span, ...]]
"""Addresses of one side in one family; None stands for any."""


class _Frame(NamedTuple):
    """What the pieces of one rule have in common."""

    row: str
    direction: str
    port: int
    family: str


@dataclass(frozen=True)
class _Piece:
    """A live rule of ours, as far as it has the form that we give to rules."""

    row: str
    action: str
    direction: str
    local: _Side
    remote: _Side
    port: int


def observe(found: Sequence[LiveRule], kept: Iterable[str], wanted: Compiled) -> Observation:
    """What the host has of ours.

    found: the live rules with our mark; kept: names of those that are just as they should be; wanted: ordered rules.
    """
    sound = set(kept)
    whole = [rule for rule, parts in wanted.items() if names_of(parts) <= sound]
    explained = {name for rule in whole for name in names_of(wanted[rule])}
    rest = [rule for rule in found if rule.name not in explained or rule.name not in sound]
    pieces = {index: _piece(rule) for index, rule in enumerate(rest)}
    strangers = [_stranger(rest[index]) for index, piece in pieces.items() if piece is None]
    readable = [piece for piece in pieces.values() if piece is not None]
    allowed = _allow_rules([piece for piece in readable if piece.action == "allow"])
    guards, parts = _guards([piece for piece in readable if piece.action == "block"], [*whole, *allowed])
    items: List[Item] = sorted([*whole, *allowed, *guards], key=_order)
    return Observation((*items, *strangers, *parts), tuple(_deviations(found, sound, wanted, items)))


def _order(item: Item) -> Tuple[int, ...]:
    """The place of a rule in the order in which all are written down; of what is none, the end."""
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
    row, _slash, _rest = rule.name[len(NAME_PREFIX) :].partition("/")
    known = row in _ROWS and rule.direction in DIRECTIONS and rule.action in ACTIONS
    if not known or rule.protocol != TCP or rule.port is None:
        return None
    try:
        piece = _Piece(row, rule.action, rule.direction, _side(rule.local), _side(rule.remote), rule.port)
    except ValueError:
        return None
    return piece if _families(piece) else None


def _side(text: str) -> _Side:
    """Addresses as text. Raises ValueError where they are keywords or cannot be read."""
    if text == ANY:
        return None
    spans = read_spans(text)
    if spans is None:
        raise ValueError(text)
    return frozenset((family, tuple(found)) for family, found in spans.items())


def _stranger(rule: LiveRule) -> Unmanaged:
    ports = rule.local_ports if rule.direction == "in" else rule.remote_ports
    source, destination = (rule.remote, rule.local) if rule.direction == "in" else (rule.local, rule.remote)
    protocol = "tcp" if rule.protocol == TCP else f"protocol {rule.protocol}"
    text = f"{rule.action} {rule.direction} {protocol} {source} -> {destination} port {ports}"
    return Unmanaged(f"rule {rule.name}", text)


def _allow_rules(pieces: Sequence[_Piece]) -> List[Rule]:
    """Ordered rules from their pieces: what is spread over several rules for its length is one again."""
    remotes: Dict[Tuple[_Frame, _Spans], List[_Spans]] = {}
    for piece in pieces:
        for family in _families(piece):
            frame = _Frame(piece.row, piece.direction, piece.port, family)
            remotes.setdefault((frame, _spans(piece.local, family)), []).append(_spans(piece.remote, family))
    locals_: Dict[Tuple[_Frame, _Spans], List[_Spans]] = {}
    for (frame, local), sides in remotes.items():
        locals_.setdefault((frame, _together(sides)), []).append(local)
    return [_allow_rule(frame, _together(sides), there) for (frame, there), sides in locals_.items()]


def _together(sides: Sequence[_Spans]) -> _Spans:
    """The addresses of all; "any" of one of them is that."""
    return None if None in sides else tuple(merged(span for side in sides for span in side or ()))


def _allow_rule(frame: _Frame, local: _Spans, remote: _Spans) -> Rule:
    row = _ROWS[frame.row]
    ours = None
    if local is not None:
        ours = make_group(f"{row.local.option}_{frame.family}", _addresses(local, frame.family))
    theirs = None
    if remote is not None:
        theirs = make_group(f"{row.remote.option}_{frame.family}", write_networks(remote, frame.family))
    source, destination = (theirs, ours) if frame.direction == "in" else (ours, theirs)
    return Rule(frame.row, "allow", frame.direction, frame.family, source, destination, frame.port)


def _addresses(spans: Sequence[Span], family: str) -> List[str]:
    """The host's own addresses one by one, even where some stand next to each other; a network is somebody's change."""
    pieces = [
        piece
        for first, last in spans
        for piece in ([(n, n) for n in range(first, last + 1)] if last - first < _MOST_NEIGHBOURS else [(first, last)])
    ]
    return write_networks(pieces, family)


def _families(piece: _Piece) -> Sequence[str]:
    """The families in which both sides have addresses: no other connection can match."""
    return [family for family in FAMILIES if () not in (_spans(piece.local, family), _spans(piece.remote, family))]


def _spans(side: _Side, family: str) -> _Spans:
    """Addresses of a side in a family."""
    return None if side is None else dict(side).get(family, ())


def _guards(pieces: Sequence[_Piece], allowed: Sequence[Rule]) -> Tuple[List[Rule], List[Unmanaged]]:
    """Guards whose parts are all there, beside these allow rules; and the parts of those of which some are missing."""
    guards, parts = [], []
    groups: Dict[Tuple[str, str, int], List[_Piece]] = {}
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


def _deviations(
    found: Sequence[LiveRule], sound: AbstractSet[str], wanted: Compiled, items: Sequence[Item]
) -> List[str]:
    """What else is not as we would have it, one line for each rule of ours."""
    names = {name for parts in wanted.values() for name in names_of(parts)}
    twins = Counter(rule.name for rule in found)
    lines = [f"rule {name}  is there {count} times" for name, count in twins.items() if count > 1]
    shown = set(items)
    for rule in found:
        faults = _faults(rule)
        if faults:
            lines.append(f"rule {rule.name}  {', '.join(faults)}")
        elif rule.name not in sound and (rule.name in names or _decodes_to(rule) & shown & set(wanted)):
            lines.append(f"rule {rule.name}  is not as we write it")
    return list(dict.fromkeys(lines))


def _decodes_to(rule: LiveRule) -> FrozenSet[Item]:
    piece = _piece(rule)
    return frozenset(_allow_rules([piece]) if piece and piece.action == "allow" else ())


def _faults(rule: LiveRule) -> List[str]:
    """In what a rule is not like any of ours, apart from addresses and ports."""
    faults = [] if rule.enabled else ["is disabled"]
    if rule.profiles != ALL_PROFILES:
        names = [name for name, bit in PROFILES.items() if rule.profiles & bit]
        faults.append(f"is for {' and '.join(names) or 'no'} profile{'s' if len(names) > 1 else ''} only")
    return faults + [f"is for {condition} only" for condition in rule.conditions]
