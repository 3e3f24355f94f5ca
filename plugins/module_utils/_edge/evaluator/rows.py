# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether each row of the wanted rules is effective: which packets stand for it, and what their verdicts come to."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..model.rules import Rule
from .connection import Connection, evaluate_connection
from .managed import span_of_network
from .ruleset import Ruleset
from .walk import ACCEPT, DROP, Decision, PacketVerdict

YES, NO, UNKNOWN = "yes", "no", "unknown"

MOST_NETWORKS = 16
"""Networks of a group that are judged; of a longer one as many, spread evenly."""

# Any address is not one address. These stand for it, out of the space of three regional registries.
_ANYWHERE = {
    "ipv4": ("12.4.18.33", "81.19.44.7", "133.11.93.21"),
    "ipv6": ("2600:1f18:4e2::21", "2a02:26f0:c7::7", "2400:cb00:31::9"),
}

Route = Tuple[str, str]
"""A local and a remote address."""
Routes = Mapping[Route, Optional[str]]
"""The interface by which the host reaches a remote address from a local one; None where there is no route."""


@dataclass(frozen=True)
class RowVerdict:
    """What is true of a row. effective: yes, no or unknown; decided_by: what decides that; connection: for which."""

    effective: str
    decision: Optional[Decision]
    connection: Optional[Connection]


@dataclass(frozen=True)
class _Sample:
    """Connections that stand for one thing that a rule allows: one network of many, or any address."""

    row: str
    anywhere: bool
    connections: Tuple[Tuple[str, str], ...]
    rule: Rule


def routes_to_ask(rules: Sequence[Rule]) -> List[Route]:
    """The pairs of addresses whose routes evaluate_rows wants to know."""
    return list(dict.fromkeys(pair for sample in _samples(rules) for pair in sample.connections))


def connections_of(rules: Sequence[Rule], routes: Routes) -> List[Connection]:
    """Every connection that stands for a row."""
    return [connection for sample in _samples(rules) for connection in _connections(sample, routes)]


def evaluate_rows(ruleset: Ruleset, rules: Sequence[Rule], routes: Routes) -> Dict[str, RowVerdict]:
    """The verdict on each row that has an allow rule, by row id.

    A row is not effective when one of the networks that were named, or any address at all, is dropped as a whole; it
    is unknown where a part is dropped, or something that the model does not follow may decide.
    """
    verdicts: Dict[str, RowVerdict] = {}
    for sample in _samples(rules):
        verdict = _judge_sample(ruleset, sample, routes)
        known = verdicts.get(sample.row)
        if known is None or _WEIGHT[verdict.effective] > _WEIGHT[known.effective]:
            verdicts[sample.row] = verdict
    return verdicts


_WEIGHT = {YES: 0, UNKNOWN: 1, NO: 2}


def _judge_sample(ruleset: Ruleset, sample: _Sample, routes: Routes) -> RowVerdict:
    judged: List[Tuple[Connection, PacketVerdict]] = [
        (connection, evaluate_connection(ruleset, connection)) for connection in _connections(sample, routes)
    ]
    dropped = [pair for pair in judged if pair[1].verdict == DROP]
    if dropped:
        connection, judgement = dropped[0]
        effective = NO if len(dropped) == len(judged) else UNKNOWN
        return RowVerdict(effective, judgement.decision, connection)
    for connection, judgement in judged:
        if judgement.verdict != ACCEPT:
            return RowVerdict(UNKNOWN, judgement.decision, connection)
    connection, judgement = judged[0]
    return RowVerdict(YES, judgement.decision, connection)


def _connections(sample: _Sample, routes: Routes) -> List[Connection]:
    """A sample's connections. Of any address, those that the host has no route to are none of the firewall's."""
    rule = sample.rule
    pairs = [pair for pair in sample.connections if routes.get(pair)] if sample.anywhere else []
    return [
        Connection(rule.direction, rule.family, local, remote, rule.port, routes.get((local, remote)))
        for local, remote in pairs or sample.connections
    ]


def _samples(rules: Sequence[Rule]) -> Iterable[_Sample]:
    for rule in rules:
        if rule.action != "allow":
            continue
        there = rule.remote
        for local in rule.local.networks if rule.local else ():
            if there is None:
                remotes = (*_ANYWHERE[rule.family], _neighbour(local))
                yield _Sample(rule.row, True, tuple((local, remote) for remote in remotes), rule)
            else:
                for network in _spread(there.networks):
                    yield _Sample(rule.row, False, tuple((local, remote) for remote in _ends(network)), rule)


def _spread(networks: Sequence[str]) -> Sequence[str]:
    """All networks, or of many some that are spread evenly."""
    if len(networks) <= MOST_NETWORKS:
        return networks
    return [networks[index * (len(networks) - 1) // (MOST_NETWORKS - 1)] for index in range(MOST_NETWORKS)]


def _ends(network: str) -> Sequence[str]:
    """A host near either end of a network."""
    first, last = span_of_network(network)
    inner = (first, last) if last - first < 3 else (first + 1, last - 1)
    return tuple(dict.fromkeys(_text(number, ":" in network) for number in inner))


def _neighbour(address: str) -> str:
    """An address that is most likely on the same link."""
    number, _same = span_of_network(address)
    return _text(number + 1 if number % 4 == 1 else number - 1, ":" in address)


def _text(number: int, six: bool) -> str:
    family, size = (socket.AF_INET6, 16) if six else (socket.AF_INET, 4)
    return socket.inet_ntop(family, number.to_bytes(size, "big"))
