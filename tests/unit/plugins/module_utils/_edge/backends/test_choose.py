# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which managers are taken for live, from what is loaded and running."""

from __future__ import annotations

from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.choose import live_managers
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator import iptables_save
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.ruleset import Chain, Ruleset


def ruleset(*chains):
    made = Ruleset()
    for chain in chains:
        made.add(chain)
    return made


def base(table, policy="accept"):
    return Chain(table, "input", ("ipv4", "ipv6"), hook="input", policy=policy)


def names(found):
    return [name for name, _why in found]


def saved(text):
    return iptables_save.read_ruleset(f"*filter\n{text}\nCOMMIT\n", "iptables-nft")


def test_nothing_is_live_on_a_host_without_rules():
    assert live_managers(Ruleset(), [], ufw_is_active=False) == []


def test_tables_of_programs_that_drop_nothing_by_default_are_no_manager():
    assert live_managers(ruleset(base("inet f2b-table")), [], ufw_is_active=False) == []
    docker = saved(":INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:f2b - [0:0]\n-A INPUT -p tcp -j f2b\n-A f2b -j RETURN")
    assert live_managers(docker, [], ufw_is_active=False) == []


def test_our_own_rules_are_no_manager():
    assert live_managers(ruleset(base("inet xmpp_edge", "drop")), [], ufw_is_active=False) == []
    ours = saved(":INPUT ACCEPT [0:0]\n:XMPP-EDGE-IN - [0:0]\n-A INPUT -j XMPP-EDGE-IN\n-A XMPP-EDGE-IN -j DROP")
    assert live_managers(ours, [], ufw_is_active=False) == []


def test_a_policy_that_drops_is_a_manager():
    assert live_managers(ruleset(base("inet filter", "drop")), [], ufw_is_active=False) == [
        ("nftables", "chain inet filter input drops")
    ]


def test_rules_of_iptables_are_a_manager():
    rules = saved(":INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT")
    assert names(live_managers(rules, [], ufw_is_active=False)) == ["iptables"]


def test_chains_of_ufw_and_firewalld_are_theirs():
    rules = saved(":INPUT DROP [0:0]\n:ufw-user-input - [0:0]\n-A INPUT -j ufw-user-input")
    assert names(live_managers(rules, [], ufw_is_active=True)) == ["ufw"]
    assert names(live_managers(ruleset(base("inet firewalld")), [], ufw_is_active=False)) == ["firewalld"]


def test_two_are_both_named():
    rules = ruleset(base("inet firewalld"))
    assert names(live_managers(rules, ["nftables.service"], ufw_is_active=True)) == ["nftables", "firewalld", "ufw"]


def test_a_running_service_is_a_manager_with_its_name():
    assert live_managers(Ruleset(), ["netfilter-persistent.service"], ufw_is_active=False) == [
        ("iptables", "netfilter-persistent.service is active")
    ]
