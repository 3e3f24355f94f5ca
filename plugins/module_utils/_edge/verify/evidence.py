# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evidence files of a report: JSON for programs, JUnit XML for CI, Markdown for tickets, HTML for people."""

from __future__ import annotations

import json
import os
from typing import Any, List, Mapping
from xml.sax.saxutils import escape, quoteattr

from ..host.files import write_atomically
from .evaluate import FAILS, NOT_CHECKED, Finding
from .facts import facts_of, title_of
from .matrix import matrices_of
from .page import write_page
from .report import Report, cells, groups_of


def write(report: Report, folder: str) -> List[str]:
    """Write all files into a folder, and return their paths. Raises EdgeError."""
    texts = {
        "evidence.json": json.dumps(report.data, indent=2) + "\n",
        "junit.xml": write_junit(report),
        "evidence.md": write_markdown(report),
        "evidence.html": write_page(report),
    }
    folder = os.path.abspath(folder)
    for name, text in texts.items():
        write_atomically(os.path.join(folder, name), text)
    return [os.path.join(folder, name) for name in texts]


def write_junit(report: Report) -> str:
    """Return JUnit XML: a test case for each flow. What was not checked fails unless it is allowed."""
    cases = []
    for finding in report.findings:
        row, origin, target, expected, _observed, verdict = cells(finding)
        name = f"{origin} to {target}: {expected}"
        body = ""
        if verdict == FAILS:
            body = f"<failure message={_attribute(finding.why)}>{_text(_more(finding))}</failure>"
        elif verdict == NOT_CHECKED:
            fails = any(row in one.rows or not one.rows for one in report.not_allowed)
            body = f"<{'failure' if fails else 'skipped'} message={_attribute(finding.why)}/>"
        cases.append(f"  <testcase classname={_attribute(row)} name={_attribute(name)}>{body}</testcase>")
    for problem in report.problems:
        more = "\n".join([*problem.lines, f"to do: {problem.remedy}"])
        body = f"<failure message={_attribute(problem.sentence)}>{_text(more)}</failure>"
        cases.append(f'  <testcase classname="edge" name={_attribute(problem.sentence)}>{body}</testcase>')
    for one in report.unchecked:
        fails = one in report.not_allowed
        body = f"<failure message={_attribute(one.sentence)}/>" if fails else "<skipped/>"
        cases.append(f'  <testcase classname="not checked" name={_attribute(one.sentence)}>{body}</testcase>')
    failures, skipped = (sum(f"<{word}" in case for case in cases) for word in ("failure", "skipped"))
    data = report.data
    properties = "".join(
        f"    <property name={_attribute(name)} value={_attribute(value)}/>\n" for name, value in facts_of(data)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuite name="xmpp.edge" timestamp={_attribute(data["time"])} tests="{len(cases)}" '
        f'failures="{failures}" errors="0" skipped="{skipped}">\n  <properties>\n{properties}  </properties>\n'
        + "\n".join([*cases, "</testsuite>\n"])
    )


def write_markdown(report: Report) -> str:
    """Return the report in Markdown: each cause once with its flows, then all flows in a table."""
    data = report.data
    lines = [f"# {title_of(report)}", "", report.summary, "", *_origin(data), "", *_matrices(report)]
    for group in groups_of(report.findings):
        number = len(group.findings)
        lines.append(
            f"- {group.findings[0].verdict}, {number} flow{'s' if number > 1 else ''}: {_markdown(group.text)}"
        )
        if group.remedy:
            lines.append(f"  To do: {_markdown(group.remedy)}.")
    for problem in report.problems:
        lines += [f"- FAILS: {_markdown(problem.sentence)}", *(f"  - {_markdown(line)}" for line in problem.lines)]
        lines += [f"  To do: {_markdown(problem.remedy)}."] if problem.remedy else []
    lines += [f"- not checked: {_markdown(reason)}" for reason in report.not_checked]
    lines += [f"- note: {_markdown(note)}" for note in report.notes]
    lines += ["", "| row | from | to | expected | observed | verdict | cause |", "|---|---|---|---|---|---|---|"]
    for finding in report.findings:
        lines.append(f"| {' | '.join(_markdown(text) for text in (*cells(finding), finding.why))} |")
    return "\n".join(lines).rstrip() + "\n"


def _origin(data: Mapping[str, Any]) -> List[str]:
    """Return lines on where the report comes from, and on what it is about."""
    return [f"- {_markdown(name)}: {_markdown(value)}" for name, value in facts_of(data)]


def _matrices(report: Report) -> List[str]:
    """Return the matrices in Markdown."""
    lines: List[str] = []
    for matrix in matrices_of(report):
        columns = [*matrix.heads, *matrix.columns]
        lines += [f"## {_markdown(matrix.caption)}", "", f"| {' | '.join(map(_markdown, columns))} |"]
        lines.append(f"|{'---|' * len(columns)}")
        for heads, cells_of in matrix.lines:
            texts = [*heads, *(cell.text for cell in cells_of)]
            lines.append(f"| {' | '.join(map(_markdown, texts))} |")
        lines.append("")
    return lines


def _more(finding: Finding) -> str:
    remedy = finding.cause.what_to_do if finding.cause else ""
    return f"observed: {finding.observed}" + (f"; to do: {remedy}" if remedy else "")


def _markdown(text: str) -> str:
    """Return text in which nothing is Markdown, for a cell of a table."""
    special = {character: f"\\{character}" for character in "\\`*_[]<>|#"}
    return "".join(special.get(character, character) for character in " ".join(text.split()))


def _text(text: str) -> str:
    return escape(_allowed(text))


def _attribute(text: str) -> str:
    return quoteattr(_allowed(text))


def _allowed(text: str) -> str:
    """Return text without control characters: XML forbids most of them, even escaped."""
    return "".join(character if character.isprintable() else " " for character in text)
