# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other inputs, and what is left when the rules go. Each test applies its inputs by itself; the last removes all."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack

import edge
import pytest

ANY = {"xmpp_edge_partner_networks": ["any"], "xmpp_edge_front_end_networks": ["any"]}


@pytest.fixture(scope="module")
def host():
    return edge.host()


def test_any(host):
    assert edge.changed_tasks(edge.play("site", **ANY)) == 1
    edge.assert_matrix("any")
    assert edge.changed_tasks(edge.play("site", **ANY)) == 0


def test_permit_blocks_nothing(host):
    assert edge.changed_tasks(edge.play("site", xmpp_edge_mode="permit")) == 1
    edge.assert_matrix("untouched")
    assert "drop" not in host.check_output("nft list table inet xmpp_edge")


def test_members_alone_change_without_their_rules(host):
    assert edge.changed_tasks(edge.play("site")) == 1
    edge.assert_matrix("narrowed")
    before = host.check_output("nft -a list table inet xmpp_edge")
    assert 'packets 0 bytes 0 accept comment "federation_in"' not in before
    partners = [*edge.TOPOLOGY.addresses("partner", "external"), *edge.TOPOLOGY.addresses("outsider", "external")]
    done = edge.play("site", "--diff", xmpp_edge_partner_networks=partners)
    assert edge.changed_tasks(done) == 1
    after = host.check_output("nft -a list table inet xmpp_edge")
    for line in before.splitlines():
        if "comment" in line:
            assert line in after  # With its counter and its handle.
    outsider = edge.TOPOLOGY.address("outsider", "external", "ipv4")
    assert f"{outsider} -> " in done.stdout
    assert outsider in host.file("/etc/xmpp-edge/nftables.nft").content_string


def test_sessions_lose_no_byte_while_rules_change(host):
    assert edge.changed_tasks(edge.play("site")) == 1
    access = edge.TOPOLOGY.address("edge", "external", "ipv4")
    internal = edge.TOPOLOGY.address("edge", "internal", "ipv6")
    outsider = {"xmpp_edge_partner_networks": edge.TOPOLOGY.addresses("outsider", "external")}
    # A port that is not in the table, a federation that stays allowed, and one whose partner is struck off.
    with ExitStack() as sessions:
        for vantage, target, port in (
            ("outsider", access, 5222),
            ("front_end", internal, 23456),
            ("partner", access, 5269),
        ):
            sessions.enter_context(edge.session(vantage, target, port))
        assert edge.changed_tasks(edge.play("site", xmpp_edge_mode="permit")) == 1
        assert edge.changed_tasks(edge.play("site", **outsider)) == 1
        host.check_output("systemctl reload nftables.service")
    assert edge.changed_tasks(edge.play("site", **ANY)) == 1


@pytest.mark.parametrize("timeout", [0, 30])
def test_revoked_sessions_are_cut_and_no_others(timeout):
    assert edge.play("site", **ANY).returncode == 0
    access = [edge.TOPOLOGY.address("edge", "external", family) for family in ("ipv4", "ipv6")]
    internal = edge.TOPOLOGY.address("edge", "internal", "ipv4")
    away = [edge.TOPOLOGY.address("outsider", "external", family) for family in ("ipv4", "ipv6")]
    with ExitStack() as sessions:
        for vantage, target, port, cut in (
            ("outsider", access[0], 5222, False),
            ("front_end", internal, 23456, False),
            ("partner", access[0], 5269, False),
            ("partner", access[1], 5269, False),
            ("outsider", access[0], 5269, True),
            ("outsider", access[1], 5269, True),
            ("intruder", internal, 23456, True),
            ("edge", away[0], 5269, True),
            ("edge", away[1], 5269, True),
        ):
            sessions.enter_context(edge.session(vantage, target, port, cut=cut))
        assert edge.changed_tasks(edge.play("site")) == 1
        assert edge.changed_tasks(edge.play("site", **ANY)) == 1
        looked = edge.play("site", "--check", "-v", xmpp_edge_cut_revoked=True, xmpp_edge_confirm_timeout=timeout)
        assert looked.stdout.count(f"{access[0]}:5269 with ") == 1
        done = edge.play("site", "-v", xmpp_edge_cut_revoked=True, xmpp_edge_confirm_timeout=timeout)
        assert edge.changed_tasks(done) == 1
        assert "is established still" not in done.stdout
        assert len(json.loads(re.search(r'"cut": (\[.*?"\])', done.stdout)[1])) == 5
    assert edge.changed_tasks(edge.play("site", **ANY)) == 1


def test_bad_input_changes_nothing(host):
    assert edge.changed_tasks(edge.play("site")) == 1
    before = host.check_output("nft -a list ruleset; cat /etc/xmpp-edge/*; systemctl show xmpp-edge.service")
    for bad in ({"xmpp_edge_partner_networks": []}, {"xmpp_edge_access_addresses": ["$(touch /root/owned)"]}):
        done = edge.play("site", **bad)
        assert done.returncode != 0
        assert "Traceback" not in done.stdout
    assert host.check_output("nft -a list ruleset; cat /etc/xmpp-edge/*; systemctl show xmpp-edge.service") == before
    assert not host.file("/root/owned").exists


def test_not_persisted(host):
    assert edge.changed_tasks(edge.play("site", xmpp_edge_persist=False)) == 1
    assert edge.changed_tasks(edge.play("site", xmpp_edge_persist=False)) == 0
    assert_no_files(host)
    edge.assert_matrix("narrowed")
    assert edge.changed_tasks(edge.play("site")) == 1
    assert host.service("xmpp-edge.service").is_enabled


def test_removed(host):
    assert edge.changed_tasks(edge.play("remove", "--check")) == 1
    assert host.service("xmpp-edge.service").is_enabled
    assert edge.changed_tasks(edge.play("remove")) == 1
    assert edge.changed_tasks(edge.play("remove")) == 0
    assert_no_files(host)
    assert host.check_output("nft list ruleset") == host.check_output("cat /root/ruleset-without-us")
    edge.assert_matrix("untouched")


def assert_no_files(host):
    """No file, link, folder or unit of ours is there."""
    assert host.check_output("find /etc -iname '*xmpp*'") == ""
    assert not host.file("/etc/systemd/system/nftables.service.d").exists
    assert "xmpp" not in host.check_output("systemctl list-units --all; systemctl list-unit-files")
