# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What puts back what a host had of ours before a change, as a shell script that needs nothing else of ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Mapping, Sequence, Tuple


@dataclass(frozen=True)
class Part:
    """A file of somebody else, of which a part is ours. text: what the change makes of it; merge: a shell command that
    reads the file as it is and writes it with our part as it was before the change.
    """

    text: str
    merge: str


@dataclass(frozen=True)
class RollbackData:
    """What puts back what a host has of one backend's.

    paths: files that are to be again as they are now, be it missing; parts: those of them that others write too;
    folders: those that are to be there only while something is in them; live: shell commands for the live rules, to be
    run after the files are back, each of which has to succeed; data: text of the files that they read, by name;
    units: whether systemd has to read its units again; active: whether our unit is active now.
    """

    paths: Tuple[str, ...] = ()
    parts: Mapping[str, Part] = field(default_factory=dict)
    folders: Tuple[str, ...] = ()
    live: Tuple[str, ...] = ()
    data: Mapping[str, str] = field(default_factory=dict)
    units: bool = False
    active: bool = False


def together(parts: Sequence[RollbackData]) -> RollbackData:
    """One restoration for several backends, whose names for data differ."""
    data: Dict[str, str] = {}
    for part in parts:
        data.update(part.data)
    return RollbackData(
        paths=tuple(dict.fromkeys(path for part in parts for path in part.paths)),
        parts={path: part for one in parts for path, part in one.parts.items()},
        folders=tuple(dict.fromkeys(folder for part in parts for folder in part.folders)),
        live=tuple(command for part in parts for command in part.live),
        data=data,
        units=any(part.units for part in parts),
        active=any(part.active for part in parts),
    )
