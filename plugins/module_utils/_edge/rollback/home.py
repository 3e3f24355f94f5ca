# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of pending changes, whose scripts run with all rights."""

from __future__ import annotations

import os
import stat

from ..model.errors import EdgeError


def refuse_unsafe_home(home: str) -> None:
    """Refuse a folder into which others may write or look. Raises EdgeError."""
    try:
        status = os.lstat(home)
    except OSError as error:
        raise EdgeError(f"{home} cannot be read: {error.strerror}") from None
    if not (stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077):
        raise EdgeError(f"{home} is not a folder that only the user who runs this may look into (mode 0700); remove it")
