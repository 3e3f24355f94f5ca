# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The iptables backend: managed chains of accept rules, with a jump to each just before what drops by default.

Both variants are seen, nft and legacy: the rules go into whichever has chains that drop.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from shlex import quote
from typing import ClassVar, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..evaluator.placement import places_of
from ..evaluator.rebuilt import rebuilder_of
from ..evaluator.ruleset import Chain, FilterRule, Ruleset
from ..host.digests import BANNER
from ..host.facts import Facts
from ..host.persistence import IPTABLES_LOADER, LOCK, Kept
from ..host.runner import Runner, find_program
from ..model.desired import Desired
from ..model.errors import EdgeError, MissingPackageError
from ..model.literals import Family
from ..model.ownership import NAME_PREFIX
from ..model.plan import Item, Observation, Placed, make_plan
from ..model.rollback_data import RollbackData
from ..model.rules import Rule
from ..model.steps import Command, Step
from .base import Backend, Change, Snapshot
from .iptables_lines import (
    BASES,
    CHAINS,
    FORWARD,
    PROGRAMS,
    Jumps,
    ProgramRules,
    chain_of,
    filter_table,
    has_chain,
    jump,
    jumps_in,
    lines_in,
    read_line,
    transaction,
    write_line,
    write_script,
)
from .lines import lines_of, rules_of, shortened
from .placing import ChainKey, Slot, Slots, segments, slots_by_chain, with_slots

_FILTER = " filter"
# The legacy variant loads its modules itself, and speaks through a raw socket.
_CAPABILITIES = ("CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_MODULE")


@dataclass(frozen=True)
class IptablesSnapshot(Snapshot):
    """paths: of each program that is installed, by name, iptables-legacy for instance; ipset: path of that program;
    sets: names of managed ipsets, which releases before 1.2 made; saved_sets: those, as ipset saves them.
    """

    paths: Mapping[str, str] = field(default_factory=dict)
    ipset: str = "ipset"
    sets: Tuple[str, ...] = ()
    saved_sets: str = ""


class IptablesBackend(Backend[IptablesSnapshot]):
    """Managed chains, live and on disk. run: runs programs."""

    name: ClassVar[str] = "iptables"

    def __init__(self, run: Runner) -> None:
        self._run = run

    def observe(self, facts: Facts) -> IptablesSnapshot:
        """See Backend.observe."""
        names = [f"{program}{variant}" for program in PROGRAMS.values() for variant in ("", "-nft", "-legacy")]
        paths = {name: find_program(name) for name in names}
        ipset = find_program("ipset")
        listed = self._run([ipset, "list", "-name"], "").stdout.split() if ipset else []
        sets = tuple(name for name in listed if name.startswith(NAME_PREFIX))
        return IptablesSnapshot(
            facts,
            paths={name: path for name, path in paths.items() if path},
            ipset=ipset or "ipset",
            sets=sets,
            saved_sets="".join(self._run([ipset or "ipset", "save", name], "").stdout for name in sets),
        )

    def without_managed(self, _snapshot: IptablesSnapshot, ruleset: Ruleset) -> Ruleset:
        """See Backend.without_managed."""
        for key, chain in list(ruleset.chains.items()):
            if key[1] in CHAINS:
                ruleset = replace(ruleset, chains={one: kept for one, kept in ruleset.chains.items() if one != key})
            elif any(_is_jump(rule) for rule in chain.rules):
                ruleset = ruleset.with_rules(key, [rule for rule in chain.rules if not _is_jump(rule)])
        return ruleset

    def has_traces(self, snapshot: IptablesSnapshot) -> bool:
        """See Backend.has_traces."""
        return any(_has_own(text) for text in snapshot.facts.firewall.saves.values()) or bool(snapshot.sets)

    def plan(self, snapshot: IptablesSnapshot, desired: Desired) -> Change:
        """See Backend.plan."""
        _require(snapshot, desired)
        accepts, notes = shortened(desired.accepts, self.name, desired.guarded)
        slots = _slots(snapshot, desired, accepts)
        target = [Placed(_label(program, own), rule) for program, own, rules in _own_rules(slots) for rule in rules]
        plan = make_plan(Observation(tuple(_observed(snapshot, accepts)), tuple(_drift(snapshot, slots))), target)
        now = [_program_now(snapshot, program, slots) for program in _programs(snapshot, slots)]
        then = [_program_then(snapshot, program, slots) for program in _programs(snapshot, slots)]
        return Change(
            plan=plan,
            live=_live(snapshot, slots, then) if plan.changed else (),
            simulated=with_slots(snapshot.unmanaged, slots),
            kept=_kept(snapshot, slots),
            rollback=_rollback(snapshot, now),
            warnings=notes if slots else (),
        )


