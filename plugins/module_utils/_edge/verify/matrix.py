# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reaches which port of which address, as small tables: one for what comes in, and one for what goes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterator, List, Sequence, Tuple

from ..probe.model import CLOSED
from .evaluate import FAILS, NOT_CHECKED, Finding
from .report import Report

HELD, BROKEN, UNKNOWN, EMPTY = "holds", "fails", "unchecked", "dim"
"""Kinds of cells."""


@dataclass(frozen=True)
class Cell:
    """A cell. kind: HELD, BROKEN, UNKNOWN, or EMPTY where nothing was to be attempted."""

    text: str
    kind: str


@dataclass(frozen=True)
class Matrix:
    """A table. heads: titles of the columns that name a line; lines: what names each, and a cell for each column."""

    caption: str
    heads: Sequence[str]
    columns: Sequence[str]
    lines: Sequence[Tuple[Sequence[str], Sequence[Cell]]]


def matrices_of(report: Report) -> Iterator[Matrix]:
    """Yield the matrices of each edge."""
    for edge in report.edges:
        found = [finding for finding in report.findings if finding.flow.edge == edge.name]
        inbound = [finding for finding in found if finding.flow.direction == "in"]
        outbound = [finding for finding in found if finding.flow.direction == "out"]
        if inbound:
            keys = [(one.flow.origin, str(one.flow.port), one.flow.address, one) for one in inbound]
            yield _matrix(f"To {edge.name}", ("from", "port"), keys)
        if outbound:
            keys = [(one.flow.target, str(one.flow.port), one.flow.address, one) for one in outbound]
            yield _matrix(f"From {edge.name}", ("to", "port"), keys, by_family=True)


_Key = Tuple[str, str, str, Finding]
"""Who, port, address, and the finding."""


def _matrix(caption: str, heads: Sequence[str], keys: Sequence[_Key], *, by_family: bool = False) -> Matrix:
    """Return a matrix. by_family: whether a column is a family, as the addresses of many hosts would be too many."""
    columns: Dict[str, None] = {}
    cells: Dict[Tuple[str, str], Dict[str, List[Finding]]] = {}
    for who, port, address, finding in keys:
        column = ("IPv6" if ":" in address else "IPv4") if by_family else address
        columns[column] = None
        cells.setdefault((who, port), {}).setdefault(column, []).append(finding)
    lines = [(names, [_cell(found.get(column, ())) for column in columns]) for names, found in cells.items()]
    return Matrix(caption, heads, list(columns), lines)


def _cell(findings: Sequence[Finding]) -> Cell:
    """Return the cell of some findings: the worst of them."""
    if not findings:
        return Cell("-", EMPTY)
    failed = [one for one in findings if one.verdict == FAILS]
    if failed:
        return Cell(f"{_state(failed[0])}, must be {failed[0].expected}", BROKEN)
    if any(one.verdict == NOT_CHECKED for one in findings):
        return Cell("not checked", UNKNOWN)
    return Cell(findings[0].expected, HELD)


def _state(finding: Finding) -> str:
    """Return what a flow is: a server that is not what the table asks for is neither open nor closed."""
    if finding.observed in CLOSED:
        return "closed"
    return "open" if finding.expected == "closed" else "faulty"
