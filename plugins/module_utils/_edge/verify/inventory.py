# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edges and vantage points of an Ansible inventory, and their results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..model.addresses import family_of
from ..model.errors import OptionError
from ..model.port_table import ACCESS, FRONT_ENDS, INTERNAL, PORT_TABLE
from ..request.nearest import nearest
from .attempted import HostState
from .controls import Blocked, RouterCount, unproved, with_controls
from .evaluate import NOT_CHECKED, Finding, evaluate, not_attempted
from .flows import (
    AFTERWARDS,
    BEFORE,
    EDGES,
    GROUP_OF,
    LEVELS,
    OUTBOUND_GROUPS,
    OUTSIDERS,
    VANTAGE_GROUPS,
    Edge,
    Flow,
    Vantage,
    flows_from,
    flows_of_edge,
    read_edge,
    read_vantage,
)
from .name_findings import Names, addresses_of_domain, name_findings
from .notes import notes_of
from .passage import Packets, passage_of
from .ping_findings import ping_findings
from .problems import Problem, Told, problems_of, source_problems
from .provenance import Provenance
from .report import FAMILY_NAMES, INSIDE, OUTSIDE, Report, Unchecked
from .routers import ROUTERS, Router, RouterState, read_router
from .services import misspelt

ATTEMPTS = "xmpp_edge_verify_attempts"
"""Variable in which the role registers the result of xmpp.edge.verify_flows."""

_NO_CONNECTION = ("filtered", "refused", "prohibited", "unreachable")

_LONGEST_WORD, _LONGEST_REASON = 100, 500
"""Characters of what a host that failed has said."""

_GROUPS = (EDGES, *VANTAGE_GROUPS, ROUTERS)
_PREFIX = "xmpp_"


