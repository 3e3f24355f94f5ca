# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on rows: sample connections for each row, and the sum of their verdicts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Dict, FrozenSet, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..model.addresses import Span, family_of, number_of, span_of, text_of
from ..model.literals import Direction, Effective, Family
from ..model.rules import Rule
from .connection import CLIENT_PORTS, Connection, evaluate_connection
from .neighbours import Link, evaluate_neighbours, link_behind, link_between_others, link_of
from .ruleset import Ruleset, sees
from .translation import AS_SENT, ELSEWHERE, HERE
from .walk import ACCEPT, DROP, UNKNOWN_VERDICT, Decision, PacketVerdict

YES: Effective = "yes"
NO: Effective = "no"
UNKNOWN: Effective = "unknown"

MOST_NETWORKS = 16
"""Networks of a group that are evaluated; a longer group is sampled evenly."""

ANYWHERE: Mapping[Family, Tuple[str, ...]] = {
    "ipv4": ("12.4.18.33", "81.19.44.7", "133.11.93.21"),
    "ipv6": ("2600:1f18:4e2::21", "2a02:26f0:c7::7", "2400:cb00:31::9"),
}
"""Addresses that stand for any, out of the space of three regional registries."""

Route = Tuple[str, str]
"""A local and a remote address."""
Routes = Mapping[Route, Optional[str]]
"""Interface by which the host reaches a remote address from a local one; None where there is no route.

For a local address of another host, the pair of it with itself has the interface towards it.
"""


@dataclass(frozen=True)
class Surroundings:
    """Facts of the host's network, besides its rules.

    gateways: the router by pair of a local and a remote address, None for a neighbour on the link; a pair is missing
    where that is not known; without_neighbours: interfaces that need no neighbour discovery, such as tunnels;
    local_ports: ports that this host connects from; defaults: interfaces of a router's default routes; strict: those
    of them that drop what comes by another interface than the way back (rp_filter 1).
    """

    gateways: Mapping[Route, Optional[str]] = field(default_factory=dict)
    without_neighbours: FrozenSet[str] = frozenset()
    local_ports: Span = (32768, 60999)
    defaults: FrozenSet[str] = frozenset()
    strict: FrozenSet[str] = frozenset()


@dataclass(frozen=True)
class RowVerdict:
    """Verdict on a row. effective: yes, no or unknown; decision: what decides that; subject: the connection, or the
    message of neighbour discovery, that it is about; reason: why, where no rule decides that.
    """

    effective: Effective
    decision: Optional[Decision]
    subject: str
    reason: str = ""


@dataclass(frozen=True)
class _Sample:
    """Connections that stand for one network of a rule, or for any address."""

    row: str
    anywhere: bool
    connections: Tuple[Tuple[str, str], ...]
    rule: Rule

    @property
    def forwarded(self) -> bool:
        """Return whether the local side is another host. Packets to an address of this one are, before translation."""
        return self.rule.forwarded and self.rule.inside is None


def routes_to_ask(rules: Sequence[Rule], *, forwarded: bool = False) -> List[Route]:
    """Return the pairs of addresses whose routes evaluate_rows needs. forwarded: of connections of other hosts."""
    samples = [sample for sample in _samples(rules) if sample.forwarded == forwarded]
    return list(dict.fromkeys(pair for sample in samples for pair in sample.connections))


def remotes_of(rules: Sequence[Rule]) -> List[str]:
    """Return the remote addresses that stand for the rules."""
    return list(dict.fromkeys(remote for sample in _samples(rules) for _local, remote in sample.connections))


def connections_of(rules: Sequence[Rule], routes: Routes) -> List[Connection]:
    """Return every connection that stands for one of the rules."""
    return [connection for sample in _samples(rules) for connection in _connections(sample, routes)]


def evaluate_rows(
    ruleset: Ruleset, rules: Sequence[Rule], routes: Routes, surroundings: Optional[Surroundings] = None
) -> Dict[str, RowVerdict]:
    """Return the verdict on each row that has an allow rule, by row id.

    A row is not effective where one of the named networks, or any address at all, is wholly dropped. It is unknown
    where a part is dropped, or where an unsupported expression may decide.
    """
    evaluator = _Evaluator(ruleset, surroundings or Surroundings(), sorted({rule.port for rule in rules}))
    verdicts: Dict[str, RowVerdict] = {}
    for sample in _samples(rules):
        connections = _connections(sample, routes)
        if not connections:
            continue
        family = connections[0].family
        if sample.forwarded and family not in ruleset.forwards:
            verdict = RowVerdict(NO, None, "", _FORWARDS_NOTHING[family])
        else:
            verdict = evaluator.sample(connections)
        known = verdicts.get(sample.row)
        if known is None or WEIGHT[verdict.effective] > WEIGHT[known.effective]:
            verdicts[sample.row] = verdict
    return verdicts


