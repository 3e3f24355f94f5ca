# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of a run, as both sides and both systems serialise it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Dict, List, Mapping, Optional, Sequence

from . import diff_text
from .plan import Plan
from .port_table import PORT_TABLE
from .rules import Rule


@dataclass(frozen=True)
class RowResult:
    """Facts of a row. present: whether its rules are on the host; effective: yes, no or unknown; decided_by: the
    chain and rule that decide; packets: how many of new connections were allowed, blocked and over a limit, and since
    when, None where that is not counted; guarded: whether all
    that the table forbids of it is closed, yes, no or unknown, None without a guard; guarded_by: what decides that.
    """

    present: bool = False
    effective: str = "unknown"
    decided_by: Optional[str] = None
    packets: Optional[Mapping[str, Any]] = None
    guarded: Optional[str] = None
    guarded_by: Optional[str] = None

    def serialised(self) -> Dict[str, Any]:
        """Return the facts as plain values, without those about a guard where there is none."""
        return {key: value for key, value in asdict(self).items() if value is not None or not key.startswith("guarded")}


@dataclass(frozen=True)
class Result:
    """The result of a run on one host. Keys of the serialised form have the names of the fields.

    persisted: whether guards and accept rules will be there after a reload and a boot; persistence: the same for each,
    yes, no or unknown; diff: None where a change was rolled back; confirmation: the command that confirms the change,
    None where it need not be confirmed; steps: what is done on the host, None unless somebody asked for that much.
    """

    changed: bool
    backend: str
    backend_reason: str
    persisted: bool
    rows: Mapping[str, RowResult]
    persistence: Mapping[str, str] = field(default_factory=dict)
    cut: Sequence[str] = ()
    diff: Optional[Mapping[str, str]] = None
    confirmation: Optional[str] = None
    steps: Optional[Sequence[str]] = None

    def serialised(self) -> Dict[str, Any]:
        """Return the result as plain values."""
        data = {**asdict(self), "rows": {row: entry.serialised() for row, entry in self.rows.items()}}
        for name in ("diff", "confirmation", "steps"):
            if data[name] is None:
                del data[name]
        return {**data, "cut": list(self.cut)}


def diff_of(plan: Plan) -> Dict[str, str]:
    """Return the diff of a plan."""
    return {"before": diff_text.before(plan), "after": diff_text.after(plan)}


def all_rows(rows: Mapping[str, Mapping[str, Any]]) -> Dict[str, Mapping[str, Any]]:
    """Return the serialised rows of the whole port table; those that are not given are not present."""
    return {row.id: rows.get(row.id, RowResult().serialised()) for row in PORT_TABLE}


def with_headers(result: Mapping[str, Any], host: str) -> Dict[str, Any]:
    """Return a serialised result whose diff names the host and the backend."""
    if not result.get("diff"):
        return dict(result)
    name = f"{host} ({result['backend']})"
    return {**result, "diff": {**result["diff"], "before_header": name, "after_header": name}}


def after_installation(answer: Mapping[str, Any], package: str) -> Dict[str, Any]:
    """Return the serialised result of a run that installed a package first, which stays whatever became of the run."""
    return {**answer, "changed": True, "diff": _with_package_line(answer, package)}


def before_installation(answer: Mapping[str, Any], package: str, rules: Sequence[Rule]) -> Dict[str, Any]:
    """Return the serialised result of check mode on a host where the run would install a package first.

    answer: of the host side, which misses the package.
    """
    why = f"{answer['msg']}, as the run will"
    unknown = RowResult(True, "unknown", why, None, "unknown", why)
    guarded = any(rule.action == "block" for rule in rules)
    row = unknown if guarded else replace(unknown, guarded=None, guarded_by=None)
    warning = f"the run would install the package {package}; until then the rows are unknown, since {why}"
    left_out = ("msg", "missing_package", "exception")
    return {
        **{key: value for key, value in answer.items() if key not in left_out},
        "failed": False,
        "changed": True,
        "persisted": False,
        "persistence": {},
        "rows": {rule.row: row.serialised() for rule in rules},
        "cut": [],
        "diff": _with_package_line(answer, package),
        "warnings": [*answer.get("warnings", []), warning],
    }


def _with_package_line(answer: Mapping[str, Any], package: str) -> Dict[str, str]:
    diff = {"before": "", "after": "", **answer.get("diff", {})}
    return {**diff, "after": f"{diff_text.package_line(package)}{diff['after']}"}


def closing_line(result: Mapping[str, Any], host: str) -> str:
    """Return the line that tells the result of one host, for example "edge1: changed, nftables, effective yes".

    result: serialised, of a run that has not failed.
    """
    rows = {row: entry for row, entry in result["rows"].items() if entry["present"]}
    parts = [result["backend"]] if rows else [result["backend"], "no managed rules"]
    for key in ("effective", "guarded"):
        answers = {row: entry[key] for row, entry in rows.items() if key in entry}
        parts += [f"{key} {_summary(answers)}"] if answers else []
    if "confirmed" in result and not result.get("predicted"):
        needed = "yes" if result["confirmed"] else "no" if result["changed"] else "not needed"
        parts.append(f"confirmed {needed}")
    persistence = result["persistence"] or {"": "yes" if result["persisted"] else "unknown"}
    parts += [f"persisted {_summary(persistence)}"] if rows else []
    changed = "changed" if result["changed"] else "no change"
    predicted = ["predicted"] if result.get("predicted") else []
    return f"{host}: {', '.join([*predicted, changed, *parts])}"


def _summary(answers: Mapping[str, str]) -> str:
    """Return "yes" where all have that answer, else each other answer with those that have it."""
    others: Dict[str, List[str]] = {}
    for row, answer in answers.items():
        if answer != "yes":
            others.setdefault(answer, []).append(row)
    named = {answer: f" ({', '.join(filter(None, names))})" if any(names) else "" for answer, names in others.items()}
    return " and ".join(f"{answer}{names}" for answer, names in named.items()) or "yes"


def rule_result(rule: Rule) -> Dict[str, Any]:
    """Return a rule as the result shows it."""
    return {
        "id": rule.id,
        "row": rule.row,
        "action": rule.action,
        "direction": rule.direction,
        "family": rule.family,
        "source": list(rule.source.networks) if rule.source else ["any"],
        "destination": list(rule.destination.networks) if rule.destination else ["any"],
        "port": rule.port,
    }


def rolled_back(answer: Mapping[str, Any], message: str) -> Dict[str, Any]:
    """Return the serialised result of a change that was rolled back: what it says was undone again."""
    kept = {key: value for key, value in answer.items() if key != "diff"}
    rows = {row: {**entry, "present": False} for row, entry in answer.get("rows", {}).items()}
    return {
        **kept,
        "failed": True,
        "changed": False,
        "persisted": False,
        "persistence": {},
        "cut": [],
        "msg": message,
        "rows": rows,
    }
