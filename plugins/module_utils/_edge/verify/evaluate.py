# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on flows. A flow that fails has a cause: route, firewall, listener, TLS or XMPP."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence

from ..model.drift import MISSING, SUPERFLUOUS, rule_of
from ..probe.model import CLOSED, OPEN
from .flows import Edge, Flow, is_allowed, matches

HOLDS, FAILS, NOT_CHECKED = "holds", "FAILS", "not checked"

_TLS = (
    *("no_tls", "tls_failed", "no_certificate", "no_starttls", "starttls_refused"),
    *("client_certificate_optional", "no_client_certificate_request"),
)


@dataclass(frozen=True)
class EdgeState:
    """The state of an edge as its own host reports it.

    rows: as they are found there; drift: each difference from the inventory that a run would end, as model/drift.py
    serialises it; routes: whether the edge has a route, by address of a vantage point.
    """

    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    drift: Sequence[Mapping[str, Any]] = ()
    routes: Mapping[str, bool] = field(default_factory=dict)


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


def not_attempted(flow: Flow, source: Optional[str], edge: Edge, reason: str) -> Optional[Finding]:
    """Return the finding on a flow that nobody has attempted; None for one that would have no verdict.

    source: the address that it would have, None where that is not known.
    """
    if not flow.required and is_allowed(edge, flow, flow.source or source) is not False:
        return None
    expected = "open" if flow.required else "closed"
    return Finding(flow, flow.source or source, expected, "not attempted", NOT_CHECKED, reason, None, "", {})


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
        verdict, cause = FAILS, _cause_of_closed(flow, result, source, allowed, state)
    elif not flow.required and observed not in CLOSED:
        verdict, cause = FAILS, _cause_of_open(flow, source, state)
        if observed in ("no_source", "error"):
            verdict, cause = NOT_CHECKED, f"the attempt could not be made: {observed}"
    return Finding(
        flow, source, expected, observed, verdict, cause, result["latency_ms"], result["detail"], result["facts"]
    )


def _cause_of_closed(
    flow: Flow, result: Mapping[str, Any], source: Optional[str], allowed: Optional[bool], state: EdgeState
) -> str:
    """Return the first cause in the order of a packet's path: route, firewall, listener, TLS, XMPP."""
    observed, rejected_by = result["outcome"], result["facts"].get("rejected_by")
    if observed in ("no_route", "no_source", "unreachable"):
        causes = {
            "no_route": f"{flow.origin} has no route to {flow.address}",
            "no_source": f"{flow.origin} does not have the address {flow.source}",
            "unreachable": f"{rejected_by or f'{flow.origin}, or a router on the way,'} cannot reach {flow.address}",
        }
        return f"route: {causes[observed]}"
    if observed in ("filtered", "refused", "prohibited"):
        return _cause_of_no_connection(flow, result, source, allowed, state)
    if observed in _TLS:
        return f"TLS: {observed.replace('_', ' ')}"
    problem = observed.replace("_", " ")
    if observed == "bad_domain":
        problem = f"'{flow.domain}' is no host name that TLS can ask for; set xmpp_edge_verify_domain of {flow.target}"
    if observed == "timeout":
        problem = "the server answered, and did not go on in time"
    return f"{'TLS' if flow.level == 'mtls' else 'XMPP'}: {problem}"


def _cause_of_no_connection(
    flow: Flow, result: Mapping[str, Any], source: Optional[str], allowed: Optional[bool], state: EdgeState
) -> str:
    inbound, observed = flow.direction == "in", result["outcome"]
    rejected_by = result["facts"].get("rejected_by") or "an unknown box"
    row = state.rows.get(flow.row, {})
    effective, decided_by = row.get("effective"), row.get("decided_by")
    causes = {
        "refused": f"listener: nobody listens on port {flow.port} of {flow.address}",
        "prohibited": f"firewall: {rejected_by} rejects it ({result['detail']})"
        if result["detail"]
        else f"firewall: {rejected_by}, on the way or the server itself, answers that it is forbidden",
        "filtered": "firewall: no answer"
        + (f", though {flow.edge} lets it pass ({decided_by})" if effective == "yes" else "")
        + "; look at what stands in between, and at the routes there",
    }
    missing = _missing_rule(flow, source, state)
    has_no_route_back = observed == "filtered" and inbound and state.routes.get(source or "") is False
    for applies, cause in (
        (has_no_route_back, f"route: {flow.edge} has no route back to {source}"),
        (
            allowed is False,
            f"firewall: {source if inbound else flow.address} is not in the networks of row {flow.row}",
        ),
        (bool(missing), f"firewall: {flow.edge} lacks the rule {missing}"),
        (effective == "no", f"firewall: {decided_by}"),
    ):
        if applies:
            return cause
    return causes[observed]


def _cause_of_open(flow: Flow, source: Optional[str], state: EdgeState) -> str:
    for entry in state.drift:
        rule = rule_of(entry)
        if rule is None or (rule.row, rule.direction, rule.port) != (flow.row, flow.direction, flow.port):
            continue
        if entry["sign"] == MISSING and rule.action == "block":
            return f"firewall: {flow.edge} lacks the guard {entry['line']}"
        if entry["sign"] == SUPERFLUOUS and rule.action == "allow" and matches(rule, source, flow.address):
            return f"firewall: {flow.edge} has a rule that its inventory does not have: {entry['line']}"
    return f"firewall: open to whom row {flow.row} does not name"


def _missing_rule(flow: Flow, source: Optional[str], state: EdgeState) -> str:
    """Return the diff line of a rule that would allow a flow and that its edge lacks; empty for none."""
    for entry in state.drift:
        rule = rule_of(entry) if entry["sign"] == MISSING else None
        if rule is None or (rule.action, rule.direction, rule.port) != ("allow", flow.direction, flow.port):
            continue
        if matches(rule, source, flow.address):
            return str(entry["line"])
    return ""
