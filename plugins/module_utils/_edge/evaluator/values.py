# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of a packet's fields, and matching against them in three values: True, False, and None for unknown."""

from __future__ import annotations

from bisect import bisect_right
from typing import Callable, Dict, FrozenSet, Iterable, List, Optional, Sequence, Tuple, Union

Span = Tuple[int, int]
"""All numbers from the first to the last; a value that is known has both equal."""


class _Special:
    """A value that is neither a number nor a name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


UNKNOWN = _Special("UNKNOWN")
ABSENT = _Special("ABSENT")
"""The packet has no such field (an IPv6 packet has no IPv4 source): no comparison with it matches, not even !=."""
OUTSIDE = _Special("OUTSIDE")
"""Name of some interface that is not known, except that it is not the loopback one."""

Value = Union[Span, str, _Special]
Fields = Dict[str, Value]
"""A packet's fields by name, such as "ip saddr"; a name that is missing stands for UNKNOWN."""
Answer = Optional[bool]
Matcher = Callable[[Value], Answer]
"""Whether a value of a field is among the wanted ones."""


def point(number: int) -> Span:
    """A number that is known."""
    return number, number


def opposite(answer: Answer) -> Answer:
    """Negation: what is unknown stays so."""
    return None if answer is None else not answer


def all_of(answers: Iterable[Answer]) -> Answer:
    """Conjunction: one False decides, however much else is unknown."""
    result: Answer = True
    for answer in answers:
        if answer is False:
            return False
        if answer is None:
            result = None
    return result


def any_of(answers: Iterable[Answer]) -> Answer:
    """Disjunction: one True decides."""
    return opposite(all_of(opposite(answer) for answer in answers))


def merged(spans: Iterable[Span]) -> List[Span]:
    """The same numbers in the fewest spans, in order."""
    result: List[Span] = []
    for first, last in sorted(spans):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], last))
        else:
            result.append((first, last))
    return result


def number_matcher(spans: Iterable[Span]) -> Matcher:
    """Matches numbers in any of the spans, in logarithmic time."""
    spans = list(spans)
    if len(spans) == 1:
        return _span_matcher(*spans[0])
    joined = merged(spans)
    firsts = [first for first, _last in joined]
    lasts = [last for _first, last in joined]

    def match(value: Value) -> Answer:
        if not isinstance(value, tuple):
            return None
        low, high = value
        index = bisect_right(firsts, low) - 1
        if index >= 0 and high <= lasts[index]:
            return True
        overlaps = (index >= 0 and low <= lasts[index]) or (index + 1 < len(firsts) and firsts[index + 1] <= high)
        return None if overlaps else False

    return match


def _span_matcher(first: int, last: int) -> Matcher:
    def match(value: Value) -> Answer:
        if not isinstance(value, tuple):
            return None
        low, high = value
        if first <= low and high <= last:
            return True
        return None if low <= last and first <= high else False

    return match


def name_matcher(names: Sequence[str], wildcard: str = "*") -> Matcher:
    """Matches names; one that ends in the wildcard stands for all that begin so."""
    exact: FrozenSet[str] = frozenset(name for name in names if not name.endswith(wildcard))
    prefixes = tuple(name[:-1] for name in names if name.endswith(wildcard))

    def match(value: Value) -> Answer:
        if value is OUTSIDE:
            return False if not prefixes and exact <= {"lo"} else True if "" in prefixes else None
        if not isinstance(value, str):
            return None
        return value in exact or value.startswith(prefixes)

    return match


def bits_matcher(mask: int, wanted: Matcher) -> Matcher:
    """Matches numbers by what is left of them under a mask."""

    def match(value: Value) -> Answer:
        if not isinstance(value, tuple) or value[0] != value[1]:
            return None
        return wanted(point(value[0] & mask))

    return match


def differs_from_zero(value: Value) -> Answer:
    """Matches every number but 0."""
    return opposite(number_matcher([point(0)])(value))
