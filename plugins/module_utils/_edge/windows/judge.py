# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether rows are effective on a Windows host, from what its firewall says of itself; and what deserves a warning.

What group policy adds to the local rules is not visible to the interface that they are read by: where it adds rules, a
row that nothing else drops is "unknown".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ..addresses import WHOLE_FAMILY
from ..effective.ours import span_of_network
from ..effective.rows import NO, UNKNOWN, YES
from ..effective.values import Span, merged
from ..rules import Group, Rule
from .addresses import UNICAST, common, spans_of, without
from .compile import compile_rule
from .live import PROFILES, LiveRule

_NAMED = 5
"""Rules that a warning names; of more it gives the count."""

_WEIGHT = {YES: 0, UNKNOWN: 1, NO: 2}


@dataclass(frozen=True)
class Verdict:
    """effective: yes, no or unknown; decided_by: what decides that."""

    effective: str
    decided_by: str


@dataclass(frozen=True)
class Profile:
    """One profile of the firewall, with group policy's word where it has one.

    current: whether a network of the host has it now; ignores_local_rules: whether group policy says so.
    """

    name: str
    current: bool
    enabled: bool
    blocks_all_inbound: bool
    ignores_local_rules: bool


@dataclass(frozen=True)
class State:
    """The firewall of a host apart from its rules.

    policy_rules: how many rules come from group policy; addresses: what the host's interfaces have.
    """

    profiles: Sequence[Profile]
    policy_rules: int
    addresses: Sequence[str]

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> State:
        """The state from what the module returns of it."""
        current = facts["current_profiles"] & 7 or 7  # Without a network it is not known which profile counts.
        profiles = [
            Profile(
                name,
                bool(current & bit),
                facts["profiles"][name]["enabled"],
                facts["profiles"][name]["blocks_all_inbound"],
                facts["profiles"][name]["ignores_local_rules"],
            )
            for name, bit in PROFILES.items()
        ]
        # A link-local address comes with the interface that it is on.
        addresses = [address.partition("%")[0] for address in facts["addresses"]]
        return cls(profiles, facts["policy_rules"], addresses)

    @property
    def current(self) -> Sequence[Profile]:
        """The profiles that count now."""
        return [profile for profile in self.profiles if profile.current]


def judge_rows(rules: Sequence[Rule], foreign: Sequence[LiveRule], state: State) -> Dict[str, Verdict]:
    """The verdict on each row that has an allow rule, by row id."""
    verdicts: Dict[str, Verdict] = {}
    for rule in rules:
        if rule.action == "allow":
            verdict = _judge(rule, rules, foreign, state)
            known = verdicts.get(rule.row)
            if known is None or _WEIGHT[verdict.effective] > _WEIGHT[known.effective]:
                verdicts[rule.row] = verdict
    return verdicts


def warnings_of(rules: Sequence[Rule], foreign: Sequence[LiveRule], state: State) -> List[str]:
    """What the administrator should know although nothing failed."""
    lines = [
        f"the firewall is off in the profile {profile.name}: no rule there allows or blocks anything"
        for profile in state.profiles
        if not profile.enabled
    ]
    lines += [
        f"group policy ignores all local rules in the profile {profile.name}: ours have no effect there"
        for profile in state.profiles
        if profile.ignores_local_rules
    ]
    guarded = any(rule.action == "block" for rule in rules)
    concerned = [rule for rule in foreign if _overlaps(rule, rules)]
    allowing = [rule.name for rule in concerned if rule.action == "allow"]
    blocking = [rule.name for rule in concerned if rule.action == "block"]
    if allowing:
        effect = "our block rules win over them" if guarded else "more than the table gets in"
        lines.append(f"other rules allow the table's ports too, and {effect}: {_listed(allowing)}")
    if blocking:
        lines.append(f"other rules block what the table may allow, and a block rule always wins: {_listed(blocking)}")
    has = set(state.addresses)
    here = [_local(rule) for rule in rules if rule.action == "allow"]
    addresses = dict.fromkeys(address for group in here if group for address in group.networks)
    lines += [
        f"no interface of this host has the address {address}, so the rules for it match nothing"
        for address in addresses
        if has and address not in has
    ]
    return lines


def _judge(rule: Rule, rules: Sequence[Rule], foreign: Sequence[LiveRule], state: State) -> Verdict:
    for profile in state.current:
        if profile.enabled and profile.ignores_local_rules:
            return Verdict(UNKNOWN, f"group policy, which ignores all local rules in the profile {profile.name}")
        if profile.enabled and profile.blocks_all_inbound and rule.direction == "in":
            return Verdict(NO, f"the profile {profile.name}, which blocks all inbound connections")
    if all(not profile.enabled for profile in state.current):
        names = " and ".join(profile.name for profile in state.current)
        return Verdict(YES, f"nothing: the firewall is off in the profile {names}")
    blocked = _blocked(rule, [other for other in foreign if other.action == "block" and _is_current(other, state)])
    if blocked is not None:
        return blocked
    if state.policy_rules:
        return Verdict(UNKNOWN, f"group policy, whose {state.policy_rules} firewall rules cannot be seen from here")
    return Verdict(YES, f"rule {compile_rule(rule, rules)[0].payload['name']}")


def _blocked(rule: Rule, blocking: Sequence[LiveRule]) -> Optional[Verdict]:
    """The verdict where rules of others block some of what a rule allows, None where they block nothing of it."""
    concerned = [other for other in blocking if other.direction == rule.direction and other.has_port(rule.port)]
    partly: Optional[Verdict] = None
    for address in _parts(_local(rule), rule.family):
        for network in _parts(_remote(rule), rule.family):
            wholly: List[Span] = []
            for other in concerned:
                local, remote = other.local_spans(rule.family), other.remote_spans(rule.family)
                here = address if local is None else common(address, local)
                there = network if remote is None else common(network, remote)
                if not here or not there:
                    continue
                partly = partly or Verdict(UNKNOWN, f"rule {other.name}, which blocks a part")
                if local is not None and remote is not None and not other.conditions and not without(address, local):
                    wholly = merged([*wholly, *there])
                    if not without(network, wholly):
                        return Verdict(NO, f"rule {other.name}, which blocks")
    return partly


def _parts(group: Optional[Group], family: str) -> List[List[Span]]:
    """Each network of a group by itself; any address at all is one."""
    if group is None:
        return [common([span_of_network(str(WHOLE_FAMILY[family]))], UNICAST[family])]
    return [spans_of([network]) for network in group.networks]


def _overlaps(other: LiveRule, rules: Sequence[Rule]) -> bool:
    """Whether a rule of somebody else concerns what our rules are about: all addresses where they guard."""
    for rule in rules:
        if other.direction != rule.direction or not other.has_port(rule.port):
            continue
        if rule.action == "block":
            if other.action == "allow":
                return True
            continue
        if _blocked(rule, [other]) is not None:
            return True
    return False


def _is_current(rule: LiveRule, state: State) -> bool:
    return any(rule.profiles & PROFILES[profile.name] for profile in state.current)


def _local(rule: Rule) -> Optional[Group]:
    return rule.destination if rule.direction == "in" else rule.source


def _remote(rule: Rule) -> Optional[Group]:
    return rule.source if rule.direction == "in" else rule.destination


def _listed(names: Sequence[str]) -> str:
    shown = [f"'{name}'" for name in dict.fromkeys(names)]
    more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    return ", ".join(shown[:_NAMED]) + more
