# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed policies of firewalld, for the packets that a router forwards between two zones.

A policy is made in the permanent configuration only, so that a new one, or one of other zones, needs a reload. Its
priority is positive, so that it stands behind all that the zones say, and before what they refuse by default.
Source: firewalld.policies(5), firewalld.policy(5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from ..evaluator.managed import allow_rules
from ..evaluator.rows import Routes, connections_of
from ..evaluator.ruleset import Ruleset
from ..evaluator.translation import ELSEWHERE
from ..model.literals import Direction
from ..model.plan import Unmanaged
from ..model.rules import CONTAINERS, Rule
from .firewalld_rules import Elements, elements_of, read_line, write_element, write_rich_rule
from .lines import Found, lines_of

POLICIES: Mapping[Direction, str] = {"in": "xmpp_edge_in", "out": "xmpp_edge_out"}
"""Names of the policies, which firewalld limits to 17 characters, by direction."""

_PRIORITY = 32000
_CHAINS = ("filter_FWD_policy_{}_post", "FWD_policy_{}_post")
_BASES = ("filter_FORWARD", "FORWARD")


@dataclass(frozen=True)
class Policy:
    """A policy. ingress, egress: zones that packets come from and go to; rules: its rich rules."""

    name: str
    ingress: Tuple[str, ...] = ()
    egress: Tuple[str, ...] = ()
    rules: Tuple[Elements, ...] = ()

    @property
    def label(self) -> str:
        """Return the policy as people name it."""
        return f"policy {self.name}"

    @property
    def text(self) -> str:
        """Return its file."""
        zones = [f'  <ingress-zone name="{escape(zone)}"/>\n' for zone in self.ingress]
        zones += [f'  <egress-zone name="{escape(zone)}"/>\n' for zone in self.egress]
        head = f'<?xml version="1.0" encoding="utf-8"?>\n<policy priority="{_PRIORITY}" target="CONTINUE">\n'
        return f"{head}{''.join(zones)}{''.join(map(write_element, self.rules))}</policy>\n"

    def needs_reload(self, current: Optional[Policy]) -> bool:
        """Return whether the policy cannot be had by other rules in that of now."""
        return current is None or (current.ingress, current.egress) != (self.ingress, self.egress)


def is_of_a_router(rule: Rule) -> bool:
    """Return whether a rule is for packets that a router forwards. For published ports firewalld accepts by itself."""
    return rule.forwarded and rule.inside is None and rule.local is not None and rule.local.option != CONTAINERS


def desired_policies(
    rules: Sequence[Rule], routes: Routes, zones: Mapping[str, str], default: str
) -> List[Tuple[Policy, Tuple[Rule, ...]]]:
    """Return the policies for rules of a router, each with its rules. zones: by interface; default: of all others."""
    found = []
    for direction, name in POLICIES.items():
        mine = tuple(rule for rule in rules if is_of_a_router(rule) and rule.direction == direction)
        if mine:
            ways = [one.ways for one in connections_of(mine, routes)]
            ingress, egress = (
                tuple(sorted({zones.get(way, default) for way in side if way and way != ELSEWHERE})) or ("ANY",)
                for side in (zip(*ways) if ways else ((), ()))
            )
            elements = tuple(elements_of(line) for rule in mine for line in lines_of([rule], rule.family))
            found.append((Policy(name, ingress, egress, elements), mine))
    return found


def found_in(policy: Policy, direction: Direction, desired: Sequence[Elements]) -> List[Found]:
    """Return the lines of a policy at runtime; unmanaged ones where a rule is not as it would be written."""
    order = {elements: number for number, elements in enumerate(desired)}
    found: List[Found] = []
    for elements in sorted(policy.rules, key=lambda one: (order.get(one, len(order)), one)):
        line = read_line(elements, direction)
        found.append(replace(line, forwarded=True) if line else Unmanaged(policy.label, write_rich_rule(elements)))
    return found


def without_policies(ruleset: Ruleset) -> Ruleset:
    """Return a ruleset without the rules of managed policies."""
    for key in list(ruleset.chains):
        if any(f"_policy_{name}" in key[1] for name in POLICIES.values()):
            chain = ruleset.chains[key]
            ruleset = ruleset.with_rules(key, [rule for rule in chain.rules if rule.content.targets])
    return ruleset


def simulated(ruleset: Ruleset, policies: Sequence[Tuple[Policy, Tuple[Rule, ...]]]) -> Ruleset:
    """Return the ruleset with the rules of policies, in their chains, or where they will be led to from."""
    for policy, rules in policies:
        names = [name.format(policy.name) for name in _CHAINS]
        there = [key for key in ruleset.chains if key[1] in names and _is_firewalld(key)]
        for key in there or [key for key in ruleset.chains if key[1] in _BASES and _is_firewalld(key)]:
            chain = ruleset.chains[key]
            jumps = [number for number, rule in enumerate(chain.rules) if rule.content.targets and not there]
            at = jumps[-1] if jumps else len(chain.rules)
            added = [one for rule in rules for one in allow_rules([rule], rule.direction, chain.families)]
            ruleset = ruleset.with_rules(key, [*chain.rules[:at], *added, *chain.rules[at:]])
    return ruleset


def _is_firewalld(key: Tuple[str, str]) -> bool:
    return key[0].endswith((" firewalld", " filter"))


def read_policy(name: str, settings: Mapping[str, Sequence[str]], rules: Sequence[Elements]) -> Policy:
    """Return a policy out of its runtime settings."""
    zones: Dict[str, Tuple[str, ...]] = {
        side: tuple(sorted(settings.get(f"{side}_zones", ()))) for side in ("ingress", "egress")
    }
    return Policy(name, zones["ingress"], zones["egress"], tuple(rules))
