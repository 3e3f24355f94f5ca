# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that hold on every host whose own firewall manager lets nothing in but 5222; scenarios import them.

A scenario's prepare leaves two scripts in /root: foreign, which prints all that is not ours, and foreign-before, what
that printed before the first run.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

import edge

ANY = {"xmpp_edge_partner_networks": ["any"], "xmpp_edge_front_end_networks": ["any"]}
BACKEND = os.environ["XMPP_EDGE_BACKEND"]


def assert_foreign_is_untouched():
    """All that is not ours is byte-equal to what it was before the first run."""
    host = edge.host()
    assert host.check_output("sh /root/foreign") == host.check_output("cat /root/foreign-before")


class Untouched:
    """Before the first run, and after a run in check mode."""

    def test_table_is_shut(self):
        edge.assert_matrix("closed")

    def test_check_mode_left_nothing(self):
        assert_foreign_is_untouched()
        assert_nothing_of_ours()


class Steady:
    """After every converge, reboot, reload and repair."""

    def test_matrix(self):
        edge.assert_matrix("narrowed")

    def test_foreign_is_byte_equal(self):
        assert_foreign_is_untouched()

    def test_second_run_changes_nothing(self):
        assert edge.changed_tasks(edge.play("site")) == 0
        assert edge.changed_tasks(edge.play("site", "--check", "--diff")) == 0

    def test_rows_are_effective_and_say_why(self):
        result = edge.result()
        assert result["backend"] == BACKEND
        assert result["backend_reason"] != ""
        assert result["persisted"]
        for row in result["rows"].values():
            assert row["present"]
            assert row["effective"] == "yes", row
            assert row["decided_by"]


class Inputs:
    """Other inputs, sessions, and what is left when the rules go."""

    def test_any(self):
        assert edge.changed_tasks(edge.play("site", **ANY)) == 1
        edge.assert_matrix("any")
        assert edge.changed_tasks(edge.play("site", **ANY)) == 0

    def test_permit_adds_and_blocks_nothing(self):
        assert edge.changed_tasks(edge.play("site", xmpp_edge_mode="permit")) == 1
        edge.assert_matrix("opened")
        assert edge.changed_tasks(edge.play("site", xmpp_edge_mode="permit")) == 0

    def test_many_networks(self):
        networks = [f"198.19.{number}.0/25" for number in range(60)] + edge.TOPOLOGY.addresses("partner", "external")
        assert edge.changed_tasks(edge.play("site", xmpp_edge_partner_networks=networks)) == 1
        edge.assert_matrix("narrowed")
        assert edge.changed_tasks(edge.play("site", xmpp_edge_partner_networks=networks)) == 0
        fewer = networks[1:]
        done = edge.play("site", "--diff", xmpp_edge_partner_networks=fewer)
        assert edge.changed_tasks(done) == 1
        assert f"-partner_networks_ipv4  {networks[0]}" in done.stdout
        assert edge.changed_tasks(edge.play("site")) == 1
        edge.assert_matrix("narrowed")

    def test_sessions_lose_no_byte_while_rules_change(self):
        access = edge.TOPOLOGY.address("edge", "external", "ipv4")
        internal = edge.TOPOLOGY.address("edge", "internal", "ipv6")
        partner = edge.TOPOLOGY.address("partner", "external", "ipv6")
        outsider = {"xmpp_edge_partner_networks": edge.TOPOLOGY.addresses("outsider", "external")}
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

    def test_bad_input_changes_nothing(self):
        before = edge.host().check_output("nft -a list ruleset; cat /root/foreign-before")
        for bad in ({"xmpp_edge_partner_networks": []}, {"xmpp_edge_access_addresses": ["$(touch /root/owned)"]}):
            done = edge.play("site", **bad)
            assert done.returncode != 0
            assert "Traceback" not in done.stdout
        assert edge.host().check_output("nft -a list ruleset; cat /root/foreign-before") == before
        assert not edge.host().file("/root/owned").exists

    def test_removed(self):
        assert edge.changed_tasks(edge.play("remove", "--check")) == 1
        assert edge.changed_tasks(edge.play("remove")) == 1
        assert edge.changed_tasks(edge.play("remove")) == 0
        assert_nothing_of_ours()
        assert_foreign_is_untouched()
        edge.assert_matrix("closed")


def assert_nothing_of_ours():
    """No file, unit, chain, set, policy or rule of ours is there, in whatever manager."""
    host = edge.host()
    assert host.check_output("find /etc -iname '*xmpp*'") == ""
    assert "xmpp" not in host.check_output("systemctl list-units --all; systemctl list-unit-files")
    live = host.check_output(
        "nft list ruleset; iptables-save; ip6tables-save; ipset save; cat /etc/ufw/*.rules 2>&1; :"
    )
    assert "xmpp" not in live.lower()
    assert not host.run("grep -ri xmpp /etc/firewalld /etc/iptables /etc/nftables.conf").stdout
