# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on rows: sample connections for each row, and the sum of their verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..model.addresses import family_of, number_of, span_of, text_of
from ..model.literals import Direction, Effective, Family
from ..model.rules import Rule
from .connection import Connection, evaluate_connection
from .ruleset import Ruleset
from .walk import ACCEPT, DROP, Decision, PacketVerdict

YES: Effective = "yes"
NO: Effective = "no"
UNKNOWN: Effective = "unknown"

MOST_NETWORKS = 16
"""Networks of a group that are evaluated; a longer group is sampled evenly."""

# These stand for any address, out of the space of three regional registries.
_ANYWHERE: Mapping[Family, Tuple[str, ...]] = {
    "ipv4": ("12.4.18.33", "81.19.44.7", "133.11.93.21"),
    "ipv6": ("2600:1f18:4e2::21", "2a02:26f0:c7::7", "2400:cb00:31::9"),
}

Route = Tuple[str, str]
"""A local and a remote address."""
Routes = Mapping[Route, Optional[str]]
"""Interface by which the host reaches a remote address from a local one; None where there is no route."""


@dataclass(frozen=True)
class RowVerdict:
    """Verdict on a row. effective: yes, no or unknown; decision: what decides that; connection: the one it is about."""

    effective: Effective
    decision: Optional[Decision]
    connection: Optional[Connection]


@dataclass(frozen=True)
class _Sample:
    """Connections that stand for one network of a rule, or for any address."""

    row: str
    anywhere: bool
    connections: Tuple[Tuple[str, str], ...]
    rule: Rule


def routes_to_ask(rules: Sequence[Rule]) -> List[Route]:
    """Return the pairs of addresses whose routes evaluate_rows needs."""
    return list(dict.fromkeys(pair for sample in _samples(rules) for pair in sample.connections))


def connections_of(rules: Sequence[Rule], routes: Routes) -> List[Connection]:
    """Return every connection that stands for one of the rules."""
    return [connection for sample in _samples(rules) for connection in _connections(sample, routes)]


def evaluate_rows(ruleset: Ruleset, rules: Sequence[Rule], routes: Routes) -> Dict[str, RowVerdict]:
    """Return the verdict on each row that has an allow rule, by row id.

    A row is not effective where one of the named networks, or any address at all, is wholly dropped. It is unknown
    where a part is dropped, or where an unsupported expression may decide.
    """
    verdicts: Dict[str, RowVerdict] = {}
    for sample in _samples(rules):
        verdict = _evaluate_sample(ruleset, sample, routes)
        known = verdicts.get(sample.row)
        if known is None or _WEIGHT[verdict.effective] > _WEIGHT[known.effective]:
            verdicts[sample.row] = verdict
    return verdicts


_WEIGHT = {YES: 0, UNKNOWN: 1, NO: 2}


def _evaluate_sample(ruleset: Ruleset, sample: _Sample, routes: Routes) -> RowVerdict:
    evaluated: List[Tuple[Connection, PacketVerdict]] = [
        (connection, evaluate_connection(ruleset, connection)) for connection in _connections(sample, routes)
    ]
    dropped = [pair for pair in evaluated if pair[1].verdict == DROP]
    if dropped:
        connection, verdict = dropped[0]
        effective: Effective = NO if len(dropped) == len(evaluated) else UNKNOWN
        return RowVerdict(effective, verdict.decision, connection)
    for connection, verdict in evaluated:
        if verdict.verdict != ACCEPT:
            return RowVerdict(UNKNOWN, verdict.decision, connection)
    connection, verdict = evaluated[0]
    return RowVerdict(YES, verdict.decision, connection)


def _connections(sample: _Sample, routes: Routes) -> List[Connection]:
    """Return a sample's connections. Addresses without a route do not count among those that stand for any address."""
    rule = sample.rule
    direction: Direction = "in" if rule.direction == "in" else "out"
    pairs = [pair for pair in sample.connections if routes.get(pair)] if sample.anywhere else []
    return [
        Connection(direction, family_of(local), local, remote, rule.port, routes.get((local, remote)))
        for local, remote in pairs or sample.connections
    ]


def _samples(rules: Sequence[Rule]) -> Iterable[_Sample]:
    for rule in rules:
        if rule.action != "allow":
            continue
        there = rule.remote
        for local in rule.local.networks if rule.local else ():
            if there is None:
                remotes = (*_ANYWHERE[family_of(local)], _neighbour(local))
                yield _Sample(rule.row, True, tuple((local, remote) for remote in remotes), rule)
            else:
                for network in _spread(there.networks):
                    yield _Sample(rule.row, False, tuple((local, remote) for remote in _ends(network)), rule)


def _spread(networks: Sequence[str]) -> Sequence[str]:
    """Return all networks, or of many an even sample."""
    if len(networks) <= MOST_NETWORKS:
        return networks
    return [networks[index * (len(networks) - 1) // (MOST_NETWORKS - 1)] for index in range(MOST_NETWORKS)]


def _ends(network: str) -> Sequence[str]:
    """Return a host near either end of a network."""
    first, last = span_of(network)
    inner = (first, last) if last - first < 3 else (first + 1, last - 1)
    return tuple(dict.fromkeys(text_of(number, family_of(network)) for number in inner))


def _neighbour(address: str) -> str:
    """Return an address that is most likely on the same link."""
    number = number_of(address)
    return text_of(number + 1 if number % 4 == 1 else number - 1, family_of(address))
