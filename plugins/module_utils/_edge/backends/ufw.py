# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ufw backend: accept rules among the user's own, behind them, in ufw's files and in its live chains.

The ufw program loads one rule per start and takes a third of a second for each. So its files are changed here, under
its own lock, and the live chains by one transaction per family in which only managed rules come and go.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from shlex import quote
from typing import ClassVar, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..evaluator.managed import allow_rules
from ..evaluator.ruleset import FilterRule, Ruleset
from ..host.facts import Facts
from ..host.files import OpenFile, read_open_file, read_text
from ..host.runner import find_program
from ..model.addresses import FAMILIES
from ..model.desired import Desired
from ..model.errors import EdgeError
from ..model.literals import Family
from ..model.plan import Item, Observation, Placed, make_plan
from ..model.rollback_data import RollbackData, SharedFile
from ..model.rules import DIRECTIONS, Rule
from ..model.steps import Command, Locked, Step, WriteFile
from .base import Backend, Change, Snapshot
from .iptables_lines import PROGRAMS, lines_in
from .lines import Line, by_family, rules_of, shortened, with_inner_addresses
from .placing import may_deny
from .ufw_rules import (
    FILES,
    MERGE,
    WORDS,
    UserRules,
    chain_of,
    denials_behind,
    found_lines,
    is_managed,
    live_rule,
    live_rules,
    read_user_rules,
    word_of,
)

_FOLDER = "/etc/ufw"
_DEFAULTS = "/etc/default/ufw"
_LOCK = "/run/ufw.lock"


@dataclass(frozen=True)
class UfwSnapshot(Snapshot):
    """program: path of ufw, None where it is missing; enabled: whether ufw.conf says so; families: those that it looks
    after; files: its files of user rules by family; paths: of the programs iptables and ip6tables of the live chains.
    """

    program: Optional[str] = None
    enabled: bool = False
    families: Tuple[Family, ...] = FAMILIES
    files: Mapping[str, OpenFile] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)

    def rules(self, family: Family) -> Optional[UserRules]:
        """Return the file of a family taken apart; None where it is missing, or not made as ufw makes it."""
        return read_user_rules(self.files[family].text) if family in self.files else None

    def listing(self, family: Family) -> str:
        """Return what iptables-save says of the variant in which ufw's chains are, empty where they are not live."""
        found = self._live(family)
        return self.facts.firewall.saves[found] if found else ""

    def _live(self, family: Family) -> str:
        head = f":{chain_of(family, 'input')} "
        saves = self.facts.firewall.saves
        programs = (one for one in saves if one.startswith(f"{PROGRAMS[family]}-") and head in saves[one])
        return next(programs, "")

    def restorer(self, family: Family) -> str:
        """Return the path of iptables-restore for a family's live chains, without -restore behind it."""
        return self.paths.get(self._live(family)) or self.paths.get(PROGRAMS[family]) or PROGRAMS[family]

    @property
    def active(self) -> bool:
        """Return whether ufw is enabled and its chains are live."""
        return self.enabled and bool(self.listing("ipv4"))


class UfwBackend(Backend[UfwSnapshot]):
    """Accept rules among ufw's. folder: where ufw has its files; defaults: its settings."""

    name: ClassVar[str] = "ufw"

    def __init__(self, folder: str = _FOLDER, defaults: str = _DEFAULTS) -> None:
        self._folder = folder
        self._defaults = defaults

    def observe(self, facts: Facts) -> UfwSnapshot:
        """See Backend.observe."""
        files = {family: read_open_file(os.path.join(self._folder, FILES[family])) for family in FAMILIES}
        names = [f"{program}{variant}" for program in PROGRAMS.values() for variant in ("", "-nft", "-legacy")]
        paths = {name: find_program(name) for name in names}
        both = _setting(read_text(self._defaults), "IPV6") == "yes"
        return UfwSnapshot(
            facts,
            program=find_program("ufw"),
            enabled=_setting(read_text(os.path.join(self._folder, "ufw.conf")), "ENABLED") == "yes",
            families=FAMILIES if both else ("ipv4",),
            files={family: file for family, file in files.items() if file is not None},
            paths={name: path for name, path in paths.items() if path},
        )

    def without_managed(self, snapshot: UfwSnapshot, ruleset: Ruleset) -> Ruleset:
        """See Backend.without_managed."""
        for key, chain in list(ruleset.chains.items()):
            for family in FAMILIES:
                if family in chain.families and key[1] in [chain_of(family, word) for word in WORDS]:
                    managed = _managed_live(snapshot, family, chain.rules)
                    ruleset = ruleset.with_rules(key, [rule for rule in chain.rules if rule not in managed])
        return ruleset

    def has_traces(self, snapshot: UfwSnapshot) -> bool:
        """See Backend.has_traces."""
        rules = (snapshot.rules(family) for family in FAMILIES)
        return any(is_managed(entry) for found in rules if found for entry in found.entries)

    def plan(self, snapshot: UfwSnapshot, desired: Desired) -> Change:
        """See Backend.plan."""
        _require(snapshot, desired)
        accepts, notes = shortened(desired.accepts, self.name, desired.guarded)
        carried = [rule for rule in with_inner_addresses(accepts) if rule.family in snapshot.families]
        lines = by_family(carried, FAMILIES)
        observed = Observation(tuple(_observed(snapshot, carried)), tuple(_drift(snapshot, carried, lines)))
        plan = make_plan(observed, [Placed("ufw", rule) for rule in carried])
        changed = {family: rules.with_managed(lines[family]) for family, rules in _files(snapshot)}
        return Change(
            plan=plan,
            live=tuple(_live(snapshot, lines)) if plan.changed else (),
            simulated=_simulated(snapshot, carried),
            permanent=_permanent(snapshot, changed) if plan.changed else (),
            rollback=_rollback(snapshot, changed),
            warnings=(*notes, *_warnings(snapshot)) if desired.present else (),
        )


