# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps rules over a reboot: files of ours, a unit of ours, and drop-ins of ours for the host's own services.

A drop-in hangs on a service of the host that replaces whole rulesets, ours included, whenever it does anything.
Sources: systemd.unit(5), systemd.service(5).
"""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence

from ..model.rollback_data import RollbackData
from .files import (
    difference,
    folder_faults,
    remove_file,
    remove_folder_if_empty,
    repair_folder,
    write_atomically,
)
from .firewall import Host
from .units import NETFILTER_PERSISTENT, NFTABLES, UnitStates, has_systemd, read_units, systemctl
from .units import OURS as UNIT

RULES_FOLDER = "/etc/xmpp-edge"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
WANTS_LINK = f"/etc/systemd/system/sysinit.target.wants/{UNIT}"

NFTABLES_FILE = f"{RULES_FOLDER}/nftables.nft"
ACCEPTS_FILE = f"{RULES_FOLDER}/accepts.sh"
IPTABLES_FILES = {"ipv4": f"{RULES_FOLDER}/iptables.rules", "ipv6": f"{RULES_FOLDER}/ip6tables.rules"}
IPSETS_FILE = f"{RULES_FOLDER}/ipsets"
IPTABLES_LOADER = f"{RULES_FOLDER}/iptables.sh"
_RULES_FILES = (NFTABLES_FILE, ACCEPTS_FILE, *IPTABLES_FILES.values(), IPSETS_FILE, IPTABLES_LOADER)

_HOST_SERVICES = (NFTABLES, NETFILTER_PERSISTENT)

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
"""What no unit of ours needs is taken from it; all of it is known to systemd 239. Source: systemd.exec(5)."""

_UNIT_TEXT = """\
[Unit]
Description=Firewall rules of the XMPP edge ({manager})
Documentation=man:{manual}
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
After={host_service}
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


@dataclass(frozen=True)
class Service:
    """What a backend keeps on a host that runs systemd.

    manager: its name; manual: page of its tool, such as nft(8); files: text of each rules file by path, one of those
    that are named above; host_service: the service that replaces whole rulesets of this manager;
    load: commands that put the rules in place, the first of which has to succeed; unload: those that take them away;
    before: those without which the host's own service may fail; capabilities: what all of them need, as in
    capabilities(7).
    """

    manager: str
    manual: str
    files: Mapping[str, str]
    host_service: str
    load: Sequence[str]
    unload: Sequence[str]
    before: Sequence[str] = ()
    capabilities: str = "CAP_NET_ADMIN"

    @property
    def texts(self) -> Dict[str, str]:
        """Text of every file by path."""
        start = [self.load[0], *(f"-{command}" for command in self.load[1:])]
        lines = [f"{key}={command}" for key in ("ExecStart", "ExecReload") for command in start]
        lines += [f"ExecStop=-{command}" for command in self.unload]
        unit = _UNIT_TEXT.format(
            manager=self.manager,
            manual=self.manual,
            host_service=self.host_service,
            commands="".join(f"{line}\n" for line in lines),
            sandbox="\n".join(SANDBOX),
            capabilities=self.capabilities,
        )
        # The leading "-" keeps a fault of ours from failing the host's own service.
        hooks = ("ExecStartPost", "ExecReload", "ExecStopPost")
        drop_in = "[Service]\n" + "".join(f"ExecStartPre=-{command}\n" for command in self.before)
        drop_in += "".join(f"{key}=-{command}\n" for key in hooks for command in self.load)
        return {
            **self.files,
            UNIT_FILE: BANNER + unit,
            _drop_in_file(self.host_service): BANNER + drop_in,
        }


def _drop_in_file(host_service: str) -> str:
    return f"/etc/systemd/system/{host_service}.d/xmpp-edge.conf"


_DROP_INS = tuple(_drop_in_file(service) for service in _HOST_SERVICES)
_FILES = (*_RULES_FILES, UNIT_FILE, *_DROP_INS, WANTS_LINK)
"""All files that may ever be ours."""

_FOLDERS = (RULES_FOLDER, *(os.path.dirname(path) for path in _DROP_INS))
"""Those that are ours, or may be there for the sake of our file in them only."""


@dataclass(frozen=True)
class _UnitState:
    """What systemd and the disk say of our unit; activity is systemd's word, such as active, inactive or failed."""

    enabled: bool
    activity: str
    stale: bool


_WANTED_STATE = _UnitState(enabled=True, activity="active", stale=False)


