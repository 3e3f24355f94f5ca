# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Persistence: files, a unit that loads them at boot, and drop-ins for units of the host that flush rules.

A drop-in hangs on a service of the host that replaces whole rulesets, the managed ones included, whenever it does
anything. Sources: systemd.unit(5), systemd.service(5).
"""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Sequence, Tuple

from ..model.rollback_data import RollbackData
from ..model.steps import Command, RemoveFile, RemoveFolder, RepairFolder, Step, WriteFile
from .files import FileState, difference, read_states
from .runner import Runner
from .units import MANAGED as UNIT
from .units import NETFILTER_PERSISTENT, NFTABLES, UnitStates, has_systemd, read_units

RULES_FOLDER = "/etc/xmpp-edge"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
WANTS_LINK = f"/etc/systemd/system/sysinit.target.wants/{UNIT}"

GUARDS_FILE = f"{RULES_FOLDER}/guards.nft"
ACCEPTS_FILE = f"{RULES_FOLDER}/accepts.sh"
IPTABLES_FILES = {"ipv4": f"{RULES_FOLDER}/iptables.rules", "ipv6": f"{RULES_FOLDER}/ip6tables.rules"}
IPTABLES_LOADER = f"{RULES_FOLDER}/iptables.sh"
# Releases before 1.2 have these, and the next run removes them.
_FORMER_FILES = (f"{RULES_FOLDER}/nftables.nft", f"{RULES_FOLDER}/ipsets")
_RULES_FILES = (GUARDS_FILE, ACCEPTS_FILE, *IPTABLES_FILES.values(), IPTABLES_LOADER, *_FORMER_FILES)

_HOST_SERVICES = (NFTABLES, NETFILTER_PERSISTENT)
_HOOKS = ("ExecStartPost", "ExecReload", "ExecStopPost")

BANNER = "# Managed by the Ansible collection xmpp.edge: the next run overwrites local changes.\n"

# NoNewPrivileges= is not among them: it would keep SELinux from putting nft and iptables into their own domain.
SANDBOX = (
    "ProtectHome=yes",
    "ProtectControlGroups=yes",
    "ProtectKernelTunables=yes",
    "PrivateDevices=yes",
    "RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "SystemCallArchitectures=native",
    "UMask=0077",
)
"""Restrictions of all managed units, each known to systemd 239. Source: systemd.exec(5)."""

_UNIT_TEXT = """\
[Unit]
Description=Firewall rules of the XMPP edge
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
After={after}
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
{commands}{sandbox}
ProtectSystem=strict
ReadWritePaths=/run -/tmp
CapabilityBoundingSet={capabilities}

