# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The iptables backend: chains of our own in the table filter of both families, with a jump to each at the top."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence

from ..evaluator.iptables_save import members_of
from ..evaluator.managed import allow_rules
from ..evaluator.ruleset import Chain, Ruleset
from ..host.firewall import Host
from ..host.persistence import BANNER, IPSETS_FILE, IPTABLES_FILES, IPTABLES_LOADER, Persistence, Service
from ..host.runner import find_program
from ..host.units import NETFILTER_PERSISTENT
from ..model.errors import EdgeError, MissingPackageError
from ..model.ownership import CHAIN_PREFIX, NAME_PREFIX
from ..model.plan import Item, Observation, Plan
from ..model.rollback_data import RollbackData, together
from ..model.rules import DIRECTIONS, Group, Rule
from .base import Backend
from .iptables_lines import BASES, CHAINS, PROGRAMS, foreign_jumps, has_chain, jump, lines_in, read_line, write_line
from .iptables_restoration import write_restoration
from .lines import FAMILIES, Line, lines_of, rules_of, sets_of

LONGEST_SPELLED_OUT = 32
"""Networks of a group that have a line each; a longer group becomes an ipset."""

_SET_FAMILIES = {"ipv4": "inet", "ipv6": "inet6"}


class IptablesBackend(Backend):
    """Our chains, live and on disk.

    host: the host's firewall; persistence: our files and units.
    """

    name = "iptables"

    def __init__(self, host: Host, persistence: Persistence) -> None:
        self._host = host
        self._persistence = persistence
        self._sets: Dict[str, List[str]] = {}

    @classmethod
    def on_this_host(cls, host: Host, persist: bool) -> IptablesBackend:
        """The backend for the host that this code runs on."""
        return cls(host, Persistence(persist, host))

    def observe(self, wanted: Sequence[Rule]) -> Observation:
        """See Backend.observe."""
        if wanted:
            self._require_programs(wanted)
        self._require_listings(wanted)
        self._sets = self._observed_sets()
        items: List[Item] = []
        deviations: List[str] = []
        for direction in DIRECTIONS:
            found = {
                family: [
                    read_line(line, direction, family) for line in lines_in(self._listing(family), CHAINS[direction])
                ]
                for family in FAMILIES
            }
            items += rules_of(found, wanted, self._sets)
            deviations += self._frame_deviations(direction, wanted)
        deviations += [f"{program} chains  are present" for program in self._elsewhere()]
        deviations += [f"ipset {name}  is present" for name in self._sets if name not in _wanted_sets(wanted)]
        on_disk = self._persistence.deviations(self._service(wanted))
        if items or not wanted or not self._persistence.absent:
            deviations += on_disk
        return Observation(tuple(items), tuple(deviations))

    def restoration(self, wanted: Sequence[Rule]) -> RollbackData:
        """See Backend.restoration."""
        ipset = find_program("ipset")
        saved = self._host.run([ipset, "save"], "").stdout if ipset else ""
        programs = {name: find_program(name) or name for name in self._elsewhere()}
        programs.update({f"{PROGRAMS[family]}-{self._variant(family)}": self._program(family) for family in FAMILIES})
        listings = {path: self._host.firewall.saves.get(name, "") for name, path in programs.items()}
        data, live = write_restoration(listings, ipset or "ipset", saved, list(_wanted_sets(wanted)))
        return together([self._persistence.restoration(), RollbackData(live=live, data=data)])

    def apply(self, plan: Plan, wanted: Sequence[Rule]) -> Sequence[str]:
        """See Backend.apply: one transaction for each family. Sets are filled before rules that name them appear."""
        for name, group in _wanted_sets(wanted).items():
            if sorted(self._sets.get(name, ())) != sorted(group.networks):
                self._restore_sets(_swap(name, group, exists=name in self._sets))
        for family in FAMILIES:
            script = _script(self._listing(family), lines_of(wanted, family, LONGEST_SPELLED_OUT), bool(wanted))
            if script:
                self._restore(self._program(family), script)
        for name in self._elsewhere():
            self._restore(find_program(name) or name, _script(self._host.firewall.saves[name], [], wanted=False))
        for name in self._sets:
            if name not in _wanted_sets(wanted):
                self._restore_sets(f"destroy {name}\n")
        return ()

    def persist(self, wanted: Sequence[Rule]) -> None:
        """See Backend.persist."""
        self._persistence.write(self._service(wanted))

    def placed(self, ruleset: Ruleset, wanted: Sequence[Rule]) -> Ruleset:
        """See Backend.placed."""
        for family in FAMILIES:
            for direction in DIRECTIONS:
                rules = allow_rules(wanted, direction, [family])
                key = (f"{PROGRAMS[family]}-{self._variant(family)} filter", BASES[direction])
                if key in ruleset.chains:
                    ruleset = ruleset.with_rules(key, [*rules, *ruleset.chains[key].rules])
                else:
                    chain = Chain(*key, families=(family,), rules=rules, hook=BASES[direction].lower())
                    ruleset = Ruleset({**ruleset.chains, key: chain}, ruleset.owners)
        return ruleset

    def without_ours(self, ruleset: Ruleset) -> Ruleset:
        """See Backend.without_ours."""
        for key in list(ruleset.chains):
            if key[1] in CHAINS.values():
                ruleset = ruleset.with_rules(key, [])
        return ruleset

    @property
    def has_traces(self) -> bool:
        """See Backend.has_traces."""
        chains = self._host.firewall.ruleset.chains
        return any(name in CHAINS.values() for _table, name in chains) or bool(self._observed_sets())

    @property
    def persisted(self) -> bool:
        """See Backend.persisted."""
        return self._persistence.possible

    @property
    def warnings(self) -> Sequence[str]:
        """See Backend.warnings."""
        return self._persistence.warnings

    def _frame_deviations(self, direction: str, wanted: Sequence[Rule]) -> List[str]:
        """In what chains and jumps are not as they should be, once there is anything of ours."""
        chain, base = CHAINS[direction], BASES[direction]
        lines = []
        for family in FAMILIES:
            listing = self._listing(family)
            jumps = [number for number, line in enumerate(lines_in(listing, base)) if line == jump(direction)]
            there = has_chain(listing, chain)
            if there and (not wanted or jumps != [0]):
                state = "is present" if not wanted else "is not jumped to once, at the top"
                lines.append(f"{PROGRAMS[family]} chain {chain}  {state}")
            elif wanted and not there and self.has_traces:
                lines.append(f"{PROGRAMS[family]} chain {chain}  is missing")
        # Where there are rules to be shown, removing them says it all.
        return lines

    def _service(self, wanted: Sequence[Rule]) -> Optional[Service]:
        if not wanted:
            return None
        programs = {family: self._program(family) for family in FAMILIES}
        files = {}
        for family, path in IPTABLES_FILES.items():
            lines = [f":{chain} - [0:0]" for chain in CHAINS.values()]
            lines += [write_line(line) for line in lines_of(wanted, family, LONGEST_SPELLED_OUT)]
            files[path] = "\n".join([BANNER + "*filter", *lines, "COMMIT\n"])
        sets = _wanted_sets(wanted)
        if sets:
            files[IPSETS_FILE] = "".join(_filled(name, group) for name, group in sets.items())
        files[IPTABLES_LOADER] = f"#!/bin/sh\n{BANNER}{_loader(programs, list(sets), find_program('ipset') or 'ipset')}"
        load = [f"/bin/sh {IPTABLES_LOADER} load"]
        unload = [f"/bin/sh {IPTABLES_LOADER} unload"]
        # Rules that somebody saved for that service name the sets, and would fail all together without them.
        before = [f"/bin/sh {IPTABLES_LOADER} sets"] if sets else []
        # The legacy variant loads its modules itself, and speaks through a raw socket.
        capabilities = "CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_MODULE"
        return Service("iptables", "iptables(8)", files, NETFILTER_PERSISTENT, load, unload, before, capabilities)

    def _observed_sets(self) -> Dict[str, List[str]]:
        program = find_program("ipset")
        if program is None:
            return {}
        found = members_of(self._host.run([program, "save"], "").stdout)
        return {name: members for name, members in found.items() if name.startswith(NAME_PREFIX)}

    def _restore(self, name: str, script: str) -> None:
        program = f"{name}-restore"
        done = self._host.run([program, "--noflush", "--wait"], script)
        if done.returncode != 0:
            if "Permission denied" in done.stderr or "Operation not permitted" in done.stderr:
                raise EdgeError("iptables may not change the firewall: run as root (become: true)")
            raise EdgeError(f"{program} refused: {done.complaint}")

    def _restore_sets(self, script: str) -> None:
        done = self._host.run([find_program("ipset") or "ipset", "restore", "-exist"], script)
        if done.returncode != 0:
            raise EdgeError(f"ipset refused: {done.complaint}")

    def _require_programs(self, wanted: Sequence[Rule]) -> None:
        for program in PROGRAMS.values():
            if find_program(program) is None:
                raise MissingPackageError(
                    f"{program} is not installed on this host; install the package iptables", "iptables"
                )
        if _wanted_sets(wanted) and find_program("ipset") is None:
            raise MissingPackageError(
                f"more than {LONGEST_SPELLED_OUT} networks in one list need ipset with this backend, and it is not "
                "installed on this host; install the package ipset",
                "ipset",
            )

    def _require_listings(self, wanted: Sequence[Rule]) -> None:
        """See that all that is ours can be listed, and be removed. Raises EdgeError."""
        chains = self._host.firewall.ruleset.chains
        for family, table in (("ipv4", "ip filter"), ("ipv6", "ip6 filter")):
            # iptables lists no table with rules that it has no words for; then nft's listing is what there is.
            there = [key for key in chains if key[0] == table]
            if there and (wanted or any(name in CHAINS.values() for _table, name in there)):
                raise EdgeError(
                    f"{PROGRAMS[family]} cannot list its table filter, which has rules that were made by nft; "
                    "remove those, or name the backend nftables"
                )
        if not wanted:
            for program, listing in self._host.firewall.saves.items():
                for line in foreign_jumps(listing):
                    raise EdgeError(
                        f'{program} has a rule of somebody else that leads to our chain: "{line}"; remove it'
                    )

    def _elsewhere(self) -> List[str]:
        """The programs of variants that are not in use and have chains of ours all the same."""
        used = {f"{PROGRAMS[family]}-{self._variant(family)}" for family in FAMILIES}
        return [
            program
            for program, listing in self._host.firewall.saves.items()
            if program not in used and any(has_chain(listing, chain) for chain in CHAINS.values())
        ]

    def _listing(self, family: str) -> str:
        return self._host.firewall.saves.get(f"{PROGRAMS[family]}-{self._variant(family)}", "")

    def _program(self, family: str) -> str:
        """Path of the program of the variant that is in use, without -save or -restore behind it."""
        name = PROGRAMS[family]
        return find_program(f"{name}-{self._variant(family)}") or find_program(name) or name

    def _variant(self, family: str) -> str:
        """nft or legacy: the one that has rules, and where both have or neither, the one that "iptables" stands for."""
        name = PROGRAMS[family]
        saves = self._host.firewall.saves
        with_rules = [
            variant
            for variant in ("nft", "legacy")
            if any(
                line.startswith("-A ") and CHAIN_PREFIX not in line
                for line in saves.get(f"{name}-{variant}", "").split("\n")
            )
        ]
        if len(with_rules) == 1:
            return with_rules[0]
        return "legacy" if self._host.default_iptables == "legacy" else "nft"


