# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps nftables rules over a reboot: a file of ours, a unit of ours, and a drop-in of ours.

The drop-in hangs on nftables.service, because starting, reloading and stopping that service flushes every
table of the host (Debian's /etc/nftables.conf begins with "flush ruleset", and so does its stop command).
Sources: systemd.unit(5), systemd.service(5), Debian's nftables.service.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Dict, List, Sequence

from .errors import EdgeError
from .files import difference, remove_file, remove_folder_if_empty, write_atomically
from .runner import Runner, find_program

UNIT = "xmpp-edge.service"
HOST_UNIT = "nftables.service"
RULES_FOLDER = "/etc/xmpp-edge"
RULES_FILE = f"{RULES_FOLDER}/nftables.nft"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
WANTS_LINK = f"/etc/systemd/system/sysinit.target.wants/{UNIT}"
DROP_IN_FOLDER = f"/etc/systemd/system/{HOST_UNIT}.d"
DROP_IN_FILE = f"{DROP_IN_FOLDER}/xmpp-edge.conf"

_PROPERTIES = "LoadState,UnitFileState,ActiveState,NeedDaemonReload,DropInPaths"

_BANNER = "# Managed by the Ansible collection xmpp.edge: the next run overwrites local changes.\n"

_UNIT_TEXT = """\
[Unit]
Description=Firewall rules of the XMPP edge (nftables)
Documentation=man:nft(8)
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
After=nftables.service
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={nft} -f {rules}
ExecReload={nft} -f {rules}
ExecStop=-{nft} delete table inet xmpp_edge
ProtectSystem=full
ProtectHome=yes

[Install]
WantedBy=sysinit.target
"""

# The leading "-" keeps a fault of ours from failing the host's own service.
_DROP_IN_TEXT = """\
[Service]
ExecStartPost=-{nft} -f {rules}
ExecReload=-{nft} -f {rules}
ExecStopPost=-{nft} -f {rules}
"""


@dataclass(frozen=True)
class _UnitState:
    """What systemd and the disk say of our unit; activity is systemd's word, such as active, inactive or failed."""

    enabled: bool
    activity: str
    stale: bool


_WANTED_STATE = _UnitState(enabled=True, activity="active", stale=False)


class Persistence:
    """Our files under /etc and their systemd units.

    wanted: whether the administrator wants rules to survive a reboot; nft: path of the nft program;
    run: runs systemctl.
    """

    def __init__(self, wanted: bool, nft: str, run: Runner) -> None:
        self._wanted = wanted
        self._nft = nft
        self._run = run
        self._has_systemd = os.path.isdir("/run/systemd/system")

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

    def deviations(self, script: str) -> List[str]:
        """One line for each point in which files and units are not as they should be for this script."""
        state = self._unit_state()
        if not (script and self.possible):
            lines = [f"file {path}  is present" for path in self._present()]
            return lines if state.activity == "inactive" else [*lines, f"unit {UNIT}  is {state.activity}"]
        differences = {path: difference(path, text) for path, text in self._texts(script).items()}
        lines = [f"file {path}  {words}" for path, words in differences.items() if words]
        if not state.enabled:
            lines.append(f"unit {UNIT}  is not enabled")
        if state.activity != "active":
            lines.append(f"unit {UNIT}  is {state.activity}")
        if state.stale:
            lines.append(f"unit {UNIT} or {HOST_UNIT}  is not loaded as it stands on disk")
        return lines

    def write(self, script: str) -> None:
        """Write what is missing or differs; with an empty script, or where rules are not kept, remove all of ours."""
        if not (script and self.possible):
            self._remove()
            return
        units_differ = False
        for path, text in self._texts(script).items():
            if difference(path, text):
                write_atomically(path, text)
                units_differ = units_differ or path != RULES_FILE
        state = self._unit_state()
        if state.activity == "failed":
            self._systemctl("reset-failed", UNIT)  # Or systemd may refuse to start it so soon again.
        if units_differ or state != _WANTED_STATE:
            # "enable" also makes systemd read the changed files.
            self._systemctl("enable", "--now", UNIT)

    def _remove(self) -> None:
        for path in self._present():
            remove_file(path)
        for folder in (RULES_FOLDER, DROP_IN_FOLDER):
            remove_folder_if_empty(folder)
        if not self._has_systemd:
            return
        self._systemctl("daemon-reload")
        # Only now, when its stop command is forgotten: the live table may have to stay (persist: false).
        activity = self._unit_state().activity
        if activity == "failed":
            self._systemctl("reset-failed", UNIT)
        elif activity != "inactive":
            self._systemctl("stop", UNIT)

    def _present(self) -> List[str]:
        return [path for path in (*self._texts(""), WANTS_LINK) if os.path.lexists(path)]

    def _texts(self, script: str) -> Dict[str, str]:
        values = {"nft": self._nft, "rules": RULES_FILE}
        return {
            RULES_FILE: f"#!{self._nft} -f\n{_BANNER}{script}",
            UNIT_FILE: _BANNER + _UNIT_TEXT.format(**values),
            DROP_IN_FILE: _BANNER + _DROP_IN_TEXT.format(**values),
        }

    def _unit_state(self) -> _UnitState:
        if not self._has_systemd:
            return _UnitState(enabled=False, activity="inactive", stale=False)
        shown = self._systemctl("show", f"--property={_PROPERTIES}", UNIT, HOST_UNIT)
        ours, theirs = (dict(line.partition("=")[::2] for line in unit.splitlines()) for unit in shown.split("\n\n"))
        # A drop-in works only as far as systemd has read it. Releases such as 252 do not say by NeedDaemonReload that
        # there is one more on disk than they have read.
        unread = theirs["LoadState"] == "loaded" and DROP_IN_FILE not in theirs["DropInPaths"].split()
        return _UnitState(
            # systemd remembers what it saw of the link; the next boot goes by the disk.
            enabled=ours["UnitFileState"] == "enabled" and os.path.islink(WANTS_LINK),
            activity=ours["ActiveState"],
            stale=unread or "yes" in (ours["NeedDaemonReload"], theirs["NeedDaemonReload"]),
        )

    def _systemctl(self, *arguments: str) -> str:
        program = find_program("systemctl")
        if program is None:
            raise EdgeError("systemctl is missing although systemd runs on this host: repair the package systemd")
        done = self._run([program, "--no-ask-password", *arguments], "")
        if done.returncode != 0:
            raise EdgeError(f"systemctl {' '.join(arguments)} failed: {done.complaint}")
        return done.stdout
