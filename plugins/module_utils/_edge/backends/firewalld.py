# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewalld backend: rich rules in the zones that the rows' packets come to, at runtime and permanently.

They have positive priorities, so that they stand behind everything else that a zone says and before its target. No
change reloads firewalld. The daemon is asked over D-Bus by systemd's busctl, which starts in no time and needs no
Python of a certain version. The permanent configuration is written as files, of which every other byte stays.
Outbound, the same goes for policies that reject by default. Source: firewalld.dbus(5).
"""

from __future__ import annotations

import glob
import json
import os
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..evaluator.managed import allow_rules
from ..evaluator.rows import connections_of
from ..evaluator.ruleset import Ruleset
from ..host.facts import Facts
from ..host.files import OpenFile, read_open_file, read_text
from ..host.runner import Completed, Runner, find_program
from ..model.addresses import Span, family_of, merged, overlap, span_of
from ..model.desired import Desired
from ..model.errors import EdgeError
from ..model.literals import Direction
from ..model.ownership import NAME_PREFIX
from ..model.plan import Item, Observation, Placed, Unmanaged, make_plan
from ..model.rollback_data import RollbackData, SharedFile, together
from ..model.rules import Rule
from ..model.steps import Command, RemoveFile, Step, WriteFile
from .base import Backend, Change, Snapshot
from .firewalld_bus import ROOT, call, find_object, in_shell
from .firewalld_copy import OwnCopy, changes, restoration
from .firewalld_forward import (
    POLICIES,
    Policy,
    desired_policies,
    found_in,
    read_policy,
    simulated,
    without_policies,
)
from .firewalld_rules import (
    MERGE,
    Elements,
    elements_of,
    is_managed,
    managed_text,
    read_line,
    read_rich_rule,
    rules_in_file,
    targets_in_file,
    with_managed,
    write_rich_rule,
)
from .lines import lines_of, rules_of, shortened

_FOLDER = "/etc/firewalld"
_SHIPPED = "/usr/lib/firewalld"
_TOO_OLD = "firewalld on this host is older than 0.9, which has no policies; upgrade the package firewalld"
_FORMER_POLICIES = {"in": f"{NAME_PREFIX}in", "out": f"{NAME_PREFIX}out"}
"""Policies of releases before 1.2. Emptied, they stay as shells until firewalld is reloaded for another reason."""

_REFUSING = ("DROP", "REJECT", "%%REJECT%%")
_FOLDERS = {"zone": "zones", "policy": "policies"}
# By kind and direction, what names the chain that has rules of positive priority; with nftables, and with iptables.
_CHAINS = {
    ("zone", "in"): ("filter_IN_{}_post", "IN_{}_post"),
    ("policy", "in"): ("filter_IN_policy_{}_post", "IN_policy_{}_post"),
    ("policy", "out"): ("filter_OUT_policy_{}_post", "OUT_policy_{}_post"),
}


@dataclass(frozen=True)
class Container:
    """A zone, or a policy from or to this host, at runtime; where firewalld does not run, as its file says.

    kind: zone or policy; direction: of the packets that it sees at this host; target: what becomes of the rest;
    interfaces, sources: those of a zone; rules: its rich rules.
    """

    kind: str
    name: str
    direction: Direction
    target: str = "default"
    interfaces: Tuple[str, ...] = ()
    sources: Tuple[str, ...] = ()
    rules: Tuple[Elements, ...] = ()

    @property
    def label(self) -> str:
        """Return the container as people name it."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class FirewalldSnapshot(Snapshot):
    """installed: whether firewalld is; running: whether it answers; default: the default zone; containers: those that
    matter; files: the permanent file of each, by label; shipped: the text of the file that the package has; former:
    rich rules of policies of releases before 1.2, at runtime, by name; former_sets: entries of their ipsets;
    former_files: their files; forward: managed policies for forwarded packets at runtime, by name; forward_files: the
    text of their files; copies: firewalld's own copies of the permanent configuration of zones and policies, by label,
    none where it has a fault; backups: the file of each to which firewalld copies the former one; program: path of
    busctl; fault: why firewalld will not load its permanent configuration,
    empty where it will.
    """

    installed: bool = False
    running: bool = False
    default: str = "public"
    containers: Tuple[Container, ...] = ()
    files: Mapping[str, OpenFile] = field(default_factory=dict)
    shipped: Mapping[str, str] = field(default_factory=dict)
    former: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    former_sets: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    former_files: Tuple[str, ...] = ()
    forward: Mapping[str, Policy] = field(default_factory=dict)
    forward_files: Mapping[str, str] = field(default_factory=dict)
    copies: Mapping[str, OwnCopy] = field(default_factory=dict)
    backups: Mapping[str, OpenFile] = field(default_factory=dict)
    program: str = "busctl"
    folder: str = _FOLDER
    fault: str = ""

    def path(self, container: Container) -> str:
        """Return the path of a container's permanent file."""
        return os.path.join(self.folder, _FOLDERS[container.kind], f"{container.name}.xml")

    def path_of_policy(self, name: str) -> str:
        """Return the path of a managed policy's file."""
        return os.path.join(self.folder, _FOLDERS["policy"], f"{name}.xml")

    @property
    def zones(self) -> Mapping[str, str]:
        """Return the zones of interfaces that have one."""
        return {interface: one.name for one in self.containers for interface in one.interfaces}


