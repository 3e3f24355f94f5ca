# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of the files that a change may touch, and the shell commands that restore them."""

from __future__ import annotations

import os
import stat
from shlex import quote
from typing import Dict, List, Tuple

from ..model.errors import EdgeError
from ..model.rollback_data import RollbackData

_RESTORE_FILE, _RESTORE_SHARED_FILE = "restore_file ", "restore_shared_file "


def saved_files(rollback: RollbackData) -> Tuple[List[str], Dict[str, bytes]]:
    """Return shell commands that restore files as they are now, and the copies that they read, by name.

    The commands are functions of the rollback script, or plain ones. Symbolic links are restored as such, and never
    followed. Raises EdgeError.
    """
    copies: Dict[str, bytes] = {}
    commands = [_saved(path, copies) for path in rollback.paths]
    for number, (path, shared) in enumerate(rollback.shared_files.items()):
        copies[f"shared-{number}"] = shared.text.encode(errors="surrogateescape")
        place = rollback.paths.index(path)
        if commands[place].startswith(_RESTORE_FILE):
            arguments = commands[place][len(_RESTORE_FILE) :]
            commands[place] = f"{_RESTORE_SHARED_FILE}{arguments} shared-{number} {quote(shared.merge)}"
    commands += [f"remove_empty_folder {quote(folder)}" for folder in rollback.folders]
    return commands, copies


def _saved(path: str, copies: Dict[str, bytes]) -> str:
    """Return the command that restores a file as it is now, and add what it reads to the copies."""
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            return f"restore_link {quote(path)} {quote(os.readlink(path))}"
        if not stat.S_ISREG(status.st_mode):
            raise EdgeError(f"{path} is neither a file nor a link; remove it")
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            name = f"file-{len(copies)}"
            copies[name] = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return f"rm -f {quote(path)}"
    except OSError as error:
        raise EdgeError(f"{path} cannot be saved: {error.strerror}") from None
    return f"{_RESTORE_FILE}{quote(path)} {stat.S_IMODE(status.st_mode):04o} {status.st_uid}:{status.st_gid} {name}"
