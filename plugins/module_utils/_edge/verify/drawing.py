# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drawing of who attempted what, as SVG: outside on the left, the edges in the middle, inside on the right."""

from __future__ import annotations

from html import escape
from typing import Dict, Iterator, List, NamedTuple, Sequence, Tuple

from .evaluate import FAILS, NOT_CHECKED, Finding
from .report import INSIDE, Report

_BOX_WIDTH, _BOX_HEIGHT, _GAP = 190, 40, 30
_COLUMN_STEP = 360
_LINE_STEP = 22
_MARGIN = 20
_MOST_HOSTS = 12
"""Hosts of a column that are drawn; of more, the last place says how many there are."""
_LONGEST_NAME = 24
_LEGEND_HEIGHT = 40

OPEN_HELD, CLOSED_HELD, BROKEN, UNKNOWN = "opened", "blocked", "broken", "unchecked"
"""Kinds of lines: open as it must be, closed as it must be, not as it must be, not checked."""

_LEGEND = (
    (OPEN_HELD, "open, as it must be"),
    (CLOSED_HELD, "closed, as it must be"),
    (BROKEN, "not as it must be"),
    (UNKNOWN, "not checked"),
)


class _Line(NamedTuple):
    """A line between two hosts. passes: whether the flows reach the target, whatever they have to do."""

    origin: str
    target: str
    kind: str
    passes: bool
    ports: Sequence[int]


def drawing_of(report: Report) -> str:
    """Return the drawing. What does not reach its target ends before it, with a bar."""
    columns = _columns(report)
    lines = list(_lines(report.findings))
    heights: Dict[str, int] = {}
    for line in lines:
        for name in (line.origin, line.target):
            heights[name] = heights.get(name, 0) + 1
    places, height = _places(columns, heights)
    used: Dict[str, int] = {}
    shown = [line for line in lines if line.origin in places and line.target in places]
    shapes = [_arrow(line, places, heights, used) for line in shown]
    boxes = [_box(name, *place, heights.get(name, 1)) for name, place in places.items()]
    width = 2 * _COLUMN_STEP + _BOX_WIDTH + 2 * _MARGIN
    return (
        f'<svg viewBox="0 0 {width} {height + _LEGEND_HEIGHT}" role="img" '
        f'aria-label="Flows between vantage points and edges">{_MARKERS}'
        + "".join([*shapes, *boxes, *_legend(height)])
        + "</svg>"
    )


_MARKERS = (
    "<defs>"
    + "".join(
        f'<marker id="arrow-{kind}" markerWidth="9" markerHeight="9" refX="8" refY="4.5" orient="auto">'
        f'<path class="{kind}" d="M0,0 L9,4.5 L0,9 z"/></marker>'
        f'<marker id="bar-{kind}" markerWidth="4" markerHeight="14" refX="2" refY="7" orient="auto">'
        f'<path class="{kind} bar" d="M2,0 L2,14"/></marker>'
        for kind in (OPEN_HELD, CLOSED_HELD, BROKEN, UNKNOWN)
    )
    + "</defs>"
)


def _columns(report: Report) -> List[List[str]]:
    edges = [edge.name for edge in report.edges]
    inside = [one.name for one in report.vantages if report.sides.get(one.name) == INSIDE and one.name not in edges]
    outside = [one.name for one in report.vantages if one.name not in inside and one.name not in edges]
    partners = dict.fromkeys(one.name for edge in report.edges for one in edge.partners)
    outside += [name for name in partners if name not in outside]
    return [outside, edges, inside]


def _lines(findings: Sequence[Finding]) -> Iterator[_Line]:
    """Yield the lines: flows between the same hosts of the same kind are one."""
    ports: Dict[Tuple[str, str, str, bool], Dict[int, None]] = {}
    for finding in findings:
        flow = finding.flow
        kind = _kind(finding)
        # What has to be closed and is not passes.
        passes = kind == OPEN_HELD or (kind == BROKEN and finding.expected == "closed")
        ports.setdefault((flow.origin, flow.target, kind, passes), {})[flow.port] = None
    for (origin, target, kind, passes), found in ports.items():
        yield _Line(origin, target, kind, passes, sorted(found))


def _kind(finding: Finding) -> str:
    if finding.verdict == FAILS:
        return BROKEN
    if finding.verdict == NOT_CHECKED:
        return UNKNOWN
    return OPEN_HELD if finding.expected == "open" else CLOSED_HELD


def _places(columns: Sequence[Sequence[str]], heights: Dict[str, int]) -> Tuple[Dict[str, Tuple[int, int]], int]:
    """Return the upper left corner of each host's box, and the height of all."""
    places: Dict[str, Tuple[int, int]] = {}
    highest = 0
    for column, names in enumerate(columns):
        y = _MARGIN
        for name in names[:_MOST_HOSTS]:
            places[name] = (_MARGIN + column * _COLUMN_STEP, y)
            y += _height(heights.get(name, 1)) + _GAP
        if len(names) > _MOST_HOSTS:
            places[f"and {len(names) - _MOST_HOSTS} more"] = (_MARGIN + column * _COLUMN_STEP, y)
            y += _BOX_HEIGHT + _GAP
        highest = max(highest, y)
    return places, highest


def _height(lines: int) -> int:
    return max(_BOX_HEIGHT, lines * _LINE_STEP)


def _box(name: str, x: int, y: int, lines: int) -> str:
    height = _height(lines)
    short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."
    return (
        f'<rect x="{x}" y="{y}" width="{_BOX_WIDTH}" height="{height}" rx="6"/>'
        f'<text class="name" x="{x + _BOX_WIDTH // 2}" y="{y + height // 2 + 5}" text-anchor="middle">'
        f"{escape(short)}</text>"
    )


def _arrow(line: _Line, places: Dict[str, Tuple[int, int]], heights: Dict[str, int], used: Dict[str, int]) -> str:
    """Return a line with its ports. Each line of a host has a height of its own."""
    ends = []
    for name in (line.origin, line.target):
        x, y = places[name]
        step = _height(heights[name]) / heights[name]
        ends.append((x, y + step * (used.get(name, 0) + 0.5)))
        used[name] = used.get(name, 0) + 1
    (x1, y1), (x2, y2) = ends
    if x1 < x2:
        x1 += _BOX_WIDTH
    else:
        x2 += _BOX_WIDTH
    reach = 1.0 if line.passes else 0.8
    x3, y3 = x1 + (x2 - x1) * reach, y1 + (y2 - y1) * reach
    marker = f"arrow-{line.kind}" if line.passes else f"bar-{line.kind}"
    ports = ", ".join(map(str, line.ports))
    return (
        f'<line class="{line.kind}" x1="{x1:.0f}" y1="{y1:.0f}" x2="{x3:.0f}" y2="{y3:.0f}" '
        f'marker-end="url(#{marker})"/>'
        f'<text class="port" x="{(x1 + (x2 - x1) * 0.3):.0f}" y="{(y1 + (y2 - y1) * 0.3 - 4):.0f}" '
        f'text-anchor="middle">{ports}</text>'
    )


def _legend(y: int) -> Iterator[str]:
    for number, (kind, text) in enumerate(_LEGEND):
        x = _MARGIN + number * 230
        marker = f"arrow-{kind}" if kind == OPEN_HELD else f"bar-{kind}"
        yield (
            f'<line class="{kind} legend" x1="{x}" y1="{y + 14}" x2="{x + 44}" y2="{y + 14}" '
            f'marker-end="url(#{marker})"/><text class="port" x="{x + 56}" y="{y + 18}">{escape(text)}</text>'
        )
