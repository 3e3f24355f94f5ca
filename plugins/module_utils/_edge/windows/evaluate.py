# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on the rows of a Windows host, and warnings, from the answer of its firewall.

Rules of policies take part: those that block, and where a policy ignores local rules, those that allow.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..evaluator.own_addresses import OwnAddresses, absent_of
from ..evaluator.rows import NO, UNKNOWN, YES
from ..model.addresses import FAMILIES, UNICAST, Span, common, merged, overlap, without
from ..model.literals import Effective
from ..model.rules import Group, Rule, own_addresses_of
from ..request.narrowing import NOT_NARROWED, Narrowing
from .addresses import spans_of
from .compile import Compiled
from .live import EITHER, PROFILES, LiveRule
from .policy_rules import read_policy_rule

_MAX_NAMED = 5
"""Limit on the rules that a warning names. It counts all others."""

_OVERRIDDEN = {1: "a policy overrides local rules", 2: "all inbound connections are blocked"}
"""By INetFwPolicy2::get_LocalPolicyModifyState."""

_WEIGHT = {YES: 0, UNKNOWN: 1, NO: 2}


@dataclass(frozen=True)
class Verdict:
    """The verdict on a row. effective: yes, no or unknown; decided_by: the rule or setting that decides."""

    effective: Effective
    decided_by: str


@dataclass(frozen=True)
class Profile:
    """One profile of the firewall. Settings of group policy take precedence over local ones.

    current: whether a network of the host has it now; ignores_local_rules, ignores_local_ports: by policy, all of them,
    or those for one port, which inbound rules of the table are.
    """

    name: str
    current: bool
    enabled: bool
    blocks_all_inbound: bool
    ignores_local_rules: bool
    ignores_local_ports: bool = False


@dataclass(frozen=True)
class Listener:
    """What listens at a port. program: its path, empty where that is not told; services: those of its process."""

    port: int
    program: str
    services: Tuple[str, ...]


@dataclass(frozen=True)
class State:
    """The firewall of a host apart from its rules.

    addresses: of the host's interfaces; modify_state: what Windows itself says of local rules, 0 that they take effect
    (INetFwPolicy2::get_LocalPolicyModifyState); policy: the rules of policies; listeners: what listens at the table's
    ports, None where that was not asked or is not told; program: the path that the option of that name stands for;
    service_applies: whether Windows applies rules to the service that is named, as it does to those with a SID.
    """

    profiles: Sequence[Profile]
    addresses: Sequence[str]
    modify_state: int = 0
    policy: Sequence[LiveRule] = ()
    listeners: Optional[Sequence[Listener]] = None
    program: Optional[str] = None
    service_applies: bool = True

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> State:
        """Return the state from the answer of the module."""
        current = facts["current_profiles"] & 7 or 7  # Without a network any profile may become active.
        profiles = [
            Profile(
                name,
                bool(current & bit),
                facts["profiles"][name]["enabled"],
                facts["profiles"][name]["blocks_all_inbound"],
                facts["profiles"][name]["ignores_local_rules"],
                bool(facts["profiles"][name].get("ignores_local_ports")),
            )
            for name, bit in PROFILES.items()
        ]
        # A link-local address has its interface as suffix.
        addresses = [address.partition("%")[0] for address in facts["addresses"]]
        policy = [read_policy_rule(text) for text in facts.get("policy_texts", ())]
        told = facts.get("listeners")
        listeners = [Listener(one["port"], one["program"] or "", tuple(one["services"])) for one in told or ()]
        return cls(
            profiles,
            addresses,
            int(facts.get("modify_state") or 0),
            [rule for rule in policy if rule.enabled],
            None if told is None else listeners,
            facts.get("program"),
            facts.get("service_applies", True),
        )

    @property
    def current(self) -> Sequence[Profile]:
        """Profiles that are active now."""
        return [profile for profile in self.profiles if profile.current]


def evaluate_rows(
    compiled: Compiled, unmanaged: Sequence[LiveRule], state: State, narrowing: Narrowing = NOT_NARROWED
) -> Dict[str, Verdict]:
    """Return the verdict on each row that has an allow rule, by row id."""
    verdicts = _verdicts(compiled, unmanaged, state, narrowing)
    rules = list(compiled)
    unused = {
        row: Verdict(UNKNOWN, sentence)
        for row, sentence in absent_of(OwnAddresses(frozenset(absent_addresses(rules, state))), rules).items()
        if verdicts[row].effective == YES
    }
    return {**verdicts, **unused}


def _verdicts(
    compiled: Compiled, unmanaged: Sequence[LiveRule], state: State, narrowing: Narrowing
) -> Dict[str, Verdict]:
    blocking = [rule for rule in (*unmanaged, *state.policy) if rule.action == "block"]
    verdicts: Dict[str, Verdict] = {}
    for rule, parts in compiled.items():
        if rule.action == "allow":
            name = parts[0].payload["name"]
            own = (
                Verdict(YES, f"rule {name}")
                if rule.direction == "out"
                else _for_listener(rule.port, name, state, narrowing)
            )
            verdict = _evaluate(rule, own, blocking, state, narrowing)
            known = verdicts.get(rule.row)
            if known is None or _WEIGHT[verdict.effective] > _WEIGHT[known.effective]:
                verdicts[rule.row] = verdict
    return verdicts


