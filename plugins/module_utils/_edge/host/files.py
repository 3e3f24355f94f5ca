# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and replacing our own small text files."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tempfile
from typing import Optional, Sequence, Tuple, Union

from ..model.errors import EdgeError

FILE_MODE = 0o644
FOLDER_MODE = 0o755
_LONGEST = 64 * 1024 * 1024


def difference(path: str, text: str) -> Optional[str]:
    """In what a file is not as write_atomically would leave it, in words; None where it is. Raises EdgeError."""
    found = read_text(path)
    if found is None:
        return "is missing"
    if found != text:
        return "was edited"
    status = os.lstat(path)
    mode = stat.S_IMODE(status.st_mode)
    if mode != FILE_MODE:
        return f"has mode {mode:04o}"
    if status.st_uid != os.geteuid():
        return f"has owner {status.st_uid}"
    return None


def read_text(path: str) -> Optional[str]:
    """Text of a regular file; None where there is none, "" where something else is there. Raises EdgeError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        return None
    except PermissionError:
        raise EdgeError(f"{path} cannot be read: run as root (become: true)") from None
    except OSError:
        return ""  # A symbolic link or the like: present, and not as we would have it.
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return ""
    with os.fdopen(descriptor, encoding="utf-8", errors="replace", newline="") as file:
        return file.read(_LONGEST)


def replace_text(path: str, text: str) -> None:
    """Put another text into a file of somebody else, whose owner and mode stay. Raises EdgeError."""
    try:
        status = os.lstat(path)
    except OSError as error:
        raise EdgeError(f"{path} cannot be read: {error.strerror}") from None
    write_atomically(path, text, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid))


def write_atomically(
    path: str, content: Union[str, bytes], mode: int = FILE_MODE, owner: Optional[Tuple[int, int]] = None
) -> None:
    """Put a file in place whole: after a crash there is the old one or the new one. Raises EdgeError.

    owner: user and group, as numbers; left out means the one who runs this.
    """
    folder = os.path.dirname(path)
    try:
        _make_folder(folder)
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{os.path.basename(path)}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                # What came from a host as bytes that are no text goes back as such.
                file.write(content.encode(errors="surrogateescape") if isinstance(content, str) else content)
                file.flush()
                if owner is not None:
                    os.fchown(descriptor, *owner)
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise EdgeError(f"{path} cannot be written: {error.strerror}") from None


def link_atomically(path: str, target: str) -> None:
    """Put a symbolic link in place, whatever was there. Raises EdgeError."""
    try:
        _make_folder(os.path.dirname(path))
        temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{secrets.token_hex(8)}")
        os.symlink(target, temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise EdgeError(f"{path} cannot be made: {error.strerror}") from None


def _make_folder(folder: str) -> None:
    if not os.path.isdir(folder):
        os.makedirs(folder)
        os.chmod(folder, FOLDER_MODE)  # Whatever the caller's umask is.


def folder_faults(path: str) -> Sequence[str]:
    """In what a folder of ours is not as it should be, in words: files in it could be somebody else's to change."""
    try:
        status = os.lstat(path)
    except OSError:
        return ()
    if not stat.S_ISDIR(status.st_mode):
        return ("is no folder",)
    mode = stat.S_IMODE(status.st_mode)
    owner = () if status.st_uid == os.geteuid() else (f"has owner {status.st_uid}",)
    return owner if mode == FOLDER_MODE else (*owner, f"has mode {mode:04o}")


def repair_folder(path: str) -> None:
    """Make a folder of ours as it should be. Raises EdgeError."""
    try:
        if os.path.islink(path):
            os.unlink(path)
        if not os.path.isdir(path):
            os.mkdir(path)
        if folder_faults(path):
            os.chown(path, os.geteuid(), os.getegid())
            os.chmod(path, FOLDER_MODE)
    except OSError as error:
        raise EdgeError(f"{path} cannot be made as it should be: {error.strerror}") from None


def remove_file(path: str) -> None:
    """Remove a file if it is there. Raises EdgeError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise EdgeError(f"{path} cannot be removed: {error.strerror}") from None


def remove_folder_if_empty(path: str) -> None:
    """Remove a folder that holds nothing; one that holds anything, or is not there, is left as it is."""
    with contextlib.suppress(OSError):
        os.rmdir(path)
