# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Denials of a part of a row: which rules are found, and which are none."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator import iptables_save
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.denials import denials_of
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import Group, Rule

HOST = Group("access_addresses_ipv4", ("198.18.0.2",))
PARTNER = Group("partner_networks_ipv4", ("198.18.7.0/24",))
ANY = [Rule("federation_in", "allow", "in", "ipv4", None, HOST, 5269)]
LISTED = [Rule("federation_in", "allow", "in", "ipv4", PARTNER, HOST, 5269)]


def found(rules, text, policy="DROP"):
    """Return the rules that deny a part, as iptables has them."""
    lines = [f":INPUT {policy} [0:0]", *(f":{line.split()[1]} - [0:0]" for line in text if "-A f2b" in line)]
    ruleset = iptables_save.read_ruleset("\n".join(["*filter", *lines, *text, "COMMIT"]), "iptables")
    return [one.rule.text for denials in denials_of(ruleset, rules, {}).values() for one in denials]


ACCEPT = "-A INPUT -p tcp -m tcp --dport 5269 -j ACCEPT"


@pytest.mark.parametrize(
    "denial",
    [
        "-A INPUT -s 203.0.114.9/32 -j DROP",
        "-A INPUT -s 203.0.114.0/24 -p tcp -j REJECT",
        "-A INPUT -m iprange --src-range 8.8.8.8-8.8.8.9 -j DROP",
        "-A INPUT -m mac --mac-source 02:00:00:00:00:01 -j DROP",
        "-A INPUT ! -s 203.0.114.0/24 -i eth0 -j DROP",
    ],
)
def test_a_denial_before_the_accept_is_found(denial):
    assert found(ANY, [denial, ACCEPT]) == [denial]
    assert found(ANY, [ACCEPT, denial]) == []


def test_a_ban_in_a_chain_of_its_own_is_found_by_its_rule():
    ban = "-A f2b -s 203.0.114.9/32 -j REJECT"
    assert found(ANY, ["-A INPUT -p tcp -j f2b", ban, ACCEPT]) == [ban]


@pytest.mark.parametrize(
    "rule",
    [
        "-A INPUT -m conntrack --ctstate INVALID -j DROP",
        "-A INPUT -s 10.0.0.0/8 -j DROP",
        "-A INPUT -s 224.0.0.0/4 -j DROP",
        "-A INPUT -s 203.0.114.9/32 -p udp -j DROP",
        "-A INPUT -s 203.0.114.9/32 -p tcp -m tcp --dport 22 -j DROP",
        "-A INPUT -d 198.18.0.9/32 -j DROP",
        "-A INPUT -s 203.0.114.9/32 -j ACCEPT",
    ],
)
def test_what_denies_nothing_that_may_federate_is_none(rule):
    assert found(ANY, [rule, ACCEPT]) == []


def test_only_what_denies_a_listed_network_is_found():
    inside, outside = "-A INPUT -s 198.18.7.9/32 -j DROP", "-A INPUT -s 198.18.8.9/32 -j DROP"
    assert found(LISTED, [inside, outside, ACCEPT]) == [inside]


def test_addresses_that_another_rule_takes_before_are_not_denied():
    zone = ["-A INPUT -s 203.0.114.0/24 -j f2b", "-A INPUT -s 203.0.114.0/24 -j REJECT"]
    accept = "-A f2b -p tcp -m tcp --dport 5269 -j ACCEPT"
    assert found(ANY, [*zone, accept, ACCEPT]) == []
    assert found(ANY, [*zone, "-A f2b -p tcp -m tcp --dport 22 -j ACCEPT", ACCEPT]) == [zone[1]]