_CALL_FAILED = "Call failed: "
"""What busctl puts before an answer of the daemon that is an error."""


class FirewalldBackend(Backend[FirewalldSnapshot]):
    """Rich rules, in both configurations. run: runs programs; folder, shipped: where configuration is."""

    name: ClassVar[str] = "firewalld"

    def __init__(self, run: Runner, folder: str = _FOLDER, shipped: str = _SHIPPED) -> None:
        self._run = run
        self._folder = folder
        self._shipped = shipped

    def observe(self, facts: Facts) -> FirewalldSnapshot:
        """See Backend.observe."""
        default = self._default_at_runtime()
        running = default is not None
        if not running and any(table.endswith(" firewalld") for table in facts.firewall.ruleset.tables()):
            raise EdgeError(
                "firewalld's rules are live, and it does not answer over D-Bus: start it, and see that "
                "systemd's busctl is installed and works"
            )
        former_files = self._former_files()
        forward_files = self._forward_files()
        policies = self._call("policy", "getActivePolicies")[0] if running else {}
        default = default or self._default_in_file()
        found = [*self._zones(default, running), *(self._policies(policies) if running else ())]
        files = {one.label: read_open_file(self._path(one)) for one in found}
        shipped = {one.label: read_text(self._path(one, self._shipped)) for one in found}
        shells = [name for name in _FORMER_POLICIES.values() if name in policies]
        forward = self._forward(policies, forward_files) if running else {}
        fault = self._fault() if running else ""
        copies = self._copies(found, forward) if running and not fault else {}
        backups = {label: read_open_file(copy.backup) for label, copy in copies.items()}
        return FirewalldSnapshot(
            facts,
            installed=find_program("firewall-cmd") is not None,
            fault=fault,
            running=running,
            default=default,
            containers=tuple(found),
            files={label: file for label, file in files.items() if file is not None},
            shipped={label: text for label, text in shipped.items() if text is not None},
            former={name: tuple(self._settings("policy", name).get("rich_rules", ())) for name in shells},
            former_sets=self._sets() if shells else {},
            former_files=former_files,
            forward=forward,
            forward_files=forward_files,
            copies=copies,
            backups={label: file for label, file in backups.items() if file is not None},
            program=find_program("busctl") or "busctl",
            folder=self._folder,
        )

    def without_managed(self, snapshot: FirewalldSnapshot, ruleset: Ruleset) -> Ruleset:
        """See Backend.without_managed. Managed rules have the last priorities of their chains."""
        for key in list(ruleset.chains):
            if f"policy_{NAME_PREFIX}" in key[1]:
                ruleset = ruleset.with_rules(key, [])
        ruleset = without_policies(ruleset)
        for container in snapshot.containers:
            managed = sum(map(is_managed, container.rules))
            for key, chain in list(ruleset.chains.items()):
                if managed and _is_chain_of(container, key):
                    # With firewalld's own backend iptables each family has a chain, and so fewer of the rules.
                    count = min(managed, len(chain.rules))
                    ruleset = ruleset.with_rules(key, chain.rules[: len(chain.rules) - count])
        return ruleset

    def has_traces(self, snapshot: FirewalldSnapshot) -> bool:
        """See Backend.has_traces."""
        live = any(is_managed(rule) for container in snapshot.containers for rule in container.rules)
        live = live or any(policy.rules for policy in snapshot.forward.values()) or bool(snapshot.forward_files)
        live = live or any(copy.managed for copy in snapshot.copies.values())
        return live or any(snapshot.former.values()) or bool(snapshot.former_files) or bool(_stale_files(snapshot))

    def plan(self, snapshot: FirewalldSnapshot, desired: Desired) -> Change:
        """See Backend.plan."""
        _require(snapshot, desired)
        accepts, notes = shortened(desired.accepts, self.name, desired.guarded)
        carried = {
            container.label: tuple(rule for rule in accepts if _is_for(snapshot, container, rule))
            for container in snapshot.containers
        }
        target = [Placed(one.label, rule) for one in snapshot.containers for rule in carried[one.label]]
        policies = desired_policies(accepts, snapshot.facts.routes, snapshot.zones, snapshot.default)
        target += [Placed(policy.label, rule) for policy, rules in policies for rule in rules]
        keep = desired.persist or not snapshot.running
        _require_permanent(policies, keep)
        texts = _texts(snapshot, carried if keep else {})
        told = _told(snapshot, carried if keep else {}, policies)
        observed = Observation(
            (*_observed(snapshot, carried), *_observed_policies(snapshot, policies)),
            (
                *_drift(snapshot, {**texts, **told}, bool(target) and keep),
                *_drift_of_policies(snapshot, policies, told),
            ),
        )
        plan = make_plan(observed, target)
        steps = (*_live(snapshot, carried), *_live_policies(snapshot, policies))
        return Change(
            plan=plan,
            live=steps if plan.changed and snapshot.running else (),
            simulated=simulated(_simulated(snapshot, carried), policies if snapshot.running else ()),
            permanent=tuple(_permanent(snapshot, texts, told, policies)) if plan.changed else (),
            rollback=together(
                [
                    _rollback(snapshot, carried, texts),
                    _rollback_of_policies(snapshot, policies),
                    _rollback_of_copies(snapshot, told),
                ]
            ),
            persisted=keep and not snapshot.fault,
            warnings=(*notes, *_warnings(snapshot, desired), *_reload_warning(snapshot, policies)),
        )

    def _default_at_runtime(self) -> Optional[str]:
        """Return the default zone; None where firewalld does not answer. Raises EdgeError where it may not be asked."""
        program = find_program("busctl")
        done = self._run(call(program, "", "getDefaultZone"), "") if program else None
        if done is not None and done.returncode != 0:
            _refuse_without_rights(done)
        return str(json.loads(done.stdout)["data"][0]) if done is not None and done.returncode == 0 else None

    def _zones(self, default: str, running: bool) -> Iterator[Container]:
        """Yield the zones that packets of this host come to: the active ones, and the default one."""
        if running:
            active = self._call("zone", "getActiveZones")[0]
            for name in dict.fromkeys([*active, default]):
                settings = self._settings("zone", name)
                yield Container(
                    "zone",
                    name,
                    "in",
                    str(settings.get("target", "default")),
                    tuple(active.get(name, {}).get("interfaces", ())),
                    tuple(active.get(name, {}).get("sources", ())),
                    tuple(map(read_rich_rule, settings.get("rules_str", ()))),
                )
            return
        folder = os.path.join(self._folder, "zones")
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        for name in dict.fromkeys([default, *(one[:-4] for one in names if one.endswith(".xml"))]):
            yield self._zone_in_file(name)

    def _zone_in_file(self, name: str) -> Container:
        container = Container("zone", name, "in")
        text = read_text(self._path(container)) or read_text(self._path(container, self._shipped)) or "<zone/>"
        try:
            target, interfaces, sources = targets_in_file(text)
            rules = tuple(rules_in_file(text))
        except ValueError:
            return container
        return Container("zone", name, "in", target, tuple(interfaces), tuple(sources), rules)

    def _policies(self, active: Mapping[str, Mapping[str, Sequence[str]]]) -> Iterator[Container]:
        """Yield the policies for packets from or to this host that refuse by default."""
        for name, zones in active.items():
            direction: Direction = "out" if "HOST" in zones.get("ingress_zones", ()) else "in"
            if name in _FORMER_POLICIES.values() or "HOST" not in str(zones):
                continue
            settings = self._settings("policy", name)
            rules = tuple(map(read_rich_rule, settings.get("rich_rules", ())))
            if settings.get("target") in _REFUSING or any(map(is_managed, rules)):
                yield Container("policy", name, direction, str(settings.get("target")), rules=rules)

    def _forward(self, active: Mapping[str, Any], files: Mapping[str, str]) -> Dict[str, Policy]:
        """Return the managed policies for forwarded packets at runtime."""
        asked = [name for name in POLICIES.values() if name in active]
        if files and len(asked) < len(POLICIES):
            # One whose zones have no interfaces is not active.
            asked = [name for name in self._call("policy", "getPolicies")[0] if name in POLICIES.values()]
        found = {}
        for name in asked:
            settings = self._settings("policy", name)
            found[name] = read_policy(name, settings, list(map(read_rich_rule, settings.get("rich_rules", ()))))
        return found

    def _forward_files(self) -> Dict[str, str]:
        folder = os.path.join(self._folder, _FOLDERS["policy"])
        texts = {name: read_text(os.path.join(folder, f"{name}.xml")) for name in POLICIES.values()}
        return {name: text for name, text in texts.items() if text is not None}

    def _copies(self, containers: Sequence[Container], forward: Mapping[str, Policy]) -> Dict[str, OwnCopy]:
        """Return firewalld's own copies; none for what is there at runtime only."""
        named = [(one.label, one.kind, one.name, self._path(one)) for one in containers]
        folder = os.path.join(self._folder, _FOLDERS["policy"])
        named += [(one.label, "policy", name, os.path.join(folder, f"{name}.xml")) for name, one in forward.items()]
        copies = {}
        for label, kind, name, file in named:
            done = self._run(find_object(find_program("busctl") or "busctl", kind, name), "")
            if done.returncode == 0:
                path = str(json.loads(done.stdout)["data"][0])
                rules = (
                    self._call("config.zone", "getRichRules", path=path)[0]
                    if kind == "zone"
                    else _plain(self._call("config.policy", "getSettings", path=path)[0]).get("rich_rules", ())
                )
                copies[label] = OwnCopy(kind, name, path, file, tuple(rules))
        return copies

    def _settings(self, kind: str, name: str) -> Dict[str, Any]:
        """Return the runtime settings of a zone or policy, without their types."""
        method = "getZoneSettings2" if kind == "zone" else "getPolicySettings"
        return _plain(self._call(kind, method, "s", name)[0])

    def _fault(self) -> str:
        """Return in what file the permanent configuration has a fault, and which; empty where there is none."""
        # The daemon does what "firewall-cmd --check-config" does, in an eighth of the time.
        done = self._ask("", "checkPermanentConfig")
        if done.returncode == 0:
            return ""
        said = done.complaint.replace(_CALL_FAILED, "", 1)
        named = re.findall(r"'([^']+)'", said)
        files = [
            path
            for path in sorted(glob.glob(f"{self._folder}/**/*.xml", recursive=True))
            for text in [read_text(path) or ""]
            if any(f'"{word}"' in text or os.path.basename(path) == f"{word}.xml" for word in named)
        ]
        return f"{' or '.join(files) or self._folder} has a fault ({said})"

    def _sets(self) -> Dict[str, Tuple[str, ...]]:
        names = [name for name in self._call("ipset", "getIPSets")[0] if name.startswith(NAME_PREFIX)]
        return {name: tuple(self._call("ipset", "getEntries", "s", name)[0]) for name in names}

    def _call(self, interface: str, method: str, *arguments: str, path: str = ROOT) -> Any:
        """Call a method of the daemon; return its results, with their types where they are variants."""
        done = self._ask(interface, method, *arguments, path=path)
        if done.returncode != 0:
            if "Unknown" in done.stderr and interface == "policy":
                raise EdgeError(_TOO_OLD)
            _refuse_without_rights(done)
            raise EdgeError(f"firewalld refused: {done.complaint}")
        return json.loads(done.stdout)["data"] if done.stdout.strip() else []

    def _ask(self, interface: str, method: str, *arguments: str, path: str = ROOT) -> Completed:
        return self._run(call(find_program("busctl") or "busctl", interface, method, *arguments, path=path), "")

    def _default_in_file(self) -> str:
        for line in (read_text(os.path.join(self._folder, "firewalld.conf")) or "").splitlines():
            name, _equals, value = line.partition("=")
            if name.strip() == "DefaultZone" and value.strip():
                return value.strip()
        return "public"

    def _former_files(self) -> Tuple[str, ...]:
        """Return the files of policies and ipsets of releases before 1.2."""
        found = []
        for kind in ("policies", "ipsets"):
            folder = os.path.join(self._folder, kind)
            names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
            found += [
                os.path.join(folder, one) for one in names if one.startswith(NAME_PREFIX) and one.endswith(".xml")
            ]
        return tuple(found)

    def _path(self, container: Container, folder: Optional[str] = None) -> str:
        return os.path.join(folder or self._folder, _FOLDERS[container.kind], f"{container.name}.xml")