def evaluate_one(
    ruleset: Ruleset, connection: Connection, ports: Sequence[int], surroundings: Surroundings
) -> Tuple[PacketVerdict, str]:
    """Return the verdict on one connection, and what it is about: it, or a message of neighbour discovery.

    ports: those of the table, which no client connects from.
    """
    return _Evaluator(ruleset, surroundings, ports).connection(connection)


_FORWARDS_NOTHING: Mapping[Family, str] = {
    "ipv4": "this host forwards no IPv4 packets, since net.ipv4.ip_forward is 0",
    "ipv6": "this host forwards no IPv6 packets, since net.ipv6.conf.all.forwarding is 0",
}
WEIGHT = {YES: 0, UNKNOWN: 1, NO: 2}
_USUAL_CLIENT_PORTS: Span = (32768, 60999)
"""Ports that most clients connect from: the default of Linux, and inside that of others (RFC 6335, 6)."""


class _Evaluator:
    """Evaluator of connections in one host. ports: those of the table, which no client connects from."""

    def __init__(self, ruleset: Ruleset, surroundings: Surroundings, ports: Sequence[int]) -> None:
        self._ruleset = ruleset
        self._surroundings = surroundings
        self._ports = ports
        bases = [chain for chain in ruleset.chains.values() if chain.hook]
        self._filters_arp = any(sees(chain, "arp") for chain in bases)
        bridging = (chain for chain in bases if chain.table.startswith("bridge "))
        self._bridge_chain = next((chain for chain in bridging if chain.rules or chain.policy == DROP), None)

    def sample(self, connections: Sequence[Connection]) -> RowVerdict:
        """Return the verdict on connections that stand for one network, or for any address."""
        evaluated = [self.connection(connection) for connection in connections]
        dropped = [pair for pair in evaluated if pair[0].verdict == DROP]
        if dropped:
            effective: Effective = NO if len(dropped) == len(evaluated) else UNKNOWN
            return RowVerdict(effective, dropped[0][0].decision, dropped[0][1])
        for verdict, subject in evaluated:
            if verdict.verdict != ACCEPT:
                return RowVerdict(UNKNOWN, verdict.decision, subject)
        return RowVerdict(YES, evaluated[0][0].decision, evaluated[0][1])

    def connection(self, connection: Connection) -> Tuple[PacketVerdict, str]:
        """Return the verdict on one connection, and what it is about."""
        verdict = self._from_any_port(connection)
        if verdict.verdict == DROP:
            return verdict, str(connection)
        ways = (connection.interface, verdict.translation.way)
        if self._bridge_chain and any(self._ruleset.lower.get(way or "") for way in ways):
            # What the chains of a bridge do is not followed.
            rule = next(iter(self._bridge_chain.rules), None) if self._bridge_chain.policy != DROP else None
            decision = Decision(self._bridge_chain, rule, self._bridge_chain)
            return replace(verdict, verdict=UNKNOWN_VERDICT, decision=decision), str(connection)
        if connection.family == "ipv4" and not self._filters_arp:
            return verdict, str(connection)
        for link in self._links(connection, verdict):
            found = evaluate_neighbours(self._ruleset, link)
            if found is not None and (found[0].verdict == DROP or verdict.verdict == ACCEPT):
                return found[0], str(found[1])
        return verdict, str(connection)

    def _links(self, connection: Connection, verdict: PacketVerdict) -> List[Link]:
        """Return the links that a connection crosses on which neighbours have to be discovered."""
        pair = (connection.local, connection.remote)
        gateway = self._surroundings.gateways.get(pair)
        on_link = pair in self._surroundings.gateways and gateway is None
        if connection.inner:
            links = [
                link_between_others(connection.family, interface, self._neighbour((connection.local, address)))
                for interface, address in (
                    (connection.interface, connection.remote),
                    (connection.inner, connection.local),
                )
            ]
            return [link for link in links if link.interface not in self._surroundings.without_neighbours]
        behind = link_behind(verdict.translation)
        links = [behind] if behind else []
        # A packet of this host whose destination is translated goes another way.
        if connection.direction == "in" or verdict.translation.way == AS_SENT:
            links.insert(0, link_of(connection, gateway, on_link=on_link))
        return [link for link in links if link.interface not in self._surroundings.without_neighbours]

    def _neighbour(self, pair: Route) -> Optional[str]:
        """Return the address on the way to the second one of a pair that this host sends to itself."""
        if pair not in self._surroundings.gateways:
            return None
        return self._surroundings.gateways[pair] or pair[1]

    def _from_any_port(self, connection: Connection) -> PacketVerdict:
        """Return the verdict on a connection, from whichever port the client takes."""
        own = connection.direction == "out" and not connection.inner
        usual = self._surroundings.local_ports if own else _USUAL_CLIENT_PORTS
        possible = usual if own else CLIENT_PORTS
        verdict = evaluate_connection(self._ruleset, replace(connection, client_ports=possible))
        if verdict.verdict == ACCEPT:
            return verdict
        verdicts = [self._from(connection, span) for span in self._without_own(usual)]
        if all(one.verdict == DROP for one in verdicts):
            return verdicts[0]
        verdicts += [self._from(connection, span) for span in self._without_own(possible)]
        unsure = [one for one in verdicts if one.verdict != ACCEPT]
        return replace(unsure[0], verdict=UNKNOWN_VERDICT) if unsure else verdicts[0]

    def _from(self, connection: Connection, ports: Span) -> PacketVerdict:
        return evaluate_connection(self._ruleset, replace(connection, client_ports=ports))

    def _without_own(self, ports: Span) -> List[Span]:
        """Return a span of ports without those of the table."""
        first, last = ports
        spans = []
        for port in self._ports:
            if first <= port <= last:
                spans += [(first, port - 1)] if first < port else []
                first = port + 1
        return [*spans, (first, last)] if first <= last else spans


