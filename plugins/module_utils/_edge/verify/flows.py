# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which connections have to be tried from where, and which of them the table lets pass."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..model.errors import OptionError
from ..model.port_table import ACCESS, ADDRESS_ENDPOINTS, PORT_TABLE, Row
from ..model.rules import Group, Rule
from ..probe.targets import is_address
from ..request.compile import compile_rules
from ..request.option_spec import OPTIONS
from ..request.options import Options, parse_options

EDGES = "xmpp_edge"
OUTSIDERS = "xmpp_outsider"
# Who stands on the far side of an inbound row, by the option that names them in the table.
GROUP_OF: Mapping[str, str] = {"partner_networks": "xmpp_partner", "front_end_networks": "xmpp_front_end"}
VANTAGE_GROUPS: Tuple[str, ...] = (*GROUP_OF.values(), OUTSIDERS)

LEVELS: Mapping[str, str] = {"XMPP": "xmpp", "MTLS": "mtls"}
"""What a probe asks a server of a row's protocol."""


@dataclass(frozen=True)
class Edge:
    """An edge host of the inventory. domain: the XMPP domain that it serves."""

    name: str
    options: Options
    rules: Sequence[Rule]
    domain: str

    def addresses(self, option: str) -> List[str]:
        """Its addresses on one side."""
        return [
            str(network.network_address) for networks in self.options.endpoints[option].values() for network in networks
        ]


@dataclass(frozen=True)
class Vantage:
    """A host to look from. addresses: its own, as the edges see them, as far as the inventory says; domain: as Edge."""

    name: str
    group: str
    addresses: Sequence[str]
    domain: str


@dataclass(frozen=True)
class Flow:
    """A connection to try.

    row: the row that it is about; origin, target: names of hosts; source: address to bind to, None for any; required:
    whether the inventory says, by its groups, that the connection has to be possible; level: as in a probe.
    """

    row: str
    edge: str
    origin: str
    target: str
    direction: str
    source: Optional[str]
    address: str
    port: int
    required: bool
    level: str
    domain: str
    origin_domain: str


def read_edge(name: str, variables: Mapping[str, Any]) -> Edge:
    """An edge from its role variables. Raises OptionError."""
    given = {
        option: variables[f"xmpp_edge_{option}"]
        for option in OPTIONS
        if variables.get(f"xmpp_edge_{option}") is not None
    }
    try:
        options = parse_options({**given, "state": "present"})
    except OptionError as error:
        raise OptionError(f"{name}: xmpp_edge_{error.option}", None, error.problem, error.remedy) from None
    return Edge(name, options, compile_rules(options), str(variables.get("xmpp_edge_verify_domain") or name))


def read_vantage(name: str, group: str, variables: Mapping[str, Any]) -> Vantage:
    """A vantage point from its variables. What it is connected by is its address, where that is one."""
    given = variables.get("xmpp_edge_verify_addresses") or [variables.get("ansible_host") or ""]
    addresses = [str(address) for address in given if is_address(str(address))]
    return Vantage(name, group, addresses, str(variables.get("xmpp_edge_verify_domain") or name))


def flows_from(vantage: Vantage, edges: Sequence[Edge], deep: bool) -> List[Flow]:
    """What to try from a vantage point: every port of the table at every address of every edge."""
    return [
        Flow(
            row=row.id,
            edge=edge.name,
            origin=vantage.name,
            target=edge.name,
            direction="in",
            source=None,
            address=address,
            port=edge.options.ports[row.port_option],
            required=required,
            level=LEVELS[row.protocol] if required and deep else "tcp",
            domain=edge.domain,
            origin_domain=vantage.domain,
        )
        for edge in edges
        for row in PORT_TABLE
        if row.direction == "in"
        for endpoint in ADDRESS_ENDPOINTS
        for address in edge.addresses(endpoint.option)
        for required in [endpoint is row.local and GROUP_OF[row.remote.option] == vantage.group]
    ]


def flows_of_edge(edge: Edge, vantages: Sequence[Vantage], deep: bool) -> List[Flow]:
    """What to try from an edge, bound to its own addresses: partners have to be reached, and nobody else need be."""
    return [
        Flow(
            row=row.id,
            edge=edge.name,
            origin=edge.name,
            target=vantage.name,
            direction="out",
            source=source,
            address=address,
            port=edge.options.ports[row.port_option],
            required=required,
            level=LEVELS[row.protocol] if required and deep else "tcp",
            domain=vantage.domain,
            origin_domain=edge.domain,
        )
        for row in _outbound()
        for vantage in vantages
        if vantage.group in (GROUP_OF[row.remote.option], OUTSIDERS)
        for address in vantage.addresses
        for source in edge.addresses(ACCESS.option)
        if (":" in source) == (":" in address)
        for required in [vantage.group == GROUP_OF[row.remote.option]]
    ]


def is_allowed(edge: Edge, flow: Flow, source: Optional[str]) -> Optional[bool]:
    """Whether the rules let a flow pass. source: address that it comes from; None where nobody knows.

    None: that cannot be said, because the rules are silent or the source is not known.
    """
    if source is None:
        return None
    for rule in edge.rules:
        if rule.direction == flow.direction and rule.port == flow.port and _matches(rule, source, flow.address):
            return rule.action == "allow"
    return None


def _matches(rule: Rule, source: str, destination: str) -> bool:
    family = "ipv6" if ":" in source else "ipv4"
    return rule.family in (family, "any") and _has(rule.source, source) and _has(rule.destination, destination)


def _has(group: Optional[Group], address: str) -> bool:
    return group is None or any(
        ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in group.networks
    )


def _outbound() -> Iterator[Row]:
    return (row for row in PORT_TABLE if row.direction == "out")


def as_target(flow: Flow) -> Dict[str, Any]:
    """The flow as xmpp.edge.probe takes it."""
    return {
        "address": flow.address,
        "port": flow.port,
        "source": flow.source,
        "level": flow.level,
        "domain": flow.domain,
        "origin": flow.origin_domain,
    }
