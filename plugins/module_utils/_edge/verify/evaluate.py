# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a flow is as the table says, and if not, which of route, firewall, listener, TLS and XMPP is at fault."""

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
    """What an edge says of itself. None for what was not asked or could not be answered.

    rows: of xmpp.edge.firewall in check mode; missing: something that a run would change, in words; routes: by address
    of a vantage point, whether the edge has a route there.
    """

    rows: Mapping[str, Mapping[str, Any]]
    missing: Optional[str]
    routes: Mapping[str, bool]


@dataclass(frozen=True)
class Finding:
    """A judged flow. expected: open or closed; verdict: one of the words above; cause: empty where it holds."""

    flow: Flow
    source: Optional[str]
    expected: str
    observed: str
    verdict: str
    cause: str
    latency_ms: Optional[float]
    detail: str
    facts: Mapping[str, Any]


def judge(flow: Flow, result: Mapping[str, Any], edge: Edge, state: EdgeState) -> Optional[Finding]:
    """The finding on a flow; None for one that is allowed without being required, which nobody has to use.

    result: what the probe says of it.
    """
    source = flow.source or result["source"]
    allowed = is_allowed(edge, flow, source)
    if not flow.required and allowed is not False:
        # In the mode "permit" the rules close nothing; and from where no route is, no packet can prove anything.
        return None
    expected = "open" if flow.required else "closed"
    observed = result["outcome"]
    verdict, cause = HOLDS, ""
    if flow.required and observed not in OPEN[flow.level]:
        verdict, cause = FAILS, _why_closed(flow, observed, source, allowed, state)
    elif not flow.required and observed not in CLOSED:
        verdict, cause = FAILS, _why_open(flow, state)
        if observed in ("no_source", "error"):
            verdict, cause = NOT_CHECKED, f"the attempt could not be made: {observed}"
    return Finding(
        flow, source, expected, observed, verdict, cause, result["latency_ms"], result["detail"], result["facts"]
    )


def _why_closed(flow: Flow, observed: str, source: Optional[str], allowed: Optional[bool], state: EdgeState) -> str:
    """The cause, in the order in which a packet meets them."""
    if observed in ("no_route", "no_source", "unreachable"):
        words = {
            "no_route": f"{flow.origin} has no route to {flow.address}",
            "no_source": f"{flow.origin} does not have the address {flow.source}",
            "unreachable": f"{flow.origin}, or a router on the way, cannot reach {flow.address}",
        }
        return f"route: {words[observed]}"
    if observed in ("filtered", "refused", "prohibited"):
        return _why_no_connection(flow, observed, source, allowed, state)
    if observed in _TLS:
        return f"TLS: {observed.replace('_', ' ')}"
    said = "the server answered, and did not go on in time" if observed == "timeout" else observed.replace("_", " ")
    return f"{'TLS' if flow.level == 'mtls' else 'XMPP'}: {said}"


def _why_no_connection(
    flow: Flow, observed: str, source: Optional[str], allowed: Optional[bool], state: EdgeState
) -> str:
    inbound = flow.direction == "in"
    row = state.rows.get(flow.row, {})
    effective, decided_by = row.get("effective"), row.get("decided_by")
    answers = {
        "refused": f"listener: nobody listens on port {flow.port} of {flow.address}",
        "prohibited": "firewall: somebody on the way, or the server's own, answers that it is forbidden",
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
        (state.missing is not None, f"firewall: {flow.edge} lacks rules, {state.missing}"),
        (effective == "no", f"firewall: {decided_by}"),
    ):
        if applies:
            return cause
    return answers[observed]


def _why_open(flow: Flow, state: EdgeState) -> str:
    if state.missing:
        return f"firewall: {flow.edge} lacks rules, {state.missing}"
    return f"firewall: open to whom row {flow.row} does not name"
