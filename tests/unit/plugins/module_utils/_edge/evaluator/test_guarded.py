# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards: what they have to close, and what is said where something is open or not known."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator import iptables_save
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.guarded import evaluate_guards
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.managed import allow_rules, block_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.ruleset import Chain, Ruleset
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options

OPTIONS = {
    "access_addresses": ["198.18.0.2", "2001:db8::2"],
    "internal_addresses": ["198.18.1.2"],
    "partner_networks": ["198.18.7.0/24", "2001:db8:7::/48"],
    "front_end_networks": ["198.18.8.9"],
}
HOOKS = (("prerouting", "in", -190), ("input", "in", -10), ("output", "out", -10))
BOTH = ("ipv4", "ipv6")


def guarded(without=(), more="", **changes):
    """Return the answer for each row, on a host with the guards. without: hooks that lack them; more: for iptables."""
    rules = compile_rules(parse_options({**OPTIONS, **changes}))
    ruleset = Ruleset()
    for hook, direction, priority in HOOKS:
        if hook not in without:
            found = [*allow_rules(rules, direction, BOTH), *block_rules(rules, direction, hook == "prerouting")]
            ruleset.add(Chain("inet xmpp_edge", hook, BOTH, found, hook, priority=priority))
    ruleset.chains.update(iptables_save.read_ruleset(more, "iptables").chains)
    return {row: (one.guarded, one.reason or one.subject) for row, one in evaluate_guards(ruleset, rules).items()}


ROWS = ("federation_in", "federation_out", "gateway_in")


@pytest.mark.parametrize("changes", [{}, {"partner_networks": ["any"]}, {"front_end_networks": ["any"]}])
def test_the_guards_close_all_that_the_table_forbids(changes):
    assert {row: answer for row, (answer, _why) in guarded(**changes).items()} == dict.fromkeys(ROWS, "yes")


@pytest.mark.parametrize("row", ROWS)
def test_without_the_guards_each_row_is_open(row):
    answer, subject = guarded(without=("prerouting", "input", "output"))[row]
    assert answer == "no"
    assert subject.startswith("tcp ")


def test_one_chain_of_a_direction_is_enough_for_a_connection_that_nothing_translates():
    assert guarded(without=("input",))["federation_in"][0] == "yes"
    assert guarded(without=("prerouting",))["federation_in"][0] == "yes"
    assert guarded(without=("output",))["federation_out"][0] == "no"
    assert guarded(without=("output",))["federation_in"][0] == "yes"


def test_a_default_drop_of_the_host_closes_as_well():
    closed = "*filter\n:INPUT DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
    # It has no word about IPv6.
    assert guarded(without=("prerouting", "input"), more=closed)["gateway_in"][0] == "no"


def test_a_port_published_for_an_unknown_place_makes_the_outbound_guard_unknown():
    rule = "-A PREROUTING -p tcp -m tcp --dport 5269 -j DNAT --to-destination 10.0.0.5"
    nat = f"*nat\n:PREROUTING ACCEPT [0:0]\n{rule}\nCOMMIT\n"
    answer, reason = guarded(more=nat)["federation_out"]
    assert answer == "unknown"
    assert "port 5269 is translated to a place that is not known" in reason
    assert guarded(more=nat)["federation_in"][0] == "yes"
    other = nat.replace("5269", "8080")
    assert guarded(more=other)["federation_out"][0] == "yes"
