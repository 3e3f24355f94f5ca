# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on flows. A flow that fails has a cause: route, firewall, listener, TLS or XMPP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional

from ..probe.levels import CLOSED, OPEN
from .flows import Edge, Flow, is_allowed

HOLDS, FAILS, NOT_CHECKED = "holds", "FAILS", "not checked"

_TLS = (
    *("no_tls", "tls_failed", "no_certificate", "no_starttls", "starttls_refused"),
    *("client_certificate_optional", "no_client_certificate_request"),
)


@dataclass(frozen=True)
class EdgeState:
    """The state of an edge as its own host reports it.

    rows: of xmpp.edge.firewall in check mode; drift: the first difference that a run would repair, None for none;
    routes: whether the edge has a route, by address of a vantage point.
    """

    rows: Mapping[str, Mapping[str, Any]]
    drift: Optional[str]
    routes: Mapping[str, bool]


@dataclass(frozen=True)
class Finding:
    """An evaluated flow. expected: open or closed; verdict: HOLDS, FAILS or NOT_CHECKED; cause: empty with HOLDS."""

    flow: Flow
    source: Optional[str]
    expected: str
    observed: str
    verdict: str
    cause: str
    latency_ms: Optional[float]
    detail: str
    facts: Mapping[str, Any]


def evaluate(flow: Flow, result: Mapping[str, Any], edge: Edge, state: EdgeState) -> Optional[Finding]:
    """Return the finding on a flow; None for a flow that is allowed and not required.

    result: of the probe.
    """
    source = flow.source or result["source"]
    allowed = is_allowed(edge, flow, source)
    if not flow.required and allowed is not False:
        # Neither open nor closed is a failure: in the mode "permit" the rules close nothing, and no source is known
        # where there is no route.
        return None
    expected = "open" if flow.required else "closed"
    observed = result["outcome"]
    verdict, cause = HOLDS, ""
    if flow.required and observed not in OPEN[flow.level]:
        verdict, cause = FAILS, _cause_of_closed(flow, observed, source, allowed, state)
    elif not flow.required and observed not in CLOSED:
        verdict, cause = FAILS, _cause_of_open(flow, state)
        if observed in ("no_source", "error"):
            verdict, cause = NOT_CHECKED, f"the attempt could not be made: {observed}"
    return Finding(
        flow, source, expected, observed, verdict, cause, result["latency_ms"], result["detail"], result["facts"]
    )


def _cause_of_closed(
    flow: Flow, observed: str, source: Optional[str], allowed: Optional[bool], state: EdgeState
) -> str:
    """Return the first cause in the order of a packet's path: route, firewall, listener, TLS, XMPP."""
    if observed in ("no_route", "no_source", "unreachable"):
        causes = {
            "no_route": f"{flow.origin} has no route to {flow.address}",
            "no_source": f"{flow.origin} does not have the address {flow.source}",
            "unreachable": f"{flow.origin}, or a router on the way, cannot reach {flow.address}",
        }
        return f"route: {causes[observed]}"
    if observed in ("filtered", "refused", "prohibited"):
        return _cause_of_no_connection(flow, observed, source, allowed, state)
    if observed in _TLS:
        return f"TLS: {observed.replace('_', ' ')}"
    problem = observed.replace("_", " ")
    if observed == "timeout":
        problem = "the server answered, and did not go on in time"
    return f"{'TLS' if flow.level == 'mtls' else 'XMPP'}: {problem}"


def _cause_of_no_connection(
    flow: Flow, observed: str, source: Optional[str], allowed: Optional[bool], state: EdgeState
) -> str:
    inbound = flow.direction == "in"
    row = state.rows.get(flow.row, {})
    effective, decided_by = row.get("effective"), row.get("decided_by")
    causes = {
        "refused": f"listener: nobody listens on port {flow.port} of {flow.address}",
        "prohibited": "firewall: a box on the way, or the server's own, answers that it is forbidden",
        "filtered": "firewall: no answer"
        + (f", though {flow.edge} lets it pass ({decided_by})" if effective == "yes" else "")
        + "; look at what stands in between, and at the routes there",
    }
    has_no_route_back = observed == "filtered" and inbound and state.routes.get(source or "") is False
    for applies, cause in (
        (has_no_route_back, f"route: {flow.edge} has no route back to {source}"),
        (
            allowed is False,
            f"firewall: {source if inbound else flow.address} is not in the networks of row {flow.row}",
        ),
        (state.drift is not None, f"firewall: {flow.edge} lacks rules, {state.drift}"),
        (effective == "no", f"firewall: {decided_by}"),
    ):
        if applies:
            return cause
    return causes[observed]


def _cause_of_open(flow: Flow, state: EdgeState) -> str:
    if state.drift:
        return f"firewall: {flow.edge} lacks rules, {state.drift}"
    return f"firewall: open to whom row {flow.row} does not name"
