# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Persistence: files, a unit that loads them at boot, and drop-ins for units of the host that flush rules.

A drop-in hangs on each service of the host that replaces whole rulesets, the managed ones included, whenever it does
anything. What nobody knows and does the same is named. Sources: systemd.unit(5), systemd.service(5).
"""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

from ..model.errors import EdgeError
from ..model.literals import Effective
from ..model.rollback_data import RollbackData
from ..model.steps import Command, RemoveFile, RemoveFolder, RepairFolder, Step, WriteFile
from .digests import BANNER, with_digest
from .drop_ins import FLUSHER, drop_in, drop_in_file, flushing_commands, undone_by
from .files import FileState, difference, is_read_only, read_states
from .loaders import GUARDS, LOADERS, UnknownLoader, is_there, unit_texts, unknown_loaders
from .runner import Runner
from .saved_copies import SavedCopy, complaints, saved_copies
from .unit_files import UnitText
from .units import (
    FIREWALLD,
    IPTABLES,
    NETFILTER_PERSISTENT,
    NFTABLES,
    UFW,
    UnitStates,
    ask_early,
    has_systemd,
    read_units,
)
from .units import MANAGED as UNIT

RULES_FOLDER = "/etc/xmpp-edge"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
WANTS_LINK = f"/etc/systemd/system/sysinit.target.wants/{UNIT}"

GUARDS_FILE = f"{RULES_FOLDER}/guards.nft"
ACCEPTS_FILE = f"{RULES_FOLDER}/accepts.sh"
IPTABLES_FILES = {"ipv4": f"{RULES_FOLDER}/iptables.rules", "ipv6": f"{RULES_FOLDER}/ip6tables.rules"}
IPTABLES_LOADER = f"{RULES_FOLDER}/iptables.sh"
_FLUSHER_FILE = f"{RULES_FOLDER}/nftables.sh"
# Releases before 1.2 have these, and the next run removes them.
_FORMER_FILES = (f"{RULES_FOLDER}/nftables.nft", f"{RULES_FOLDER}/ipsets")
_RULES_FILES = (GUARDS_FILE, ACCEPTS_FILE, *IPTABLES_FILES.values(), IPTABLES_LOADER, _FLUSHER_FILE, *_FORMER_FILES)

_MANAGERS = {"ufw": UFW, "firewalld": FIREWALLD}
"""The service of each manager that loads accept rules out of its own files."""

# Two at once would both find no rule of their own in a chain, and both put theirs there.
LOCK = 'exec 9< "$0" && flock 9\n'
"""Beginning of a script that looks for the place of accept rules, and puts them there."""

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


_DROP_INS = tuple(map(drop_in_file, LOADERS))
_FILES = (*_RULES_FILES, UNIT_FILE, *_DROP_INS, WANTS_LINK)
"""Every file that may be managed."""

_FOLDERS = (RULES_FOLDER, *(os.path.dirname(path) for path in _DROP_INS))
"""Managed folders, and those that may be there for the sake of a managed file in them only."""


@dataclass(frozen=True)
class Kept:
    """Rules that the managed unit loads at boot, and again a drop-in of each unit that flushes them.

    part: guards, or the backend whose accept rules they are; files: text by path, each one of those that are named
    above; load, unload: commands that put the rules in place and take them away; capabilities: what the commands need,
    as in capabilities(7).
    """

    part: str

    files: Mapping[str, str]
    load: Tuple[str, ...]
    unload: Tuple[str, ...]
    capabilities: Tuple[str, ...] = ("CAP_NET_ADMIN",)


@dataclass(frozen=True)
class PersistenceFacts:
    """Facts of a host that matter here. units: the states of systemd's units; systemd: whether it runs the host; files:
    the state of each managed file and folder that is there, by path; loaders: the files of each known service that
    loads rules, without the managed drop-in; unknown: what else loads rules at boot; read_only: folders that would be
    written to, and cannot be; saved: copies of managed rules in files of other programs.
    """

    units: UnitStates = field(default_factory=dict)
    systemd: bool = False
    files: Mapping[str, FileState] = field(default_factory=dict)
    loaders: Mapping[str, Sequence[UnitText]] = field(default_factory=dict)
    unknown: Tuple[UnknownLoader, ...] = ()
    read_only: Tuple[str, ...] = ()
    saved: Tuple[SavedCopy, ...] = ()

    def is_active(self, unit: str) -> bool:
        """Return whether a unit is active."""
        return self.units.get(unit, {}).get("ActiveState") == "active"

    def flushing(self, kept: Sequence[Kept]) -> Tuple[str, ...]:
        """Return the services that flush or replace some rules; nftables.service also where it may be installed yet."""
        parts = {one.part for one in kept}
        return tuple(
            unit for unit, gone in LOADERS.items() if parts & set(gone) and (unit == NFTABLES or self._is_loaded(unit))
        )

    def _is_loaded(self, unit: str) -> bool:
        # An alias has the drop-ins of the unit that it stands for.
        state = self.units.get(unit, {})
        return state.get("LoadState") == "loaded" and state.get("Id", unit) == unit


def _units() -> List[str]:
    """Return the units whose states matter on this host."""
    names = [UNIT, NFTABLES, NETFILTER_PERSISTENT, FIREWALLD, IPTABLES, UFW]
    return names + [unit for unit in LOADERS if unit not in names and is_there(unit)]


def ask_for_units(run: Runner) -> None:
    """Have systemd asked for what read_persistence needs, while other things are read. Raises EdgeError."""
    ask_early(run, _units())


def read_persistence(run: Runner) -> PersistenceFacts:
    """Read the facts of this host. Raises EdgeError."""
    # A killed run may have left files that it had not finished.
    paths = [*_FILES, *glob.glob(f"{RULES_FOLDER}/.*"), *_FOLDERS]
    if not has_systemd():
        return PersistenceFacts(files=read_states(paths), saved=saved_copies())
    names = _units()
    texts = unit_texts([unit for unit in LOADERS if unit in names])
    return PersistenceFacts(
        units=read_units(run, names),
        systemd=True,
        files=read_states(paths),
        loaders={unit: tuple(one for one in found if one[0] != drop_in_file(unit)) for unit, found in texts.items()},
        unknown=unknown_loaders(),
        read_only=tuple(filter(is_read_only, (os.path.dirname(RULES_FOLDER), os.path.dirname(UNIT_FILE)))),
        saved=saved_copies(),
    )


@dataclass(frozen=True)
class PersistenceChange:
    """Change of files and units. drift: a line for each difference; fresh: whether nothing managed is there
    yet; steps: how it is done; rollback: what restores the current state; persisted: whether the guards, and the accept
    rules, will be there after a reload and a boot; a part that the host does not have is left out; warnings: sentences
    for the administrator.
    """

    drift: Tuple[str, ...]
    fresh: bool
    steps: Tuple[Step, ...]
    rollback: RollbackData
    persisted: Mapping[str, Effective] = field(default_factory=dict)
    warnings: Tuple[str, ...] = ()


def plan_persistence(
    facts: PersistenceFacts, kept: Sequence[Kept], persist: bool, manager: str = ""
) -> PersistenceChange:
    """Return the change to files and units that has just these rules loaded at boot. Pure. Raises EdgeError.

    kept: of each backend that has anything to be loaded; persist: whether the administrator wants it; manager: the
    backend that carries accept rules, empty for none.
    """
    rollback = RollbackData(
        paths=_FILES, folders=_FOLDERS, units=facts.systemd, active=_activity(facts.units) == "active"
    )
    if not (kept and persist and facts.systemd):
        drift, steps = _removal(facts)
        fresh = not drift
    else:
        drift, steps = _update(facts, _texts(facts, kept), facts.flushing(kept))
        fresh = not _present(facts)
    if steps and facts.read_only:
        remedy = "say persist: false, or make it writable" if persist and kept else "make it writable"
        raise EdgeError(
            f"{facts.read_only[0]} is read-only, so what loads the rules at boot cannot be changed there; {remedy}"
        )
    persisted, warnings = _promises(facts, kept, persist, manager)
    restored = frozenset(one.part for one in kept) if persist and facts.systemd else frozenset()
    warnings += tuple(complaints(facts.saved, restored))
    return PersistenceChange(drift, fresh, steps, rollback, persisted, warnings)


def _promises(
    facts: PersistenceFacts, kept: Sequence[Kept], persist: bool, manager: str
) -> Tuple[Dict[str, Effective], Tuple[str, ...]]:
    """Return whether each part will be there after a reload and a boot, and what stands in the way."""
    parts = {"guards" if one.part == GUARDS else "accepts": one.part for one in kept}
    if manager in _MANAGERS:
        parts["accepts"] = manager
    if not persist:
        return dict.fromkeys(parts, "no"), ()
    if not facts.systemd:
        missing = (
            "this host does not run systemd: the rules are applied, but nothing loads them at the next boot; "
            "say persist: false to accept that"
        )
        return dict.fromkeys(parts, "no"), (missing,) if parts else ()
    promises: Dict[str, Effective] = dict.fromkeys(parts, "yes")
    warnings: List[str] = []
    for name, part in parts.items():
        for answer, warning in _obstacles(facts, part, facts.flushing(kept)):
            promises[name] = "no" if "no" in (answer, promises[name]) else answer
            warnings.append(warning)
    return promises, tuple(dict.fromkeys(warnings))


def _obstacles(facts: PersistenceFacts, part: str, flushing: Sequence[str]) -> Iterator[Tuple[Effective, str]]:
    """Yield what keeps a part from being there after a reload or a boot, each with what that comes to."""
    for one in facts.unknown:
        if part in one.gone:
            yield (
                "no" if one.certain else "unknown",
                f'{one.source} runs "{one.command}", which {"removes" if one.certain else "may change"} managed rules, '
                'and nothing loads them afterwards: have it run "systemctl reload xmpp-edge" then',
            )
    for unit in flushing:
        for path in undone_by(facts.loaders.get(unit, ())) if part in LOADERS[unit] else ():
            yield (
                "no",
                f"{path} empties what {drop_in_file(unit)} says, so that {unit} removes managed rules: give it a name "
                "that comes before, or take out the empty lines",
            )
    unit = _MANAGERS.get(part, "")
    state = facts.units.get(unit, {}).get("UnitFileState", "")
    if unit and state not in _STARTED_AT_BOOT:
        yield "no", f"{unit} is not enabled ({state or 'there is no such unit'}), so it loads no rules at the next boot"


_STARTED_AT_BOOT = ("enabled", "static", "generated", "indirect", "alias", "linked")
"""States of the file of a unit that may be started at boot. Source: systemctl(1)."""


def _texts(facts: PersistenceFacts, kept: Sequence[Kept]) -> Dict[str, str]:
    """Return the text of every file by path."""
    load = [command for one in kept for command in one.load]
    start = [load[0], *(f"-{command}" for command in load[1:])]
    lines = [f"{key}={command}" for key in ("ExecStart", "ExecReload") for command in start]
    # What opens goes first when the unit is stopped.
    lines += [f"ExecStop=-{command}" for one in reversed(kept) for command in one.unload]
    capabilities = dict.fromkeys(capability for one in kept for capability in one.capabilities)
    unit = _UNIT_TEXT.format(
        commands="".join(f"{line}\n" for line in lines),
        sandbox="\n".join(SANDBOX),
        capabilities=" ".join(capabilities),
    )
    texts = {path: text for one in kept for path, text in one.files.items()}
    texts[UNIT_FILE] = BANNER + unit
    for unit in facts.flushing(kept):
        own = facts.loaders.get(unit, ())
        instead = flushing_commands(own, _FLUSHER_FILE) if unit == NFTABLES and kept[0].part == GUARDS else None
        if instead:
            texts[_FLUSHER_FILE] = f"#!/bin/sh\n{BANNER}{FLUSHER.replace('GUARDS', GUARDS_FILE)}"
        after = [one for one in kept if one.part in LOADERS[unit] and not (instead and one.part == GUARDS)]
        load = [command for one in after for command in one.load]
        texts[drop_in_file(unit)] = BANNER + drop_in(own, instead, load)
    return {path: with_digest(text) for path, text in texts.items()}


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
    return units.get(UNIT, {}).get("ActiveState", "inactive")


def _is_stale(units: UnitStates, flushing: Sequence[str]) -> bool:
    """Return whether systemd has not read some file of units as it stands on disk."""
    # A drop-in works only as far as systemd has read it. Releases such as 252 do not say by NeedDaemonReload that
    # there is one more on disk than they have read.
    unread = any(
        units.get(unit, {}).get("LoadState") == "loaded"
        and drop_in_file(unit) not in units[unit].get("DropInPaths", "").split()
        for unit in flushing
    )
    return unread or any(units.get(unit, {}).get("NeedDaemonReload") == "yes" for unit in (UNIT, *flushing))


def _present(facts: PersistenceFacts) -> List[str]:
    return [path for path in facts.files if path not in _FOLDERS]