def _connections(sample: _Sample, routes: Routes) -> List[Connection]:
    """Return a sample's connections. Addresses without a route do not count among those that stand for any address."""
    rule = sample.rule
    direction: Direction = "in" if rule.direction == "in" else "out"
    pairs = [pair for pair in sample.connections if routes.get(pair)] if sample.anywhere else []
    pairs = pairs or list(sample.connections)
    if sample.forwarded:
        # A network of others has this host in it too.
        pairs = [pair for pair in pairs if routes.get((pair[0], pair[0])) != HERE]
    return [
        Connection(
            direction,
            family_of(local),
            local,
            remote,
            rule.port,
            routes.get((local, remote)),
            inner=(routes.get((local, local)) or ELSEWHERE) if sample.forwarded else None,
        )
        for local, remote in pairs
    ]


def _samples(rules: Sequence[Rule]) -> Iterable[_Sample]:
    for rule in rules:
        if rule.action != "allow":
            continue
        there = rule.remote
        for local in locals_of(rule):
            if there is None:
                remotes = (*ANYWHERE[family_of(local)], neighbour_of(local))
                yield _Sample(rule.row, True, tuple((local, remote) for remote in remotes), rule)
            else:
                for network in _spread(there.networks):
                    yield _Sample(rule.row, False, tuple((local, remote) for remote in ends_of(network)), rule)


def locals_of(rule: Rule) -> Sequence[str]:
    """Return local addresses that stand for those of a rule."""
    networks = rule.local.networks if rule.local else rule.samples
    return list(dict.fromkeys(address for network in networks for address in ends_of(network)))


def _spread(networks: Sequence[str]) -> Sequence[str]:
    """Return all networks, or of many an even sample."""
    if len(networks) <= MOST_NETWORKS:
        return networks
    return [networks[index * (len(networks) - 1) // (MOST_NETWORKS - 1)] for index in range(MOST_NETWORKS)]


def ends_of(network: str) -> Sequence[str]:
    """Return a host near either end of a network."""
    first, last = span_of(network)
    inner = (first, last) if last - first < 3 else (first + 1, last - 1)
    return tuple(dict.fromkeys(text_of(number, family_of(network)) for number in inner))


def neighbour_of(address: str) -> str:
    """Return an address that is most likely on the same link."""
    number = number_of(address)
    return text_of(number + 1 if number % 4 == 1 else number - 1, family_of(address))
