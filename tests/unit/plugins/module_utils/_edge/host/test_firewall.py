# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words for what decides, out of what nft lists, and tables whose names are those of iptables."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.guarded import GuardVerdict
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.rows import RowVerdict
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.ruleset import Chain, Content, FilterRule
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.walk import Decision
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host import firewall
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.firewall import HostFirewall, explain
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.runner import Completed

LISTING = """table inet mine { # handle 2
@chain input { # handle 1
@@type filter hook input priority filter; policy accept;
@@tcp dport 5269 counter packets 7 bytes 420 drop # handle 2
@}
}
""".replace("@", "\t")


@pytest.fixture(autouse=True)
def programs(monkeypatch):
    monkeypatch.setattr(firewall, "find_program", lambda name: f"/sbin/{name}")


def run(_arguments, _stdin):
    return Completed(0, LISTING, "")


def decision(handle, chain="input"):
    rule = FilterRule(f"handle {handle}", lambda: Content(()), handle)
    base = Chain("inet mine", chain, ("ipv4",), [rule], "input")
    return Decision(base, rule, base)


def words(verdict, guards=None):
    return explain(HostFirewall(), {"federation_in": verdict}, guards or {}, {}, run)


def test_a_rule_is_named_in_the_words_of_nft_whatever_else_has_its_number():
    said = words(RowVerdict("no", decision(2), "tcp A -> B port 5269")).decided_by["federation_in"]
    assert said == "chain inet mine input: tcp dport 5269 counter drop, for tcp A -> B port 5269"


def test_a_rule_that_is_gone_is_named_by_its_number():
    said = words(RowVerdict("no", decision(1), "tcp")).decided_by["federation_in"]
    assert said == "chain inet mine input: handle 1, for tcp"


def test_a_chain_that_a_program_rebuilds_comes_with_its_remedy():
    said = words(RowVerdict("no", decision(2, "PVEFW-INPUT"), "tcp")).decided_by["federation_in"]
    assert "the Proxmox VE firewall rebuilds this chain, so add a rule such as" in said
    assert "rebuilds" not in words(RowVerdict("yes", decision(2, "PVEFW-INPUT"), "tcp")).decided_by["federation_in"]


def test_guards_are_explained_as_rows_are():
    guards = {"a": GuardVerdict("no", decision(2), "tcp"), "b": GuardVerdict("unknown", None, "", "forwarded")}
    said = words(RowVerdict("yes", None, ""), guards).guarded_by
    assert said == {"a": "chain inet mine input: tcp dport 5269 counter drop, for tcp", "b": "forwarded"}


def test_of_many_denials_some_are_put_into_words():
    found = explain(HostFirewall(), {}, {}, {"federation_in": [decision(2)] * 5000}, run).denials["federation_in"]
    assert found == (["chain inet mine input: tcp dport 5269 counter drop"] * 3, 4997)


def listing(*rules):
    return {
        "nftables": [
            {"rule": {"family": "ip", "table": "filter", "chain": "INPUT", "handle": number, "expr": list(expr)}}
            for number, expr in enumerate(rules)
        ]
    }


COUNTER, ACCEPT, XT = {"counter": {"packets": 0, "bytes": 0}}, {"accept": None}, {"xt": None}


@pytest.mark.parametrize(
    ("rules", "script", "expected"),
    [
        ([], "", True),
        ([], "table ip filter {\n}\n", False),
        ([], "table filter {\n}\n", False),
        ([], "table inet filter {\n}\ntable ip6 filter {\n}\n", True),
        ([[COUNTER, ACCEPT]], "", True),
        ([[COUNTER, ACCEPT]], "table ip filter {\n}\n", False),
        ([[ACCEPT]], "", False),
        ([[ACCEPT], [COUNTER, ACCEPT]], "", True),
        ([[ACCEPT], [XT, COUNTER, ACCEPT]], "table ip filter {\n}\n", True),
    ],
)
def test_rules_of_iptables_count_and_those_of_nft_need_not(monkeypatch, rules, script, expected):
    monkeypatch.setattr(firewall, "nft_script", lambda path: script if path == "/etc/nftables.conf" else None)
    assert firewall._has_rules_of_iptables(listing(*rules), "ip filter") is expected
