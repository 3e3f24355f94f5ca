# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run: all findings, as a text table and as plain data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Dict, FrozenSet, List, Mapping, Sequence, Tuple

from ..model.port_table import ACCESS, INTERNAL, NETWORK_ENDPOINTS
from .evaluate import FAILS, HOLDS, NOT_CHECKED, Finding
from .flows import Edge, Vantage
from .problems import Problem
from .provenance import Provenance

OUTSIDE, INSIDE = "outside", "inside"
"""The sides of an edge."""

_COLUMNS = ("row", "from", "to", "expected", "observed", "verdict")
_MOST_FLOWS = 3
"""Flows with one cause that are all shown; of more, the first is shown, and how many there are."""
_MOST_NAMES = 2


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

    provenance: who has made it, when and with what; unchecked: everything that was left out; rows: of each edge, as
    they are found there; problems: those of the edges; allowed: rows that may go unchecked; notes: what was seen
    besides, and does not fail; sides: OUTSIDE or INSIDE, by vantage point; pings: between servers, as they tell them.
    """

    provenance: Provenance
    edges: Sequence[Edge]
    vantages: Sequence[Vantage]
    findings: Sequence[Finding]
    unchecked: Sequence[Unchecked]
    rows: Mapping[str, Mapping[str, Mapping[str, Any]]]
    problems: Sequence[Problem] = ()
    allowed: FrozenSet[str] = frozenset()
    notes: Sequence[str] = ()
    sides: Mapping[str, str] = field(default_factory=dict)
    pings: Sequence[Mapping[str, Any]] = ()

    @cached_property
    def data(self) -> Dict[str, Any]:
        """The report as plain data; docs/evidence.schema.json has its schema.

        digest: SHA-256 of all else, as JSON with sorted keys and without spaces.
        """
        data = _data_of(self)
        text = json.dumps(data, sort_keys=True, separators=(",", ":"))
        return {**data, "digest": hashlib.sha256(text.encode()).hexdigest()}

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
        unknown = sum(finding.verdict == NOT_CHECKED for finding in self.findings)
        if unknown:
            parts.append(f"{unknown} flows not checked")
        if self.problems:
            parts.append(f"{len(self.problems)} problems of the edges")
        if self.unchecked:
            allowed = len(self.unchecked) - len(self.not_allowed)
            parts.append(f"{len(self.unchecked)} not checked" + (f" ({allowed} allowed)" if allowed else ""))
        return ", ".join(parts)


@dataclass(frozen=True)
class Group:
    """Findings that are told together. text: cause or reason; remedy: empty for none."""

    findings: Sequence[Finding]
    text: str = ""
    remedy: str = ""


def groups_of(findings: Sequence[Finding]) -> List[Group]:
    """Return the findings that fail or were not checked, those of one cause or reason together, and failures first."""
    found: Dict[Tuple[Any, ...], List[Finding]] = {}
    for finding in sorted(findings, key=lambda one: one.verdict != FAILS):
        if finding.verdict != HOLDS:
            found.setdefault((finding.verdict, finding.cause, finding.reason), []).append(finding)
    return [_group(members) for members in found.values()]


def _group(findings: Sequence[Finding]) -> Group:
    cause = findings[0].cause
    if cause is None:
        return Group(findings, findings[0].reason)
    every = [one.cause.names for one in findings if one.cause]
    names = {name: _together([one[name] for one in every]) for name in cause.names}
    whole = replace(cause, names=names)
    return Group(findings, whole.text, whole.what_to_do)


def _together(names: Sequence[str]) -> str:
    """Return several names as a part of a sentence."""
    different = list(dict.fromkeys(names))
    if len(different) <= _MOST_NAMES:
        return " and ".join(different)
    return f"{different[0]} and {len(different) - 1} more"


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
    """Return the findings as a text table: failures first, and each cause once, below its flows."""
    groups = groups_of(report.findings)
    held = [finding for finding in report.findings if finding.verdict == HOLDS]
    shown = [one for group in groups for one in _shown(group)] + held
    lines = [_COLUMNS, *map(cells, shown)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    text = [_padded(_COLUMNS, widths)]
    for group in groups:
        some = _shown(group)
        text += [_padded(cells(finding), widths) for finding in some]
        if len(some) < len(group.findings):
            text.append(f"    and {len(group.findings) - len(some)} more flows with the same cause")
        text.append(f"    {group.text}")
        if group.remedy:
            text.append(f"    To do: {group.remedy}.")
    text += [_padded(cells(finding), widths) for finding in held]
    for problem in report.problems:
        text += [f"FAILS: {problem.sentence}", *(f"    {line}" for line in problem.lines)]
        if problem.remedy:
            text.append(f"    To do: {problem.remedy}.")
    for one in report.unchecked:
        text.append(f"not checked{'' if one in report.not_allowed else ', as allowed'}: {one.sentence}")
    text += [f"note: {note}" for note in report.notes]
    return "\n".join([*text, report.summary])


def _shown(group: Group) -> Sequence[Finding]:
    return group.findings if len(group.findings) <= _MOST_FLOWS else group.findings[:1]


def _data_of(report: Report) -> Dict[str, Any]:
    provenance = asdict(report.provenance)
    numbers = {id(finding): number for number, finding in enumerate(report.findings)}
    return {
        "schema": 2,
        "time": provenance.pop("time"),
        "passed": report.passed,
        "summary": report.summary,
        "provenance": {**provenance, "inventories": list(report.provenance.inventories)},
        "edges": [_edge_data(edge, report) for edge in report.edges],
        "vantage_points": [
            {
                "name": vantage.name,
                "group": vantage.group,
                "side": report.sides.get(vantage.name, OUTSIDE),
                "addresses": list(vantage.addresses),
                "domain": vantage.service.domain,
            }
            for vantage in report.vantages
        ],
        "flows": [_flow_data(finding) for finding in report.findings],
        "problems": [{**asdict(problem), "lines": list(problem.lines)} for problem in report.problems],
        "causes": [
            {
                "verdict": group.findings[0].verdict,
                "cause": group.text,
                "remedy": group.remedy,
                "flows": [numbers[id(finding)] for finding in group.findings],
            }
            for group in groups_of(report.findings)
        ],
        "servers": [dict(one) for one in report.pings],
        "notes": list(report.notes),
        "not_checked": list(report.not_checked),
        "allowed_unchecked": sorted(report.allowed),
    }


def _edge_data(edge: Edge, report: Report) -> Dict[str, Any]:
    policy = policy_of(edge)
    return {
        "name": edge.name,
        "access_addresses": edge.addresses(ACCESS.option),
        "internal_addresses": edge.addresses(INTERNAL.option),
        "public_addresses": list(edge.public_addresses),
        "domain": edge.service.domain,
        **policy,
        "rows": {row: dict(entry) for row, entry in report.rows.get(edge.name, {}).items()},
        "drift": [line for problem in report.problems if problem.edge == edge.name for line in problem.lines],
    }


def policy_of(edge: Edge) -> Dict[str, Any]:
    """Return what the inventory of an edge demands: its mode, ports, lists of networks, and the rows of the table."""
    options = edge.options
    lists = {
        endpoint.option: [str(one) for found in options.endpoints.get(endpoint.option, {}).values() for one in found]
        for endpoint in NETWORK_ENDPOINTS
    }
    table_rows = [
        {
            "row": row.id,
            "direction": row.direction,
            "protocol": row.protocol,
            "port": options.ports[row.port_option],
            "from": row.source.option,
            "to": row.destination.option,
        }
        for row in options.rows
    ]
    return {"mode": options.mode, "ports": dict(options.ports), **lists, "table": table_rows}


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
        "cause": finding.why,
        "remedy": finding.cause.what_to_do if finding.cause else "",
        "latency_ms": finding.latency_ms,
        "detail": finding.detail,
        "facts": dict(finding.facts),
    }


def _padded(texts: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(text.ljust(width) for text, width in zip(texts, widths)).rstrip()
