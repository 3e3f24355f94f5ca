# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Obstacles that a change would meet, seen without changing anything, so that check mode says them too."""

from __future__ import annotations

import os
from typing import Iterable, Iterator, Sequence

from ..host.files import is_read_only
from ..host.runner import find_program
from ..model.errors import EdgeError, MissingPackageError
from ..model.steps import Locked, RemoveFile, RepairFolder, Step, WriteFile
from .home import refuse_unsafe_home


def refuse_impossible(
    steps: Sequence[Step], home: str, paths: Iterable[str], *, waits: bool, with_systemd: bool = False
) -> None:
    """Refuse a change that cannot be made or rolled back. Raises EdgeError and MissingPackageError.

    home: the folder for the rollback; paths: other files that it needs; waits: whether it waits for a confirmation;
    with_systemd: whether systemd waits.
    """
    if waits and find_program("flock") is None:
        raise MissingPackageError("flock is not installed on this host; install util-linux", "util-linux")
    if waits and with_systemd and find_program("systemd-run") is None:
        raise MissingPackageError("systemd-run is not installed on this host; install systemd", "systemd")
    for path in (home, *paths, *_written(steps)):
        folder = _existing_folder(path)
        _refuse_other_kinds(path, folder, is_folder=path == home or path in _repaired(steps))
        if is_read_only(folder):
            raise EdgeError(
                f"nothing was changed, because {path} cannot be written: {folder} is read-only; make it writable"
            )
        for place, rights in ((folder, os.W_OK | os.X_OK), (path, os.W_OK)):
            if os.path.exists(place) and not os.path.islink(place) and not _may(place, rights):
                raise EdgeError(f"nothing was changed, because {place} may not be written: {_remedy()}")
    # A run removes one that holds nothing, and makes its own.
    if os.path.lexists(home) and not (os.path.isdir(home) and not os.listdir(home)):
        refuse_unsafe_home(home)


def _refuse_other_kinds(path: str, folder: str, *, is_folder: bool) -> None:
    """Refuse a path that is of another kind than a run would have it, or that is below a file."""
    below = path[len(folder) :].strip("/").partition("/")[0]
    first = os.path.join(folder, below)
    if first != path and os.path.lexists(first):
        raise EdgeError(f"nothing was changed, because {first} is no folder; remove it")
    if os.path.lexists(path) and not os.path.islink(path) and os.path.isdir(path) is not is_folder:
        raise EdgeError(f"nothing was changed, because {path} is {'no' if is_folder else 'a'} folder; remove it")


def _repaired(steps: Iterable[Step]) -> Iterator[str]:
    """Yield the path of each folder that steps make or mend."""
    for step in steps:
        if isinstance(step, Locked):
            yield from _repaired(step.steps)
        elif isinstance(step, RepairFolder):
            yield step.path


def _may(path: str, rights: int) -> bool:
    return os.access(path, rights, effective_ids=os.access in os.supports_effective_ids)


def _remedy() -> str:
    return "run as root (become: true)" if os.geteuid() != 0 else 'see "lsattr -d" and take the attribute away'


def _written(steps: Iterable[Step]) -> Iterator[str]:
    """Yield the path of each file or folder that steps change."""
    for step in steps:
        if isinstance(step, Locked):
            yield from _written(step.steps)
        elif isinstance(step, (WriteFile, RepairFolder)) or (
            isinstance(step, RemoveFile) and os.path.lexists(step.path)
        ):
            yield step.path


def _existing_folder(path: str) -> str:
    """Return the nearest folder of a path that is there."""
    folder = os.path.dirname(path)
    while not os.path.isdir(folder) and folder not in ("", "/"):
        folder = os.path.dirname(folder)
    return folder or "/"