def _setting(text: Optional[str], name: str) -> str:
    found = re.search(rf"^{name}=[\"']?(\w+)", text or "", re.MULTILINE)
    return found[1].lower() if found else ""


def _files(snapshot: UfwSnapshot) -> Iterator[Tuple[Family, UserRules]]:
    for family in FAMILIES:
        rules = snapshot.rules(family)
        if rules is not None:
            yield family, rules


def _observed(snapshot: UfwSnapshot, carried: Sequence[Rule]) -> Iterator[Item]:
    """Yield the rules of the files, inbound first, as Placed; what is not as it would be written as Unmanaged."""
    items = [item for family, rules in _files(snapshot) for item in rules_of(found_lines(rules, family), carried)]
    known = {rule: number for number, rule in enumerate(carried)}
    items.sort(key=lambda item: known.get(item, -1) if isinstance(item, Rule) else -1)
    for item in items:
        yield Placed("ufw", item) if isinstance(item, Rule) else item


_OTHER_LIVE_RULES = "does not have just the managed rules behind the user's"


def _drift(snapshot: UfwSnapshot, carried: Sequence[Rule], lines: Mapping[Family, Sequence[Line]]) -> Iterator[str]:
    """Yield in what files and live chains are not as they should be, once there is anything managed."""
    ports = [rule.port for rule in carried]
    for family, rules in _files(snapshot):
        if not any(map(is_managed, rules.entries)) or not carried:
            continue
        for denial in denials_behind(rules, ports):
            yield f"file {FILES[family]}  has managed rules before: {denial}"
        if snapshot.active and family in snapshot.families:
            for word in WORDS:
                if not _is_live(snapshot, family, word, lines[family]):
                    written = [line for line in found_lines(rules, family) if isinstance(line, Line)]
                    earlier = _is_live(snapshot, family, word, written)
                    words = "is as an earlier run left it" if earlier else _OTHER_LIVE_RULES
                    yield f"{PROGRAMS[family]} chain {chain_of(family, word)}  {words}"


def _chain(snapshot: UfwSnapshot, family: Family, word: str) -> Sequence[FilterRule]:
    """Return the rules of a live chain."""
    name = chain_of(family, word)
    chains = snapshot.facts.firewall.ruleset.chains
    found = (one for (_table, chain), one in chains.items() if chain == name and family in one.families)
    return next((one.rules for one in found), ())


def _managed_live(snapshot: UfwSnapshot, family: Family, rules: Sequence[FilterRule]) -> List[FilterRule]:
    """Return the managed rules of a live chain: those that the file has with the tag, each as often as it has them.

    A rule of the user's may read the same as a managed one. Managed ones stand behind it, or before all in what a
    release before 1.2 made.
    """
    in_file = snapshot.rules(family)
    if in_file is None:
        return []
    left = Counter(live_rules(in_file, family))
    managed = []
    for rule in rules if in_file.managed_first else reversed(rules):
        if left[rule.text]:
            left[rule.text] -= 1
            managed.append(rule)
    return managed if in_file.managed_first else managed[::-1]


def _is_live(snapshot: UfwSnapshot, family: Family, word: str, lines: Sequence[Line]) -> bool:
    """Return whether a live chain has just the managed rules, and none that may deny behind the first of them."""
    expected = [live_rule(line) for line in lines if word_of(line) == word]
    rules = _chain(snapshot, family, word)
    managed = _managed_live(snapshot, family, rules)
    if [rule.text for rule in managed] != expected:
        return False
    behind = rules[next((number for number, rule in enumerate(rules) if rule in managed), len(rules)) :]
    ports = [line.port for line in lines]
    return not any(rule not in managed and may_deny(rule) and _is_about(rule.text, ports) for rule in behind)


def _is_about(text: str, ports: Sequence[int]) -> bool:
    """Return whether a rule as iptables-save lists it may be about one of some TCP ports."""
    protocol = re.search(r" -p (\w+)", text)
    if protocol and protocol[1] != "tcp":
        return False
    found = re.search(r" --dports? (\S+)", text)
    if not found:
        return True
    for part in found[1].split(","):
        first, colon, last = part.partition(":")
        if any(int(first or 0) <= port <= int((last or 65535) if colon else first) for port in ports):
            return True
    return False


