# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The managed table as text: what is written is read back, and an edit of somebody else is seen."""

from __future__ import annotations

import re

import pytest
import strategies
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.nft_table import (
    NftChain,
    NftTable,
    read_rules,
    read_table,
    to_table,
    write_element_changes,
    write_table,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.controls import Controls
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.plan import Unmanaged, make_plan
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from hypothesis import given
from hypothesis import strategies as st

RULES = compile_rules(
    parse_options(
        {
            "access_addresses": ["198.18.0.2", "2001:db8::2"],
            "internal_addresses": ["198.18.1.2"],
            "partner_networks": ["198.18.7.0/24", "2001:db8:7::/48"],
        }
    )
)
TABLE = to_table(RULES)
TEXT = write_table(TABLE)


@given(strategies.options())
def test_what_is_written_is_read_back(options):
    rules = compile_rules(parse_options(options))
    table = to_table(rules)
    assert read_table(write_table(table)) == table
    observed = read_rules(table, table)
    assert observed.items == rules
    assert observed.drift == ()


def test_every_rule_has_a_counter_and_its_row_as_comment():
    chains = [TABLE.chains[name].rules for name in ("input", "output")]
    assert {chain[0] for chain in chains} == {"ct state established accept"}
    lines = [line for chain in chains for line in chain[1:]]
    assert len(lines) == len(RULES)
    for rule, line in zip(RULES, lines):
        assert re.search(rf' counter .* comment "{rule.row}( guard)?"$', line)


def edited(old, new, behind="\tchain input {"):
    """The table's text with something else behind some other text."""
    head, mark, tail = TEXT.partition(behind)
    assert old in mark + tail
    return head + (mark + tail).replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("tcp dport 5269 ct state", "tcp dport 5270 ct state", None),
        ("counter accept", "accept", "chain input"),
        ("counter drop", "counter accept", "chain input"),
        ("reject with tcp reset", "drop", "chain output"),
        ('iifname != "lo" ', "", "chain input"),
        ("ct state != established", "ct state new", "chain input"),
        ('comment "federation_in"', 'comment "mine"', None),
        ("ip saddr @partner_networks_ipv4 ip daddr", "ip daddr", None),
    ],
)
def test_an_edited_rule_is_seen(old, new, found):
    observed = read_rules(read_table(edited(old, new)), TABLE)
    assert make_plan(observed, RULES).changed
    assert [item.place for item in observed.items if isinstance(item, Unmanaged)] == ([found] if found else [])


@pytest.mark.parametrize("new", ["198.18.6.0/24", "198.18.7.0-198.18.7.9", "198.18.7.0/24, 198.18.8.1"])
def test_an_edited_element_is_seen(new):
    observed = read_rules(read_table(edited("198.18.7.0/24", new, "\tset ")), TABLE)
    assert make_plan(observed, RULES).changed
    assert not any(isinstance(item, Unmanaged) for item in observed.items)


@pytest.mark.parametrize(
    ("old", "new", "drift"),
    [
        ("tcp dport 5269 ct state", "tcp dport 5270 ct state", ["chain prerouting", "lacks"]),
        ("counter drop", "drop", ["chain prerouting  iifname", "lacks iifname"]),
        (" fib daddr type local", "", ["chain prerouting", "lacks"]),
        (
            "\tchain prerouting {\n\t\ttype filter hook prerouting priority -190;",
            "\tchain prerouting {\n\t\ttype filter hook prerouting priority -150;",
            ["priority -150"],
        ),
    ],
)
def test_the_chain_before_destination_nat_has_to_say_the_same(old, new, drift):
    found = read_rules(read_table(edited(old, new, "\tset ")), TABLE).drift
    assert len(found) == len(drift)
    assert all(part in line for part, line in zip(drift, found))


def test_another_order_before_destination_nat_is_drift():
    table = read_table(TEXT)
    chain = table.chains["prerouting"]
    table.chains["prerouting"] = NftChain(chain.hook, (chain.rules[-1], *chain.rules[:-1]))
    assert read_rules(table, TABLE).drift == ("chain prerouting  has its rules in another order",)


