# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routers of the inventory that carry the table, and what they do to a flow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, FrozenSet, Iterator, Mapping, Optional, Sequence, Tuple

from ..model.drift import MISSING, rule_of
from ..model.errors import OptionError
from ..model.partner_domains import with_addresses
from ..model.port_table import ACCESS, INTERNAL
from ..model.rules import Rule
from ..request.compile import compile_rules
from ..request.edges import edges_of
from ..request.options import FIREWALL, Options, parse_options
from ..request.variables import EDGES as EDGES_VARIABLE
from ..request.variables import PREFIX
from .attempted import Attempted, Cause, decision, literal
from .flows import Edge, given_options, matches, partner_addresses

ROUTERS = "xmpp_firewall"
"""Group of the routers in the inventory."""


@dataclass(frozen=True)
class Router:
    """A router that carries the table. edges: names of those that it stands before."""

    name: str
    options: Options
    rules: Sequence[Rule]
    edges: FrozenSet[str]


@dataclass(frozen=True)
class RouterState:
    """The state of a router as it reports it itself.

    rows, drift: see HostState; blocked: how many packets its guards have blocked meanwhile, by row.
    """

    router: Router
    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    drift: Sequence[Mapping[str, Any]] = ()
    blocked: Mapping[str, int] = field(default_factory=dict)


def read_router(name: str, hosts: Mapping[str, Mapping[str, Any]], edges: Sequence[Edge]) -> Optional[Router]:
    """Return a router, None for a host that does not carry the table as one. Raises OptionError.

    hosts: the variables of all hosts, by name; edges: of the inventory.
    """
    variables = hosts[name]
    given = {**given_options(variables), "state": "present"}
    if given.get("placement") != FIREWALL:
        return None
    try:
        named = edges_of(variables[EDGES_VARIABLE], hosts) if EDGES_VARIABLE in variables else None
        options = parse_options(given, named)
    except OptionError as error:
        option = error.option if error.option == EDGES_VARIABLE else f"{PREFIX}{error.option}"
        raise OptionError(f"{name}: {option}", None, error.problem, error.remedy) from None
    rules = with_addresses(compile_rules(options), partner_addresses(variables))
    # A router that names no hosts names their addresses.
    own = {address for rule in rules if rule.local for address in rule.local.networks}
    found = named or [
        edge.name for edge in edges if own & {*edge.addresses(ACCESS.option), *edge.addresses(INTERNAL.option)}
    ]
    return Router(name, options, rules, frozenset(found))


def causes_at_routers(tried: Attempted, states: Sequence[RouterState]) -> Iterator[Cause]:
    """Yield what routers of the play say against a flow. states: of those that stand before its edge."""
    for state in states:
        name, flow = literal(state.router.name), tried.flow
        row = state.rows.get(flow.row, {})
        if row.get("effective") == "no":
            yield tried.cause("firewall", f"{name} drops it: {literal(decision(row))}", f"correct that rule of {name}")
        missing = _missing_rule(tried, state)
        if missing:
            yield tried.cause("firewall", f"{name} lacks the rule {literal(missing)}", "run xmpp.edge.site")
        elif state.blocked.get(flow.row) and not _allows(state.router, tried):
            yield tried.cause(
                "firewall",
                f"the guard of {name} drops it, since {{peer}} is not in the networks of row {{row}} there",
                "list it, if it may connect",
            )


def _allows(router: Router, tried: Attempted) -> bool:
    """Return whether a rule of a router allows a flow, so that its guard has blocked others."""
    flow = tried.flow
    wanted: Tuple[str, str, int] = ("allow", flow.direction, flow.port)
    return any(
        (rule.action, rule.direction, rule.port) == wanted and matches(rule, tried.source, flow.own)
        for rule in router.rules
    )


def _missing_rule(tried: Attempted, state: RouterState) -> str:
    """Return the diff line of a rule that would allow a flow and that a router lacks; empty for none."""
    flow = tried.flow
    for entry in state.drift:
        rule = rule_of(entry) if entry["sign"] == MISSING else None
        wanted: Tuple[str, str, int] = ("allow", flow.direction, flow.port)
        if rule and (rule.action, rule.direction, rule.port) == wanted and matches(rule, tried.source, flow.own):
            return str(entry["line"])
    return ""
