# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places for accept rules: immediately before the drop by default, and behind every explicit denial.

A general drop names at most an interface, a protocol, a packet type, a family, a connection state or an address of the
host. An explicit denial names a source or a port (outbound: a destination or a port), and stays in force.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, FrozenSet, List, Mapping, Optional, Sequence, Set, Tuple

from ..model.literals import Direction
from ..model.rules import Rule
from .connection import Connection, first_packet, first_packets
from .denials import LOCAL_SIDES, is_denial, span_around
from .rows import Routes, connections_of
from .ruleset import Chain, FilterRule, Ruleset
from .walk import Ending, Jump

_HOOKS: Mapping[Direction, str] = {"in": "input", "out": "output"}


@dataclass(frozen=True)
class Place:
    """Position where accept rules have to stand.

    chain: table, such as "inet filter", and name; before: the rule that they stand immediately before. With None they
    stand at the chain's end, before its policy or before it returns.
    """

    chain: Tuple[str, str]
    before: Optional[FilterRule]


def places_of(ruleset: Ruleset, rules: Sequence[Rule], routes: Routes) -> Dict[Place, Tuple[Rule, ...]]:
    """Return every place that needs accept rules, each with the rules that it needs, in their order.

    ruleset: the firewall without managed rules. A shared chain may have no place: accept rules before it would
    overrule an explicit denial inside, and accept rules inside would overrule one outside.
    """
    references = _References(ruleset)
    found: Dict[Place, Dict[Rule, None]] = {}
    for rule in rules:
        hook = _hook(rule)
        for connection in connections_of([rule], routes):
            # An explicit denial may keep the sample from a general drop that other addresses of the rule reach.
            others = first_packets(ruleset, connection, span_around(rule.remote, connection))
            for base, drops in (*first_packet(ruleset, connection).drops, *others.drops):
                if base.hook == hook and base.kind == "filter":
                    finder = _Finder(references, base, rule, connection)
                    for drop in drops:
                        place = finder.place(drop)
                        if place is not None:
                            found.setdefault(place, {})[rule] = None
    return {place: tuple(needed) for place, needed in found.items()}


def _hook(rule: Rule) -> str:
    """Return the hook at which the packets of a rule need to be accepted."""
    return "forward" if rule.forwarded else _HOOKS[rule.direction]


def bases_that_drop(ruleset: Ruleset, rules: Sequence[Rule], routes: Routes) -> List[Chain]:
    """Return the filter chains of a hook that drop new connections by default: by their policy, or by a general drop.

    ruleset: the firewall without managed rules; rules: those whose connections are tried.
    """
    found: Dict[Tuple[str, str], Chain] = {
        chain.key: chain
        for chain in ruleset.chains.values()
        if chain.hook in _HOOKS.values() and chain.kind == "filter" and chain.policy == "drop"
    }
    for rule in rules:
        local_side = LOCAL_SIDES[rule.direction]
        for connection in connections_of([rule], routes):
            for base, drops in first_packet(ruleset, connection).drops:
                filters = base.hook == _hook(rule) and base.kind == "filter"
                if filters and any(_is_general(drop, local_side) for drop in drops):
                    found[base.key] = base
    return list(found.values())


def _is_general(drop: Ending, local_side: FrozenSet[str]) -> bool:
    rules = [rule for _chain, rule in drop.way] + ([drop.rule] if drop.rule else [])
    return drop.certain and all(rule.content.kinds <= local_side for rule in rules)


class _References:
    """Index of the rules that send packets to each chain of a ruleset."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.ruleset = ruleset
        self._by_table: Dict[str, Dict[str, List[Jump]]] = {}

    def to(self, chain: Chain) -> Sequence[Jump]:
        """Return the rules of the table that name a chain, each once for every time that it does."""
        by_name = self._by_table.get(chain.table)
        if by_name is None:
            by_name = self._by_table[chain.table] = {}
            for other in self.ruleset.of_table(chain.table):
                for rule in other.rules:
                    for target in rule.content.targets:
                        by_name.setdefault(target, []).append((other, rule))
        return by_name.get(chain.name, ())

    def are_general(self, chain: Chain, local_side: FrozenSet[str]) -> bool:
        """Return whether every rule on every way to a chain holds for whatever arrives."""
        seen: Set[str] = set()
        left = [chain]
        while left:
            for other, rule in self.to(left.pop()):
                if not rule.content.kinds <= local_side:
                    return False
                if other.name not in seen:
                    seen.add(other.name)
                    left.append(other)
        return True


class _Finder:
    """Finder of the places that one rule needs in one base chain, for one of the connections that stand for it."""

    def __init__(self, references: _References, base: Chain, rule: Rule, connection: Connection) -> None:
        self._references = references
        self._base = base
        self._rule = rule
        self._connection = connection
        self._local_side = LOCAL_SIDES[connection.direction]
        self._denials: Optional[List[Ending]] = None

    def place(self, drop: Ending) -> Optional[Place]:
        """Return the place before a drop; None where the drop is not general, or where no place is right."""
        if not _is_general(drop, self._local_side):
            return None
        position = self._position(drop)
        if position is None:
            return None
        chain, rule = position
        index = len(chain.rules) if rule is None else chain.rules.index(rule)
        # Otherwise allowed packets would be logged as dropped ones.
        while index and self._is_record(chain.rules[index - 1]):
            index -= 1
        return Place(chain.key, chain.rules[index] if index < len(chain.rules) else None)

    def _position(self, drop: Ending) -> Optional[Tuple[Chain, Optional[FilterRule]]]:
        """Return the chain and the rule to stand before, outside of chains that get other packets as well."""
        entered = [chain for chain, _rule in drop.way[1:]] + [drop.chain]
        for depth, chain in enumerate(entered, 1):
            if len(self._references.to(chain)) > 1:
                is_general = self._references.are_general(chain, self._local_side)
                denies = self._denies_within(drop.way[:depth])
                if not denies and not (is_general and _may_come_to_deny(drop, depth)):
                    return drop.way[depth - 1]
                if not is_general:
                    return None
        return drop.chain, drop.rule

    def _denies_within(self, way: Tuple[Jump, ...]) -> bool:
        """Return whether accept rules before the last jump of a way would overrule an explicit denial behind it."""
        if self._denials is None:
            remotes = span_around(self._rule.remote, self._connection)
            verdict = first_packets(self._references.ruleset, self._connection, remotes)
            self._denials = [
                drop
                for base, drops in verdict.drops
                if base is self._base
                for drop in drops
                if is_denial(drop, self._local_side)
            ]
        rules = [id(rule) for _chain, rule in way]
        return any([id(rule) for _chain, rule in drop.way[: len(way)]] == rules for drop in self._denials)

    def _is_record(self, rule: FilterRule) -> bool:
        """Return whether a rule only keeps records, without a choice of packets by source or port."""
        content = rule.content
        return content.is_record and content.kinds <= self._local_side | {"other"}


def _may_come_to_deny(drop: Ending, depth: int) -> bool:
    """Return whether packets pass other chains on their way from a chain to the drop.

    A chain that is empty now may be the one that a program puts its bans into.
    """
    way = [*drop.way[depth:], (drop.chain, drop.rule)]
    return any(
        one.content.targets
        for chain, rule in way
        for one in (chain.rules if rule is None else chain.rules[: chain.rules.index(rule)])
    )
