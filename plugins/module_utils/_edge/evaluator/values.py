# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of a packet's fields, and matchers with three answers: True, False, and None for unknown."""

from __future__ import annotations

from bisect import bisect_right
from typing import Callable, Dict, FrozenSet, Iterable, Optional, Sequence, Union

from ..model.addresses import Span, merged, point


class _Special:
    """Value that is neither a number nor a name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


UNKNOWN = _Special("UNKNOWN")
ABSENT = _Special("ABSENT")
"""Value of a field that the packet lacks, as IPv6 packets lack an IPv4 source: no comparison matches, not even "!="."""
OUTSIDE = _Special("OUTSIDE")
"""Name of an unknown interface that is not the loopback one."""

Value = Union[Span, str, _Special]
"""Number that is not wholly known is a span; one that is known has both ends equal."""

Fields = Dict[str, Value]
"""Fields of a packet by name, such as "ip saddr"; a missing name stands for UNKNOWN."""
Answer = Optional[bool]
Matcher = Callable[[Value], Answer]
"""Function that answers whether a value of a field matches."""


def masked(value: Value, mask: Optional[int]) -> Value:
    """Return the bits of a number that a mask lets through; no mask lets all through."""
    if mask is None or not isinstance(value, tuple):
        return value
    return point(value[0] & mask) if value[0] == value[1] else UNKNOWN


def opposite(answer: Answer) -> Answer:
    """Return the negation; unknown stays unknown."""
    return None if answer is None else not answer


def all_of(answers: Iterable[Answer]) -> Answer:
    """Return the conjunction: one False decides, however many others are unknown."""
    result: Answer = True
    for answer in answers:
        if answer is False:
            return False
        if answer is None:
            result = None
    return result


def any_of(answers: Iterable[Answer]) -> Answer:
    """Return the disjunction: one True decides."""
    return opposite(all_of(opposite(answer) for answer in answers))


def number_matcher(spans: Iterable[Span]) -> Matcher:
    """Return a matcher of numbers in any of the spans, in logarithmic time. See spans_of."""
    joined = merged(spans)
    matcher = _span_matcher(*joined[0]) if len(joined) == 1 else _spans_matcher(joined)
    vars(matcher)[_SPANS] = joined
    return matcher


_SPANS = "spans"


def spans_of(function: Callable[..., Answer]) -> Sequence[Span]:
    """Return the spans that a matcher, or a test of one field, looks for; empty where it does not say."""
    found: Sequence[Span] = vars(function).get(_SPANS, ()) if hasattr(function, "__dict__") else ()
    return found


def _spans_matcher(joined: Sequence[Span]) -> Matcher:
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
    """Return a matcher of names; one that ends in the wildcard stands for all that begin so."""
    exact: FrozenSet[str] = frozenset(name for name in names if not name.endswith(wildcard))
    prefixes = tuple(name[:-1] for name in names if name.endswith(wildcard))

    def match(value: Value) -> Answer:
        if value is OUTSIDE:
            return False if not prefixes and exact <= {"lo"} else True if "" in prefixes else None
        if not isinstance(value, str):
            return None
        return value in exact or value.startswith(prefixes)

    return match


def bits_matcher(mask: int, matcher: Matcher) -> Matcher:
    """Return a matcher of numbers under a mask."""

    def match(value: Value) -> Answer:
        if not isinstance(value, tuple) or value[0] != value[1]:
            return None
        return matcher(point(value[0] & mask))

    return match


def differs_from_zero(value: Value) -> Answer:
    """Match every number but 0."""
    return opposite(number_matcher([point(0)])(value))
