# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one self-contained HTML page, without scripts, fonts, pictures or network access."""

from __future__ import annotations

from html import escape
from typing import Any, Iterator, List, Mapping, Sequence

from .drawing import drawing_of
from .evaluate import FAILS, HOLDS, NOT_CHECKED
from .facts import facts_of, title_of
from .matrix import Matrix, matrices_of
from .report import Report, cells, groups_of

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --paper: #ffffff; --line: #c8cfda; --good: #12703a; --bad: #b3261e;
  --open: #8a5a00; --dim: #5b6575; --band: #f3f5f8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --paper: #14181f; --line: #3a4250; --good: #5fcf8f;
  --bad: #ff8a80; --open: #f0b34a; --dim: #9aa5b5; --band: #1c222c; } }
body { color: var(--ink); background: var(--paper); font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto;
  max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; overflow-wrap: break-word; } h2 { font-size: 1.1rem; margin-top: 2rem; }
p, li, dd, pre { overflow-wrap: break-word; } pre { white-space: pre-wrap; margin: 0.3rem 0; }
table { border-collapse: collapse; font-size: 0.9rem; margin-bottom: 1rem; }
caption { text-align: left; font-weight: 600; padding: 0.3rem 0; white-space: nowrap; }
th, td { border-bottom: 1px solid var(--line); padding: 0.35rem 0.6rem; text-align: left; vertical-align: top;
  min-width: 6ch; white-space: nowrap; }
td.text { white-space: normal; min-width: 24ch; max-width: 60ch; }
thead th { background: var(--band); } .scroll { overflow-x: auto; }
.holds { color: var(--good); } .fails { color: var(--bad); font-weight: 600; } .unchecked { color: var(--open); }
.dim { color: var(--dim); } dt { font-weight: 600; } dd { margin: 0 0 0.4rem 1rem; }
details { margin: 0.8rem 0; } summary { cursor: pointer; font-weight: 600; }
svg { width: 100%; min-width: 46rem; height: auto; max-width: 60rem; }
svg text { fill: var(--ink); font: 14px system-ui, sans-serif; }
svg .port { font-size: 12px; paint-order: stroke; stroke: var(--paper); stroke-width: 3px; }
svg rect { fill: var(--band); stroke: var(--line); } svg line { stroke-width: 2; } svg .bar { stroke-width: 3; }
svg .opened { stroke: var(--good); fill: var(--good); } svg .blocked { stroke: var(--dim); fill: var(--dim); }
svg .broken { stroke: var(--bad); fill: var(--bad); stroke-dasharray: 6 4; }
svg .unchecked { stroke: var(--open); fill: var(--open); stroke-dasharray: 2 4; } svg .bar { stroke-dasharray: none; }
@media print { body { margin: 0; max-width: none; } tr, li { break-inside: avoid; } .scroll { overflow: visible; }
  svg { min-width: 0; } }
"""

_TEXT_COLUMNS = frozenset(("cause", "decided by"))


def write_page(report: Report) -> str:
    """Return the page. All text from an inventory, a host or a peer is escaped."""
    state = "holds" if report.passed else "fails"
    title = escape(title_of(report))
    data = report.data
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>\n"
        f'<h1 class="{state}">{title}</h1>\n<p>{escape(report.summary)}</p>\n'
        f"<h2>Who reaches what</h2>\n{''.join(map(_matrix, matrices_of(report))) or '<p>Nothing was attempted.</p>'}"
        f"<h2>Causes</h2>\n{_causes(report)}\n"
        f'<div class="scroll">{drawing_of(report)}</div>\n'
        + _folded("All flows", _flows(report))
        + _folded("Rows, as they are found on the edges", _rows(report))
        + _folded("What was looked at, by whom, and when", _facts(data))
        + "</body></html>\n"
    )


def _matrix(matrix: Matrix) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in (*matrix.heads, *matrix.columns))
    body = "".join(
        "<tr>"
        + "".join(f'<th scope="row">{escape(text)}</th>' for text in heads)
        + "".join(f'<td class="{cell.kind}">{escape(cell.text)}</td>' for cell in found)
        + "</tr>\n"
        for heads, found in matrix.lines
    )
    return (
        f'<div class="scroll"><table class="matrix"><caption>{escape(matrix.caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>\n"
    )


def _causes(report: Report) -> str:
    """Return what is wrong, what was not checked, and what was seen besides."""
    entries: List[str] = []
    for group in groups_of(report.findings):
        number = len(group.findings)
        kind = "fails" if group.findings[0].verdict == FAILS else "unchecked"
        flows = f"{number} flow{'s' if number > 1 else ''}"
        entries.append(_entry(kind, f"{group.findings[0].verdict}, {flows}: {group.text}", group.remedy))
    entries += [_entry("fails", one.sentence, one.remedy, one.lines) for one in report.problems]
    for one in report.unchecked:
        allowed = "" if one in report.not_allowed else ", as allowed"
        entries.append(_entry("unchecked", f"not checked{allowed}: {one.sentence}"))
    entries += [_entry("dim", f"note: {note}") for note in report.notes]
    return f"<ul>\n{''.join(entries)}</ul>" if entries else "<p>All was checked, and all holds.</p>"


def _entry(kind: str, sentence: str, remedy: str = "", lines: Sequence[str] = ()) -> str:
    shown = f"<pre>{escape(chr(10).join(lines))}</pre>" if lines else ""
    to_do = f"<br>To do: {escape(remedy)}." if remedy else ""
    return f'<li><span class="{kind}">{escape(sentence)}</span>{shown}{to_do}</li>\n'


def _folded(summary: str, content: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>\n{content}\n</details>\n"


def _flows(report: Report) -> str:
    findings = sorted(report.findings, key=lambda finding: finding.verdict != FAILS)
    return _table(
        "All flows",
        ("row", "from", "to", "expected", "observed", "verdict", "ms", "cause"),
        [
            (*cells(finding), "" if finding.latency_ms is None else str(finding.latency_ms), finding.why)
            for finding in findings
        ],
    )


def _rows(report: Report) -> str:
    lines = [
        (edge, row, *(_shown(entry.get(key)) for key in ("present", "effective", "guarded", "packets", "decided_by")))
        for edge, rows in report.rows.items()
        for row, entry in rows.items()
    ]
    columns = ("edge", "row", "present", "effective", "guarded", "packets let pass", "decided by")
    return _table("Rows", columns, lines)


def _facts(data: Mapping[str, Any]) -> str:
    entries = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n" for name, value in facts_of(data))
    return f"<dl>\n{entries}</dl>"


def _shown(value: object) -> str:
    if value is None:
        return "not known"
    return str(value) if not isinstance(value, bool) else "yes" if value else "no"


def _table(caption: str, columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join("<tr>" + "".join(_cells(columns, line)) + "</tr>\n" for line in lines)
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>"
    )


def _cells(columns: Sequence[str], line: Sequence[str]) -> Iterator[str]:
    classes = {HOLDS: "holds", FAILS: "fails", NOT_CHECKED: "unchecked"}
    for column, text in zip(columns, line):
        kind = "text" if column in _TEXT_COLUMNS else classes.get(text, "")
        yield f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"