def _refuse_without_rights(done: Completed) -> None:
    if "NotAuthorized" in done.stderr or "Access denied" in done.stderr:
        raise EdgeError("firewalld may not be asked or changed: run as root (become: true)")


def _plain(settings: Mapping[str, Mapping[str, Any]]) -> Dict[str, Any]:
    """Return settings without the types of their values."""
    return {key: value["data"] for key, value in settings.items()}


def _is_for(snapshot: FirewalldSnapshot, container: Container, rule: Rule) -> bool:
    """Return whether a rule belongs into a container: its packets come there, and it does not deny their source."""
    if rule.direction != container.direction or rule.forwarded:
        return False
    if container.kind == "policy":
        return container.target in _REFUSING
    if container.sources and not container.interfaces and container.name != snapshot.default:
        return container.target == "default" and _is_source(rule, container.sources)
    connections = connections_of([rule], snapshot.facts.routes)
    bound = {interface for one in snapshot.containers for interface in one.interfaces}
    return any(
        one.interface in container.interfaces or (one.interface not in bound and container.name == snapshot.default)
        for one in connections
    )


def _is_source(rule: Rule, sources: Sequence[str]) -> bool:
    """Return whether packets of a rule may come from one of a zone's sources; a set or MAC address may be any."""
    if rule.remote is None:
        return True
    spans = merged(rule.remote.spans)
    return any(_may_overlap(spans, rule.family, source) for source in sources)


