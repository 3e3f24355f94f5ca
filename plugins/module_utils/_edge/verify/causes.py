# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first cause of a flow that is not as the table says, in the order of a packet's path."""

from __future__ import annotations

import re
from typing import Iterator, Sequence

from ..model.addresses import family_of
from ..model.drift import MISSING, SUPERFLUOUS, rule_of
from ..probe.model import CLOSED
from .attempted import Attempted, Cause, decision, literal
from .flows import matches
from .service_causes import cause_of_service

_NOT_CONNECTED = ("filtered", "refused", "prohibited")
_NEIGHBOURS = re.compile(r"\b(ICMPv6|ARP)\b")
_RUN = "run xmpp.edge.site"
_ROUTES = {
    "no_route": ("{origin} has no route to {address}", "add one"),
    "no_source": (
        "{origin} does not have the address {source}",
        "add it, or correct xmpp_edge_access_addresses",
    ),
}


def cause_of_closed(tried: Attempted, at_routers: Sequence[Cause] = ()) -> Cause:
    """Return why a flow that has to be open is not. at_routers: what routers of the play say against it."""
    observed = tried.observed
    if observed in _NOT_CONNECTED or (observed == "unreachable" and _sent_by_another(tried)):
        return _cause_of_no_connection(tried, at_routers)
    if observed in ("no_route", "no_source", "unreachable", "error"):
        return _cause_at_origin(tried)
    return cause_of_service(tried)


def _cause_at_origin(tried: Attempted) -> Cause:
    """Return why the host that makes an attempt says that it cannot."""
    observed = tried.observed
    if observed == "error":
        sentence = f"{{origin}} could not make the attempt ({literal(tried.detail)})"
        return tried.cause("route", sentence, "look at the limits and the network of {origin}")
    if observed == "no_route" and (tried.passage.left or tried.edge.routes.get(tried.flow.address)):
        # Older kernels tell an ICMP error like that of a host without a route.
        return tried.cause("route", "a router on the way has no way to {address}", "look at the routes there")
    if observed in _ROUTES:
        return tried.cause("route", *_ROUTES[observed])
    decided_by = str(tried.edge.rows.get(tried.flow.row, {}).get("decided_by") or "")
    if _NEIGHBOURS.search(decided_by):
        # A neighbour that does not answer is out of reach for the kernel, and the rules say why it does not.
        return tried.cause("firewall", literal(decided_by), "correct that rule of {edge}")
    return tried.cause("route", "{origin}, or a router on the way, cannot reach {address}", "look at the routes there")


def _sent_by_another(tried: Attempted) -> bool:
    """Return whether an ICMP error came from another host than the one that has made the attempt."""
    box = tried.facts.get("rejected_by")
    return bool(box) and box != tried.source


def cause_of_open(tried: Attempted) -> Cause:
    """Return why a flow is open that has to be closed."""
    flow = tried.flow
    for entry in tried.edge.drift:
        rule = rule_of(entry)
        if rule is None or (rule.row, rule.direction, rule.port) != (flow.row, flow.direction, flow.port):
            continue
        line = literal(entry["line"])
        if entry["sign"] == MISSING and rule.action == "block":
            return tried.cause("firewall", f"{{edge}} lacks the guard {line}", _RUN)
        if entry["sign"] == SUPERFLUOUS and rule.action == "allow" and matches(rule, tried.source, flow.own):
            return tried.cause("firewall", f"{{edge}} has a rule that its inventory does not have: {line}", _RUN)
    if tried.observed in CLOSED:
        sentence = "{edge} lets it leave, though row {row} does not name {address}"
        return tried.cause("firewall", sentence, "look for what passes by the rules of {edge}")
    return tried.cause(
        "firewall", "open to whom row {row} does not name", "look for what passes by the rules of {edge}"
    )