def _is_jump(rule: FilterRule) -> bool:
    return any(rule.text.endswith(f" -j {own}") for own in CHAINS)


def _is_unlisted_jump(rule: FilterRule) -> bool:
    return not rule.text.startswith("-A ") and any(own in rule.content.targets for own in CHAINS)


def _has_own(listing: str) -> bool:
    return any(has_chain(listing, own) for own in CHAINS)


def _label(program: str, own: str) -> str:
    return f"chain {program}{_FILTER} {own}"


def _family(program: str) -> Family:
    return "ipv6" if program.startswith("ip6") else "ipv4"


def _slots(snapshot: IptablesSnapshot, desired: Desired, accepts: Sequence[Rule]) -> Dict[ChainKey, List[Slot]]:
    """Return the slots that are desired."""
    if not desired.present:
        return {}
    places = places_of(snapshot.unmanaged, accepts, snapshot.facts.routes)
    usable = {
        place: rules
        for place, rules in places.items()
        if place.chain[0].startswith(("iptables-", "ip6tables-"))
        and place.chain[0].endswith(_FILTER)
        and not rebuilder_of(snapshot.unmanaged.chains[place.chain])
    }
    for place in usable:
        _require_listed(snapshot.unmanaged.chains[place.chain])
    return slots_by_chain(usable, snapshot.unmanaged)


def _require_listed(chain: Chain) -> None:
    """See that the place in a chain can be found by what iptables lists. Raises EdgeError."""
    made_by_nft = next((rule for rule in chain.rules if not rule.text.startswith("-A ")), None)
    if made_by_nft is not None:
        family = "ip6" if chain.table.startswith("ip6") else "ip"
        raise EdgeError(
            f"{chain.label} has a rule that was made by nft, for which iptables has no words: {made_by_nft.text} in "
            f'"nft -a list chain {family} filter {chain.name}"; remove it, or move it to a table of its own'
        )


def _own_rules(slots: Slots) -> Iterator[Tuple[str, str, Tuple[Rule, ...]]]:
    """Yield program, name and rules of each managed chain."""
    found: Dict[Tuple[str, str], Dict[Rule, None]] = {}
    for (table, _chain), listed in slots.items():
        for slot in listed:
            for rule in slot.rules:
                found.setdefault((table[: -len(_FILTER)], chain_of(rule)), {})[rule] = None
    for (program, own), rules in sorted(found.items(), key=lambda one: (one[0][0], CHAINS.index(one[0][1]))):
        yield program, own, tuple(rules)


def _observed(snapshot: IptablesSnapshot, accepts: Sequence[Rule]) -> Iterator[Item]:
    for program, listing in sorted(snapshot.facts.firewall.saves.items()):
        for own in CHAINS:
            lines = [read_line(line, _family(program)) for line in lines_in(listing, own)]
            for item in rules_of(lines, accepts):
                yield Placed(_label(program, own), item) if isinstance(item, Rule) else item


def _drift(snapshot: IptablesSnapshot, slots: Slots) -> Iterator[str]:
    """Yield in what chains and jumps are not as they should be."""
    desired = {(program, own) for program, own, _rules in _own_rules(slots)}
    for program, listing in sorted(snapshot.facts.firewall.saves.items()):
        for own in CHAINS:
            there = has_chain(listing, own)
            if (program, own) in desired and there:
                yield from _jump_drift(snapshot, program, own, slots)
            elif there and not lines_in(listing, own):
                yield f"{program} chain {own}  is present"
    for name in snapshot.sets:
        yield f"ipset {name}  is present"