def _may_overlap(spans: Sequence[Span], family: str, source: str) -> bool:
    try:
        return family_of(source) == family and overlap(spans, [span_of(source)])
    except (OSError, ValueError):
        return True


def _lines(rules: Sequence[Rule]) -> List[Elements]:
    return [elements_of(line) for rule in rules for line in lines_of([rule], rule.family)]


def _observed(snapshot: FirewalldSnapshot, carried: Mapping[str, Sequence[Rule]]) -> Iterator[Item]:
    """Yield the managed rules of each container as Placed; what is not as it would be written as Unmanaged."""
    for container in snapshot.containers:
        desired = carried[container.label]
        order = {elements: number for number, elements in enumerate(_lines(desired))}
        managed = sorted(filter(is_managed, container.rules), key=lambda one: (order.get(one, len(order)), one))
        lines: List[Any] = []
        for elements in managed:
            line = read_line(elements, container.direction)
            lines.append(line or Unmanaged(container.label, write_rich_rule(elements)))
        for item in rules_of(lines, desired):
            yield Placed(container.label, item) if isinstance(item, Rule) else item
    for name, rules in snapshot.former.items():
        for text in rules:
            yield Unmanaged(f"policy {name}", text)


_Policies = Sequence[Tuple[Policy, Tuple[Rule, ...]]]
_Told = Mapping[str, Sequence[Elements]]
"""The managed rules that firewalld's own copies are to have and do not have, by label."""


