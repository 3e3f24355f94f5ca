# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be true after every converge, reboot, reload and repair."""

from __future__ import annotations

import managed


class TestSteady(managed.Steady):
    """See managed.py."""