def _jump_drift(snapshot: IptablesSnapshot, program: str, own: str, slots: Slots) -> Iterator[str]:
    ruleset = snapshot.facts.firewall.ruleset
    for chain in ruleset.of_table(program + _FILTER):
        desired = [slot for slot in slots.get(chain.key, ()) if _own_of(slot) == own]
        found, astray = segments(chain.rules, lambda rule: rule.text == jump(rule.text.split(" ")[1], own), desired)
        if astray or any(len(one) != 1 for one in found):
            yield f"{program} chain {chain.name}  does not jump to {own} once, before what drops by default"


def _own_of(slot: Slot) -> str:
    return chain_of(slot.rules[0])


def _programs(snapshot: IptablesSnapshot, slots: Slots) -> List[str]:
    """Return the programs that have managed rules, now or then."""
    now = {program for program, listing in snapshot.facts.firewall.saves.items() if _has_own(listing)}
    return sorted(now | {program for program, _own, _rules in _own_rules(slots)})


def _path(snapshot: IptablesSnapshot, program: str) -> str:
    return snapshot.paths.get(program) or snapshot.paths.get(program.partition("-")[0]) or program


def _lines(program: str, slots: Slots) -> Dict[str, Sequence[str]]:
    """Return the desired lines of each managed chain."""
    return {
        own: [write_line(line) for line in lines_of(rules, _family(program))]
        for one, own, rules in _own_rules(slots)
        if one == program
    }


def _jumps(program: str, slots: Slots) -> Dict[Tuple[str, str], Jumps]:
    """Return the desired jumps, by unmanaged and managed chain."""
    return {
        (chain, own): Jumps(chain, own, tuple(slot.before.text if slot.before else "" for slot in found))
        for (table, chain), listed in slots.items()
        if table == program + _FILTER
        for own in CHAINS
        for found in [[slot for slot in listed if _own_of(slot) == own]]
        if found
    }


def _program_then(snapshot: IptablesSnapshot, program: str, slots: Slots) -> ProgramRules:
    lines: Dict[str, Optional[Sequence[str]]] = {**dict.fromkeys(_own_now(snapshot, program)), **_lines(program, slots)}
    jumps = _jumps(program, slots)
    for now in _jumps_now(snapshot, program):
        jumps.setdefault((now.chain, now.own), Jumps(now.chain, now.own, ()))
    return ProgramRules(_path(snapshot, program), lines, list(jumps.values()))


def _program_now(snapshot: IptablesSnapshot, program: str, slots: Slots) -> ProgramRules:
    listing = snapshot.facts.firewall.saves.get(program, "")
    then = _program_then(snapshot, program, slots)
    lines = {own: lines_in(listing, own) if has_chain(listing, own) else None for own in then.lines}
    jumps = {(one.chain, one.own): one for one in _jumps_now(snapshot, program)}
    for one in then.jumps:
        jumps.setdefault((one.chain, one.own), Jumps(one.chain, one.own, ()))
    return ProgramRules(then.path, lines, list(jumps.values()))


def _own_now(snapshot: IptablesSnapshot, program: str) -> List[str]:
    listing = snapshot.facts.firewall.saves.get(program, "")
    return [own for own in CHAINS if has_chain(listing, own)]


def _jumps_now(snapshot: IptablesSnapshot, program: str) -> List[Jumps]:
    listing = snapshot.facts.firewall.saves.get(program, "")
    return [one for own in CHAINS for one in jumps_in(listing, own)]


def _live(snapshot: IptablesSnapshot, slots: Slots, then: Sequence[ProgramRules]) -> Tuple[Step, ...]:
    """Return one transaction for each program; and what removes ipsets that nothing names any more."""
    steps: List[Step] = []
    for program, rules in zip(_programs(snapshot, slots), then):
        moves = [f"-D {one.chain} -j {one.own}" for one in _jumps_now(snapshot, program) for _before in one.before]
        for own in CHAINS:
            for (table, chain), found in slots.items():
                if table == program + _FILTER:
                    same = [slot for slot in found if _own_of(slot) == own]
                    numbers = [_number(snapshot.unmanaged, (table, chain), slot) for slot in same]
                    # From the end, so that what is inserted does not change the numbers that follow.
                    moves += [f"-I {chain} {number} -j {own}" for number in reversed(numbers)]
        command = (f"{rules.path}-restore", "--noflush", "--wait")
        steps.append(Command(command, transaction(rules, moves), "iptables", trial="--test"))
    steps += [Command((snapshot.ipset, "destroy", name), manager="ipset") for name in snapshot.sets]
    return tuple(steps)