[Install]
WantedBy=sysinit.target
"""


def _drop_in_file(host_service: str) -> str:
    return f"/etc/systemd/system/{host_service}.d/xmpp-edge.conf"


_DROP_INS = tuple(_drop_in_file(service) for service in _HOST_SERVICES)
_FILES = (*_RULES_FILES, UNIT_FILE, *_DROP_INS, WANTS_LINK)
"""Every file that may be managed."""

_FOLDERS = (RULES_FOLDER, *(os.path.dirname(path) for path in _DROP_INS))
"""Managed folders, and those that may be there for the sake of a managed file in them only."""


@dataclass(frozen=True)
class Kept:
    """Rules that the managed unit loads at boot, and again a drop-in of each unit that flushes them.

    files: text by path, each one of those that are named above; load, unload: commands that put the rules in place and
    take them away; flushed_by: units that flush or replace whole rulesets of the manager; capabilities: what the
    commands need, as in capabilities(7).
    """

    files: Mapping[str, str]
    load: Tuple[str, ...]
    unload: Tuple[str, ...]
    flushed_by: Tuple[str, ...]
    capabilities: Tuple[str, ...] = ("CAP_NET_ADMIN",)


@dataclass(frozen=True)
class PersistenceFacts:
    """Facts of a host that matter here. units: the states of systemd's units; systemd: whether it runs the host; files:
    the state of each managed file and folder that is there, by path.
    """

    units: UnitStates = field(default_factory=dict)
    systemd: bool = False
    files: Mapping[str, FileState] = field(default_factory=dict)

    def is_active(self, unit: str) -> bool:
        """Return whether a unit is active."""
        return self.units.get(unit, {}).get("ActiveState") == "active"


def read_persistence(run: Runner) -> PersistenceFacts:
    """Read the facts of this host. Raises EdgeError."""
    # A killed run may have left files that it had not finished.
    paths = [*_FILES, *glob.glob(f"{RULES_FOLDER}/.*"), *_FOLDERS]
    return PersistenceFacts(read_units(run), has_systemd(), read_states(paths))


@dataclass(frozen=True)
class PersistenceChange:
    """Change of files and units. drift: a line for each difference; fresh: whether nothing managed is there
    yet; steps: how it is done; rollback: what restores the current state; persisted: whether the unit loads the rules
    at the next boot; warnings: sentences for the administrator.
    """

    drift: Tuple[str, ...]
    fresh: bool
    steps: Tuple[Step, ...]
    rollback: RollbackData
    persisted: bool
    warnings: Tuple[str, ...] = ()


def plan_persistence(facts: PersistenceFacts, kept: Sequence[Kept], persist: bool) -> PersistenceChange:
    """Return the change to files and units that has just these rules loaded at boot. Pure.

    kept: of each backend that has anything to be loaded; persist: whether the administrator wants it.
    """
    rollback = RollbackData(
        paths=_FILES, folders=_FOLDERS, units=facts.systemd, active=_activity(facts.units) == "active"
    )
    if not (kept and persist and facts.systemd):
        drift, steps = _removal(facts)
        return PersistenceChange(drift, not drift, steps, rollback, not kept, _warnings(facts, kept, persist))
    texts = _texts(kept)
    drift, steps = _update(facts, texts, _flushing_units(kept))
    fresh = not _present(facts)
    return PersistenceChange(drift, fresh, steps, rollback, True)


def _warnings(facts: PersistenceFacts, kept: Sequence[Kept], persist: bool) -> Tuple[str, ...]:
    if kept and persist and not facts.systemd:
        return (
            "this host does not run systemd: the rules are applied, but nothing loads them at the next boot; "
            "set persist to false to accept that",
        )
    return ()


def _flushing_units(kept: Sequence[Kept]) -> Tuple[str, ...]:
    return tuple(dict.fromkeys(unit for one in kept for unit in one.flushed_by))


def _texts(kept: Sequence[Kept]) -> Dict[str, str]:
    """Return the text of every file by path."""
    load = [command for one in kept for command in one.load]
    start = [load[0], *(f"-{command}" for command in load[1:])]
    lines = [f"{key}={command}" for key in ("ExecStart", "ExecReload") for command in start]
    # What opens goes first when the unit is stopped.
    lines += [f"ExecStop=-{command}" for one in reversed(kept) for command in one.unload]
    capabilities = dict.fromkeys(capability for one in kept for capability in one.capabilities)
    unit = _UNIT_TEXT.format(
        after=" ".join(_flushing_units(kept)),
        commands="".join(f"{line}\n" for line in lines),
        sandbox="\n".join(SANDBOX),
        capabilities=" ".join(capabilities),
    )
    texts = {path: text for one in kept for path, text in one.files.items()}
    texts[UNIT_FILE] = BANNER + unit
    for flushing in _flushing_units(kept):
        commands = [command for one in kept if flushing in one.flushed_by for command in one.load]
        # The leading "-" keeps a failure of the loader from failing the host's own service.
        hooks = "".join(f"{hook}=-{command}\n" for hook in _HOOKS for command in commands)
        texts[_drop_in_file(flushing)] = f"{BANNER}[Service]\n{hooks}"
    return texts


def _update(
    facts: PersistenceFacts, texts: Mapping[str, str], flushing: Sequence[str]
) -> Tuple[Tuple[str, ...], Tuple[Step, ...]]:
    """Return the drift and the steps that end it, where some rules are to be loaded at boot."""
    differences = {path: difference(facts.files.get(path), text) for path, text in texts.items()}
    drift = [f"file {path}  {words}" for path, words in differences.items() if words]
    superfluous = [path for path in _present(facts) if path not in (*texts, WANTS_LINK)]
    steps: List[Step] = []
    folder = facts.files.get(RULES_FOLDER)
    fault = None if folder is None else folder.fault if folder.folder else "is no folder"
    if fault:
        drift.append(f"folder {RULES_FOLDER}  {fault}")
    if fault or folder is None:
        steps.append(RepairFolder(RULES_FOLDER))
    drift += [f"file {path}  is present" for path in superfluous]
    steps += [WriteFile(path, texts[path]) for path, words in differences.items() if words]
    steps += [*map(RemoveFile, superfluous), *(map(RemoveFolder, _FOLDERS[1:]) if superfluous else ())]
    managed = facts.units.get(UNIT, {})
    enabled = managed.get("UnitFileState") == "enabled" and WANTS_LINK in facts.files and facts.files[WANTS_LINK].link
    activity = _activity(facts.units)
    stale = _is_stale(facts.units, flushing)
    if not enabled:
        drift.append(f"unit {UNIT}  is not enabled")
    if activity != "active":
        drift.append(f"unit {UNIT}  is {activity}")
    if stale:
        drift.append(f"unit {UNIT} or {' or '.join(flushing)}  is not loaded as it stands on disk")
    if activity == "failed":
        steps.append(_systemctl("reset-failed", UNIT))  # Or systemd may refuse to start it so soon again.
    units_differ = any(words and path not in _RULES_FILES for path, words in differences.items())
    units_differ = units_differ or any(path not in _RULES_FILES for path in superfluous)
    if units_differ or not enabled or activity != "active" or stale:
        # "enable" also makes systemd read the changed files.
        steps.append(_systemctl("enable", "--now", UNIT))
    return tuple(drift), tuple(steps)


def _removal(facts: PersistenceFacts) -> Tuple[Tuple[str, ...], Tuple[Step, ...]]:
    """Return the drift and the steps that end it, where nothing is to be loaded at boot."""
    present, activity = _present(facts), _activity(facts.units)
    drift = [f"file {path}  is present" for path in present]
    if activity != "inactive":
        drift.append(f"unit {UNIT}  is {activity}")
    if not drift:
        return (), ()
    steps: List[Step] = [*map(RemoveFile, present), *map(RemoveFolder, _FOLDERS)]
    if facts.systemd:
        steps.append(_systemctl("daemon-reload"))
        # Only now, when its stop command is forgotten: the live rules may have to stay (persist: false).
        if activity == "failed":
            steps.append(_systemctl("reset-failed", UNIT))
        elif activity != "inactive":
            steps.append(_systemctl("stop", UNIT))
    return tuple(drift), tuple(steps)


def _systemctl(*arguments: str) -> Command:
    return Command(("systemctl", "--no-ask-password", *arguments))


def _activity(units: UnitStates) -> str:
    """Return systemd's word for the activity of the managed unit, such as active, inactive or failed."""
    return units[UNIT]["ActiveState"] if units else "inactive"


def _is_stale(units: UnitStates, flushing: Sequence[str]) -> bool:
    """Return whether systemd has not read some file of units as it stands on disk."""
    # A drop-in works only as far as systemd has read it. Releases such as 252 do not say by NeedDaemonReload that
    # there is one more on disk than they have read.
    unread = any(
        units[unit]["LoadState"] == "loaded" and _drop_in_file(unit) not in units[unit]["DropInPaths"].split()
        for unit in flushing
    )
    return unread or any(units[unit]["NeedDaemonReload"] == "yes" for unit in (UNIT, *flushing))


def _present(facts: PersistenceFacts) -> List[str]:
    return [path for path in facts.files if path not in _FOLDERS]