def _live(snapshot: UfwSnapshot, lines: Mapping[Family, Sequence[Line]]) -> Iterator[Step]:
    """Yield the transaction for each family whose live chains change."""
    for family in FAMILIES if snapshot.active else ():
        changes: List[str] = []
        for word in WORDS:
            if not _is_live(snapshot, family, word, lines[family]):
                chain, rules = chain_of(family, word), _chain(snapshot, family, word)
                managed = _managed_live(snapshot, family, rules)
                # By number, since a user's rule may read the same; from the end, so that numbers stay what they are.
                numbers = [number for number, rule in enumerate(rules, 1) if rule in managed]
                changes += [f"-D {chain} {number}" for number in reversed(numbers)]
                changes += [live_rule(line) for line in lines[family] if word_of(line) == word]
        if changes and snapshot.listing(family):
            script = "\n".join(["*filter", *changes, "COMMIT\n"])
            restore = (f"{snapshot.restorer(family)}-restore", "--noflush", "--wait")
            yield Command(restore, script, "iptables", trial="--test")


def _permanent(snapshot: UfwSnapshot, changed: Mapping[Family, UserRules]) -> Tuple[Step, ...]:
    """Return the steps that change ufw's files, which it reads whenever it does anything."""
    steps = []
    for family, rules in changed.items():
        file = snapshot.files[family]
        if rules.text != file.text:
            steps.append(WriteFile(file.path, rules.text, file.mode, file.owner))
    return (Locked(_LOCK, tuple(steps)),) if steps else ()


def _rollback(snapshot: UfwSnapshot, changed: Mapping[Family, UserRules]) -> RollbackData:
    """Return what restores the files, and loads each in one transaction, as ufw itself does whenever it starts."""
    families = [family for family in FAMILIES if snapshot.listing(family)] if snapshot.active else []
    data: Dict[str, str] = {"merge.awk": MERGE}
    shared = {}
    for family, rules in _files(snapshot):
        managed = [line for entry in rules.entries if is_managed(entry) for line in entry]
        data[f"managed-{family}"] = "".join(f"{line}\n" for line in managed)
        place = "head" if rules.managed_first else "end"
        merge = f"awk -v managed=managed-{family} -v place={place} -f merge.awk"
        shared[snapshot.files[family].path] = SharedFile(changed[family].text, merge)
    return RollbackData(
        paths=tuple(snapshot.files[family].path for family, _rules in _files(snapshot)),
        shared_files=shared,
        data=data,
        live=tuple(
            f"{quote(snapshot.restorer(family))}-restore --noflush --wait < {quote(snapshot.files[family].path)}"
            for family in families
            if family in snapshot.files
        ),
    )


def _simulated(snapshot: UfwSnapshot, carried: Sequence[Rule]) -> Ruleset:
    ruleset = snapshot.unmanaged
    for key, chain in list(ruleset.chains.items()):
        for family in chain.families:
            for word in WORDS:
                if key[1] == chain_of(family, word):
                    there = [rule for rule in carried if word_of(rule) == word]
                    rules = [one for direction in DIRECTIONS for one in allow_rules(there, direction, [family])]
                    ruleset = ruleset.with_rules(key, [*chain.rules, *rules])
    return ruleset


def _warnings(snapshot: UfwSnapshot) -> Iterator[str]:
    if snapshot.families != FAMILIES:
        yield "ufw has IPV6=no in /etc/default/ufw: rules for IPv6 addresses are left out"
    for family in snapshot.families:
        rules = snapshot.rules(family)
        for word in WORDS:
            chain = chain_of(family, word)
            live = lines_in(snapshot.listing(family), chain)
            if rules and len(live) != sum(line.startswith(f"-A {chain} ") for line in rules.text.splitlines()):
                yield (
                    f"{PROGRAMS[family]} chain {chain} has other rules than {snapshot.files[family].path} says: "
                    'one of them was changed by other means than ufw; "ufw reload" makes them equal'
                )


def _require(snapshot: UfwSnapshot, desired: Desired) -> None:
    """See that ufw can carry the rules. Raises EdgeError."""
    if not desired.present:
        return
    if snapshot.program is None:
        raise EdgeError(
            "backend: ufw is not installed on this host; install it and open your own way in first, or name another "
            "backend"
        )
    if not desired.persist:
        raise EdgeError("persist: False is not possible with the backend ufw, which keeps all its rules; say true")
    if not snapshot.active:
        raise EdgeError(
            'ufw is not active on this host, and is not activated by us; run "ufw enable" first, with a rule for '
            "your own way in, or name another backend"
        )
    for family in snapshot.families:
        if snapshot.rules(family) is None:
            raise EdgeError(f"{_FOLDER}/{FILES[family]} is not as ufw writes it; repair it, for example by ufw reset")
    if not any(rule.family in snapshot.families for rule in desired.accepts):
        raise EdgeError("ufw has IPV6=no in /etc/default/ufw, and all addresses are IPv6; say yes there")
