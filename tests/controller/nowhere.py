# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection plugin that reaches nothing, for tests of what is done with one."""

from __future__ import annotations

from typing import Any

from ansible.plugins.connection import ConnectionBase


class Nowhere(ConnectionBase):
    """A connection that does nothing."""

    transport = "nowhere"

    def _connect(self) -> None:
        """Reach nothing."""

    def close(self) -> None:
        """Leave nothing."""

    def exec_command(self, *_arguments: Any, **_options: Any) -> None:
        """Run nothing."""

    def put_file(self, *_arguments: Any) -> None:
        """Send nothing."""

    def fetch_file(self, *_arguments: Any) -> None:
        """Get nothing."""
