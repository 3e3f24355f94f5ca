# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State of the table of the collection and of its files, and of the second edge, which has no systemd."""

from __future__ import annotations

import edge
import pytest

ROWS = ("federation_in", "federation_out", "gateway_in")


@pytest.fixture(scope="module")
def host():
    return edge.host()


def test_table(host):
    listing = host.check_output("nft list table inet xmpp_edge")
    for row in ROWS:
        assert f'comment "{row}"' in listing
        assert f'comment "{row} guard"' in listing
    rules = [line for line in listing.splitlines() if "comment" in line]
    assert len(rules) == 15
    assert all(" counter packets " in line for line in rules)
    assert listing.count("policy accept;") == 3
    assert "policy drop" not in listing


def test_unit(host):
    service = host.service("xmpp-edge.service")
    assert service.is_enabled
    assert service.is_running
    properties = host.check_output("systemctl show --property=Before,NeedDaemonReload xmpp-edge.service")
    assert "network-pre.target" in properties
    assert "NeedDaemonReload=no" in properties
    assert host.run("systemd-analyze verify --man=no xmpp-edge.service").rc == 0


@pytest.mark.parametrize(
    "path",
    [
        "/etc/xmpp-edge/guards.nft",
        "/etc/systemd/system/xmpp-edge.service",
        "/etc/systemd/system/nftables.service.d/xmpp-edge.conf",
    ],
)
def test_files(host, path):
    file = host.file(path)
    assert file.is_file
    assert (file.user, file.group, file.mode) == ("root", "root", 0o644)
    assert host.check_output(f"find {path.rpartition('/')[0]} -name '.*' -type f") == ""


def test_persisted_file_is_what_is_live(host):
    assert host.run("nft -c -f /etc/xmpp-edge/guards.nft").rc == 0
    rules = "sed -nE 's/^\\t\\t(.* comment .*)/\\1/p'"
    live = host.check_output(f"nft -s list table inet xmpp_edge | {rules}")
    assert live
    assert live == host.check_output(f"{rules} /etc/xmpp-edge/guards.nft")


def test_host_without_systemd_has_the_rules_and_no_files():
    host = edge.host("edge_bare")
    assert 'comment "federation_out guard"' in host.check_output("nft list table inet xmpp_edge")
    assert not host.file("/etc/xmpp-edge").exists