def _cause_of_no_connection(tried: Attempted, at_routers: Sequence[Cause]) -> Cause:
    """Return the first cause on the way: at its own host, in between, at its target, or on the way back."""
    passage = tried.passage
    if passage.left is False and tried.inbound:
        return tried.cause("firewall", "it does not leave {origin}", "look at the firewall of {origin} itself")
    if passage.left is not False:
        for cause in _causes_between(tried, at_routers):
            return cause
    for cause in _causes_at_edge(tried):
        return cause
    if passage.answered:
        return _cause_of_lost_answer(tried)
    if tried.observed == "refused":
        return _cause_of_reset(tried)
    return _last_cause(tried)


def _causes_between(tried: Attempted, at_routers: Sequence[Cause]) -> Iterator[Cause]:
    passage, box = tried.passage, tried.facts.get("rejected_by")
    own = (tried.flow.address, tried.source)
    if passage.arrived is False or (passage.arrived is None and not tried.inbound):
        yield from at_routers
    if box and box not in own:
        yield _rejection(tried, literal(box))
    if passage.arrived is False and tried.observed == "refused":
        yield tried.cause(
            "firewall", "a box before {target} resets it", "look at the firewalls between {origin} and {target}"
        )
    elif passage.arrived is False:
        yield tried.cause(
            "firewall",
            "it does not arrive at {target}",
            "look at the firewalls and routes between {origin} and {target}",
        )


def _causes_at_edge(tried: Attempted) -> Iterator[Cause]:
    """Yield what the edge's own rules and routes say against a flow, unless it has answered or let it leave."""
    passage, edge, row = tried.passage, tried.edge, tried.edge.rows.get(tried.flow.row, {})
    if passage.answered if tried.inbound else passage.left:
        return
    no_answer = tried.observed == "filtered"
    if no_answer and tried.inbound and edge.routes.get(tried.source or "") is False:
        yield tried.cause("route", "{edge} has no route back to {source}", "add one")
    if passage.arrived_as and tried.inbound:
        translated = literal(passage.arrived_as)
        yield tried.cause(
            "firewall",
            f"it arrives at {{edge}} with the source {translated}, as a translation on the way makes it",
            f"list {translated} in the networks of row {{row}}, or end the translation",
        )
    if tried.allowed is False:
        yield tried.cause("firewall", "{peer} is not in the networks of row {row}", "list it, if it may connect")
    missing = _missing_rule(tried)
    if missing:
        yield tried.cause("firewall", f"{{edge}} lacks the rule {literal(missing)}", _RUN)
    back = _way_back(tried)
    strict = [device for device in passage.devices if device in edge.strict_devices]
    # IPv6 has no such filter.
    if no_answer and back and strict and family_of(tried.flow.own) == "ipv4":
        yield tried.cause(
            "route",
            f"{{edge}} drops it by rp_filter, since it arrives by {strict[0]} and the way back is by {back}",
            "correct the routes, or set rp_filter of that device to 2",
        )
    if row.get("effective") == "no":
        yield tried.cause("firewall", literal(decision(row)), "correct that rule of {edge}")


def _cause_of_lost_answer(tried: Attempted) -> Cause:
    if tried.passage.came_back:
        return tried.cause(
            "firewall",
            "the answer comes to {origin}, which drops it",
            "let {origin} accept what belongs to its connections",
        )
    back = _way_back(tried)
    if back:
        return tried.cause(
            "route",
            f"it arrives at {{target}} by {tried.passage.devices[-1]}, which answers by {back}",
            "let the answer take the way of the question, for example by a rule of ip-rule(8) for that source",
        )
    return tried.cause(
        "route", "{target} answers, and the answer does not come", "look at the routes and firewalls of the way back"
    )


def _way_back(tried: Attempted) -> str:
    """Return the device by which the edge answers, where it is another one than a flow has arrived by; else nothing."""
    path = tried.edge.paths.get(tried.source or "", {}) if tried.inbound else {}
    back = (path.get("from") or {}).get(tried.flow.own) or path.get("device")
    return str(back) if back and tried.passage.devices and back not in tried.passage.devices else ""


