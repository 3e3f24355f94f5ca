# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts that all forms of evidence have: what it says at its head, where it comes from, and what it is about."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Tuple

from ..model.port_table import NETWORK_ENDPOINTS
from .report import Report

_MOST_NETWORKS = 20


def title_of(report: Report) -> str:
    """Return the headline: verdict, edges and date."""
    verdict = "holds" if report.passed else "does not hold"
    edges = ", ".join(edge.name for edge in report.edges)
    return f"XMPP federation {verdict}: {edges}, {report.provenance.time[:10]}"


def facts_of(data: Mapping[str, Any]) -> Iterator[Tuple[str, str]]:
    """Yield what a report comes from and is about, as names and texts. data: of the report."""
    origin = data["provenance"]
    yield "time", data["time"]
    yield "made by", f"{origin['user']} on {origin['host']}"
    yield "versions", f"xmpp.edge {origin['collection']}, ansible-core {origin['ansible']}, Python {origin['python']}"
    yield "inventory", ", ".join(origin["inventories"]) or "not known"
    for edge in data["edges"]:
        yield f"policy of {edge['name']}", f"mode {edge['mode']}"
        for row in edge["table"]:
            sides = f"from {_shown(edge, row['from'])} to {_shown(edge, row['to'])}"
            yield f"row {row['row']} of {edge['name']}", f"{row['direction']} TCP {row['port']}, {sides}"
        if edge["drift"]:
            yield f"drift of {edge['name']}", "; ".join(edge["drift"])
    yield "digest", f"SHA-256 {data['digest']} of evidence.json without its digest"


def _shown(edge: Mapping[str, Any], option: str) -> str:
    """Return a side of a row, with its addresses or networks."""
    listed = edge.get(option) or []
    shown = ", ".join(listed[:_MOST_NETWORKS])
    more = f" and {len(listed) - _MOST_NETWORKS} more" if len(listed) > _MOST_NETWORKS else ""
    is_list = any(option == endpoint.option for endpoint in NETWORK_ENDPOINTS)
    return f"{option.replace('_', ' ')} {shown}{more}" if is_list else shown