@dataclass(frozen=True)
class Inventory:
    """The hosts of an inventory. variables: of each host, by its name; in_play: the names of those in the play; groups:
    the names of all groups that have hosts; routers: those that carry the table.
    """

    edges: Sequence[Edge]
    vantages: Sequence[Vantage]
    variables: Mapping[str, Mapping[str, Any]]
    in_play: FrozenSet[str]
    groups: FrozenSet[str]
    routers: Sequence[Router] = ()

    def router(self, name: str) -> Optional[Router]:
        """Return a router by its name, None for another host."""
        return next((router for router in self.routers if router.name == name), None)

    def only_routes(self, name: str) -> bool:
        """Return whether a host is a router, and nothing that makes attempts."""
        others = (*(edge.name for edge in self.edges), *(vantage.name for vantage in self.vantages))
        return self.router(name) is not None and name not in others

    def edge(self, name: str) -> Optional[Edge]:
        """Return an edge by its name, None for another host."""
        return next((edge for edge in self.edges if edge.name == name), None)

    def flows_from(self, name: str, deep: bool) -> List[Flow]:
        """Return the flows to attempt from a host."""
        flows = [flow for edge in self.edges if edge.name == name for flow in flows_of_edge(edge, self.vantages, deep)]
        for vantage in self.vantages:
            if vantage.name == name:
                flows += flows_from(vantage, [edge for edge in self.edges if edge.name != name], deep)
        return flows

    def routes_to_ask(self, name: str) -> List[str]:
        """Return the known addresses of vantage points, to which an edge needs a route; none for other hosts."""
        if self.edge(name) is None:
            return []
        return sorted({address for vantage in self.vantages for address in vantage.addresses})

    def partners_of(self, name: str) -> List[str]:
        """Return the addresses that an edge has to connect to; none for other hosts."""
        edge = self.edge(name)
        if edge is None:
            return []
        flows = flows_of_edge(edge, self.vantages, deep=False)
        return sorted({flow.address for flow in flows if flow.required})

    def domains_of(self, name: str) -> List[str]:
        """Return the XMPP domains of which an edge is to look up the records; none for other hosts."""
        edge = self.edge(name)
        if edge is None:
            return []
        domains = [edge.service.domain, *self._partner_domains(edge)]
        # One label alone is a name of the inventory.
        return [domain for domain in dict.fromkeys(domains) if "." in domain.strip(".")]

    def _partner_domains(self, edge: Edge) -> List[str]:
        flows = flows_of_edge(edge, self.vantages, deep=False)
        return list(dict.fromkeys(flow.domain for flow in flows if flow.required))

    def pings_of(self, name: str) -> List[Dict[str, str]]:
        """Return the pairs of domains between which the XMPP server of a host is to ping, from its own to another."""
        flows = [flow for flow in self.flows_from(name, deep=True) if flow.required and flow.level == LEVELS["XMPP"]]
        pairs = dict.fromkeys((flow.shown.domain, flow.domain) for flow in flows)
        return [{"from": own, "to": other} for own, other in pairs if own != other]

    def ports(self) -> List[int]:
        """Return the ports that flows are about."""
        return sorted({port for edge in self.edges for port in edge.options.ports.values()})

    def to_ask_afterwards(self, name: str, deep: bool) -> Dict[str, Any]:
        """Return the options of xmpp.edge.connection_info for a host, once all attempts are over.

        It is asked for no more than the flows that have failed need.
        """
        watch = (self.variables[name].get(BEFORE) or {}).get("watch")
        failed = [(flow, result) for flow, result in self._results(deep) if self._has_no_connection(flow, result)]
        here = [(flow, result) for flow, result in failed if flow.target == name]
        asked: Dict[str, Any] = {"watch": watch} if watch else {}
        refused = sorted({flow.port for flow, result in here if result["outcome"] == "refused"})
        if refused:
            asked["listeners"] = refused
        edge = self.edge(name)
        if edge is not None:
            row = edge.federation_row("out")
            if row is not None:
                asked["connected_to"] = edge.options.ports[row.port_option]
            asked["sources"] = [*edge.addresses(ACCESS.option), *edge.addresses(INTERNAL.option)]
            peers = sorted({source for flow, result in here for source in [self._source(flow, result)] if source})
            if peers:
                asked["paths"] = peers
        return asked

    def _results(self, deep: bool) -> Iterator[Tuple[Flow, Mapping[str, Any]]]:
        """Yield each flow that was attempted, with its result."""
        for name in self._names():
            flows = self.flows_from(name, deep)
            if not self._missing(name, len(flows))[0]:
                yield from zip(flows, self._result(name)["results"])

    @staticmethod
    def _has_no_connection(flow: Flow, result: Mapping[str, Any]) -> bool:
        return flow.required and result["outcome"] in _NO_CONNECTION

    def report(self, provenance: Provenance, deep: bool, allowed: Sequence[str] = ()) -> Report:
        """Return the report on the results of all hosts. allowed: rows that may go unchecked."""
        findings: List[Finding] = []
        unchecked: List[Unchecked] = [*self._misspelt_groups(), *self._misspelt_variables()]
        # Ansible makes the variables of a host anew for each reader.
        states = {name: self._state(name) for name in self._names()}
        packets = {name: self._seen(name) for name in self._names()}
        for name in self._names():
            flows = self.flows_from(name, deep)
            reason, is_out_of_reach = self._missing(name, len(flows))
            if reason and (flows or self.edge(name)):
                about = frozenset(flow.row for flow in flows if not is_out_of_reach)
                unchecked.append(Unchecked(f"what {name} can reach: {reason}", about))
            findings += (
                self._not_attempted(name, flows, reason) if reason else self._evaluated(name, flows, states, packets)
            )
        findings = with_controls(findings, self._blocked(), self._router_counts())
        unchecked += [
            *self._without_addresses(),
            *self._rules_not_seen(),
            *self._outsiders(),
            *self._gaps(findings),
            *_unproved(findings),
        ]
        rows = {edge.name: dict(self._rules(edge.name).get("rows") or {}) for edge in self.edges}
        notes = notes_of(findings, provenance.time)
        problems: List[Problem] = []
        explained = set()
        for edge in self.edges:
            problems += problems_of(edge, self._rules(edge.name))
            told = source_problems(edge, self._result(edge.name), self._information(edge.name))
            named = self._name_findings(edge)
            problems += [*told.problems, *named.problems]
            explained |= {edge.name} if told.problems else set()
            notes += [*told.notes, *named.notes]
        for router in self.routers:
            problems += problems_of(router, self._rules(router.name))
        pings = [{"host": name, **one} for name in self._names() for one in self._result(name).get("pings") or ()]
        asked = [(name, self._result(name).get("pings") or ()) for name in self._names() if name not in explained]
        told = ping_findings(findings, asked)
        problems += told.problems
        notes += told.notes
        return Report(
            provenance,
            self.edges,
            self.vantages,
            findings,
            unchecked,
            rows,
            problems,
            frozenset(allowed),
            tuple(notes),
            self._sides(),
            pings,
        )

    def _sides(self) -> Dict[str, str]:
        """Return the side of the edges that each vantage point is on, by the devices that its packets came by."""
        return {vantage.name: self._side(vantage) for vantage in self.vantages}

    def _side(self, vantage: Vantage) -> str:
        own = {result.get("source") for result in self._result(vantage.name).get("results") or ()}
        own.update(vantage.addresses)
        for edge in self.edges:
            devices = self._information(edge.name).get("devices") or {}
            inner, outer = (
                {devices[one] for one in edge.addresses(endpoint.option) if one in devices}
                for endpoint in (INTERNAL, ACCESS)
            )
            seen = self._seen(edge.name) or ()
            arrived = {one["device"] for one in seen if one["source"] in own and not one["sent"]}
            # A bridge and its port both see a packet.
            if arrived & outer:
                return OUTSIDE
            if arrived & inner:
                return INSIDE
        return INSIDE if vantage.group == GROUP_OF[FRONT_ENDS.option] else OUTSIDE

    def _name_findings(self, edge: Edge) -> Told:
        """Return what DNS says of an edge's domain and those of its partners."""
        result = self._result(edge.name)
        domains = self.domains_of(edge.name)
        if "names" not in result:
            reason = result.get("names_not_asked")
            return Told(notes=[f"DNS of {' and '.join(domains)} was not looked up: {reason}"] if reason else ())
        own = addresses_of_domain(self.edges, edge.service.domain)
        names = Names(result["names"], str(result.get("names_by") or f"the resolver of {edge.name}"))
        return name_findings(edge, own, self._partner_domains(edge), names)

    def _names(self) -> Iterator[str]:
        """Yield each host once: the vantage points, then the edges."""
        yield from dict.fromkeys([*(one.name for one in self.vantages), *(edge.name for edge in self.edges)])

    def _evaluated(
        self,
        name: str,
        flows: Sequence[Flow],
        states: Mapping[str, HostState],
        packets: Mapping[str, Optional[Packets]],
    ) -> Iterator[Finding]:
        # Ansible makes a host's variables anew for each reader, so once for each edge, not for each flow.
        routers = {edge: self._routers_of(edge) for edge in {flow.edge for flow in flows}}
        for flow, result in zip(flows, self._result(name)["results"]):
            seen = packets.get(flow.origin), packets.get(flow.target)
            source_port = result["facts"].get("source_port")
            source = self._source(flow, result)
            passage = passage_of(flow, source, source_port, *seen)
            finding = evaluate(flow, result, source, self._edge_of(flow), states, passage, routers[flow.edge])
            if finding is not None:
                yield finding

    def _source(self, flow: Flow, result: Mapping[str, Any]) -> Optional[str]:
        """Return the address that the edge sees an attempt come from."""
        source = flow.source or result["source"]
        vantage = next((one for one in self.vantages if one.name == flow.origin), None)
        return vantage.seen_as(source) if vantage and flow.direction == "in" else source

    def _not_attempted(self, name: str, flows: Sequence[Flow], reason: str) -> Iterator[Finding]:
        addresses = [address for vantage in self.vantages if vantage.name == name for address in vantage.addresses]
        for flow in flows:
            family = family_of(flow.address)
            source = next((address for address in addresses if family_of(address) == family), None)
            finding = not_attempted(flow, source, self._edge_of(flow), reason)
            if finding is not None:
                yield finding

    def _edge_of(self, flow: Flow) -> Edge:
        return next(edge for edge in self.edges if edge.name == flow.edge)

    def _missing(self, name: str, flows: int) -> Tuple[str, bool]:
        """Return the reason why a host has no results, empty if it has, and whether it was out of reach."""
        if self._absence(name):
            return self._absence(name), False
        result = self._result(name)
        if result.get("unreachable"):
            return _reason(result), True
        if result.get("not_attempted") or "results" not in result or len(result["results"]) != flows:
            return str(result.get("not_attempted") or _reason(result)), False
        return "", False

    def _absence(self, name: str) -> str:
        return "" if name in self.in_play else "it is not in this play, for example because of --limit"

    def _result(self, name: str) -> Mapping[str, Any]:
        return self.variables[name].get(ATTEMPTS) or {}

    def _rules(self, name: str, variable: str = AFTERWARDS) -> Mapping[str, Any]:
        return (self.variables[name].get(variable) or {}).get("rules") or {}

    def _blocked(self) -> Dict[Tuple[str, str], Blocked]:
        """Return what the guards of each edge have blocked, by edge and row."""
        return {
            (edge.name, row.id): self._blocked_by(edge.name, row.id) for edge in self.edges for row in edge.options.rows
        }

    def _router_counts(self) -> List[RouterCount]:
        """Return what the guards of routers have blocked."""
        return [
            RouterCount(router.name, row.id, router.edges, self._blocked_by(router.name, row.id).packets)
            for router in self.routers
            for row in router.options.rows
        ]

    def _blocked_by(self, name: str, row: str) -> Blocked:
        before, after = (self._rules(name, variable).get("blocked") or {} for variable in (BEFORE, AFTERWARDS))
        return Blocked(before.get(row), after.get(row))

    def _routers_of(self, edge: str) -> List[RouterState]:
        """Return the state of the routers that stand before an edge."""
        states = []
        for router in self.routers:
            if edge in router.edges:
                rules = self._rules(router.name)
                blocked = {row.id: self._blocked_by(router.name, row.id).packets for row in router.options.rows}
                states.append(RouterState(router, rules.get("rows") or {}, rules.get("drift") or (), blocked))
        return states

    def _state(self, name: str) -> HostState:
        rules, told = self._rules(name), self._information(name)
        return HostState(
            rules.get("rows") or {},
            rules.get("drift") or (),
            self._result(name).get("routes", {}),
            told.get("listeners"),
            told.get("paths") or {},
            told.get("strict_devices") or (),
        )

    def _information(self, name: str) -> Mapping[str, Any]:
        """Return what a host has told of its connections after the attempts."""
        return (self.variables[name].get(AFTERWARDS) or {}).get("information") or {} if name in self.variables else {}

    def _seen(self, name: str) -> Optional[Packets]:
        """Return the packets that a host has seen, None where it has not watched."""
        found: Optional[Packets] = self._information(name).get("packets")
        return found

    def _misspelt_groups(self) -> Iterator[Unchecked]:
        """Yield a group of the inventory whose name is nearly that of one without hosts."""
        for group in sorted(self.groups):
            near = nearest(group, _GROUPS) if group.startswith(_PREFIX) and group not in _GROUPS else None
            if near and near not in self.groups:
                yield Unchecked(f"the hosts of the group {group}: nothing reads it; say {near}", frozenset())

    def _misspelt_variables(self) -> Iterator[Unchecked]:
        """Yield a variable of a host whose name is nearly one of the role's."""
        for host in self._names():
            for name, near in misspelt(self.variables[host]):
                yield Unchecked(f"what {name} of {host} says: nothing reads it; say {near}", frozenset())

    def _without_addresses(self) -> Iterator[Unchecked]:
        for vantage in self.vantages:
            rows = frozenset(row.id for edge in self.edges for row in edge.options.rows if row.direction == "out")
            if rows and not vantage.addresses and vantage.group in OUTBOUND_GROUPS:
                lack = "it has no xmpp_edge_verify_addresses"
                yield Unchecked(f"what the edges can reach at {vantage.name}: {lack}", rows)

    def _rules_not_seen(self) -> Iterator[Unchecked]:
        for edge in self.edges:
            rules, rows = self._rules(edge.name), frozenset(row.id for row in edge.options.rows)
            if "rows" not in rules:
                afterwards = self.variables[edge.name].get(AFTERWARDS) or {}
                reason = self._absence(edge.name) or _reason(rules or afterwards)
                yield Unchecked(f"the rules on {edge.name} themselves: {reason}", rows)
            elif rules.get("not_compared"):
                compared = f"whether the rules of {edge.name} are those of its inventory"
                yield Unchecked(f"{compared}: {rules['not_compared']}", rows)
        for router in self.routers:
            if "rows" not in self._rules(router.name):
                told = self._rules(router.name) or self.variables[router.name].get(AFTERWARDS) or {}
                reason = self._absence(router.name) or _reason(told)
                rows = frozenset(row.id for row in router.options.rows)
                yield Unchecked(f"the rules on {router.name} themselves: {reason}", rows)

    def _outsiders(self) -> Iterator[Unchecked]:
        """Yield what nobody tries that has to be closed."""
        rows = frozenset(row.id for edge in self.edges for row in edge.options.rows if row.direction == "in")
        guarded = any(edge.options.mode == "exclusive" for edge in self.edges)
        if guarded and rows and not any(vantage.group == OUTSIDERS for vantage in self.vantages):
            lack = "has only hosts of other groups" if OUTSIDERS in self.groups else "has no hosts"
            yield Unchecked(f"what has to be closed: the group {OUTSIDERS} {lack}", rows)

    def _gaps(self, findings: Sequence[Finding]) -> Iterator[Unchecked]:
        """Yield each row of an edge that no attempt in a family was about."""
        seen = {
            (finding.flow.edge, finding.flow.row, family_of(finding.flow.address))
            for finding in findings
            if finding.expected == "open" and finding.verdict != NOT_CHECKED
        }
        groups = {row.id: GROUP_OF[row.remote.option] for row in PORT_TABLE}
        for edge in self.edges:
            for rule in edge.rules:
                if rule.action == "allow" and (edge.name, rule.row, rule.family) not in seen:
                    group = groups[rule.row]
                    nobody = f"no host of the group {group} has tried it"
                    yield Unchecked(
                        f"{rule.row} of {edge.name} over {FAMILY_NAMES[rule.family]}: {nobody}", frozenset((rule.row,))
                    )