def _require_permanent(policies: _Policies, keep: bool) -> None:
    if policies and not keep:
        raise EdgeError(
            "persist: False is not possible with firewalld on a router, whose policies it only loads from its "
            "permanent configuration; say true"
        )


def _observed_policies(snapshot: FirewalldSnapshot, policies: _Policies) -> Iterator[Item]:
    """Yield the rules of managed policies at runtime as Placed; what is not as it would be written as Unmanaged."""
    desired = {policy.name: (policy, rules) for policy, rules in policies}
    for direction, name in POLICIES.items():
        current = snapshot.forward.get(name)
        if current is not None:
            wanted, rules = desired.get(name, (Policy(name), ()))
            for item in rules_of(found_in(current, direction, wanted.rules), rules):
                yield Placed(current.label, item) if isinstance(item, Rule) else item


def _drift_of_policies(snapshot: FirewalldSnapshot, policies: _Policies, told: _Told) -> Iterator[str]:
    names = {policy.name for policy, _rules in policies}
    for policy, _rules in policies:
        current = snapshot.forward.get(policy.name)
        text = snapshot.forward_files.get(policy.name)
        if current is not None and policy.needs_reload(current):
            yield f"{policy.label}  is between other zones"
        elif current is not None and (text != policy.text or policy.label in told):
            yield f"{policy.label}  has another permanent configuration"
    for name in snapshot.forward_files:
        if name not in names:
            yield f"file {snapshot.path_of_policy(name)}  is present"