def warnings_of(rules: Sequence[Rule], unmanaged: Sequence[LiveRule], state: State) -> List[str]:
    """Return the warnings about profiles and unmanaged rules."""
    lines = [
        f"the firewall is off in the profile {profile.name}: no rule there allows or blocks anything"
        for profile in state.profiles
        if not profile.enabled
    ]
    lines += [
        f"group policy ignores all local rules in the profile {profile.name}: managed rules have no effect there"
        for profile in state.profiles
        if profile.ignores_local_rules
    ]
    lines += [
        f"group policy ignores local rules for one port in the profile {profile.name}: inbound managed rules have no "
        "effect there, guards neither"
        for profile in state.profiles
        if profile.ignores_local_ports and not profile.ignores_local_rules
    ]
    return lines + _warnings_of_unmanaged(rules, unmanaged, state)


def _warnings_of_unmanaged(rules: Sequence[Rule], unmanaged: Sequence[LiveRule], state: State) -> List[str]:
    others = (*unmanaged, *state.policy)
    active = [other for other in others if any(other.profiles & PROFILES[p.name] for p in state.current)]
    allowing = [other for other in active if other.action == "allow" and _allows_more(other, rules)]
    blocking = [
        other.name
        for other in active
        if other.action == "block"
        and any(rule.action == "allow" and _overlapping(_Area.of(rule), rule, [other]) for rule in rules)
    ]
    lines = []
    if allowing:
        effect = "the managed block rules win over them"
        if all(rule.action == "allow" for rule in rules):
            effect = "more than the table gets in"
        elif any(other.is_authenticated for other in allowing):
            effect = "those that authenticate connections may win over the managed block rules"
        names = _listed([other.name for other in allowing])
        lines.append(f"unmanaged rules allow the table's ports too, and {effect}: {names}")
    if blocking:
        lines.append(
            f"unmanaged rules block what the table may allow, and a block rule always wins: {_listed(blocking)}"
        )
    return lines


def absent_addresses(rules: Sequence[Rule], state: State) -> List[str]:
    """Return the addresses of rules that the host does not have; none where it does not say its own."""
    present = {_number(address) for address in state.addresses}
    named = [address for addresses in own_addresses_of(rules).values() for address in addresses]
    return [one for one in dict.fromkeys(named) if present and _number(one) not in present]


def _number(address: str) -> object:
    """Return a comparable address for any of its textual forms; other text as it is."""
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return address


def _for_listener(port: int, name: str, state: State, narrowing: Narrowing) -> Verdict:
    """Return the verdict of a managed inbound rule: "yes" where the listening program and service are its own."""
    wanted = {option: narrowing.given[option] for option in ("program", "service") if option in narrowing.given}
    if not wanted:
        return Verdict(YES, f"rule {name}")
    whom = f"rule {name}, which is for {' and '.join(f'the {option} {text}' for option, text in wanted.items())}"
    if not state.service_applies:
        return Verdict(UNKNOWN, f"{whom}, to which Windows applies no rule, since it has no SID (sc qsidtype)")
    if state.listeners is None:
        return Verdict(UNKNOWN, f"{whom}, and Windows does not say what listens at port {port}")
    found = [one for one in state.listeners if one.port == port]
    if not found:
        return Verdict(UNKNOWN, f"{whom}, and nothing listens at port {port}")
    for one in found:
        is_program = "program" not in wanted or one.program.lower() == (state.program or "").lower()
        if not is_program or ("service" in wanted and wanted["service"].lower() not in map(str.lower, one.services)):
            other = one.program if not is_program else f"{one.program} of {', '.join(one.services) or 'no service'}"
            return Verdict(UNKNOWN, f"{whom}, and {other} listens at port {port}")
    return Verdict(YES, whom)


def _evaluate(rule: Rule, own: Verdict, blocking: Sequence[LiveRule], state: State, narrowing: Narrowing) -> Verdict:
    """Return the verdict in all active profiles; "unknown" where their verdicts differ. own: of the managed rule."""
    verdicts = {
        profile.name: _evaluate_in(profile, rule, own, blocking, state)
        if profile.name in narrowing.profiles
        else Verdict(UNKNOWN, f"no managed rule, since profiles leaves {profile.name} out")
        for profile in state.current
    }
    worst = max(verdicts, key=lambda profile: _WEIGHT[verdicts[profile].effective])
    if len({verdict.effective for verdict in verdicts.values()}) == 1:
        return verdicts[worst]
    return Verdict(UNKNOWN, f"{verdicts[worst].decided_by}, in the profile {worst} and not in every one")


