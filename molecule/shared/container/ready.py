# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readiness of a server, for systemd: the start of a unit of type "notify" is over only when its port is open."""

from __future__ import annotations

import os
import socket


def notify() -> None:
    """Tell systemd, where it started this process and asks for it, that the server is ready. Source: sd_notify(3)."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"READY=1", path.replace("@", "\0", 1))
