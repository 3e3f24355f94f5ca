# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as lines of one source and one destination, and back, in every manager's own language."""

from __future__ import annotations

from dataclasses import replace

import pytest
import strategies
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends import (
    firewalld_config,
    iptables_lines,
    ufw_rules,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.lines import (
    FAMILIES,
    Line,
    lines_of,
    rules_of,
    set_name,
    sets_of,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.plan import Unmanaged
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import DIRECTIONS, Group
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from hypothesis import given
from hypothesis import strategies as st

SOUND = {
    "access_addresses": ["198.18.0.2", "2001:db8::2"],
    "internal_addresses": ["198.18.1.2"],
    "partner_networks": ["198.18.7.0/24", "198.18.9.9", "2001:db8:7::/48"],
}


def rules_for(**changes):
    return compile_rules(parse_options({**SOUND, **changes}))


def by_direction(rules, longest=None):
    """The lines of rules by direction and family."""
    return {
        direction: {
            family: [line for line in lines_of(rules, family, longest) if line.direction == direction]
            for family in FAMILIES
        }
        for direction in DIRECTIONS
    }


def back(found, wanted, sets=()):
    """Rules and strangers out of lines by direction and family."""
    return tuple(item for direction in DIRECTIONS for item in rules_of(found[direction], wanted, dict(sets)))


@given(strategies.options(), st.sampled_from([None, 0, 3]))
def test_lines_come_back_as_the_rules(options, longest):
    rules = compile_rules(parse_options(options))
    sets = {name: group.networks for name, group in sets_of(rules, longest).items()} if longest is not None else {}
    assert back(by_direction(rules, longest), rules, sets) == rules


@given(strategies.options())
def test_iptables_lines_come_back(options):
    for line in (line for family in FAMILIES for line in lines_of(compile_rules(parse_options(options)), family, 3)):
        assert iptables_lines.read_line(iptables_lines.write_line(line), line.direction, line.family) == line


@given(strategies.options())
def test_ufw_entries_come_back(options):
    rules = compile_rules(parse_options(options))
    empty = ufw_rules.read_user_rules("*filter\n### RULES ###\n\n### END RULES ###\nCOMMIT\n")
    for family in FAMILIES:
        lines = lines_of(rules, family)
        text = empty.with_ours(lines).text
        found = ufw_rules.found_lines(ufw_rules.read_user_rules(text), family)
        assert found["in"] + found["out"] == lines
        assert ufw_rules.read_user_rules(text).with_ours([]).text == empty.text


@given(strategies.options())
def test_firewalld_policies_come_back_from_file_and_from_rich_rules(options):
    rules = compile_rules(parse_options(options))
    for direction in DIRECTIONS:
        wanted = firewalld_config.wanted_policy(rules, direction)
        text = firewalld_config.write_policy_file(wanted, direction, firewalld_config.rows_of_ports(rules, direction))
        settings = {**wanted.frame, "rich_rules": [firewalld_config.write_rich_rule(one) for one in wanted.rules]}
        for policy in (firewalld_config.read_policy_file(text), firewalld_config.read_settings(settings)):
            assert firewalld_config.same_policy(policy, wanted)
        rows = firewalld_config.rows_in_policy_file(text)
        found = firewalld_config.found_lines(wanted, rules, direction, rows)
        expected = by_direction(rules, firewalld_config.LONGEST_SPELLED_OUT)[direction]
        assert {family: list(lines) for family, lines in found.items()} == expected


def test_a_missing_line_makes_a_smaller_rule_and_half_a_guard_a_stranger():
    rules = rules_for()
    found = by_direction(rules)
    lines = found["in"]["ipv4"]
    found["in"]["ipv4"] = [line for line in lines if line.source != "198.18.9.9" and line.action == "allow"]
    items = back(found, rules)
    assert items[0] == replace(rules[0], source=replace(rules[0].source, networks=("198.18.7.0/24",)))
    assert Unmanaged("federation_in", "block in tcp any -> any port 5269 ipv6 only") in items
    assert rules[-1] in items


def test_lines_that_make_no_rule_are_strangers():
    rules = rules_for(access_addresses=["198.18.0.2", "198.18.0.3"], partner_networks=["198.18.7.0/24", "198.18.9.9"])
    found = by_direction(rules)
    del found["in"]["ipv4"][0]
    texts = [item.text for item in back(found, rules) if isinstance(item, Unmanaged)]
    assert len(texts) == 3
    assert "allow in tcp 198.18.9.9 -> 198.18.0.2 port 5269 ipv4 only" in texts


@pytest.mark.parametrize("name", ["partner_networks_ipv4", "front_end_networks_ipv6", "internal_addresses_ipv6"])
def test_names_of_sets_are_short_enough_and_marked(name):
    assert len(set_name(Group(name, ()))) <= 31
    assert set_name(Group(name, ())).startswith("xmpp-edge-")


LINE = Line("federation_in", "allow", "in", "ipv4", "198.18.7.0/24", "198.18.0.2", 5269)


@pytest.mark.parametrize(
    "text",
    [
        "-A XMPP-EDGE-IN -j ACCEPT",
        "-A XMPP-EDGE-IN -p tcp -m tcp --dport 5269 -m comment --comment federation_in -j DROP",
        "-A XMPP-EDGE-IN -p udp -m udp --dport 5269 -m comment --comment federation_in -j ACCEPT",
        '-A XMPP-EDGE-IN -p tcp -m tcp --dport 5269 -m comment --comment "federation_in guard" -j DROP',
        iptables_lines.write_line(LINE) + " -m something",
    ],
)
def test_what_we_would_not_write_is_a_stranger_in_iptables(text):
    assert iptables_lines.read_line(text, "in", "ipv4") == Unmanaged("chain XMPP-EDGE-IN", text)


def test_what_we_would_not_write_is_a_stranger_in_ufw():
    head, rule, end = ufw_rules.write_entry(LINE)
    before = ("### RULES ###", "")
    for entry in ((head.replace(" tcp ", " udp "), rule, end), (head, rule + " -m limit", end)):
        found = ufw_rules.found_lines(ufw_rules.UserRules(before, (entry,), ()), "ipv4")
        assert isinstance(found["in"][0], Unmanaged)
    foreign = ("### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in", "-A ufw-user-input -p tcp --dport 22 -j ACCEPT")
    late = ufw_rules.UserRules(before, (foreign, (head, rule, end)), ())
    assert isinstance(ufw_rules.found_lines(late, "ipv4")["in"][0], Unmanaged)


@pytest.mark.parametrize(
    "text",
    ["", "<policy>", "<zone/>", "<!DOCTYPE a [<!ENTITY a 'aaaa'>]><policy>&a;</policy>", "<policy priority='x'/>"],
)
def test_what_is_no_policy_file_is_refused(text):
    with pytest.raises(ValueError):
        firewalld_config.read_policy_file(text)
