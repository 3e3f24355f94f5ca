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
from dataclasses import dataclass
from typing import Dict, Optional, Sequence, Tuple, Union

from ..model.errors import EdgeError
from .digests import difference_of

FILE_MODE = 0o644
FOLDER_MODE = 0o755
_LONGEST = 64 * 1024 * 1024


@dataclass(frozen=True)
class FileState:
    """State of a path. text: of a regular file, None for anything else; mode: permission bits; uid: its owner;
    expected_uid: who should own it; folder, link: what it is where it is no regular file.
    """

    text: Optional[str]
    mode: int
    uid: int
    expected_uid: int
    folder: bool = False
    link: bool = False

    @property
    def fault(self) -> Optional[str]:
        """Return how mode and owner differ from those of a managed file or folder; None where they do not."""
        if self.uid != self.expected_uid:
            return f"has owner {self.uid}"
        expected = FOLDER_MODE if self.folder else FILE_MODE
        return None if self.mode == expected else f"has mode {self.mode:04o}"


def read_states(paths: Sequence[str]) -> Dict[str, FileState]:
    """Return the state of each path that is there. Raises EdgeError."""
    states = {}
    for path in paths:
        try:
            status = os.lstat(path)
        except OSError:
            continue
        regular = stat.S_ISREG(status.st_mode)
        states[path] = FileState(
            text=read_text(path) if regular else None,
            mode=stat.S_IMODE(status.st_mode),
            uid=status.st_uid,
            expected_uid=os.geteuid(),
            folder=stat.S_ISDIR(status.st_mode),
            link=stat.S_ISLNK(status.st_mode),
        )
    return states


@dataclass(frozen=True)
class OpenFile:
    """A file that others write too. owner: its user and group, as numbers."""

    path: str
    text: str
    mode: int
    owner: Tuple[int, int]


def read_open_file(path: str) -> Optional[OpenFile]:
    """Return a regular file with its mode and owner, None where there is none. Raises EdgeError."""
    text = read_text(path)
    if text is None:
        return None
    try:
        status = os.lstat(path)
    except OSError as error:
        raise EdgeError(f"{path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise EdgeError(f"{path} is no regular file; put one in its place")
    return OpenFile(path, text, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid))


def difference(state: Optional[FileState], text: str) -> Optional[str]:
    """Return how a file differs from the one that a run would write, None where it does not."""
    if state is None:
        return "is missing"
    if state.text is None:
        return "is no regular file"
    return difference_of(state.text) if state.text != text else state.fault


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


def is_read_only(folder: str) -> bool:
    """Return whether a folder is on a file system that is mounted read-only."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False


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


def repair_folder(path: str) -> None:
    """Make a managed folder as it should be. Raises EdgeError."""
    try:
        if os.path.islink(path):
            os.unlink(path)
        if not os.path.isdir(path):
            os.mkdir(path)
        os.chown(path, os.geteuid(), os.getegid())
        os.chmod(path, FOLDER_MODE)
    except OSError as error:
        raise EdgeError(f"{path} cannot be made as it should be: {error.strerror}") from None


def remove_file(path: str) -> None:
    """Remove a file if it is there. Raises EdgeError."""
    # On a disk that cannot be written also the removal of what is not there is refused.
    if not os.path.lexists(path):
        return
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
