# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other inputs, and sessions that outlast a change of rules. The last test leaves the inventory's inputs applied."""

from __future__ import annotations

from contextlib import ExitStack

import edge


def test_any():
    assert edge.changed_tasks(edge.play("site", **edge.ANY)) == 1
    edge.assert_matrix("any")
    assert edge.changed_tasks(edge.play("site", **edge.ANY)) == 0


def test_permit_adds_and_blocks_nothing():
    assert edge.changed_tasks(edge.play("site", xmpp_edge_mode="permit")) == 1
    edge.assert_matrix(edge.PERMITTED)
    assert edge.changed_tasks(edge.play("site", xmpp_edge_mode="permit")) == 0


def test_many_networks():
    networks = [f"198.19.{number}.0/25" for number in range(60)] + edge.TOPOLOGY.addresses("partner", "external")
    assert edge.changed_tasks(edge.play("site", xmpp_edge_partner_networks=networks)) == 1
    edge.assert_matrix("narrowed")
    assert edge.changed_tasks(edge.play("site", xmpp_edge_partner_networks=networks)) == 0
    done = edge.play("site", "--diff", xmpp_edge_partner_networks=networks[1:])
    assert edge.changed_tasks(done) == 1
    assert f"-partner_networks_ipv4  {networks[0]}" in done.stdout
    assert edge.changed_tasks(edge.play("site")) == 1
    edge.assert_matrix("narrowed")


def test_sessions_lose_no_byte_while_rules_change():
    access = edge.TOPOLOGY.address("edge", "external", "ipv4")
    internal = edge.TOPOLOGY.address("edge", "internal", "ipv6")
    partner = edge.TOPOLOGY.address("partner", "external", "ipv6")
    outsider = {"xmpp_edge_partner_networks": edge.TOPOLOGY.addresses("outsider", "external")}
    # A port that is not in the table, a gateway that stays allowed, and a partner that is struck off.
    with ExitStack() as sessions:
        for vantage, target, port in (
            ("outsider", access, 5222),
            ("front_end", internal, 23456),
            ("partner", access, 5269),
            ("edge", partner, 5269),
        ):
            sessions.enter_context(edge.session(vantage, target, port))
        assert edge.changed_tasks(edge.play("site", xmpp_edge_mode="permit")) == 1
        assert edge.changed_tasks(edge.play("site", **outsider)) == 1
        assert edge.changed_tasks(edge.play("remove")) == 1
        assert edge.changed_tasks(edge.play("site")) == 1


def test_bad_input_changes_nothing():
    host = edge.host()
    state = "nft -s -a list ruleset; cat /etc/xmpp-edge/*; systemctl show xmpp-edge.service"
    before = host.check_output(state)
    for bad in ({"xmpp_edge_partner_networks": []}, {"xmpp_edge_access_addresses": ["$(touch /root/owned)"]}):
        done = edge.play("site", **bad)
        assert done.returncode != 0
        assert "Traceback" not in done.stdout
    assert host.check_output(state) == before
    assert not host.file("/root/owned").exists
