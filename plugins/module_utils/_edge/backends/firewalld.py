# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewalld backend: two policies and some ipsets of our own, in the runtime and in the permanent configuration.

The daemon is spoken to over D-Bus by systemd's busctl, which starts in no time and needs no Python of a certain
version. Source: firewalld.dbus(5).
"""

from __future__ import annotations

import json
import os
import re
from shlex import quote
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ..evaluator.managed import allow_rules
from ..evaluator.ruleset import FilterRule, Ruleset, Verdict
from ..host.files import read_text, remove_file, write_atomically
from ..host.firewall import Host
from ..host.runner import find_program
from ..model.errors import EdgeError, MissingPackageError
from ..model.ownership import NAME_PREFIX
from ..model.plan import Item, Observation, Plan
from ..model.rollback_data import RollbackData
from ..model.rules import DIRECTIONS, Group, Rule, make_group
from .base import Backend
from .firewalld_config import (
    LONGEST_SPELLED_OUT,
    POLICIES,
    Policy,
    found_lines,
    read_policy_file,
    read_set_file,
    read_settings,
    rows_in_policy_file,
    rows_of_ports,
    same_policy,
    wanted_policy,
    write_policy_file,
    write_rich_rule,
    write_set_file,
)
from .lines import rules_of, sets_of

SERVICE = "org.fedoraproject.FirewallD1"
_OBJECT = "/org/fedoraproject/FirewallD1"
_FOLDER = "/etc/firewalld"
_SHIPPED_POLICIES = "/usr/lib/firewalld/policies"
_TOO_OLD = "firewalld on this host is older than 0.9, which has no policies; upgrade the package firewalld"
_CHAINS = f"policy_{NAME_PREFIX}"
_WHERE_POLICIES_COME = re.compile("POLICIES|ZONES")


class FirewalldBackend(Backend):
    """Our policies and ipsets, in both configurations.

    host: the host's firewall; persist: whether the permanent configuration has them too; folder: where that is.
    """

    name = "firewalld"

    def __init__(self, host: Host, persist: bool, folder: str = _FOLDER) -> None:
        self._host = host
        self._persist = persist
        self._folder = folder
        self._running = False
        self._policies: Dict[str, Policy] = {}
        self._sets: Dict[str, Tuple[str, ...]] = {}

    def observe(self, wanted: Sequence[Rule]) -> Observation:
        """See Backend.observe."""
        if wanted and find_program("firewall-cmd") is None:
            raise MissingPackageError(
                "firewalld is not installed on this host; install the package firewalld", "firewalld"
            )
        self._running = self._is_running()
        if not self._running and any(table.endswith(" firewalld") for table in self._host.firewall.ruleset.tables()):
            raise EdgeError(
                "firewalld's rules are live, and it does not answer over D-Bus: start it, and see that "
                "systemd's busctl is installed and works"
            )
        if wanted and not self._running and not os.path.isdir(_SHIPPED_POLICIES):
            raise EdgeError(_TOO_OLD)
        permanent_policies, permanent_sets = self._permanent_policies(), self._permanent_sets()
        self._policies = self._runtime_policies() if self._running else permanent_policies
        self._sets = self._runtime_sets() if self._running else permanent_sets
        items: List[Item] = []
        deviations: List[str] = []
        for direction in DIRECTIONS:
            policy = self._policies.get(direction)
            rows = {**self._rows_in_file(direction), **rows_of_ports(wanted, direction)}
            if policy is not None:
                found = found_lines(policy, wanted, direction, rows)
                items += rules_of(found, wanted, self._sets)
            deviations += self._frame_deviations(direction, wanted)
        if not (wanted and not items and not deviations):
            deviations += self._set_deviations(wanted)
            if self._running:
                deviations += self._permanent_deviations(wanted, permanent_policies, permanent_sets)
        return Observation(tuple(items), tuple(deviations))

    def restoration(self, wanted: Sequence[Rule]) -> RollbackData:
        """See Backend.restoration."""
        policies = {direction: self._path("policies", name) for direction, name in POLICIES.items()}
        sets = {name: self._path("ipsets", name) for name in (*self._sets, *_wanted_sets(wanted))}
        paths = tuple(dict.fromkeys((*self._our_files(), *policies.values(), *sets.values())))
        if not self._running:
            return RollbackData(paths)
        if self._can_change_at_runtime(wanted):
            calls = _runtime_calls(self._policies, self._sets)
            return RollbackData(paths, live=tuple(" ".join(map(quote, _command(*call))) for call in calls))
        reload = " ".join(map(quote, _command("", "reload")))
        if self._policies == self._permanent_policies() and self._sets == self._permanent_sets():
            return RollbackData(paths, live=(reload,))
        # What is only in the runtime configuration has to be in the permanent one for as long as a reload takes.
        data = {
            f"{direction}.xml": write_policy_file(policy, direction, self._rows_in_file(direction))
            for direction, policy in self._policies.items()
        }
        lend = [f"cp {direction}.xml {quote(policies[direction])}" for direction in self._policies]
        for number, (name, networks) in enumerate(self._sets.items()):
            data[f"set-{number}.xml"] = write_set_file(Group(name, networks))
            lend.append(f"cp set-{number}.xml {quote(sets[name])}")
        return RollbackData(paths, live=(*lend, reload, "files"), data=data)

    def apply(self, plan: Plan, wanted: Sequence[Rule]) -> Sequence[str]:
        """See Backend.apply: at runtime where that is possible, and by a reload where policies or sets come or go."""
        if not self._running:
            return ()
        if self._can_change_at_runtime(wanted):
            policies = {direction: wanted_policy(wanted, direction) for direction in DIRECTIONS}
            for call in _runtime_calls(
                {key: policy for key, policy in policies.items() if not same_policy(policy, self._policies[key])},
                {
                    name: group.networks
                    for name, group in _wanted_sets(wanted).items()
                    if self._sets[name] != group.networks
                },
            ):
                self._call(*call)
            return ()
        if not wanted and not self._policies and not self._sets:
            return ()
        fault = self._fault()
        if fault:
            raise EdgeError(
                f"firewalld could not be reloaded for a fault that is not ours, so nothing was done: {fault}"
            )
        warnings = self._runtime_changes()
        before = {path: read_text(path) or "" for path in self._our_files()}
        self._write_permanent(wanted)
        fault = self._fault()
        if fault:
            for path in self._our_files():
                remove_file(path)
            for path, text in before.items():
                write_atomically(path, text)
            raise EdgeError(f"firewalld refused the configuration: {fault}")
        self._call("", "reload")
        return warnings

    def persist(self, wanted: Sequence[Rule]) -> None:
        """See Backend.persist."""
        self._write_permanent(wanted if self._persist or not self._running else ())

    def placed(self, ruleset: Ruleset, wanted: Sequence[Rule]) -> Ruleset:
        """See Backend.placed: our policies come before all others and before zones."""
        for (table, name), chain in list(ruleset.chains.items()):
            direction = {"filter_INPUT": "in", "INPUT": "in", "filter_OUTPUT": "out", "OUTPUT": "out"}.get(name)
            if direction and table.endswith((" firewalld", " filter")):
                position = next((n for n, rule in enumerate(chain.rules) if _leads_to_policies(rule)), None)
                if position is not None:
                    ours = allow_rules(wanted, direction, chain.families)
                    rules = [*chain.rules[:position], *ours, *chain.rules[position:]]
                    ruleset = ruleset.with_rules((table, name), rules)
        return ruleset

    def without_ours(self, ruleset: Ruleset) -> Ruleset:
        """See Backend.without_ours."""
        for key in list(ruleset.chains):
            if _CHAINS in key[1]:
                ruleset = ruleset.with_rules(key, [])
        return ruleset

    @property
    def has_traces(self) -> bool:
        """See Backend.has_traces."""
        chains = self._host.firewall.ruleset.chains
        return bool(self._our_files()) or any(_CHAINS in name for _table, name in chains)

    @property
    def persisted(self) -> bool:
        """See Backend.persisted."""
        return self._persist or not self._running

    @property
    def warnings(self) -> Sequence[str]:
        """See Backend.warnings."""
        stopped = "firewalld is not running: the rules are in its permanent configuration and not live; start firewalld"
        return () if self._running else (stopped,)

    def _frame_deviations(self, direction: str, wanted: Sequence[Rule]) -> List[str]:
        policy, name = self._policies.get(direction), POLICIES[direction]
        if policy is None:
            return [f"policy {name}  is missing"] if wanted and self._policies else []
        if not wanted:
            return [] if policy.rules else [f"policy {name}  is present"]
        frame = wanted_policy(wanted, direction).frame
        return [
            f"policy {name}  has {key} {json.dumps(policy.frame.get(key))}"
            for key in sorted({*frame, *policy.frame})
            if policy.frame.get(key) != frame.get(key)
        ]

    def _set_deviations(self, wanted: Sequence[Rule]) -> List[str]:
        sets = _wanted_sets(wanted)
        lines = [f"ipset {name}  is present" for name in self._sets if name not in sets]
        return lines + [f"ipset {name}  is missing" for name in sets if name not in self._sets]

    def _permanent_deviations(
        self, wanted: Sequence[Rule], policies: Mapping[str, Policy], sets: Mapping[str, Tuple[str, ...]]
    ) -> List[str]:
        """In what the permanent configuration is not as it should be, where the runtime one was looked at."""
        if not (wanted and self._persist):
            return [f"file {path}  is present" for path in self._our_files()]
        lines = [
            f"policy {POLICIES[direction]}  has another permanent configuration"
            for direction in DIRECTIONS
            if direction not in policies or not same_policy(policies[direction], wanted_policy(wanted, direction))
        ]
        groups = {name: group.networks for name, group in _wanted_sets(wanted).items()}
        return lines + [
            f"ipset {name}  has another permanent configuration"
            for name in sorted({*groups, *sets})
            if groups.get(name) != sets.get(name)
        ]

    def _can_change_at_runtime(self, wanted: Sequence[Rule]) -> bool:
        """Whether policies and sets are there as they should be, and only what is in them is not."""
        sound_frames = all(
            direction in self._policies and self._policies[direction].frame == wanted_policy(wanted, direction).frame
            for direction in DIRECTIONS
        )
        return bool(wanted) and sound_frames and set(_wanted_sets(wanted)) == set(self._sets)

    def _write_permanent(self, wanted: Sequence[Rule]) -> None:
        """Write what does not mean what it should, and remove what should not be there."""
        policies, sets = self._permanent_policies(), self._permanent_sets()
        keep = set()
        for name, group in _wanted_sets(wanted).items():
            path = self._path("ipsets", name)
            keep.add(path)
            if sets.get(name) != group.networks:
                write_atomically(path, write_set_file(group))
        for direction, name in POLICIES.items() if wanted else ():
            path = self._path("policies", name)
            keep.add(path)
            found = policies.get(direction)
            same = found is not None and same_policy(found, wanted_policy(wanted, direction))
            if not same or self._rows_in_file(direction) != rows_of_ports(wanted, direction):
                write_atomically(
                    path,
                    write_policy_file(wanted_policy(wanted, direction), direction, rows_of_ports(wanted, direction)),
                )
        for path in self._our_files():
            if path not in keep:
                remove_file(path)

    def _fault(self) -> str:
        """What is wrong with the permanent configuration as it stands, empty where nothing is."""
        checked = self._host.run([find_program("firewall-cmd") or "firewall-cmd", "--check-config"], "")
        return checked.complaint if checked.returncode != 0 else ""

    def _permanent_policies(self) -> Dict[str, Policy]:
        found = {}
        for direction, name in POLICIES.items():
            text = read_text(self._path("policies", name))
            if text is not None:
                found[direction] = _or_nothing(read_policy_file, text, Policy(()))
        return found

    def _permanent_sets(self) -> Dict[str, Tuple[str, ...]]:
        paths = [path for path in self._our_files() if path.startswith(self._path("ipsets", "")[:-4])]
        return {os.path.basename(path)[:-4]: _or_nothing(read_set_file, read_text(path) or "", ()) for path in paths}

    def _rows_in_file(self, direction: str) -> Dict[int, str]:
        text = read_text(self._path("policies", POLICIES[direction]))
        return _or_nothing(rows_in_policy_file, text, {}) if text else {}

    def _our_files(self) -> List[str]:
        """Our files in the permanent configuration."""
        found = [self._path("policies", name) for name in POLICIES.values()]
        folder = os.path.join(self._folder, "ipsets")
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        found += [
            os.path.join(folder, name) for name in names if name.startswith(NAME_PREFIX) and name.endswith(".xml")
        ]
        return [path for path in found if os.path.lexists(path)]

    def _path(self, kind: str, name: str) -> str:
        return os.path.join(self._folder, kind, f"{name}.xml")

    def _is_running(self) -> bool:
        program = find_program("busctl")
        if program is None:
            return False
        done = self._host.run(
            [program, "--auto-start=no", "--json=short", "get-property", SERVICE, _OBJECT, SERVICE, "state"], ""
        )
        return done.returncode == 0

    def _runtime_policies(self) -> Dict[str, Policy]:
        names = self._call("policy", "getPolicies")[0]
        return {
            direction: read_settings(_plain(self._call("policy", "getPolicySettings", "s", name)[0]))
            for direction, name in POLICIES.items()
            if name in names
        }

    def _runtime_sets(self) -> Dict[str, Tuple[str, ...]]:
        names = [name for name in self._call("ipset", "getIPSets")[0] if name.startswith(NAME_PREFIX)]
        return {name: make_group("", self._call("ipset", "getEntries", "s", name)[0]).networks for name in names}

    def _call(self, interface: str, method: str, *arguments: str) -> Any:
        """Call a method of the daemon; its results, with their types where they are variants."""
        done = self._host.run(_command(interface, method, *arguments), "")
        if done.returncode != 0:
            if "Unknown" in done.stderr and interface == "policy":
                raise EdgeError(_TOO_OLD)
            if "NotAuthorized" in done.stderr or "Access denied" in done.stderr:
                raise EdgeError("firewalld may not be asked or changed: run as root (become: true)")
            raise EdgeError(f"firewalld refused: {done.complaint}")
        return json.loads(done.stdout)["data"] if done.stdout.strip() else []

    def _runtime_changes(self) -> List[str]:
        """What a reload makes others lose."""
        warnings = []
        program = find_program("firewall-cmd") or "firewall-cmd"
        for what in ("zones", "policies"):
            runtime, permanent = (
                _comparable(self._host.run([program, *where, f"--list-all-{what}"], "").stdout)
                for where in ([], ["--permanent"])
            )
            if runtime != permanent:
                warnings.append(
                    f"firewalld was reloaded, and {what} had changes at runtime that its permanent configuration "
                    "does not have: they are gone"
                )
        return warnings


def _runtime_calls(policies: Mapping[str, Policy], sets: Mapping[str, Sequence[str]]) -> List[Tuple[str, ...]]:
    """The calls that give sets and policies their contents: interface, method, and arguments as busctl takes them."""
    calls: List[Tuple[str, ...]] = [
        ("ipset", "setEntries", "sas", name, str(len(networks)), *networks) for name, networks in sets.items()
    ]
    for direction, policy in policies.items():
        rules = [write_rich_rule(elements) for elements in policy.rules]
        count = str(len(rules))
        calls.append(
            ("policy", "setPolicySettings", "sa{sv}", POLICIES[direction], "1", "rich_rules", "as", count, *rules)
        )
    return calls


def _command(interface: str, method: str, *arguments: str) -> List[str]:
    """The command that calls a method of the daemon."""
    program = find_program("busctl") or "busctl"
    name = f"{SERVICE}.{interface}" if interface else SERVICE
    options = ["--auto-start=no", "--json=short", "--timeout=120"]
    return [program, *options, "call", SERVICE, _OBJECT, name, method, *arguments]


def _wanted_sets(wanted: Sequence[Rule]) -> Dict[str, Group]:
    return sets_of(wanted, LONGEST_SPELLED_OUT)


def _plain(settings: Mapping[str, Any]) -> Dict[str, Any]:
    """Settings without the types that come with variants."""
    return {key: value["data"] for key, value in settings.items()}


def _or_nothing(read: Any, text: str, nothing: Any) -> Any:
    """What a reader makes of a file; of one that it cannot read nothing, so that it is seen as different."""
    try:
        return read(text)
    except ValueError:
        return nothing


def _leads_to_policies(rule: FilterRule) -> bool:
    return any(
        isinstance(step, Verdict) and step.kind == "jump" and _WHERE_POLICIES_COME.search(step.target)
        for step in rule.content.steps
    )


def _comparable(listing: str) -> List[str]:
    """A listing of zones or policies without ours, and without what only the runtime configuration says."""
    blocks = re.split(r"\n(?=\S)", listing.strip())
    lines = [
        re.sub(r" \(.*\)$", "", line).strip()
        for block in sorted(blocks)
        if not block.startswith(NAME_PREFIX)
        for line in block.splitlines()
    ]
    return sorted(line for line in lines if not line.startswith(("interfaces:", "sources:")))
