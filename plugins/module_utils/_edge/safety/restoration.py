# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What puts back what a host had of ours before a change, as a shell script that needs nothing else of ours."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from shlex import quote
from typing import Dict, List, Mapping, Sequence, Tuple

from ..errors import EdgeError


@dataclass(frozen=True)
class Part:
    """A file of somebody else, of which a part is ours. text: what the change makes of it; merge: a shell command that
    reads the file as it is and writes it with our part as it was before the change.
    """

    text: str
    merge: str


@dataclass(frozen=True)
class Restoration:
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


def together(parts: Sequence[Restoration]) -> Restoration:
    """One restoration for several backends, whose names for data differ."""
    data: Dict[str, str] = {}
    for part in parts:
        data.update(part.data)
    return Restoration(
        paths=tuple(dict.fromkeys(path for part in parts for path in part.paths)),
        parts={path: part for one in parts for path, part in one.parts.items()},
        folders=tuple(dict.fromkeys(folder for part in parts for folder in part.folders)),
        live=tuple(command for part in parts for command in part.live),
        data=data,
        units=any(part.units for part in parts),
        active=any(part.active for part in parts),
    )


def saved_files(restoration: Restoration) -> Tuple[List[str], Dict[str, bytes]]:
    """Shell commands that make files as they are now, and what they read, by name. Raises EdgeError.

    Links are kept as links, and never followed.
    """
    contents: Dict[str, bytes] = {}
    commands = [_saved(path, contents) for path in restoration.paths]
    for number, (path, part) in enumerate(restoration.parts.items()):
        contents[f"part-{number}"] = part.text.encode(errors="surrogateescape")
        put = commands[restoration.paths.index(path)]
        if put.startswith("put "):
            commands[restoration.paths.index(path)] = f"part {put[4:]} part-{number} {quote(part.merge)}"
    commands += [f"leave {quote(folder)}" for folder in restoration.folders]
    return commands, contents


def _saved(path: str, contents: Dict[str, bytes]) -> str:
    """The command that makes a file as it is now; what it reads is added to contents."""
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            return f"link {quote(path)} {quote(os.readlink(path))}"
        if not stat.S_ISREG(status.st_mode):
            raise EdgeError(f"{path} is neither a file nor a link; remove it")
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            name = f"file-{len(contents)}"
            contents[name] = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return f"rm -f {quote(path)}"
    except OSError as error:
        raise EdgeError(f"{path} cannot be saved: {error.strerror}") from None
    return f"put {quote(path)} {stat.S_IMODE(status.st_mode):04o} {status.st_uid}:{status.st_gid} {name}"
