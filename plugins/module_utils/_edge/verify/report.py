# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All findings of a run, as one table and as one structure for whatever is made of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict, Mapping, Sequence

from .evaluate import FAILS, HOLDS, Finding
from .flows import Edge, Vantage

_COLUMNS = ("row", "from", "to", "expected", "observed", "verdict")


@dataclass(frozen=True)
class Report:
    """What a run of verify found.

    time: when, in UTC and ISO 8601; not_checked: what was left out, and why, a sentence each; rows: of each edge, as
    its host sees them.
    """

    time: str
    edges: Sequence[Edge]
    vantages: Sequence[Vantage]
    findings: Sequence[Finding]
    not_checked: Sequence[str]
    rows: Mapping[str, Mapping[str, Mapping[str, Any]]]

    @property
    def failed(self) -> Sequence[Finding]:
        """The findings that are not as the table says."""
        return [finding for finding in self.findings if finding.verdict == FAILS]

    @property
    def summary(self) -> str:
        """One line."""
        held = sum(finding.verdict == HOLDS for finding in self.findings)
        parts = [f"{held} of {len(self.findings)} flows are as the table says"]
        if self.not_checked:
            parts.append(f"{len(self.not_checked)} not checked")
        return ", ".join(parts)


def cells(finding: Finding) -> Sequence[str]:
    """A finding as the cells of a line."""
    flow = finding.flow
    here = f"{flow.origin} {finding.source}" if finding.source else flow.origin
    return (
        flow.row,
        here,
        f"{flow.target} {flow.address} port {flow.port}",
        finding.expected,
        finding.observed,
        finding.verdict,
    )


def table(report: Report) -> str:
    """The findings as text: those that fail first, each with its cause on a line of its own."""
    findings = sorted(report.findings, key=lambda finding: finding.verdict != FAILS)
    lines = [_COLUMNS, *(cells(finding) for finding in findings)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    text = [_spread(_COLUMNS, widths)]
    for finding in findings:
        text.append(_spread(cells(finding), widths))
        if finding.cause:
            text.append(f"    {finding.cause}")
    text += [f"not checked: {reason}" for reason in report.not_checked]
    return "\n".join([*text, report.summary])


def as_data(report: Report) -> Dict[str, Any]:
    """The report as plain data; docs/verify.md has the schema."""
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


def _spread(texts: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(text.ljust(width) for text, width in zip(texts, widths)).rstrip()
