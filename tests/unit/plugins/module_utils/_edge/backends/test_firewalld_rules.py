# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of firewalld's zones and policies: managed rules come and go, and every other byte stays."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.firewalld_rules import (
    elements_of,
    is_managed,
    read_rich_rule,
    rules_in_file,
    targets_in_file,
    with_managed,
    write_rich_rule,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.lines import Line
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.ownership import RICH_RULE_PRIORITIES
from hypothesis import given
from hypothesis import strategies as st

LINES = [
    Line("federation_in", "in", "ipv4", "198.18.7.0/24", "198.18.0.2", 5269),
    Line("federation_in", "in", "ipv6", "2001:db8:7::/48", "2001:db8::2", 5269),
    Line("gateway_in", "in", "ipv4", "", "198.18.1.2", 23456),
]
RULES = [elements_of(line) for line in LINES]
WRITTEN = """\
  <rule family="ipv4" priority="32101">
    <source address="198.18.7.0/24"/>
    <destination address="198.18.0.2"/>
    <port port="5269" protocol="tcp"/>
    <accept/>
  </rule>
  <rule family="ipv6" priority="32101">
    <source address="2001:db8:7::/48"/>
    <destination address="2001:db8::2"/>
    <port port="5269" protocol="tcp"/>
    <accept/>
  </rule>
  <rule family="ipv4" priority="32103">
    <destination address="198.18.1.2"/>
    <port port="23456" protocol="tcp"/>
    <accept/>
  </rule>
"""
PLAIN = '<?xml version="1.0" encoding="utf-8"?>\n<zone>\n  <short>Public</short>\n  <service name="ssh"/>\n</zone>\n'
BANS = """\
<?xml version='1.0'?>
<!-- the administrator's -->
<zone target="DROP" version="1.0" >
\t<interface name="eth0"/><source address="198.18.9.0/24"/>
  <source ipset="bans"/>
  <rule family='ipv4'><source address="203.0.113.9"/><drop/></rule>
  <rule priority="32767" family="ipv4"><port port="5269" protocol="tcp"/><log prefix="x"/><accept/></rule>
  <rule priority="-5"><service name="http"/><accept/></rule>

  <forward/></zone>"""
POLICY = '<?xml version="1.0" encoding="utf-8"?>\n<policy target="REJECT">\n  <ingress-zone name="HOST"/>\n</policy>\n'
CRLF = PLAIN.replace("\n", "\r\n")
FILES = {"plain": PLAIN, "with bans": BANS, "policy": POLICY, "line ends": CRLF}


@pytest.mark.parametrize("text", FILES.values(), ids=list(FILES))
def test_every_other_byte_stays(text):
    changed = with_managed(text, RULES)
    assert WRITTEN in changed
    assert changed.replace(WRITTEN, "") == text
    assert [rule for rule in rules_in_file(changed) if is_managed(rule)] == RULES
    assert with_managed(changed, RULES) == changed
    assert with_managed(with_managed(changed, RULES[:1]), RULES) == changed
    assert with_managed(changed, []) == text


@pytest.mark.parametrize("note", ['<!-- <rule priority="32101"> -->', '<?note <rule family="ipv4" ?>'])
def test_what_looks_like_a_rule_in_a_comment_hides_none(note):
    text = PLAIN.replace("</zone>", f"  {note}\n</zone>")
    changed = with_managed(text, RULES)
    assert len(rules_in_file(changed)) == len(RULES)
    assert with_managed(changed, []) == text


def test_unmanaged_rules_are_kept_whatever_they_say():
    kept = [rule for rule in rules_in_file(with_managed(BANS, RULES)) if not is_managed(rule)]
    assert kept == rules_in_file(BANS)


def test_a_managed_rule_that_firewalld_wrote_anew_is_replaced():
    # firewalld writes attributes in its own order, and rules in its own places.
    theirs = (
        '  <rule priority="32101" family="ipv4">\n    <source address="198.18.7.0/24"/>\n    <destination '
        'address="198.18.0.2"/>\n    <port port="5269" protocol="tcp"/>\n    <accept/>\n  </rule>\n  <forward/>\n'
    )
    text = PLAIN.replace("</zone>", theirs + "</zone>")
    assert rules_in_file(text) == RULES[:1]
    assert with_managed(text, []) == PLAIN.replace("</zone>", "  <forward/>\n</zone>")


def test_what_a_zone_is_for_is_read():
    assert targets_in_file(BANS) == ("DROP", ["eth0"], ["198.18.9.0/24", "ipset:bans"])
    assert targets_in_file(PLAIN) == ("default", [], [])


@pytest.mark.parametrize(
    "text", ["", "<zone>", "<ipset/>", "<!DOCTYPE a [<!ENTITY a 'aaaa'>]><zone>&a;</zone>", "<zone/>", "no XML"]
)
def test_a_file_that_cannot_be_changed_is_refused(text):
    with pytest.raises(ValueError):
        with_managed(text, RULES)


@pytest.mark.parametrize("line", LINES)
def test_a_rich_rule_is_written_as_firewalld_takes_it(line):
    text = write_rich_rule(elements_of(line))
    assert text.startswith(f'rule family="{line.family}" priority="{RICH_RULE_PRIORITIES[line.row]}" ')
    assert text.endswith(" accept")
    assert read_rich_rule(text) == elements_of(line)


def test_the_order_of_attributes_is_no_difference():
    assert read_rich_rule('rule priority="32102" family="ipv4" accept') == read_rich_rule(
        'rule family="ipv4" priority="32102" accept'
    )


@pytest.mark.parametrize("priority", ["", ' priority="0"', ' priority="32100"', ' priority="32104"', ' priority="-1"'])
def test_other_priorities_are_unmanaged(priority):
    assert not is_managed(read_rich_rule(f'rule{priority} family="ipv4" accept'))


@given(st.lists(st.sampled_from(BANS.splitlines(keepends=True) + WRITTEN.splitlines(keepends=True))).map("".join))
def test_no_shuffling_of_lines_loses_an_unmanaged_rule(text):
    try:
        changed = with_managed(text, RULES)
    except ValueError:
        return
    unmanaged = [rule for rule in rules_in_file(text) if not is_managed(rule)]
    assert [rule for rule in rules_in_file(changed) if not is_managed(rule)] == unmanaged