def _live_policies(snapshot: FirewalldSnapshot, policies: _Policies) -> Iterator[Step]:
    """Yield the calls that change the rules of policies that are there."""
    desired = {policy.name: policy for policy, _rules in policies}
    for name, current in snapshot.forward.items():
        policy = desired.get(name, Policy(name))
        if current.rules != policy.rules and not (name in desired and policy.needs_reload(current)):
            yield _set_policy(snapshot, name, list(map(write_rich_rule, policy.rules)))


def _permanent_policies(snapshot: FirewalldSnapshot, policies: _Policies, told: _Told) -> Iterator[Step]:
    """Yield the steps that change the files of policies, and load them where that needs a reload."""
    names = {policy.name for policy, _rules in policies}
    for policy, _rules in policies:
        if snapshot.forward_files.get(policy.name) != policy.text or policy.label in told:
            yield WriteFile(snapshot.path_of_policy(policy.name), policy.text)
    for name in snapshot.forward_files:
        if name not in names:
            yield RemoveFile(snapshot.path_of_policy(name))
    if _is_reloaded(snapshot, policies):
        yield _step(snapshot, "", "reload")


def _is_reloaded(snapshot: FirewalldSnapshot, policies: _Policies) -> bool:
    return snapshot.running and any(
        policy.needs_reload(snapshot.forward.get(policy.name)) for policy, _rules in policies
    )


def _reload_warning(snapshot: FirewalldSnapshot, policies: _Policies) -> Iterator[str]:
    if _is_reloaded(snapshot, policies):
        yield (
            "a policy of firewalld that is new, or between other zones, needs a reload: what firewalld has at runtime "
            "only is lost then, such as interfaces that are in a zone by --change-interface without --permanent"
        )


def _rollback_of_policies(snapshot: FirewalldSnapshot, policies: _Policies) -> RollbackData:
    """Return what restores the files of policies, and what is live of them."""
    if not policies and not snapshot.forward_files and not snapshot.forward:
        return RollbackData()
    paths = tuple(map(snapshot.path_of_policy, POLICIES.values()))
    if _is_reloaded(snapshot, policies):
        return RollbackData(paths=paths, live=(_shell(snapshot, "", "reload"),))
    live = tuple(
        _shell(snapshot, "policy", *_policy_arguments(name, list(map(write_rich_rule, current.rules))))
        for name, current in snapshot.forward.items()
    )
    return RollbackData(paths=paths, live=live if snapshot.running else ())


def _texts(snapshot: FirewalldSnapshot, carried: Mapping[str, Sequence[Rule]]) -> Dict[str, Optional[str]]:
    """Return the text that each container's permanent file is to have, None for a file that is to go.

    Raises EdgeError for a file that cannot be changed.
    """
    texts: Dict[str, Optional[str]] = {}
    for container in snapshot.containers:
        rules = _lines(carried.get(container.label, ()))
        file, shipped = snapshot.files.get(container.label), snapshot.shipped.get(container.label)
        current = file.text if file else shipped
        if current is None:
            continue  # It is there at runtime only.
        try:
            text = with_managed(current, rules)
        except ValueError as error:
            if rules or (file and "<rule" in file.text):
                raise EdgeError(
                    f"{snapshot.path(container)} is not as firewalld writes it: {error}; repair it"
                ) from None
            continue
        if text != current:
            texts[container.label] = None if text == shipped else text
    return texts


def _told(snapshot: FirewalldSnapshot, carried: Mapping[str, Sequence[Rule]], policies: _Policies) -> _Told:
    """Return what firewalld's own copies are to have and do not have."""
    desired = {one.label: _lines(carried.get(one.label, ())) for one in snapshot.containers}
    desired.update(
        {policy.label: list(policy.rules) for policy, _rules in policies if not _is_reloaded(snapshot, policies)}
    )
    return {
        label: rules
        for label, rules in desired.items()
        if label in snapshot.copies and sorted(snapshot.copies[label].managed) != sorted(rules)
    }


def _stale_files(snapshot: FirewalldSnapshot) -> List[str]:
    """Return the containers whose permanent file has managed rules."""
    return [label for label, file in snapshot.files.items() if any(map(is_managed, _rules_or_none(file.text)))]


def _rules_or_none(text: str) -> Sequence[Elements]:
    try:
        return rules_in_file(text)
    except ValueError:
        return ()