@pytest.mark.parametrize(
    ("old", "new", "drift"),
    [
        ("policy accept", "policy drop", "chain input  type filter hook input priority filter - 10; policy drop;"),
        (
            "priority filter - 10",
            "priority filter",
            "chain input  type filter hook input priority filter; policy accept;",
        ),
        (
            "\tchain output {\n\t\ttype filter hook output priority filter - 10; policy accept;\n",
            "\tchain output {\n",
            "chain output  has no hook",
        ),
        ("\tchain input {", "\tset more {\n\t\ttype ipv4_addr\n\t}\n\n\tchain input {", "set more  is not managed"),
        ("\tchain input {", "\tchain more {\n\t}\n\n\tchain input {", "chain more  is not managed"),
        (
            "\tchain input {",
            "\tcounter more {\n\t\tpackets 0 bytes 0\n\t}\n\n\tchain input {",
            "counter more  is not managed",
        ),
        ("\tchain input {", '\tcomment "mine"\n\tchain input {', 'comment "mine"  is not managed'),
        (
            "flags interval",
            "flags interval,timeout",
            "set partner_networks_ipv4  type ipv4_addr flags interval,timeout",
        ),
    ],
)
def test_an_edited_frame_is_seen(old, new, drift):
    assert read_rules(read_table(edited(old, new, "\tset " if "flags" in old else "\tchain input {")), TABLE).drift == (
        drift,
    )


@pytest.mark.parametrize("name", TABLE.chains)
def test_a_missing_chain_is_seen(name):
    table = read_table(TEXT)
    del table.chains[name]
    assert f"chain {name}  is missing" in read_rules(table, TABLE).drift


def test_counter_values_are_no_difference():
    assert read_table(TEXT.replace("counter", "counter packets 7 bytes 4711")) == TABLE


def test_elements_on_several_lines_are_read():
    wrapped = TEXT.replace(
        "elements = { 198.18.7.0/24 }", "elements = { 198.18.7.0/24, 198.18.8.1,\n\t\t\t     198.18.9.1 }"
    )
    assert read_table(wrapped).elements["partner_networks_ipv4"] == ("198.18.7.0/24", "198.18.8.1", "198.18.9.1")


def test_a_range_that_is_a_prefix_is_read_as_one():
    listed = TEXT.replace("198.18.7.0/24", "128.0.0.0-255.255.255.255, 198.18.7.0-198.18.7.2")
    assert read_table(listed).elements["partner_networks_ipv4"] == ("128.0.0.0/1", "198.18.7.0-198.18.7.2")


def test_removal_of_the_table_has_a_line_for_each_rule_and_no_other():
    plan = make_plan(read_rules(read_table(TEXT), NftTable()), ())
    assert plan.before == RULES
    assert plan.drift == ()
    assert plan.changed


@given(st.text())
def test_no_text_breaks_reading(text):
    read_rules(read_table(f"table inet xmpp_edge {{\n{text}\n}}\n"), TABLE)


@given(st.lists(st.sampled_from(TEXT.splitlines(keepends=True))).map("".join))
def test_no_shuffling_of_lines_breaks_reading(text):
    read_rules(read_table(text), TABLE)


def test_element_changes_name_only_what_differs():
    desired = NftTable(elements={"a_ipv4": ("198.18.0.1", "198.18.0.3"), "b_ipv4": ("198.18.0.9",)})
    current = NftTable(elements={"a_ipv4": ("198.18.0.1", "198.18.0.2"), "b_ipv4": ("198.18.0.9",)})
    assert write_element_changes(current, desired) == (
        "delete element inet xmpp_edge a_ipv4 { 198.18.0.2 }\nadd element inet xmpp_edge a_ipv4 { 198.18.0.3 }\n"
    )


def test_edges_of_one_router_share_the_limit_of_a_source():
    edges = {
        name: {"access_addresses": [address], "rows": ["federation_in"], "partner_networks": [partner]}
        for name, address, partner in (("a", "10.20.0.7", "198.18.7.0/24"), ("b", "10.20.0.8", "198.18.9.0/24"))
    }
    options = parse_options({"placement": "firewall", "rows": ["federation_in"], "limit_new": 60}, edges)
    table = to_table(compile_rules(options), Controls(options.limits))
    updates = [re.search(r"update @(\w+)", line)[1] for line in table.chains["forward_in"].rules if "update @" in line]
    assert updates == ["federation_in_new_ipv4"] * 2
