# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State of the second edge before the first run: without systemd, and without nftables until a run installs it."""

from __future__ import annotations

import edge


def test_check_mode_installed_nothing():
    assert edge.host("edge_bare").run("command -v nft").rc != 0
