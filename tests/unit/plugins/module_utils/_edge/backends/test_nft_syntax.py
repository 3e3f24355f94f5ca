# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our table as text: what we write we read back, and what somebody changed in it we see."""

from __future__ import annotations

import re

import pytest
import strategies
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.nft_syntax import (
    NftTable,
    read_rules,
    read_table,
    to_table,
    write_element_changes,
    write_table,
)
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
    assert observed.deviations == ()


def test_every_rule_has_a_counter_and_its_row_as_comment():
    lines = [line for chain in TABLE.chains.values() for line in chain.rules]
    assert len(lines) == len(RULES)
    for rule, line in zip(RULES, lines):
        assert re.search(rf' counter .* comment "{rule.row}( guard)?"$', line)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("tcp dport 5269 counter accept", "tcp dport 5270 counter accept", None),
        ("counter accept", "accept", "chain input"),
        ("counter drop", "counter accept", "chain input"),
        ("reject with tcp reset", "drop", "chain output"),
        ('iifname != "lo" ', "", "chain input"),
        ("ct state != established", "ct state new", "chain input"),
        ('comment "federation_in"', 'comment "mine"', None),
        ("ip saddr @partner_networks_ipv4 ip daddr", "ip daddr", None),
        ("198.18.7.0/24", "198.18.6.0/24", None),
        ("198.18.7.0/24", "198.18.7.0-198.18.7.9", None),
    ],
)
def test_an_edited_rule_is_seen(old, new, found):
    assert old in TEXT
    observed = read_rules(read_table(TEXT.replace(old, new, 1)), TABLE)
    plan = make_plan(observed, RULES)
    assert plan.changed
    strangers = [item.place for item in observed.items if isinstance(item, Unmanaged)]
    assert strangers == ([found] if found else [])


@pytest.mark.parametrize(
    ("old", "new", "deviation"),
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
        ("\tchain input {", "\tset more {\n\t\ttype ipv4_addr\n\t}\n\n\tchain input {", "set more  is not ours"),
        ("\tchain input {", "\tchain more {\n\t}\n\n\tchain input {", "chain more  is not ours"),
        (
            "\tchain input {",
            "\tcounter more {\n\t\tpackets 0 bytes 0\n\t}\n\n\tchain input {",
            "counter more  is not ours",
        ),
        ("\tchain input {", '\tcomment "mine"\n\tchain input {', 'comment "mine"  is not ours'),
        (
            "flags interval",
            "flags interval,timeout",
            "set partner_networks_ipv4  type ipv4_addr flags interval,timeout",
        ),
    ],
)
def test_an_edited_frame_is_seen(old, new, deviation):
    assert old in TEXT
    assert read_rules(read_table(TEXT.replace(old, new, 1)), TABLE).deviations == (deviation,)


def test_a_missing_chain_is_seen():
    table = read_table(TEXT)
    del table.chains["output"]
    assert "chain output  is missing" in read_rules(table, TABLE).deviations


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


def test_removal_of_our_own_table_has_a_line_for_each_rule_and_no_other():
    plan = make_plan(read_rules(read_table(TEXT), NftTable()), ())
    assert plan.before == RULES
    assert plan.deviations == ()
    assert plan.changed


@given(st.text())
def test_no_text_breaks_reading(text):
    read_rules(read_table(f"table inet xmpp_edge {{\n{text}\n}}\n"), TABLE)


@given(st.lists(st.sampled_from(TEXT.splitlines(keepends=True))).map("".join))
def test_no_shuffling_of_lines_breaks_reading(text):
    read_rules(read_table(text), TABLE)


def test_element_changes_name_only_what_differs():
    want = NftTable(elements={"a_ipv4": ("198.18.0.1", "198.18.0.3"), "b_ipv4": ("198.18.0.9",)})
    have = NftTable(elements={"a_ipv4": ("198.18.0.1", "198.18.0.2"), "b_ipv4": ("198.18.0.9",)})
    assert write_element_changes(have, want) == (
        "delete element inet xmpp_edge a_ipv4 { 198.18.0.2 }\nadd element inet xmpp_edge a_ipv4 { 198.18.0.3 }\n"
    )