def _evaluate_in(profile: Profile, rule: Rule, own: Verdict, blocking: Sequence[LiveRule], state: State) -> Verdict:
    inbound = rule.direction == "in"
    if not profile.enabled:
        return Verdict(YES, f"nothing: the firewall is off in the profile {profile.name}")
    if profile.blocks_all_inbound and inbound:
        return Verdict(NO, f"the profile {profile.name}, which blocks all inbound connections")
    here = PROFILES[profile.name]
    ignores = profile.ignores_local_rules or (profile.ignores_local_ports and inbound)
    blocked = _blocked(
        rule, [other for other in blocking if other.profiles & here and (not ignores or other in state.policy)]
    )
    if blocked:
        return blocked
    carrier = _carrier(rule, [other for other in state.policy if other.profiles & here and other.action == "allow"])
    if carrier and (ignores or state.modify_state == 1) and not (inbound and state.modify_state == 2):
        return Verdict(YES, f"rule {carrier.name}")
    return _overridden(profile, state, ignores=ignores, inbound=inbound) or own


def _overridden(profile: Profile, state: State, *, ignores: bool, inbound: bool) -> Optional[Verdict]:
    """Return the verdict where a policy keeps local rules from taking effect."""
    if ignores:
        what = "all local rules" if profile.ignores_local_rules else "local rules for one port"
        return Verdict(UNKNOWN, f"group policy, which ignores {what} in the profile {profile.name}")
    if state.modify_state in _OVERRIDDEN and (state.modify_state == 1 or inbound):
        return Verdict(UNKNOWN, f"Windows itself, which says that {_OVERRIDDEN[state.modify_state]}")
    return None


def _carrier(rule: Rule, allowing: Sequence[LiveRule]) -> Optional[LiveRule]:
    """Return the first of the rules that allow together all that an allow rule does; None where they do not."""
    area = _Area.of(rule)
    overlapping = [other for other in _overlapping(area, rule, allowing) if not other[0].conditions]
    for address in area.addresses:
        whole = [
            remote or () for _other, local, remote in overlapping if local is not None and not without(address, local)
        ]
        if without(area.remote, merged(span for spans in whole for span in spans)):
            return None
    return overlapping[0][0] if overlapping else None


@dataclass(frozen=True)
class _Area:
    """The addresses of an allow rule: each local address and each remote network, and the union of each side."""

    addresses: Sequence[Sequence[Span]]
    networks: Sequence[Sequence[Span]]
    local: Sequence[Span]
    remote: Sequence[Span]

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, rule: Rule) -> _Area:
        """Return the area of a rule."""
        addresses, networks = _parts(rule.local, rule.family), _parts(rule.remote, rule.family)
        local, remote = (merged(span for spans in side for span in spans) for side in (addresses, networks))
        return cls(addresses, networks, local, remote)


_Overlapping = Tuple[LiveRule, Optional[Sequence[Span]], Optional[Sequence[Span]]]
"""An unmanaged rule with its local and remote addresses; None where the rule alone does not define them."""


def _overlapping(area: _Area, rule: Rule, others: Sequence[LiveRule]) -> List[_Overlapping]:
    """Return the unmanaged rules that match, or may match, a connection of an allow rule."""
    found: List[_Overlapping] = []
    for other in others:
        if other.direction in (rule.direction, EITHER) and other.has_port(rule.port):
            local, remote = other.local_spans(rule.family), other.remote_spans(rule.family)
            local_overlap = local is None or overlap(area.local, local)
            if local_overlap and (remote is None or overlap(area.remote, remote)):
                found.append((other, local, remote))
    return found


def _blocked(rule: Rule, blocking: Sequence[LiveRule]) -> Optional[Verdict]:
    """Return the verdict where unmanaged rules block a part or all of an allow rule; None where they block nothing."""
    area = _Area.of(rule)
    overlapping = _overlapping(area, rule, blocking)
    for address in area.addresses if overlapping else ():
        whole = [
            (other, remote)
            for other, local, remote in overlapping
            if not other.conditions and local is not None and remote is not None and not without(address, local)
        ]
        for network in area.networks if whole else ():
            spans: List[Span] = []
            for other, remote in whole:
                if overlap(network, remote):
                    spans = merged([*spans, *common(network, remote)])
                    if not without(network, spans):
                        return Verdict(NO, f"rule {other.name}, which blocks")
    return Verdict(UNKNOWN, f"rule {overlapping[0][0].name}, which blocks a part") if overlapping else None


def _allows_more(other: LiveRule, rules: Sequence[Rule]) -> bool:
    """Return whether an unmanaged rule allows inbound connections to the table's ports that no allow rule allows."""
    if other.direction != "in":
        return False  # The profiles allow outbound connections by default, with or without a rule.
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
    """Return the spans of each network of a group; no group is one network with all addresses."""
    if group is None:
        return [UNICAST[family]]
    return [spans_of([network]) for network in group.networks]


def _listed(names: Sequence[str]) -> str:
    shown = [f"'{name}'" for name in dict.fromkeys(names)]
    more = f" and {len(shown) - _MAX_NAMED} more" if len(shown) > _MAX_NAMED else ""
    return ", ".join(shown[:_MAX_NAMED]) + more