def _drift(snapshot: FirewalldSnapshot, changed: Iterable[str], kept: bool) -> Iterator[str]:
    """Yield in what the permanent configuration is not as it should be, once there is anything managed."""
    live = any(is_managed(rule) for container in snapshot.containers for rule in container.rules)
    if live or not kept:
        for label in sorted({one.label for one in snapshot.containers} & set(changed)):
            yield f"{label}  has another permanent configuration"
    for path in snapshot.former_files:
        yield f"file {path}  is present"


def _live(snapshot: FirewalldSnapshot, carried: Mapping[str, Sequence[Rule]]) -> Iterator[Step]:
    """Yield the calls that open, then those that close what is not desired any more."""
    for verb in ("add", "remove"):
        for container in snapshot.containers:
            yield from _changes(snapshot, container, carried[container.label], verb)
    for name, rules in snapshot.former.items():
        if rules:
            # firewalld takes one rule after the other away: no guard may stay behind what it makes room for.
            yield _set_policy(snapshot, name, _accepting(rules))
            yield _set_policy(snapshot, name, ())
    for name, entries in snapshot.former_sets.items():
        if entries:
            yield _step(snapshot, "ipset", "setEntries", "sas", name, "0")


def _changes(snapshot: FirewalldSnapshot, container: Container, rules: Sequence[Rule], verb: str) -> Iterator[Step]:
    desired = _lines(rules)
    current = [one for one in container.rules if is_managed(one)]
    changed = [one for one in desired if one not in current]
    if verb == "remove":
        changed = [one for one in current if one not in desired]
    if container.kind == "policy":
        if changed:
            # A policy has no calls for single rules.
            others = [one for one in container.rules if not is_managed(one)]
            kept = [*others, *(dict.fromkeys([*current, *desired]) if verb == "add" else desired)]
            yield _set_policy(snapshot, container.name, [write_rich_rule(one) for one in kept])
        return
    for elements in changed:
        if verb == "add":
            yield _step(snapshot, "zone", "addRichRule", "ssi", container.name, write_rich_rule(elements), "0")
        else:
            yield _step(snapshot, "zone", "removeRichRule", "ss", container.name, write_rich_rule(elements))


def _accepting(rules: Sequence[str]) -> List[str]:
    return [rule for rule in rules if rule.endswith(" accept")]


def _set_policy(snapshot: FirewalldSnapshot, name: str, rules: Sequence[str]) -> Step:
    return _step(snapshot, "policy", *_policy_arguments(name, rules))


def _policy_arguments(name: str, rules: Sequence[str]) -> Tuple[str, ...]:
    return ("setPolicySettings", "sa{sv}", name, "1", "rich_rules", "as", str(len(rules)), *rules)


def _step(snapshot: FirewalldSnapshot, interface: str, method: str, *arguments: str) -> Step:
    return Command(tuple(call(snapshot.program, interface, method, *arguments)), manager="firewalld")


def _permanent(
    snapshot: FirewalldSnapshot, texts: Mapping[str, Optional[str]], told: _Told, policies: _Policies
) -> Iterator[Step]:
    """Yield the steps that change the permanent configuration: firewalld's own copies, then the files."""
    for label, rules in told.items():
        yield from changes(snapshot.program, snapshot.copies[label], rules)
    for container in snapshot.containers:
        # firewalld has written a file of its own when it was told.
        if container.label in texts or container.label in told:
            yield _file(snapshot, container, texts)
    yield from _permanent_policies(snapshot, policies, told)
    for label in told:
        copy, backup = snapshot.copies[label], snapshot.backups.get(label)
        yield WriteFile(backup.path, backup.text, backup.mode, backup.owner) if backup else RemoveFile(copy.backup)
    for path in snapshot.former_files:
        yield RemoveFile(path)


def _file(snapshot: FirewalldSnapshot, container: Container, texts: Mapping[str, Optional[str]]) -> Step:
    """Return the step that gives a container its file."""
    file = snapshot.files.get(container.label)
    text = texts.get(container.label, file.text if file else None)
    if text is None:
        return RemoveFile(snapshot.path(container))
    return WriteFile(file.path, text, file.mode, file.owner) if file else WriteFile(snapshot.path(container), text)


