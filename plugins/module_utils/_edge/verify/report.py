# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run: all findings, as a text table and as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict, FrozenSet, Mapping, Sequence

from .evaluate import FAILS, HOLDS, Finding
from .flows import Edge, Vantage
from .problems import Problem

_COLUMNS = ("row", "from", "to", "expected", "observed", "verdict")


FAMILY_NAMES = {"ipv4": "IPv4", "ipv6": "IPv6"}


@dataclass(frozen=True)
class Unchecked:
    """Something that was to be checked and was not. sentence: it and the reason; rows: those that it is about, none
    where nobody may allow it.
    """

    sentence: str
    rows: FrozenSet[str]


@dataclass(frozen=True)
class Report:
    """The findings of a run.

    time: of the run, in UTC and ISO 8601; unchecked: everything that was left out; rows: of each edge, as they are
    found there; problems: those of the edges; allowed: rows that may go unchecked.
    """

    time: str
    edges: Sequence[Edge]
    vantages: Sequence[Vantage]
    findings: Sequence[Finding]
    unchecked: Sequence[Unchecked]
    rows: Mapping[str, Mapping[str, Mapping[str, Any]]]
    problems: Sequence[Problem] = ()
    allowed: FrozenSet[str] = frozenset()

    @property
    def passed(self) -> bool:
        """Return whether all that was to be checked was checked and holds."""
        return not (self.failed or self.problems or self.not_allowed)

    @property
    def not_allowed(self) -> Sequence[Unchecked]:
        """What was not checked, and may not go unchecked."""
        return [one for one in self.unchecked if not one.rows or not one.rows <= self.allowed]

    @property
    def not_checked(self) -> Sequence[str]:
        """A sentence with the reason for everything that was left out."""
        return [one.sentence for one in self.unchecked]

    @property
    def failed(self) -> Sequence[Finding]:
        """Findings that are not as the table says."""
        return [finding for finding in self.findings if finding.verdict == FAILS]

    @property
    def summary(self) -> str:
        """Summary on one line."""
        held = sum(finding.verdict == HOLDS for finding in self.findings)
        parts = [f"{held} of {len(self.findings)} flows are as the table says"]
        if self.problems:
            parts.append(f"{len(self.problems)} problems of the edges")
        if self.unchecked:
            allowed = len(self.unchecked) - len(self.not_allowed)
            parts.append(f"{len(self.unchecked)} not checked" + (f" ({allowed} allowed)" if allowed else ""))
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
    for problem in report.problems:
        text += [f"FAILS: {problem.sentence}", *(f"    {line}" for line in problem.lines)]
    for one in report.unchecked:
        text.append(f"not checked{'' if one in report.not_allowed else ', as allowed'}: {one.sentence}")
    return "\n".join([*text, report.summary])


def as_data(report: Report) -> Dict[str, Any]:
    """Return the report as plain data; docs/verify.md has the schema."""
    return {
        "schema": 2,
        "time": report.time,
        "passed": report.passed,
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
        "problems": [asdict(problem) for problem in report.problems],
        "not_checked": list(report.not_checked),
        "allowed_unchecked": sorted(report.allowed),
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
