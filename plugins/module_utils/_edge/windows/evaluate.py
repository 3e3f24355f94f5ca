# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether rows are effective on a Windows host, from what its firewall says of itself; and what deserves a warning.

What group policy adds to the local rules is not visible to the interface that they are read by: where it adds rules, a
row that nothing else drops is "unknown".
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..evaluator.rows import NO, UNKNOWN, YES
from ..evaluator.values import Span, merged
from ..model.rules import Group, Rule
from ..request.address_input import FAMILIES
from .addresses import UNICAST, common, overlap, spans_of, without
from .compile import Compiled
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


def evaluate_rows(compiled: Compiled, foreign: Sequence[LiveRule], state: State) -> Dict[str, Verdict]:
    """The verdict on each row that has an allow rule, by row id."""
    blocking = [rule for rule in foreign if rule.action == "block"]
    verdicts: Dict[str, Verdict] = {}
    for rule, parts in compiled.items():
        if rule.action == "allow":
            verdict = _judge(rule, parts[0].payload["name"], blocking, state)
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
    return lines + _warnings_of_others(rules, foreign, state) + _warnings_of_addresses(rules, state)


def _warnings_of_others(rules: Sequence[Rule], foreign: Sequence[LiveRule], state: State) -> List[str]:
    concerned = [other for other in foreign if any(other.profiles & PROFILES[p.name] for p in state.current)]
    allowing = [other for other in concerned if other.action == "allow" and _lets_in_more(other, rules)]
    blocking = [
        other.name
        for other in concerned
        if other.action == "block"
        and any(rule.action == "allow" and _concerned(_Area.of(rule), rule, [other]) for rule in rules)
    ]
    lines = []
    if allowing:
        effect = "our block rules win over them"
        if all(rule.action == "allow" for rule in rules):
            effect = "more than the table gets in"
        elif any(other.is_authenticated for other in allowing):
            effect = "those that authenticate connections may win over our block rules"
        names = _listed([other.name for other in allowing])
        lines.append(f"other rules allow the table's ports too, and {effect}: {names}")
    if blocking:
        lines.append(f"other rules block what the table may allow, and a block rule always wins: {_listed(blocking)}")
    return lines


def _warnings_of_addresses(rules: Sequence[Rule], state: State) -> List[str]:
    has = {_number(address) for address in state.addresses}
    here = [rule.local for rule in rules if rule.action == "allow"]
    addresses = dict.fromkeys(address for group in here if group for address in group.networks)
    return [
        f"no interface of this host has the address {address}, so the rules for it match nothing"
        for address in addresses
        if has and _number(address) not in has
    ]


def _number(address: str) -> object:
    """An address as a number, whichever of its forms it has; text that is none, as it is."""
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return address


def _judge(rule: Rule, name: str, blocking: Sequence[LiveRule], state: State) -> Verdict:
    """The verdict in all profiles that count; where they differ, which one a connection meets is not known."""
    verdicts = {profile.name: _judge_in(profile, rule, name, blocking, state) for profile in state.current}
    worst = max(verdicts, key=lambda profile: _WEIGHT[verdicts[profile].effective])
    if len({verdict.effective for verdict in verdicts.values()}) == 1:
        return verdicts[worst]
    return Verdict(UNKNOWN, f"{verdicts[worst].decided_by}, in the profile {worst} and not in every one")


def _judge_in(profile: Profile, rule: Rule, name: str, blocking: Sequence[LiveRule], state: State) -> Verdict:
    if not profile.enabled:
        return Verdict(YES, f"nothing: the firewall is off in the profile {profile.name}")
    if profile.ignores_local_rules:
        return Verdict(UNKNOWN, f"group policy, which ignores all local rules in the profile {profile.name}")
    if profile.blocks_all_inbound and rule.direction == "in":
        return Verdict(NO, f"the profile {profile.name}, which blocks all inbound connections")
    blocked = _blocked(rule, [other for other in blocking if other.profiles & PROFILES[profile.name]])
    if blocked is not None:
        return blocked
    if state.policy_rules:
        return Verdict(UNKNOWN, f"group policy, whose {state.policy_rules} firewall rules cannot be seen from here")
    return Verdict(YES, f"rule {name}")


@dataclass(frozen=True)
class _Area:
    """What an allow rule is about: each address and network by itself, and all of each side together."""

    addresses: Sequence[Sequence[Span]]
    networks: Sequence[Sequence[Span]]
    local: Sequence[Span]
    remote: Sequence[Span]

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, rule: Rule) -> _Area:
        """The area of a rule."""
        addresses, networks = _parts(rule.local, rule.family), _parts(rule.remote, rule.family)
        together = [merged(span for spans in side for span in spans) for side in (addresses, networks)]
        return cls(addresses, networks, *together)


_Concerned = Tuple[LiveRule, Optional[Sequence[Span]], Optional[Sequence[Span]]]
"""A rule of somebody else with its addresses on either side; None for what is not known from the rule."""


def _concerned(area: _Area, rule: Rule, others: Sequence[LiveRule]) -> List[_Concerned]:
    """The rules of others that have any connection in common with an allow rule, or may have."""
    found: List[_Concerned] = []
    for other in others:
        if other.direction == rule.direction and other.has_port(rule.port):
            local, remote = other.local_spans(rule.family), other.remote_spans(rule.family)
            here = local is None or overlap(area.local, local)
            if here and (remote is None or overlap(area.remote, remote)):
                found.append((other, local, remote))
    return found


def _blocked(rule: Rule, blocking: Sequence[LiveRule]) -> Optional[Verdict]:
    """The verdict where rules of others block some of what a rule allows, None where they block nothing of it."""
    area = _Area.of(rule)
    concerned = _concerned(area, rule, blocking)
    for address in area.addresses if concerned else ():
        whole = [
            (other, remote)
            for other, local, remote in concerned
            if not other.conditions and local is not None and remote is not None and not without(address, local)
        ]
        for network in area.networks if whole else ():
            spans: List[Span] = []
            for other, remote in whole:
                if overlap(network, remote):
                    spans = merged([*spans, *common(network, remote)])
                    if not without(network, spans):
                        return Verdict(NO, f"rule {other.name}, which blocks")
    return Verdict(UNKNOWN, f"rule {concerned[0][0].name}, which blocks a part") if concerned else None


def _lets_in_more(other: LiveRule, rules: Sequence[Rule]) -> bool:
    """Whether a rule of somebody else lets in at the table's ports what our allow rules do not."""
    if other.direction != "in":
        return False  # What goes out is allowed by default, with or without a rule.
    for family in FAMILIES:
        local, remote = other.local_spans(family), other.remote_spans(family)
        if local == [] or remote == []:
            continue
        for port in {rule.port for rule in rules if rule.direction == "in" and other.has_port(rule.port)}:
            areas = [
                _Area.of(rule)
                for rule in rules
                if (rule.action, rule.direction, rule.port, rule.family) == ("allow", "in", port, family)
            ]
            if not any(_is_inside(local, area.local) and _is_inside(remote, area.remote) for area in areas):
                return True
    return False


def _is_inside(spans: Optional[Sequence[Span]], others: Sequence[Span]) -> bool:
    return spans is not None and not without(spans, others)


def _parts(group: Optional[Group], family: str) -> List[List[Span]]:
    """Each network of a group by itself; any address at all is one."""
    if group is None:
        return [UNICAST[family]]
    return [spans_of([network]) for network in group.networks]


def _listed(names: Sequence[str]) -> str:
    shown = [f"'{name}'" for name in dict.fromkeys(names)]
    more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    return ", ".join(shown[:_NAMED]) + more
