# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before the first run: every flow passes, so that each one that fails later fails because of us."""

from __future__ import annotations

import edge


def test_every_flow_passes():
    edge.assert_matrix("untouched")


def test_check_mode_left_nothing():
    host = edge.host()
    assert "xmpp_edge" not in host.check_output("nft list tables")
    assert not host.file("/etc/xmpp-edge").exists
    assert not host.file("/etc/systemd/system/xmpp-edge.service").exists
    assert edge.host("edge_bare").run("command -v nft").rc != 0
