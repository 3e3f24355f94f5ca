# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one self-contained HTML page, without scripts, fonts, pictures or network access."""

from __future__ import annotations

from html import escape
from typing import Dict, List, Sequence, Tuple

from .evaluate import FAILS, HOLDS, Finding
from .flows import GROUP_OF, OUTSIDERS
from .report import Report, cells

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --paper: #ffffff; --line: #c8cfda; --good: #12703a; --bad: #b3261e;
  --dim: #5b6575; --band: #f3f5f8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --paper: #14181f; --line: #3a4250; --good: #5fcf8f;
  --bad: #ff8a80; --dim: #9aa5b5; --band: #1c222c; } }
body { color: var(--ink); background: var(--paper); font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto;
  max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th, td { border-bottom: 1px solid var(--line); padding: 0.35rem 0.6rem; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; } th { background: var(--band); } .scroll { overflow-x: auto; }
.holds { color: var(--good); } .fails { color: var(--bad); font-weight: 600; } .dim { color: var(--dim); }
svg { width: 100%; height: auto; max-width: 60rem; } svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
svg rect { fill: var(--band); stroke: var(--line); } svg line { stroke-width: 2; }
svg .holds { stroke: var(--good); } svg .fails { stroke: var(--bad); stroke-dasharray: 6 4; }
@media print { body { margin: 0; max-width: none; } tr { break-inside: avoid; } }
"""

_WIDTH, _BOX, _ROW = 900, 200, 60


def write_page(report: Report) -> str:
    """Return the page. All text from an inventory, a host or a peer is escaped."""
    state = "holds" if report.passed else "fails"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>XMPP federation at the edge</title><style>{_STYLE}</style></head><body>\n"
        f'<h1>XMPP federation at the edge</h1>\n<p class="{state}">{escape(report.summary)}</p>\n'
        f'<p class="dim">{escape(report.time)}</p>\n'
        f"<h2>Where it was looked at from</h2>\n{_drawing(report)}\n"
        f"<h2>Flows</h2>\n{_flows(report)}\n"
        f"<h2>Problems of the edges</h2>\n{_problems(report)}\n"
        f"<h2>Rows, as they are found on the edges</h2>\n{_rows(report)}\n"
        f"<h2>Not checked</h2>\n{_not_checked(report)}\n</body></html>\n"
    )


def _flows(report: Report) -> str:
    findings = sorted(report.findings, key=lambda finding: finding.verdict != FAILS)
    return _table(
        ("row", "from", "to", "expected", "observed", "verdict", "cause", "ms"),
        [
            (*cells(finding), finding.why, "" if finding.latency_ms is None else str(finding.latency_ms))
            for finding in findings
        ],
    )


def _rows(report: Report) -> str:
    lines = [
        (edge, row, *(_shown(entry.get(key)) for key in ("present", "effective", "decided_by", "packets")))
        for edge, rows in report.rows.items()
        for row, entry in rows.items()
    ]
    return _table(("edge", "row", "present", "effective", "decided by", "packets let pass"), lines)


def _shown(value: object) -> str:
    if value is None:
        return "not known"
    return str(value) if not isinstance(value, bool) else "yes" if value else "no"


def _problems(report: Report) -> str:
    if not report.problems:
        return "<p>None.</p>"
    return "".join(
        f'<p class="fails">{escape(problem.sentence)}</p>\n'
        + (f"<pre>{escape(chr(10).join(problem.lines))}</pre>\n" if problem.lines else "")
        for problem in report.problems
    )


def _not_checked(report: Report) -> str:
    if not report.not_checked:
        return "<p>Nothing was left out.</p>"
    return "<ul>" + "".join(f"<li>{escape(reason)}</li>" for reason in report.not_checked) + "</ul>"


def _table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(_cell(text) for text in line) + "</tr>\n" for line in lines)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>'


def _cell(text: str) -> str:
    classes = {HOLDS: "holds", FAILS: "fails"}
    attribute = f' class="{classes[text]}"' if text in classes else ""
    return f"<td{attribute}>{escape(text)}</td>"


def _drawing(report: Report) -> str:
    """Return a drawing: outside hosts on the left, edges in the middle, inside hosts on the right.

    A line connects two hosts between which a flow was attempted.
    """
    outside = [v.name for v in report.vantages if v.group in (GROUP_OF["partner_networks"], OUTSIDERS)]
    inside = [v.name for v in report.vantages if v.name not in outside]
    columns = [outside, [edge.name for edge in report.edges], inside]
    height = max(1, *map(len, columns)) * _ROW + 20
    places: Dict[str, Tuple[int, int]] = {}
    for column, names in enumerate(columns):
        for index, name in enumerate(names):
            x = 10 + column * (_WIDTH - _BOX - 20) // 2
            places[name] = (x, int(height / 2 + (index - (len(names) - 1) / 2) * _ROW))
    lines = [_line(places, pair, verdict) for pair, verdict in _pairs(report.findings).items()]
    boxes = [
        f'<rect x="{x}" y="{y - 18}" width="{_BOX}" height="36" rx="6"/>'
        f'<text x="{x + _BOX // 2}" y="{y + 5}" text-anchor="middle">{escape(_short(name))}</text>'
        for name, (x, y) in places.items()
    ]
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="Vantage points and edges">'
        + "".join([*lines, *boxes])
        + "</svg>"
    )


def _pairs(findings: Sequence[Finding]) -> Dict[Tuple[str, str], str]:
    """Return the worst verdict by pair of hosts."""
    pairs: Dict[Tuple[str, str], str] = {}
    for finding in findings:
        first, second = sorted((finding.flow.origin, finding.flow.target))
        if pairs.get((first, second)) != FAILS:
            pairs[first, second] = finding.verdict
    return pairs


def _line(places: Dict[str, Tuple[int, int]], pair: Tuple[str, str], verdict: str) -> str:
    ends: List[Tuple[int, int]] = sorted(places[name] for name in pair)
    (x1, y1), (x2, y2) = ends
    kind = "fails" if verdict == FAILS else "holds"
    return f'<line class="{kind}" x1="{x1 + _BOX}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def _short(name: str) -> str:
    return name if len(name) <= 26 else name[:23] + "..."
