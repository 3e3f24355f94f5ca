# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""States of the systemd units that matter here, read all at once."""

from __future__ import annotations

import os
from typing import Dict, List, Mapping, Sequence

from ..model.errors import EdgeError
from .runner import Runner, find_program, start_early

MANAGED = "xmpp-edge.service"
NFTABLES = "nftables.service"
NETFILTER_PERSISTENT = "netfilter-persistent.service"
FIREWALLD = "firewalld.service"
IPTABLES = "iptables.service"
UFW = "ufw.service"

_PROPERTIES = "Id,LoadState,UnitFileState,ActiveState,NeedDaemonReload,DropInPaths"

UnitStates = Mapping[str, Mapping[str, str]]
"""Properties of units, by the unit's name; empty where systemd does not run. Source: org.freedesktop.systemd1(5)."""


def has_systemd() -> bool:
    """Return whether systemd runs this host, by the test of sd_booted(3)."""
    return os.path.isdir("/run/systemd/system")


def systemctl(run: Runner, *arguments: str) -> str:
    """Return the output of systemctl. Raises EdgeError where it fails."""
    done = run(_command(*arguments), "")
    if done.returncode != 0:
        raise EdgeError(f"systemctl {' '.join(arguments)} failed: {done.complaint}")
    return done.stdout


def _command(*arguments: str) -> List[str]:
    program = find_program("systemctl")
    if program is None:
        raise EdgeError("systemctl is missing although systemd runs on this host: repair the package systemd")
    return [program, "--no-ask-password", *arguments]


def ask_early(run: Runner, names: Sequence[str]) -> None:
    """Have systemd asked for the states of units, while other things are read. Raises EdgeError."""
    if has_systemd():
        start_early(run, _command(*_show(names)))


def _show(names: Sequence[str]) -> Sequence[str]:
    return ("show", f"--property={_PROPERTIES}", *names)


def read_units(run: Runner, names: Sequence[str]) -> UnitStates:
    """Return the states of units, as they are now."""
    if not has_systemd():
        return {}
    # One unit after the other, in the order in which they are named: an alias is shown under its own name.
    shown = systemctl(run, *_show(names)).split("\n\n")
    states: Dict[str, Mapping[str, str]] = {}
    for name, block in zip(names, shown):
        states[name] = dict(line.partition("=")[::2] for line in block.splitlines())
    return states
