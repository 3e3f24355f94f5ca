# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The flows to attempt from each host, and the rules that allow them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..model.addresses import FAMILIES, canonical_network, family_of, is_address, number_of
from ..model.errors import OptionError
from ..model.partner_domains import OPTION as PARTNER_DOMAINS
from ..model.partner_domains import with_addresses
from ..model.port_table import ACCESS, ADDRESS_ENDPOINTS, Row
from ..model.rules import Group, Rule
from ..request.compile import compile_rules
from ..request.option_spec import OPTIONS
from ..request.options import Options, parse_options
from .services import Partner, Service, read_addresses, read_partners, read_service

EDGES = "xmpp_edge"

BEFORE, AFTERWARDS = "xmpp_edge_verify_before", "xmpp_edge_verify_afterwards"
"""Variables in which the role registers what edges and partners tell before the attempts, and after them."""

OUTSIDERS = "xmpp_outsider"
PARTNERS = "partner_networks"
GROUP_OF: Mapping[str, str] = {PARTNERS: "xmpp_partner", "front_end_networks": "xmpp_front_end"}
"""The inventory group of a row's remote side, by the option with its networks."""

VANTAGE_GROUPS: Tuple[str, ...] = (*GROUP_OF.values(), OUTSIDERS)

OUTBOUND_GROUPS: Tuple[str, ...] = (GROUP_OF["partner_networks"], OUTSIDERS)
"""The groups to whose hosts edges attempt flows."""

LEVELS: Mapping[str, str] = {"XMPP": "xmpp", "MTLS": "mtls"}
"""The level of a probe, by the protocol of a row."""


@dataclass(frozen=True)
class Edge:
    """An edge host of the inventory.

    public_addresses: what the world dials in place of its Access Edge addresses; knows_partners: whether the addresses
    of its partners by domain are known, where it has such.
    """

    name: str
    options: Options
    rules: Sequence[Rule]
    service: Service
    public_addresses: Sequence[str] = ()
    partners: Sequence[Partner] = ()
    knows_partners: bool = True

    def addresses(self, option: str) -> List[str]:
        """Return its addresses on one side."""
        endpoint = self.options.endpoints.get(option, {})
        return [str(network.network_address) for networks in endpoint.values() for network in networks]

    @property
    def partners_option(self) -> str:
        """Return the option that says whom it may dial."""
        return f"xmpp_edge_{PARTNER_DOMAINS if self.options.domains else PARTNERS}"

    def federation_row(self, direction: str) -> Optional[Row]:
        """Return its row between servers of a direction, None where it has none."""
        return next(
            (row for row in self.options.rows if row.direction == direction and row.local is ACCESS),
            None,
        )

    def dialled(self, option: str) -> List[Tuple[str, str]]:
        """Return what others dial on one side, each with the own address that it leads to."""
        own = self.addresses(option)
        if option != ACCESS.option:
            return [(address, address) for address in own]
        found: List[Tuple[str, str]] = []
        for family in FAMILIES:
            here = [address for address in own if family_of(address) == family]
            public = [address for address in self.public_addresses if family_of(address) == family]
            if here:
                found += [(dialled, here[min(index, len(here) - 1)]) for index, dialled in enumerate(public or here)]
        return found


@dataclass(frozen=True)
class Vantage:
    """A vantage point: a host that attempts flows to the edges.

    group: its inventory group; addresses: its own as the edges see them, empty where the inventory has none; are_given:
    whether the inventory says them itself.
    """

    name: str
    group: str
    addresses: Sequence[str]
    service: Service
    are_given: bool = True

    def seen_as(self, source: Optional[str]) -> Optional[str]:
        """Return the address that the edges see of a connection. source: that the host itself sees.

        Behind a translation these differ, and the inventory has what the edges see.
        """
        if source is None or not self.are_given or not self.addresses or source in self.addresses:
            return source
        return next((one for one in self.addresses if family_of(one) == family_of(source)), source)


@dataclass(frozen=True)
class Flow:
    """A connection to attempt.

    row: id of the tested row; origin, target: names of hosts; source: address to bind to, None for any; address: that
    is dialled; own: the address that the rules are about, which is another one where the edge has public addresses;
    required: whether the groups of the inventory require that it is possible; level: of the probe; served, shown: by
    the target, and by the origin.
    """

    row: str
    edge: str
    origin: str
    target: str
    direction: str
    source: Optional[str]
    address: str
    own: str
    port: int
    required: bool
    level: str
    served: Service
    shown: Service

    @property
    def domain(self) -> str:
        """The domain that is asked for."""
        return self.served.domain


def read_edge(name: str, variables: Mapping[str, Any]) -> Edge:
    """Return an edge from its role variables. Raises OptionError."""
    try:
        options = parse_options({**given_options(variables), "state": "present"})
    except OptionError as error:
        raise OptionError(f"{name}: xmpp_edge_{error.option}", None, error.problem, error.remedy) from None
    public = read_addresses(name, "public_addresses", variables) or ()
    found = partner_addresses(variables)
    rules = with_addresses(compile_rules(options), found)
    partners, knows = read_partners(name, variables), set(found) >= set(options.domains)
    return Edge(name, options, rules, read_service(name, variables), public, partners, knows)


