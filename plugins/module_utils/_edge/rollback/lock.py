# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock that lets one run at a time work on a host. It ends with the last process that holds it.

Source: flock(2).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import Optional

from ..model.errors import EdgeError

LOCK_FILE = "/run/xmpp-edge.lock"
PATIENCE = 120.0
"""Seconds that a run waits for others."""

_BETWEEN_TRIES = 0.1


class HostLock:
    """The lock. A child that is forked while it is held holds it too.

    path: the lock's file, which exists only while a run uses it; may_create: false in check mode, which needs no lock
    where no other run has made the file.
    """

    def __init__(self, path: str = LOCK_FILE, may_create: bool = True) -> None:
        self.path = path
        self._may_create = may_create
        self._descriptor: Optional[int] = None

    def acquire(self, deadline: Optional[float] = None) -> None:
        """Wait for the lock until a deadline, a time of time.monotonic(). Raises EdgeError."""
        deadline = time.monotonic() + PATIENCE if deadline is None else deadline
        while not self._try():
            if time.monotonic() > deadline:
                raise EdgeError(
                    f"another run of xmpp.edge has held {self.path} for {PATIENCE:.0f} seconds; "
                    f'find it with "fuser {self.path}", and run again once it has ended'
                )
            time.sleep(_BETWEEN_TRIES)

    def pause(self) -> None:
        """Let other runs take the lock, with its file left in place."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def release(self) -> None:
        """Release the lock, and remove its file."""
        if self._descriptor is not None and self._may_create:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        self.pause()

    def _refuse_without_rights(self) -> None:
        """Refuse what a run would refuse that may create the file. Raises EdgeError."""
        folder = os.path.dirname(self.path)
        if os.path.isdir(folder) and not os.access(folder, os.W_OK | os.X_OK):
            raise EdgeError(f"{self.path} cannot be locked: run as root (become: true)")

    def _try(self) -> bool:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT if self._may_create else 0)
        try:
            descriptor = os.open(self.path, flags, 0o600)
        except FileNotFoundError:
            if not self._may_create:
                self._refuse_without_rights()
                return True
            raise EdgeError(f"{self.path} cannot be made: its folder is missing") from None
        except PermissionError:
            raise EdgeError(f"{self.path} cannot be locked: run as root (become: true)") from None
        except OSError as error:
            raise EdgeError(f"{self.path} cannot be locked: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The last holder may have removed the file that was opened here.
            held = os.path.samestat(os.fstat(descriptor), os.stat(self.path))
        except OSError:
            held = False
        if held:
            self._descriptor = descriptor
        else:
            os.close(descriptor)
        return held
