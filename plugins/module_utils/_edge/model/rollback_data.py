# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data from which a shell script, without Ansible or Python, restores the managed rules and files of a host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Mapping, Sequence, Tuple


@dataclass(frozen=True)
class SharedFile:
    """A file that others write too, of which only the managed part is restored.

    text: the whole file as the change leaves it; merge: a shell command that reads the file as it is then, and writes
    it with the managed part as it was before the change.
    """

    text: str
    merge: str


@dataclass(frozen=True)
class RollbackData:
    """All that restores the managed state of one backend.

    paths: files to restore as they are now, which includes their absence; shared_files: those paths that others write
    too; folders: folders to remove once they are empty; live: shell commands that restore the live rules, each of
    which has to succeed, run after the files are restored; data: text of the files that these commands read, by name;
    units: whether systemd has to read its units again; active: whether the managed unit is active now.
    """

    paths: Tuple[str, ...] = ()
    shared_files: Mapping[str, SharedFile] = field(default_factory=dict)
    folders: Tuple[str, ...] = ()
    live: Tuple[str, ...] = ()
    data: Mapping[str, str] = field(default_factory=dict)
    units: bool = False
    active: bool = False


def together(several: Sequence[RollbackData]) -> RollbackData:
    """Return the rollback data of several backends as one; their names for data differ."""
    data: Dict[str, str] = {}
    for one in several:
        data.update(one.data)
    return RollbackData(
        paths=tuple(dict.fromkeys(path for one in several for path in one.paths)),
        shared_files={path: shared for one in several for path, shared in one.shared_files.items()},
        folders=tuple(dict.fromkeys(folder for one in several for folder in one.folders)),
        live=tuple(command for one in several for command in one.live),
        data=data,
        units=any(one.units for one in several),
        active=any(one.active for one in several),
    )
