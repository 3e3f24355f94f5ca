# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run: all findings, as a text table and as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict, Mapping, Sequence

from .evaluate import FAILS, HOLDS, Finding
from .flows import Edge, Vantage

_COLUMNS = ("row", "from", "to", "expected", "observed", "verdict")


@dataclass(frozen=True)
class Report:
    """The findings of a run.

    time: of the run, in UTC and ISO 8601; not_checked: a sentence with the reason for everything that was left out;
    rows: of each edge, as its host reports them.
    """

    time: str
    edges: Sequence[Edge]
    vantages: Sequence[Vantage]
    findings: Sequence[Finding]
    not_checked: Sequence[str]
    rows: Mapping[str, Mapping[str, Mapping[str, Any]]]

    @property
    def failed(self) -> Sequence[Finding]:
        """Findings that are not as the table says."""
        return [finding for finding in self.findings if finding.verdict == FAILS]

    @property
    def summary(self) -> str:
        """Summary on one line."""
        held = sum(finding.verdict == HOLDS for finding in self.findings)
        parts = [f"{held} of {len(self.findings)} flows are as the table says"]
        if self.not_checked:
            parts.append(f"{len(self.not_checked)} not checked")
        return ", ".join(parts)


def cells(finding: Finding) -> Sequence[str]:
    """Return a finding as the cells of a table's line."""
    flow = finding.flow
    origin = f"{flow.origin} {finding.source}" if finding.source else flow.origin
    return (
        flow.row,
        origin,
        f"{flow.target} {flow.address} port {flow.port}",
        finding.expected,
        finding.observed,
        finding.verdict,
    )


def table(report: Report) -> str:
    """Return the findings as a text table: failures first, and each cause on its own line."""
    findings = sorted(report.findings, key=lambda finding: finding.verdict != FAILS)
    lines = [_COLUMNS, *(cells(finding) for finding in findings)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    text = [_padded(_COLUMNS, widths)]
    for finding in findings:
        text.append(_padded(cells(finding), widths))
        if finding.cause:
            text.append(f"    {finding.cause}")
    text += [f"not checked: {reason}" for reason in report.not_checked]
    return "\n".join([*text, report.summary])


def as_data(report: Report) -> Dict[str, Any]:
    """Return the report as plain data; docs/verify.md has the schema."""
    return {
        "schema": 1,
        "time": report.time,
        "passed": not report.failed,
        "summary": report.summary,
        "edges": [
            {
                "name": edge.name,
                **{option: edge.addresses(option) for option in ("access_addresses", "internal_addresses")},
                "mode": edge.options.mode,
                "rows": {row: dict(entry) for row, entry in report.rows.get(edge.name, {}).items()},
            }
            for edge in report.edges
        ],
        "vantage_points": [asdict(vantage) for vantage in report.vantages],
        "flows": [_flow_data(finding) for finding in report.findings],
        "not_checked": list(report.not_checked),
    }


def _flow_data(finding: Finding) -> Dict[str, Any]:
    flow = finding.flow
    return {
        "row": flow.row,
        "from": flow.origin,
        "source": finding.source,
        "to": flow.target,
        "address": flow.address,
        "port": flow.port,
        "level": flow.level,
        "expected": finding.expected,
        "observed": finding.observed,
        "verdict": finding.verdict,
        "cause": finding.cause,
        "latency_ms": finding.latency_ms,
        "detail": finding.detail,
        "facts": dict(finding.facts),
    }


def _padded(texts: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(text.ljust(width) for text, width in zip(texts, widths)).rstrip()
