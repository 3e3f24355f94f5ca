# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ufw backend: rules among the user's own, before all others, in ufw's files and in its live chains.

The ufw program loads one rule per start and takes a third of a second for each; so its files are changed here, under
its own lock, and the live chains by one transaction per family in which only our rules come and go.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections import Counter
from dataclasses import replace
from shlex import quote
from typing import Dict, Iterator, List, Optional, Sequence

from ..evaluator.managed import allow_rules
from ..evaluator.ruleset import Ruleset
from ..host.files import read_text, replace_text
from ..host.firewall import Host
from ..host.runner import find_program
from ..model.errors import EdgeError, MissingPackageError
from ..model.plan import Item, Observation, Plan
from ..model.rollback_data import Part, RollbackData
from ..model.rules import DIRECTIONS, Rule
from .base import Backend
from .iptables_lines import PROGRAMS, lines_in
from .lines import FAMILIES, Found, Line, rules_of
from .ufw_rules import (
    FILES,
    MERGE,
    UserRules,
    chain_of,
    found_lines,
    is_ours,
    lines_by_family,
    live_rule,
    read_user_rules,
)

_FOLDER = "/etc/ufw"
_DEFAULTS = "/etc/default/ufw"
_LOCK = "/run/ufw.lock"


class UfwBackend(Backend):
    """Our rules among ufw's.

    host: the host's firewall; persist: whether the rules are to survive a reboot, which ufw's always do; folder: where
    ufw has its files; defaults: its settings.
    """

    name = "ufw"

    def __init__(self, host: Host, persist: bool, folder: str = _FOLDER, defaults: str = _DEFAULTS) -> None:
        self._host = host
        self._persist = persist
        self._folder = folder
        self._defaults = defaults

    def observe(self, wanted: Sequence[Rule]) -> Observation:
        """See Backend.observe."""
        if wanted:
            self._require(wanted)
        lines = lines_by_family(wanted, self._families())
        items: List[Item] = []
        found = {}
        for family in FAMILIES:
            rules = self._user_rules(family)
            if rules is not None:
                found[family] = found_lines(rules, family)
        target = self.target(wanted)
        for direction in DIRECTIONS:
            by_family = {family: by_direction[direction] for family, by_direction in found.items()}
            if self._families() == ("ipv4",):
                by_family["ipv6"] = [*by_family.get("ipv6", []), *_other_halves(by_family.get("ipv4", []))]
            items += rules_of(by_family, [rule for rule in target if isinstance(rule, Rule)], {})
        deviations = [
            f"{PROGRAMS[family]} chain {chain_of(family, direction)}  has other rules than ufw's file says"
            for family in FAMILIES
            for direction in DIRECTIONS
            if items and self.is_active and not self._is_live(family, direction, lines[family], wanted)
        ]
        return Observation(tuple(items), tuple(deviations))

    def target(self, wanted: Sequence[Rule]) -> Sequence[Item]:
        """See Backend.target: without what is for IPv6 only, where ufw does not look after that."""
        return [rule for rule in wanted if rule.family in (*self._families(), "any")]

    def restoration(self, wanted: Sequence[Rule]) -> RollbackData:
        """See Backend.restoration: a file is loaded in one transaction, as ufw itself does whenever it starts."""
        families = [family for family in FAMILIES if self._has_live_chain(family)] if self.is_active else []
        data = {"merge.awk": MERGE}
        parts = {}
        for family, lines in lines_by_family(wanted, self._families()).items():
            found = self._user_rules(family)
            if found is not None:
                data[f"ours-{family}"] = "".join(
                    f"{line}\n" for entry in found.entries if is_ours(entry) for line in entry
                )
                parts[self._path(family)] = Part(found.with_ours(lines).text, f"awk -v ours=ours-{family} -f merge.awk")
        return RollbackData(
            paths=tuple(self._path(family) for family in FAMILIES),
            parts=parts,
            data=data,
            live=tuple(
                f"{quote(self._program(family))}-restore --noflush --wait < {quote(self._path(family))}"
                for family in families
            ),
        )

    def apply(self, plan: Plan, wanted: Sequence[Rule]) -> Sequence[str]:
        """See Backend.apply: the live chains, by one transaction per family."""
        if not self.is_active:
            return ()
        for family, lines in lines_by_family(wanted, self._families()).items():
            script = self._live_changes(family, lines)
            if script:
                program = f"{self._program(family)}-restore"
                done = self._host.run([program, "--noflush", "--wait"], script)
                if done.returncode != 0:
                    raise EdgeError(f"{program} refused: {done.complaint}")
        return ()

    def persist(self, wanted: Sequence[Rule]) -> None:
        """See Backend.persist: ufw's files, which it reads whenever it does anything."""
        with _locked():
            for family, lines in lines_by_family(wanted, self._families()).items():
                rules = self._user_rules(family)
                changed = rules.with_ours(lines) if rules else None
                if changed is not None and changed != rules:
                    replace_text(self._path(family), changed.text)

    def placed(self, ruleset: Ruleset, wanted: Sequence[Rule]) -> Ruleset:
        """See Backend.placed."""
        for key, chain in list(ruleset.chains.items()):
            for family in FAMILIES:
                for direction in DIRECTIONS:
                    if key[1] == chain_of(family, direction) and family in chain.families:
                        ours = allow_rules(wanted, direction, [family])
                        ruleset = ruleset.with_rules(key, [*ours, *chain.rules])
        return ruleset

    def without_ours(self, ruleset: Ruleset) -> Ruleset:
        """See Backend.without_ours."""
        for key, chain in list(ruleset.chains.items()):
            for family in FAMILIES:
                for direction in DIRECTIONS:
                    if key[1] == chain_of(family, direction):
                        left = Counter(self._live_ours(family, direction))
                        left.subtract(rule.text for rule in chain.rules)
                        # What the subtraction took below nothing, or never had, is somebody else's.
                        rules = [rule for rule in reversed(chain.rules) if _is_surplus(left, rule.text)]
                        ruleset = ruleset.with_rules(key, rules[::-1])
        return ruleset

    @property
    def is_active(self) -> bool:
        """Whether ufw is enabled and its chains are live."""
        return self._setting("ufw.conf", "ENABLED") == "yes" and self._has_live_chain("ipv4")

    @property
    def has_traces(self) -> bool:
        """See Backend.has_traces."""
        rules = (self._user_rules(family) for family in FAMILIES)
        return any(is_ours(entry) for found in rules if found for entry in found.entries)

    @property
    def persisted(self) -> bool:
        """See Backend.persisted."""
        return True

    @property
    def warnings(self) -> Sequence[str]:
        """See Backend.warnings."""
        warnings = []
        if self._families() != FAMILIES:
            warnings.append("ufw has IPV6=no in /etc/default/ufw: rules for IPv6 addresses are left out")
        for family in self._families():
            rules = self._user_rules(family)
            for direction in DIRECTIONS:
                chain = chain_of(family, direction)
                live = lines_in(self._listing(family), chain)
                if rules and len(live) != sum(line.startswith(f"-A {chain} ") for line in rules.text.splitlines()):
                    warnings.append(
                        f"{PROGRAMS[family]} chain {chain} has other rules than {self._path(family)} says: somebody "
                        'changed one of them by other means than ufw; "ufw reload" makes them equal'
                    )
        return warnings

    def _require(self, wanted: Sequence[Rule]) -> None:
        if find_program("ufw") is None:
            raise MissingPackageError("ufw is not installed on this host; install the package ufw", "ufw")
        if not self._persist:
            raise EdgeError("persist: False is not possible with the backend ufw, which keeps all its rules; say true")
        if not self.is_active:
            raise EdgeError(
                'ufw is not active on this host, and is not activated by us; run "ufw enable" first, with a rule for '
                "your own way in, or name another backend"
            )
        for family in self._families():
            if self._user_rules(family) is None:
                raise EdgeError(f"{self._path(family)} is not as ufw writes it; repair it, for example by ufw reset")
        if not self.target(wanted):
            raise EdgeError("ufw has IPV6=no in /etc/default/ufw, and all addresses are IPv6; say yes there")

    def _families(self) -> Sequence[str]:
        found = re.search(r"^IPV6=[\"']?(\w+)", read_text(self._defaults) or "", re.MULTILINE)
        return FAMILIES if found and found[1].lower() == "yes" else ("ipv4",)

    def _user_rules(self, family: str) -> Optional[UserRules]:
        text = read_text(self._path(family))
        return read_user_rules(text) if text is not None else None

    def _path(self, family: str) -> str:
        return os.path.join(self._folder, FILES[family])

    def _setting(self, file: str, name: str) -> str:
        found = re.search(rf"^{name}=[\"']?(\w+)", read_text(os.path.join(self._folder, file)) or "", re.MULTILINE)
        return found[1].lower() if found else ""

    def _listing(self, family: str) -> str:
        """What iptables-save says of the variant in which ufw's chains are."""
        saves = self._host.firewall.saves
        found = [text for program, text in saves.items() if program.startswith(f"{PROGRAMS[family]}-")]
        return next((text for text in found if f":{chain_of(family, 'in')} " in text), "")

    def _has_live_chain(self, family: str) -> bool:
        return bool(self._listing(family))

    def _program(self, family: str) -> str:
        saves = self._host.firewall.saves
        listing = self._listing(family)
        name = next((program for program, text in saves.items() if listing and text == listing), PROGRAMS[family])
        return find_program(name) or find_program(PROGRAMS[family]) or PROGRAMS[family]

    def _live_ours(self, family: str, direction: str) -> List[str]:
        """Our rules in the live chain: those that the file has with our mark, each as often as it has them.

        A rule of the user's may read the same as one of ours. Ours come first.
        """
        rules = self._user_rules(family)
        in_file = found_lines(rules, family)[direction] if rules else []
        left = Counter(live_rule(line) for line in in_file if isinstance(line, Line))
        ours = []
        for rule in lines_in(self._listing(family), chain_of(family, direction)):
            if left[rule]:
                left[rule] -= 1
                ours.append(rule)
        return ours

    def _is_live(self, family: str, direction: str, lines: Sequence[Line], wanted: Sequence[Rule]) -> bool:
        """Whether the live chain begins with just the wanted rules; where none are wanted, whatever it has is right."""
        if not wanted or family not in self._families():
            return True
        expected = [live_rule(line) for line in lines if line.direction == direction]
        live = lines_in(self._listing(family), chain_of(family, direction))
        return live[: len(expected)] == expected

    def _live_changes(self, family: str, lines: Sequence[Line]) -> str:
        changes: List[str] = []
        for direction in DIRECTIONS:
            expected = [live_rule(line) for line in lines if line.direction == direction]
            live = lines_in(self._listing(family), chain_of(family, direction))
            ours = self._live_ours(family, direction)
            if live[: len(expected)] == expected and len(ours) == len(expected):
                continue
            changes += [rule.replace("-A ", "-D ", 1) for rule in ours]
            chain = chain_of(family, direction)
            changes += [rule.replace(f"-A {chain} ", f"-I {chain} 1 ", 1) for rule in reversed(expected)]
        return "\n".join(["*filter", *changes, "COMMIT\n"]) if changes else ""


def _is_surplus(left: Dict[str, int], text: str) -> bool:
    """Whether one more rule of this text is somebody else's, counted from the end of a chain."""
    if left.get(text, 0) < 0:
        left[text] += 1
        return True
    return text not in left


def _other_halves(found: Sequence[Found]) -> List[Found]:
    """The halves of guards that ufw is not asked for, because it looks after one family only."""
    guards = [line for line in found if isinstance(line, Line) and line.action == "block"]
    return [replace(line, family="ipv6") for line in guards]


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """Hold the lock that ufw itself takes."""
    with open(_LOCK, "w", encoding="ascii") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        yield