def _rollback(
    snapshot: FirewalldSnapshot, carried: Mapping[str, Sequence[Rule]], texts: Mapping[str, Optional[str]]
) -> RollbackData:
    """Return what restores the files, and rule by rule what is live."""
    paths = [*map(snapshot.path, snapshot.containers), *snapshot.former_files]
    shared, data = _shared_files(snapshot, texts)
    live: List[str] = []
    for name, rules in snapshot.former.items():
        if rules:
            sets = [
                ("ipset", "setEntries", "sas", one, str(len(has)), *has) for one, has in snapshot.former_sets.items()
            ]
            policies = [("policy", *_policy_arguments(name, some)) for some in (_accepting(rules), rules)]
            live += [_shell(snapshot, *call) for call in (*sets, *policies)]
    for container in snapshot.containers if snapshot.running else ():
        current = [one for one in container.rules if is_managed(one)]
        if container.kind == "policy":
            if current or carried[container.label]:
                live.append(
                    _shell(
                        snapshot,
                        "policy",
                        *_policy_arguments(container.name, list(map(write_rich_rule, container.rules))),
                    )
                )
            continue
        now = [write_rich_rule(one) for one in current]
        there = [_shell(snapshot, "zone", "queryRichRule", "ss", container.name, text) for text in now]
        live += [
            f"{query} | grep -q true || {_shell(snapshot, 'zone', 'addRichRule', 'ssi', container.name, text, '0')}"
            for text, query in zip(now, there)
        ]
        gone = [write_rich_rule(one) for one in _lines(carried[container.label]) if one not in current]
        for text in gone:
            query = _shell(snapshot, "zone", "queryRichRule", "ss", container.name, text)
            live.append(
                f"! {query} | grep -q true || {_shell(snapshot, 'zone', 'removeRichRule', 'ss', container.name, text)}"
            )
    return RollbackData(paths=tuple(paths), shared_files=shared, data=data, live=tuple(live))


def _rollback_of_copies(snapshot: FirewalldSnapshot, told: _Told) -> RollbackData:
    """Return what tells firewalld's own copies of the rules as they are."""
    copies = {label: snapshot.copies[label] for label in told}
    return RollbackData(
        paths=tuple(path for copy in copies.values() for path in (copy.file, copy.backup)),
        live=tuple(restoration(snapshot.program, copy, told[label]) for label, copy in copies.items()),
    )


def _shared_files(
    snapshot: FirewalldSnapshot, texts: Mapping[str, Optional[str]]
) -> Tuple[Dict[str, SharedFile], Dict[str, str]]:
    """Return what restores the managed part of files that change before the rollback, with its data."""
    shared: Dict[str, SharedFile] = {}
    data: Dict[str, str] = {}
    for number, container in enumerate(snapshot.containers):
        file, text = snapshot.files.get(container.label), texts.get(container.label)
        if file is not None and text is not None:
            data[f"rich-rules-{number}"] = managed_text(file.text)
            shared[file.path] = SharedFile(text, f"awk -v managed=rich-rules-{number} -f rich-rules.awk")
    if shared:
        data["rich-rules.awk"] = MERGE
    return shared, data


def _shell(snapshot: FirewalldSnapshot, interface: str, method: str, *arguments: str) -> str:
    return in_shell(call(snapshot.program, interface, method, *arguments))


def _is_chain_of(container: Container, key: Tuple[str, str]) -> bool:
    names = [name.format(container.name) for name in _CHAINS[container.kind, container.direction]]
    return key[1] in names and key[0].endswith((" firewalld", " filter"))


def _simulated(snapshot: FirewalldSnapshot, carried: Mapping[str, Sequence[Rule]]) -> Ruleset:
    ruleset = snapshot.unmanaged
    for container in snapshot.containers if snapshot.running else ():
        for key, chain in list(ruleset.chains.items()):
            if _is_chain_of(container, key):
                rules = allow_rules(carried[container.label], container.direction, chain.families)
                ruleset = ruleset.with_rules(key, [*chain.rules, *rules])
    return ruleset


def _warnings(snapshot: FirewalldSnapshot, desired: Desired) -> Iterator[str]:
    if desired.present and not snapshot.running:
        yield "firewalld is not running: its rules are in the permanent configuration only, and nothing of them is live"
    if desired.present and snapshot.fault:
        yield f"{snapshot.fault}, so firewalld loads none of its configuration at the next reload or boot: repair it"


def _require(snapshot: FirewalldSnapshot, desired: Desired) -> None:
    """See that firewalld can carry the rules. Raises EdgeError."""
    if desired.present and not snapshot.installed:
        raise EdgeError(
            "backend: firewalld is not installed on this host; install it and open your own way in first, since it "
            "closes other ports as soon as it starts, or name another backend"
        )