class Persistence:
    """Our files under /etc and their systemd units.

    wanted: whether the administrator wants rules to survive a reboot; host: where they are.
    """

    def __init__(self, wanted: bool, host: Host) -> None:
        self._wanted = wanted
        self._host = host
        self._has_systemd = has_systemd()

    @property
    def possible(self) -> bool:
        """Whether rules are kept on this host: it is wanted, and there is a systemd to do it."""
        return self._wanted and self._has_systemd

    @property
    def warnings(self) -> Sequence[str]:
        """Why rules are not kept although that is wanted."""
        if self._wanted and not self._has_systemd:
            return (
                "this host does not run systemd: the rules are applied, but nothing loads them at the next boot; "
                "set persist to false to accept that",
            )
        return ()

    @property
    def absent(self) -> bool:
        """Whether none of our files is there."""
        return not self._present()

    def deviations(self, service: Optional[Service]) -> List[str]:
        """One line for each point in which files and units are not as they should be; None: there should be none."""
        if service is None or not self.possible:
            lines = [f"file {path}  is present" for path in self._present()]
            activity = _unit_state(None, self._host.units).activity
            return lines if activity == "inactive" else [*lines, f"unit {UNIT}  is {activity}"]
        texts = service.texts
        differences = {path: difference(path, text) for path, text in texts.items()}
        lines = [f"file {path}  {words}" for path, words in differences.items() if words]
        lines += [f"folder {RULES_FOLDER}  {fault}" for fault in folder_faults(RULES_FOLDER)]
        lines += [f"file {path}  is present" for path in self._present() if path not in (*texts, WANTS_LINK)]
        state = _unit_state(service, self._host.units)
        if not state.enabled:
            lines.append(f"unit {UNIT}  is not enabled")
        if state.activity != "active":
            lines.append(f"unit {UNIT}  is {state.activity}")
        if state.stale:
            lines.append(f"unit {UNIT} or {service.host_service}  is not loaded as it stands on disk")
        return lines

    def restoration(self) -> RollbackData:
        """What puts our files and units back as they are now."""
        return RollbackData(
            paths=_FILES,
            folders=_FOLDERS,
            units=self._has_systemd,
            active=_unit_state(None, self._host.units).activity == "active",
        )

    def write(self, service: Optional[Service]) -> None:
        """Write what is missing or differs; with None, or where rules are not kept, remove all of ours."""
        if service is None or not self.possible:
            self._remove(self._present())
            self._stop()
            return
        texts = service.texts
        superfluous = [path for path in self._present() if path not in (*texts, WANTS_LINK)]
        units_differ = any(path not in _RULES_FILES for path in superfluous)
        repair_folder(RULES_FOLDER)
        for path, text in texts.items():
            if difference(path, text):
                write_atomically(path, text)
                units_differ = units_differ or path not in service.files
        self._remove(superfluous)
        state = _unit_state(service, read_units(self._host.run))
        if state.activity == "failed":
            systemctl(self._host.run, "reset-failed", UNIT)  # Or systemd may refuse to start it so soon again.
        if units_differ or state != _WANTED_STATE:
            # "enable" also makes systemd read the changed files.
            systemctl(self._host.run, "enable", "--now", UNIT)

    def _remove(self, paths: Sequence[str]) -> None:
        for path in paths:
            remove_file(path)
        for folder in _FOLDERS:
            remove_folder_if_empty(folder)

    def _stop(self) -> None:
        if not self._has_systemd:
            return
        systemctl(self._host.run, "daemon-reload")
        # Only now, when its stop command is forgotten: the live rules may have to stay (persist: false).
        activity = _unit_state(None, read_units(self._host.run)).activity
        if activity == "failed":
            systemctl(self._host.run, "reset-failed", UNIT)
        elif activity != "inactive":
            systemctl(self._host.run, "stop", UNIT)

    def _present(self) -> List[str]:
        # Files that a run was about to write when it was killed.
        unfinished = glob.glob(f"{RULES_FOLDER}/.*")
        return [path for path in _FILES if os.path.lexists(path)] + unfinished


def _unit_state(service: Optional[Service], units: UnitStates) -> _UnitState:
    """What units says of ours, beside the host's own service that it hangs on."""
    if not units:
        return _UnitState(enabled=False, activity="inactive", stale=False)
    host_service = service.host_service if service else NFTABLES
    ours, theirs = units[UNIT], units[host_service]
    # A drop-in works only as far as systemd has read it. Releases such as 252 do not say by NeedDaemonReload that
    # there is one more on disk than they have read.
    unread = theirs["LoadState"] == "loaded" and _drop_in_file(host_service) not in theirs["DropInPaths"].split()
    return _UnitState(
        # systemd remembers what it saw of the link; the next boot goes by the disk.
        enabled=ours["UnitFileState"] == "enabled" and os.path.islink(WANTS_LINK),
        activity=ours["ActiveState"],
        stale=unread or "yes" in (ours["NeedDaemonReload"], theirs["NeedDaemonReload"]),
    )