def _cause_of_reset(tried: Attempted) -> Cause:
    found = tried.target.listeners
    if found is None:
        either = "" if tried.inbound else ", or a box before it resets the connection"
        return tried.cause(
            "listener", f"nobody listens on port {{port}} of {{address}}{either}", "start the server there"
        )
    here = [one for one in found if one["port"] == tried.flow.port]
    if not here:
        return tried.cause("listener", "nobody listens on port {port} of {target}", "start the server there")
    fitting = [one for one in here if is_for(str(one["address"]), tried.flow.own)]
    if not fitting:
        places = ", ".join(sorted({str(one["address"]) for one in here}))
        process = here[0]["process"] or "a program"
        return tried.cause(
            "listener",
            f"{literal(process)} listens on port {{port}} of {literal(places)} only",
            "let it listen on {address} as well",
        )
    process = fitting[0]["process"] or "a program"
    if tried.passage.arrived and not tried.passage.reset:
        return tried.cause("firewall", "a box on the way back resets it", "look at the firewalls before {target}")
    if not tried.passage.reset:
        return tried.cause(
            "firewall",
            f"a rule of {{target}}, or a box before it, resets it, though {literal(process)} listens",
            "look at the rules of {target}, and at the firewalls before it",
        )
    return tried.cause(
        "firewall",
        f"a rule of {{target}} resets it, though {literal(process)} listens",
        "look at the rules of {target}",
    )


def is_for(listening: str, address: str) -> bool:
    """Return whether a listener's address takes connections to another one."""
    # ss writes "*" for a socket of both families, and "::" for one of IPv6 alone.
    anywhere = "0.0.0.0" if family_of(address) == "ipv4" else "::"  # noqa: S104
    return listening in ("*", anywhere, address)


def _last_cause(tried: Attempted) -> Cause:
    """Return the cause of a flow without an answer, or with one that forbids it, where nothing more is known."""
    decided_by = decision(tried.edge.rows.get(tried.flow.row, {}))
    passes = tried.edge.rows.get(tried.flow.row, {}).get("effective") == "yes"
    seems = f", though its rules let it pass ({literal(decided_by)})" if passes and tried.inbound else ""
    if tried.passage.arrived and tried.observed == "filtered":
        return tried.cause(
            "firewall", f"{{target}} drops it{seems}", "look at the rules of {target}, and at its server"
        )
    if tried.passage.left is False:
        return tried.cause("firewall", "{edge} does not let it leave", "look at the rules of {edge} for what it sends")
    if tried.observed in ("prohibited", "unreachable"):
        box = tried.facts.get("rejected_by")
        return _rejection(tried, literal(box) if box else "an unknown box, on the way or the server itself,")
    through = f", though {{edge}} lets it pass ({literal(decided_by)})" if passes else ""
    return tried.cause("firewall", f"no answer{through}", "look at what stands in between, and at the routes there")


def _rejection(tried: Attempted, sender: str) -> Cause:
    """Return the cause of an ICMP error, which a firewall sends, or a router that has no way."""
    more = f" ({literal(tried.detail)})" if tried.detail else ""
    if tried.observed == "unreachable":
        sentence = f"{sender} says that there is no way to {{address}}{more}"
        return tried.cause("route", sentence, "look at its routes, and at its rules: firewalls say so too")
    return tried.cause("firewall", f"{sender} rejects it{more}", "look at its rules")


def _missing_rule(tried: Attempted) -> str:
    """Return the diff line of a rule that would allow a flow and that its edge lacks; empty for none."""
    flow = tried.flow
    for entry in tried.edge.drift:
        rule = rule_of(entry) if entry["sign"] == MISSING else None
        if rule is None or (rule.action, rule.direction, rule.port) != ("allow", flow.direction, flow.port):
            continue
        if matches(rule, tried.source, flow.own):
            return str(entry["line"])
    return ""
