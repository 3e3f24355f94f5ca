# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The choice of the firewall manager, from rules that are loaded and units that run."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.choose import choose_backend, live_managers
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator import iptables_save
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.ruleset import (
    Chain,
    Content,
    FilterRule,
    Ruleset,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.facts import Facts
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.firewall import HostFirewall
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.persistence import PersistenceFacts
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.runner import Completed
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.desired import ABSENT, Desired
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import Group, Rule


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


def test_managed_rules_are_no_manager():
    assert live_managers(ruleset(base("inet xmpp_edge", "drop")), [], ufw_is_active=False) == []
    ours = saved(":INPUT ACCEPT [0:0]\n:XMPP-EDGE-IN - [0:0]\n-A INPUT -j XMPP-EDGE-IN\n-A XMPP-EDGE-IN -j DROP")
    assert live_managers(ours, [], ufw_is_active=False) == []


def test_a_policy_that_drops_is_a_manager():
    assert live_managers(ruleset(base("inet filter", "drop")), [], ufw_is_active=False) == [
        ("nftables", "chain inet filter input drops")
    ]


INPUT = ":INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"


@pytest.mark.parametrize(
    "rest",
    [
        "-A INPUT -j DROP",
        "-A INPUT -p tcp -j REJECT",
        ":rest - [0:0]\n-A INPUT -j rest\n-A rest -p udp -j DROP\n-A rest -j DROP",
    ],
)
def test_rules_of_iptables_that_drop_by_default_are_a_manager(rest):
    found = live_managers(saved(INPUT + rest), [], False, DESIRED.accepts)
    assert found == [("iptables", "chain iptables-nft filter INPUT drops")]


@pytest.mark.parametrize(
    "rest",
    [
        "-A INPUT -i lxdbr0 -p tcp -m tcp --dport 53 -j ACCEPT",
        "-A INPUT -s 198.19.9.9 -j DROP",
        "-A INPUT -p tcp -m tcp --dport 25 -j REJECT",
        "-A INPUT -m conntrack --ctstate INVALID -j DROP",
        "-A INPUT -p udp -j DROP",
        ":XMPP-EDGE-IN - [0:0]\n-A INPUT -j XMPP-EDGE-IN\n-A XMPP-EDGE-IN -j ACCEPT",
    ],
)
def test_rules_of_iptables_that_drop_nothing_by_default_are_none(rest):
    assert live_managers(saved(INPUT + rest), [], False, DESIRED.accepts) == []


def test_managed_rules_do_not_hide_what_drops_by_default():
    rest = ":XMPP-EDGE-IN - [0:0]\n-A INPUT -j XMPP-EDGE-IN\n-A XMPP-EDGE-IN -p tcp -j ACCEPT\n-A INPUT -j DROP"
    assert names(live_managers(saved(INPUT + rest), [], False, DESIRED.accepts)) == ["iptables"]


def test_a_service_that_loads_rules_of_a_manager_is_named():
    assert live_managers(Ruleset(), ["foomuuri.service"], ufw_is_active=False) == [
        ("nftables", "foomuuri.service is active")
    ]


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


HOST = Group("access_addresses_ipv4", ("198.18.0.2",))
DESIRED = Desired("present", (Rule("federation_in", "allow", "in", "ipv4", None, HOST, 5269),))
TAGGED = FilterRule("tagged", lambda: Content(()), 7, "xmpp_edge federation_in")
LISTING = {
    "nftables": [
        {"rule": {"family": "inet", "table": "filter", "chain": "input", "handle": 7, "comment": TAGGED.comment}}
    ]
}


def run(arguments, _stdin):
    """A host on which every program says nothing."""
    return Completed(0, "", "")


def facts_of(found, units=(), listing=None):
    states = {unit: {"ActiveState": "active"} for unit in units}
    return Facts(HostFirewall(found, listing or {}), PersistenceFacts(states))


def test_the_manager_that_is_named_is_taken():
    choice = choose_backend(facts_of(ruleset(base("inet filter", "drop"))), run, "iptables", DESIRED)
    assert (choice.backend.name, choice.reason) == ("iptables", "it was asked for")


@pytest.mark.parametrize(
    ("found", "name", "reason"),
    [
        (ruleset(base("inet filter", "drop")), "nftables", "chain inet filter input drops"),
        (ruleset(), "nftables", "no firewall manager is live on this host"),
    ],
)
def test_the_manager_that_is_live_is_taken(found, name, reason):
    choice = choose_backend(facts_of(found), run, "auto", DESIRED)
    assert (choice.backend.name, choice.reason, list(choice.others)) == (name, reason, [])


def test_two_live_managers_are_refused_by_name():
    facts = facts_of(ruleset(base("inet filter", "drop")), ["iptables.service"])
    with pytest.raises(EdgeError, match=r"auto finds 2 live firewall managers, iptables .* and nftables") as error:
        choose_backend(facts, run, "auto", DESIRED)
    assert str(error.value).endswith("say which is to carry the rules, as backend: iptables or nftables")


def test_another_manager_with_managed_rules_is_to_lose_them():
    chain = Chain("inet filter", "input", ("ipv4",), [TAGGED], "input")
    facts = facts_of(ruleset(chain), listing=LISTING)
    choice = choose_backend(facts, run, "ufw", DESIRED)
    assert [one.name for one in choice.others] == ["nftables"]
    choice = choose_backend(facts, run, "auto", ABSENT)
    assert (choice.backend.name, choice.reason) == ("nftables", "it has managed rules")
    choice = choose_backend(facts_of(ruleset()), run, "auto", ABSENT)
    assert (choice.backend.name, choice.reason) == ("nftables", "there is nothing to be removed")
