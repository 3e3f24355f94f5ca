# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the files that a change may touch, and renders the shell commands that make them again as they are now."""

from __future__ import annotations

import os
import stat
from shlex import quote
from typing import Dict, List, Tuple

from ..model.errors import EdgeError
from ..model.rollback_data import RollbackData


def saved_files(restoration: RollbackData) -> Tuple[List[str], Dict[str, bytes]]:
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
