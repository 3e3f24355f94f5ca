# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look-ups of a packet's values among the elements of a set, in a time that does not grow with large sets."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from .fields import UnknownExpressionError, matcher_of, span_of
from .values import Answer, Matcher, Value, all_of, any_of, spans_of

Finder = Callable[[Sequence[Value]], Answer]
"""Function that answers whether the values of some fields, in their order, are an element."""

_Row = List[Matcher]
_Index = Tuple[int, Dict[int, List[_Row]], Sequence[_Row]]
"""Position of a field, the rows by its number, and the rows in which it is no single number."""


def finder_of(names: Sequence[str], elements: Sequence[Sequence[Any]]) -> Finder:
    """Return a finder of elements, each with one constant for each field. Raises UnknownExpressionError."""
    if len(names) == 1:
        matcher = matcher_of(names[0], [constant for (constant,) in elements])

        def find_one(values: Sequence[Value]) -> Answer:
            return matcher(values[0])

        vars(find_one).update(spans=spans_of(matcher))
        return find_one
    rows = [[matcher_of(name, [constant]) for name, constant in zip(names, element)] for element in elements]
    position, index, wide = _index(names, elements, rows)

    def find(values: Sequence[Value]) -> Answer:
        value = values[position]
        is_one = isinstance(value, tuple) and value[0] == value[1]
        near = [*index.get(value[0], ()), *wide] if isinstance(value, tuple) and is_one else rows
        return any_of(all_of(match(one) for match, one in zip(row, values)) for row in near)

    return find


def _index(names: Sequence[str], elements: Sequence[Sequence[Any]], rows: Sequence[_Row]) -> _Index:
    """Return the index by the field that tells most elements apart."""
    best: _Index = (0, {}, rows)
    for position, name in enumerate(names):
        index: Dict[int, List[_Row]] = {}
        wide: List[_Row] = []
        for element, row in zip(elements, rows):
            number = _number(name, element[position])
            (wide if number is None else index.setdefault(number, [])).append(row)
        if len(index) > len(best[1]):
            best = position, index, wide
    return best


def _number(name: str, constant: Any) -> Optional[int]:
    """Return the one number that a constant stands for, None where it stands for several or for a name."""
    try:
        first, last = span_of(name, constant)
    except UnknownExpressionError:
        return None
    return first if first == last else None