def partner_addresses(variables: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    """Return the addresses that a host has for its partners by domain, as far as it was looked at."""
    rules = (variables.get(AFTERWARDS) or {}).get("rules") or {}
    found: Mapping[str, Sequence[str]] = rules.get("partner_addresses") or {}
    # Before the first run none is known.
    return {group: addresses for group, addresses in found.items() if addresses}


def given_options(variables: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the options that the role variables of an edge give."""
    return {
        option: variables[f"xmpp_edge_{option}"]
        for option in OPTIONS
        if variables.get(f"xmpp_edge_{option}") is not None
    }


def read_vantage(name: str, group: str, variables: Mapping[str, Any]) -> Vantage:
    """Return a vantage point from its variables. By default its address is the one that Ansible connects to.

    Raises OptionError.
    """
    addresses = read_addresses(name, "addresses", variables)
    are_given = addresses is not None
    if addresses is None:
        connected = str(variables.get("ansible_host") or "")
        addresses = [canonical_network(connected)] if is_address(connected) else []
    return Vantage(name, group, addresses, read_service(name, variables), are_given)


def flows_from(vantage: Vantage, edges: Sequence[Edge], deep: bool) -> List[Flow]:
    """Return the flows from a vantage point: every port of the table at every address of every edge."""
    return [
        Flow(
            row=row.id,
            edge=edge.name,
            origin=vantage.name,
            target=edge.name,
            direction="in",
            source=None,
            address=address,
            own=own,
            port=edge.options.ports[row.port_option],
            required=required,
            level=LEVELS[row.protocol] if required and deep else "tcp",
            served=edge.service,
            shown=vantage.service,
        )
        for edge in edges
        for row in edge.options.rows
        if row.direction == "in"
        for endpoint in ADDRESS_ENDPOINTS
        for address, own in edge.dialled(endpoint.option)
        for required in [endpoint is row.local and GROUP_OF[row.remote.option] == vantage.group]
    ]


def flows_of_edge(edge: Edge, vantages: Sequence[Vantage], deep: bool) -> List[Flow]:
    """Return the flows from an edge, bound to its own addresses. Only flows to partners are required."""
    to_hosts = [
        (vantage.name, vantage.addresses, vantage.service, None, vantage.group == GROUP_OF[PARTNERS])
        for vantage in vantages
        if vantage.group in OUTBOUND_GROUPS and vantage.name != edge.name
    ]
    to_partners = [(one.name, one.addresses, one.service, one.port, True) for one in edge.partners]
    return [
        Flow(
            row=row.id,
            edge=edge.name,
            origin=edge.name,
            target=name,
            direction="out",
            source=source,
            address=address,
            own=address,
            port=port or edge.options.ports[row.port_option],
            required=required,
            level=LEVELS[row.protocol] if required and deep else "tcp",
            served=service,
            shown=edge.service,
        )
        for row in edge.options.rows
        if row.direction == "out"
        for name, addresses, service, port, required in [*to_hosts, *to_partners]
        for address in addresses
        for source in edge.addresses(ACCESS.option)
        if family_of(source) == family_of(address)
    ]


def is_allowed(edge: Edge, flow: Flow, source: Optional[str]) -> Optional[bool]:
    """Return whether the rules of an edge allow a flow from a source address.

    None means unknown: no rule matches, or the source address is None.
    """
    return None if source is None else is_open(edge, flow.direction, flow.port, source, flow.own)


def is_open(edge: Edge, direction: str, port: int, source: str, destination: str) -> Optional[bool]:
    """Return whether the rules of an edge allow a connection; None where no rule is about it, or it is not known."""
    for rule in edge.rules:
        if rule.direction == direction and rule.port == port and matches(rule, source, destination):
            return (
                None
                if rule.action == "block" and direction == "out" and not edge.knows_partners
                else rule.action == "allow"
            )
    return None


def matches(rule: Rule, source: Optional[str], destination: str) -> bool:
    """Return whether a rule is about connections from one address to another. An unknown source matches none."""
    if source is None:
        return False
    families = (family_of(source), "any")
    return rule.family in families and _contains(rule.source, source) and _contains(rule.destination, destination)


def _contains(group: Optional[Group], address: str) -> bool:
    if group is None:
        return True
    number = number_of(address)
    return any(
        first <= number <= last
        for network, (first, last) in zip(group.networks, group.spans)
        if family_of(network) == family_of(address)
    )


def as_target(flow: Flow) -> Dict[str, Any]:
    """Return a flow as a target of xmpp.edge.probe."""
    return {
        "address": flow.address,
        "port": flow.port,
        "source": flow.source,
        "level": flow.level,
        "domain": flow.served.domain,
        "origin": flow.shown.domain,
        "tls": flow.served.tls,
        "direct_tls": flow.served.direct_tls,
        "certificate": flow.shown.certificate if flow.level != "tcp" else None,
        "key": flow.shown.key if flow.level != "tcp" else None,
    }