def _script(listing: str, lines: Sequence[Line], wanted: bool) -> str:
    """What makes one family's chains and jumps as they should be, in one transaction; empty: nothing is to do."""
    script = []
    for direction in DIRECTIONS:
        chain, base = CHAINS[direction], BASES[direction]
        there = has_chain(listing, chain)
        if wanted or there:
            script.append(f":{chain} - [0:0]")  # Which empties a chain that is there.
        script += [line.replace("-A ", "-D ", 1) for line in lines_in(listing, base) if line == jump(direction)]
        if wanted:
            script.append(f"-I {base} 1 -j {chain}")
        elif there:
            script.append(f"-X {chain}")
    script += [write_line(line) for line in lines]
    return "\n".join(["*filter", *script, "COMMIT\n"]) if script else ""


def _wanted_sets(wanted: Sequence[Rule]) -> Dict[str, Group]:
    return sets_of(wanted, LONGEST_SPELLED_OUT)


def _swap(name: str, group: Group, exists: bool) -> str:
    """A script that fills a set in one step, whatever was in it."""
    if not exists:
        return _filled(name, group)
    spare = f"{name}~"
    return f"{_filled(spare, group)}swap {spare} {name}\ndestroy {spare}\n"


def _filled(name: str, group: Group) -> str:
    family = _SET_FAMILIES[group.name.rpartition("_")[2]]
    size = max(65536, len(group.networks))
    head = f"create {name} hash:net family {family} maxelem {size}\nflush {name}\n"
    return head + "".join(f"add {name} {network}\n" for network in group.networks)


def _loader(programs: Dict[str, str], sets: Sequence[str], ipset: str) -> str:
    """A shell script that puts our chains in place, or takes them away; it repeats nothing that is there."""
    fill = [f"{ipset} restore -exist < {IPSETS_FILE}"] if sets else []
    load, unload = [], []
    for family, program in programs.items():
        load.append(f"{program}-restore --noflush --wait < {IPTABLES_FILES[family]}")
        for direction in DIRECTIONS:
            chain, base = CHAINS[direction], BASES[direction]
            there = f"{program} --wait --check {base} --jump {chain} 2> /dev/null"
            load.append(f"{there} || {program} --wait --insert {base} 1 --jump {chain}")
            unload.append(f"{program} --wait --delete {base} --jump {chain}")
            unload += [f"{program} --wait --{verb} {chain}" for verb in ("flush", "delete-chain")]
    unload += [f"{ipset} destroy {name}" for name in sets]
    cases = {"sets": fill or [":"], "load": ["set -e", *fill, *load], "unload": unload}
    body = "".join(
        f"{name})\n" + "".join(f"  {command}\n" for command in commands) + "  ;;\n" for name, commands in cases.items()
    )
    return f'case "$1" in\n{body}esac\n'
