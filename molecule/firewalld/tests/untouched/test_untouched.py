# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before the first run: the manager keeps the table shut."""

from __future__ import annotations

import managed


class TestUntouched(managed.Untouched):
    """See managed.py."""
