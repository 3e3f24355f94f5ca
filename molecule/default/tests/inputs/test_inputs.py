# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs of the managed table, and sessions that a run cuts. The last test leaves the inventory's inputs applied."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack

import edge
import pytest


@pytest.fixture(scope="module")
def host():
    return edge.host()


def apply(**variables):
    """Apply the inputs from which a test begins; whether that changes something depends on the test before."""
    edge.changed_tasks(edge.play("site", **variables))


def test_members_alone_change_without_their_rules(host):
    apply()
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
    assert outsider in host.file("/etc/xmpp-edge/guards.nft").content_string


def test_a_session_loses_no_byte_while_the_whole_ruleset_is_loaded_anew(host):
    apply()
    with edge.session("partner", edge.TOPOLOGY.address("edge", "external", "ipv4"), 5269):
        host.check_output("systemctl reload nftables.service")


@pytest.mark.parametrize("timeout", [0, 30])
def test_revoked_sessions_are_cut_and_no_others(timeout):
    apply(**edge.ANY)
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
        assert edge.changed_tasks(edge.play("site", **edge.ANY)) == 1
        checked = edge.play("site", "--check", "-v", xmpp_edge_cut_revoked=True, xmpp_edge_confirm_timeout=timeout)
        assert checked.stdout.count(f"{access[0]}:5269 with ") == 1
        done = edge.play("site", "-v", xmpp_edge_cut_revoked=True, xmpp_edge_confirm_timeout=timeout)
        assert edge.changed_tasks(done) == 1
        assert "is established still" not in done.stdout
        assert len(json.loads(re.search(r'"cut": (\[.*?"\])', done.stdout)[1])) == 5


def test_not_persisted(host):
    apply()
    assert edge.changed_tasks(edge.play("site", xmpp_edge_persist=False)) == 1
    assert edge.changed_tasks(edge.play("site", xmpp_edge_persist=False)) == 0
    edge.assert_no_managed_files()
    edge.assert_matrix("narrowed")
    assert edge.changed_tasks(edge.play("site")) == 1
    assert host.service("xmpp-edge.service").is_enabled
