# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller side of xmpp.edge.verify_flows and xmpp.edge.verify_report: from task variables to results."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence, Tuple

from . import evidence
from .flows import as_target
from .inventory import Inventory, read_inventory
from .provenance import provenance_of
from .report import Report, table


def probe_arguments(inventory: Inventory, name: str, options: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the options of xmpp.edge.probe for a host. options: of xmpp.edge.verify_flows."""
    flows = inventory.flows_from(name, _is_deep(options))
    return {
        "targets": [as_target(flow) for flow in flows],
        "routes": inventory.routes_to_ask(name),
        "sources": inventory.partners_of(name),
        "domains": inventory.domains_of(name) if options["dns"] and _is_deep(options) else [],
        "pings": inventory.pings_of(name) if options["ask_servers"] and _is_deep(options) else [],
        "timeout": options["timeout"],
    }


def make_report(variables: Mapping[str, Any], options: Mapping[str, Any]) -> Tuple[Report, List[str]]:
    """Return the report on the results of all hosts, and the paths of its evidence files. Raises EdgeError.

    variables: of the task; options: of xmpp.edge.verify_report.
    """
    inventory = read_inventory(variables)
    report = inventory.report(provenance_of(variables), _is_deep(options), options["allow_unchecked"])
    return report, evidence.write(report, options["evidence"]) if options["evidence"] else []


def lines_of(report: Report, files: Sequence[str]) -> List[str]:
    """Return the lines that the task displays."""
    return ["", *table(report).split("\n"), *(f"evidence: {path}" for path in files)]


def result_of(report: Report, files: Sequence[str], fail: bool) -> Dict[str, Any]:
    """Return the result of the task. fail: whether it fails unless all was checked and holds."""
    result = {"msg": report.summary, "evidence": list(files)}
    if fail and not report.passed:
        # The displayed table has all flows. Ansible would print them again with a failed task, less readably.
        return {**result, "failed": True}
    data = report.data
    return {**result, "changed": False, **{key: data[key] for key in ("passed", "flows", "problems", "not_checked")}}


def _is_deep(options: Mapping[str, Any]) -> bool:
    return bool(options["depth"] == "service")
