# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as lines of one source and one destination, and back, in every manager's own language."""

from __future__ import annotations

from dataclasses import replace

import pytest
import strategies
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends import (
    firewalld_rules,
    iptables_lines,
    nft_accepts,
    ufw_rules,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.lines import (
    LONGEST_LIST,
    Line,
    by_family,
    lines_of,
    rules_of,
    shortened,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.addresses import FAMILIES
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.plan import Unmanaged
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from hypothesis import given

SOUND = {
    "access_addresses": ["198.18.0.2", "2001:db8::2"],
    "internal_addresses": ["198.18.1.2"],
    "partner_networks": ["198.18.7.0/24", "198.18.9.9", "2001:db8:7::/48"],
}
LONG = [f"198.19.{number}.0/25" for number in range(LONGEST_LIST + 1)]


def accepts_for(**changes):
    """The accept rules of some options."""
    return accepts_of({**SOUND, **changes})


def accepts_of(options):
    return tuple(rule for rule in compile_rules(parse_options(options)) if rule.action == "allow")


def all_lines(rules):
    return [line for lines in by_family(rules, FAMILIES).values() for line in lines]


@given(strategies.options())
def test_lines_come_back_as_the_rules(options):
    rules = accepts_of(options)
    for family in FAMILIES:
        assert rules_of(lines_of(rules, family), rules) == [rule for rule in rules if rule.family == family]


@given(strategies.options())
def test_iptables_lines_come_back(options):
    for line in all_lines(accepts_of(options)):
        assert iptables_lines.read_line(iptables_lines.write_line(line), line.family) == line


@given(strategies.options())
def test_ufw_entries_come_back(options):
    rules = accepts_of(options)
    empty = ufw_rules.read_user_rules("*filter\n### RULES ###\n\n### END RULES ###\nCOMMIT\n")
    for family in FAMILIES:
        lines = lines_of(rules, family)
        text = empty.with_managed(lines).text
        assert ufw_rules.found_lines(ufw_rules.read_user_rules(text), family) == lines
        assert ufw_rules.read_user_rules(text).with_managed([]).text == empty.text


@given(strategies.options())
def test_rich_rules_come_back_from_file_and_from_their_text(options):
    lines = all_lines(accepts_of(options))
    elements = [firewalld_rules.elements_of(line) for line in lines]
    file = firewalld_rules.with_managed('<?xml version="1.0" encoding="utf-8"?>\n<zone>\n</zone>\n', elements)
    texts = [firewalld_rules.read_rich_rule(firewalld_rules.write_rich_rule(one)) for one in elements]
    for found in (firewalld_rules.rules_in_file(file), texts):
        assert [firewalld_rules.read_line(one, line.direction) for one, line in zip(found, lines)] == lines


@given(strategies.options())
def test_accept_rules_of_nftables_name_their_row_and_count(options):
    for rule in accepts_of(options):
        text = nft_accepts.write_rule(rule)
        assert text.endswith(f' tcp dport {rule.port} counter accept comment "xmpp_edge {rule.row}"')


def test_a_missing_line_makes_a_smaller_rule():
    rules = accepts_for()
    lines = [line for line in lines_of(rules, "ipv4") if line.source != "198.18.9.9"]
    items = rules_of(lines, rules)
    assert items[0] == replace(rules[0], source=replace(rules[0].source, networks=("198.18.7.0/24",)))


def test_lines_that_make_up_no_rule_are_unmanaged():
    rules = accepts_for(access_addresses=["198.18.0.2", "198.18.0.3"], partner_networks=["198.18.7.0/24", "198.18.9.9"])
    items = rules_of(lines_of(rules, "ipv4")[1:], rules)
    texts = [item.text for item in items if isinstance(item, Unmanaged)]
    assert len(texts) == 3
    assert "allow in tcp 198.18.9.9 -> 198.18.0.2 port 5269" in texts


@pytest.mark.parametrize("twice", [0, 1])
def test_a_line_that_is_there_twice_is_unmanaged(twice):
    rules = accepts_for()
    lines = lines_of(rules, "ipv4")
    assert any(isinstance(item, Unmanaged) for item in rules_of([*lines[: twice + 1], *lines[twice:]], rules))


def test_a_long_list_is_left_to_the_guards_and_said():
    rules, notes = shortened(accepts_for(partner_networks=[*LONG, "2001:db8:7::/48"]), "ufw", guarded=True)
    remotes = {(rule.row, rule.family): rule.remote for rule in rules}
    assert remotes["federation_in", "ipv4"] is None
    assert remotes["federation_out", "ipv4"] is None
    assert remotes["federation_in", "ipv6"].networks == ("2001:db8:7::/48",)
    assert all(rule.local for rule in rules)
    assert notes == (
        "partner_networks has 33 ipv4 networks, more than 32: the accept rules of ufw name none of them, and only the "
        "guards narrow",
    )


def test_a_list_of_the_greatest_length_is_written_out():
    rules = accepts_for(partner_networks=LONG[1:])
    assert shortened(rules, "ufw", guarded=True) == (rules, ())


def test_a_long_list_without_guards_is_refused():
    with pytest.raises(
        EdgeError, match=r"^partner_networks: 33 networks are more than the 32 that ufw can take"
    ) as error:
        shortened(accepts_for(partner_networks=LONG), "ufw", guarded=False)
    assert str(error.value).endswith("name wider networks, or say mode: exclusive or backend: nftables")


LINE = Line("federation_in", "in", "ipv4", "198.18.7.0/24", "198.18.0.2", 5269)


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
def test_a_line_of_iptables_in_another_form_is_unmanaged(text):
    assert iptables_lines.read_line(text, "ipv4") == Unmanaged("chain XMPP-EDGE-IN", text)


def test_an_entry_of_ufw_in_another_form_is_unmanaged():
    head, rule, end = ufw_rules.write_entry(LINE)
    for entry in ((head.replace(" tcp ", " udp "), rule, end), (head, rule + " -m limit", end)):
        found = ufw_rules.found_lines(ufw_rules.UserRules(("### RULES ###", ""), (entry,), ()), "ipv4")
        assert isinstance(found[0], Unmanaged)


@pytest.mark.parametrize(
    "change",
    [("accept", "drop"), ('family="ipv4" ', ""), ('port="5269"', 'port="5269-5270"'), ("accept", "log accept")],
)
def test_a_rich_rule_in_another_form_is_unmanaged(change):
    text = firewalld_rules.write_rich_rule(firewalld_rules.elements_of(LINE))
    assert change[0] in text
    elements = firewalld_rules.read_rich_rule(text.replace(*change))
    assert firewalld_rules.is_managed(elements)
    assert firewalld_rules.read_line(elements, "in") is None


def test_jumps_are_found_where_they_stand():
    listing = "\n".join(
        [
            "*filter",
            ":INPUT DROP [0:0]",
            "-A INPUT -s 198.18.9.9/32 -j DROP",
            "-A INPUT -j XMPP-EDGE-IN",
            "-A INPUT -j LOG",
            "-A rest -j XMPP-EDGE-IN",
            "-A rest -j XMPP-EDGE-IN",
            "COMMIT",
            "*nat",
            "-A INPUT -j XMPP-EDGE-IN",
            "COMMIT",
        ]
    )
    assert iptables_lines.jumps_in(listing, "XMPP-EDGE-IN") == [
        iptables_lines.Jumps("INPUT", "XMPP-EDGE-IN", ("-A INPUT -j LOG",)),
        iptables_lines.Jumps("rest", "XMPP-EDGE-IN", ("", "")),
    ]