def read_inventory(variables: Mapping[str, Any]) -> Inventory:
    """Return the edges and vantage points of the inventory. Raises OptionError.

    variables: of the task.
    """
    hosts = variables["hostvars"]
    in_play = frozenset(variables["ansible_play_hosts_all"])
    groups = {group: list(names) for group, names in variables["groups"].items() if names}
    edges = [read_edge(name, hosts[name]) for name in groups.get(EDGES, ())]
    if not in_play & {edge.name for edge in edges}:
        raise OptionError(
            EDGES, None, "has no hosts", "put the edges into this group of the inventory, and into the play"
        )
    vantages: Dict[str, Vantage] = {}
    for group in VANTAGE_GROUPS:
        for name in groups.get(group, ()):
            vantages.setdefault(name, read_vantage(name, group, hosts[name]))
    routers = [read_router(name, hosts, edges) for name in groups.get(ROUTERS, ())]
    found = [router for router in routers if router is not None]
    return Inventory(edges, list(vantages.values()), hosts, in_play, frozenset(groups), found)


def _unproved(findings: Sequence[Finding]) -> Iterator[Unchecked]:
    for edge, row in unproved(findings):
        yield Unchecked(
            f"what {row} of {edge} forbids: nothing shows that an attempt has reached it", frozenset((row,))
        )


def _reason(result: Mapping[str, Any]) -> str:
    """Return the reason why a result has no data, on one line."""
    first = str(result.get("msg") or "it was not asked").split("\n", maxsplit=1)[0]
    # What Ansible says of Windows hosts may have a whole encoded script in it.
    words = [word if len(word) <= _LONGEST_WORD else f"{word[:_LONGEST_WORD]}..." for word in first.split(" ")]
    return " ".join(words)[:_LONGEST_REASON]