def _number(unmanaged: Ruleset, key: ChainKey, slot: Slot) -> int:
    rules = unmanaged.chains[key].rules
    return next((number for number, rule in enumerate(rules, 1) if rule is slot.before), len(rules) + 1)


def _kept(snapshot: IptablesSnapshot, slots: Slots) -> Tuple[Kept, ...]:
    """Return the loader. It names the managed chains and their base chains, whatever a saved ruleset has of them."""
    if not slots:
        return ()
    then, gone = [], []
    bases = {own: base for own, base in BASES.items() if own != FORWARD or _has_forwarded(snapshot, slots)}
    for program in sorted({program for program, _own, _rules in _own_rules(slots)}):
        lines: Dict[str, Optional[Sequence[str]]] = {**dict.fromkeys(bases), **_lines(program, slots)}
        jumps = {(chain, own): Jumps(chain, own, ()) for own, chain in bases.items()}
        empty = {**jumps, **{key: Jumps(*key, ()) for key in _jumps(program, slots)}}
        path = _path(snapshot, program)
        then.append(ProgramRules(path, lines, list({**jumps, **_jumps(program, slots)}.values())))
        gone.append(ProgramRules(path, dict.fromkeys(lines), list(empty.values())))
    text = f'#!/bin/sh\n{BANNER}{LOCK}if [ "$1" = unload ]; then\n{write_script(gone)}fi\n{write_script(then)}'
    return (
        Kept(
            part="iptables",
            files={IPTABLES_LOADER: text},
            load=(f"/bin/sh {IPTABLES_LOADER} load",),
            unload=(f"/bin/sh {IPTABLES_LOADER} unload",),
            capabilities=_CAPABILITIES,
        ),
    )


def _has_forwarded(snapshot: IptablesSnapshot, slots: Slots) -> bool:
    """Return whether there are rules for forwarded packets, or were once: a saved ruleset may still have them."""
    former = snapshot.facts.persistence.files.get(IPTABLES_LOADER)
    then = any(own == FORWARD for _program, own, _rules in _own_rules(slots))
    return then or (former is not None and FORWARD in (former.text or ""))


def _rollback(snapshot: IptablesSnapshot, now: Sequence[ProgramRules]) -> RollbackData:
    data, live = {}, []
    if snapshot.sets:
        # Before the rules that name them. By a pipe, since SELinux may keep ipset from files where this one stands.
        data["ipsets"] = snapshot.saved_sets
        live.append(f"cat ipsets | {quote(snapshot.ipset)} -exist restore")
    if now:
        data["iptables.sh"] = write_script(now)
        live.append("/bin/sh iptables.sh")
    return RollbackData(data=data, live=tuple(live))


def _require(snapshot: IptablesSnapshot, desired: Desired) -> None:
    """See that all that is managed can be listed and changed. Raises EdgeError and MissingPackageError."""
    for program in PROGRAMS.values() if desired.present else ():
        if program not in snapshot.paths:
            raise MissingPackageError(
                f"{program} is not installed on this host; install the package iptables", "iptables"
            )
    for chain in snapshot.facts.firewall.ruleset.chains.values():
        if chain.table.startswith(("iptables-", "ip6tables-")) and any(map(_is_unlisted_jump, chain.rules)):
            _require_listed(chain)
    for program, listing in snapshot.facts.firewall.saves.items() if not desired.present else ():
        for line in filter_table(listing):
            own = next((one for one in CHAINS if line.endswith((f" -j {one}", f" -g {one}"))), None)
            if own and line != jump(line.split(" ")[1], own):
                raise EdgeError(f'{program} has an unmanaged rule that leads to a managed chain: "{line}"; remove it')
