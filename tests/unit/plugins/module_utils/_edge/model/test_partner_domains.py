# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host keeps of the answers of partners by domain, and the rules with them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError, OptionError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.partner_domains import (
    LONGEST,
    MOST,
    MOST_OF_A_DOMAIN,
    Answer,
    answers_from_payload,
    filled,
    merged,
    with_addresses,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import Group, from_payload
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_800_000_000
GROUP = "partner_domains"
KEY = "example.org:5269"


def answer(*addresses, fault="", domain="example.org", port=5269):
    return Answer(GROUP, domain, port, addresses, fault)


def test_an_answer_is_taken_and_kept_with_its_time():
    found = merged([answer("198.18.7.2", "198.18.7.10", "2001:db8::1")], {}, NOW)
    assert found.addresses == {GROUP: ["198.18.7.2", "198.18.7.10", "2001:db8::1"]}
    assert found.kept == {KEY: {"198.18.7.2": NOW, "198.18.7.10": NOW, "2001:db8::1": NOW}}
    assert found.notes == ()


@pytest.mark.parametrize(
    ("age", "stays"), [(0, True), (LONGEST - 1, True), (LONGEST, False), (-3600, True), (10 * LONGEST, False)]
)
def test_a_replaced_address_goes_a_day_after_it_was_seen_last(age, stays):
    found = merged([answer("198.18.7.3")], {KEY: {"198.18.7.2": NOW - age}}, NOW)
    assert ("198.18.7.2" in found.addresses[GROUP]) is stays
    assert found.kept[KEY].get("198.18.7.2", NOW) == min(NOW - age, NOW) or not stays
    assert "198.18.7.3" in found.addresses[GROUP]


@pytest.mark.parametrize("failed", [answer(fault="SERVFAIL"), answer()], ids=["failed", "empty"])
def test_a_failed_look_up_keeps_what_the_host_has_however_old(failed):
    kept = {KEY: {"198.18.7.2": NOW - 30 * LONGEST}}
    found = merged([failed], kept, NOW)
    assert found.addresses == {GROUP: ["198.18.7.2"]}
    assert found.kept == kept
    (note,) = found.notes
    assert "example.org is not known as a whole" in note
    assert "stay" in note


@pytest.mark.parametrize("failed", [answer(fault="SERVFAIL"), answer()], ids=["failed", "empty"])
def test_a_domain_of_which_nothing_is_known_is_refused(failed):
    with pytest.raises(
        OptionError, match=r"^partner_domains: 'example.org' gives no address to allow .* no earlier answer"
    ):
        merged([failed], {}, NOW)
    # The same domain at another port has an answer of its own.
    with pytest.raises(OptionError):
        merged([failed], {"example.org:5300": {"198.18.7.2": NOW}}, NOW)
    assert merged([failed], {}, NOW, must_be_known=False).addresses == {GROUP: []}


def test_a_half_answer_adds_what_it_has_and_removes_nothing():
    found = merged([answer("198.18.7.3", fault="AAAA: SERVFAIL")], {KEY: {"198.18.7.2": NOW - 2 * LONGEST}}, NOW)
    assert found.addresses == {GROUP: ["198.18.7.2", "198.18.7.3"]}
    assert found.kept[KEY] == {"198.18.7.2": NOW - 2 * LONGEST, "198.18.7.3": NOW}


def test_a_domain_that_is_not_named_any_more_goes_at_once():
    kept = {KEY: {"198.18.7.2": NOW}, "gone.example:5269": {"198.18.7.9": NOW}}
    found = merged([answer("198.18.7.2")], kept, NOW)
    assert found.addresses == {GROUP: ["198.18.7.2"]}
    assert set(found.kept) == {KEY}


def test_a_pool_that_rotates_keeps_those_seen_last():
    kept = {KEY: {f"198.18.{number // 250}.{number % 250 + 1}": NOW - 1 - number for number in range(200)}}
    found = merged([answer("198.19.0.1")], kept, NOW)
    assert len(found.addresses[GROUP]) == MOST_OF_A_DOMAIN
    assert "198.19.0.1" in found.addresses[GROUP]
    assert min(found.kept[KEY].values()) == NOW - MOST_OF_A_DOMAIN + 1


def test_many_domains_keep_no_more_than_all_may_have():
    domains = [f"d{number}.example" for number in range(40)]
    kept = {
        f"{one}:5269": {f"198.18.{at}.{last}": NOW - last for last in range(1, 60)} for at, one in enumerate(domains)
    }
    answers = [answer(f"198.19.{at}.1", domain=one) for at, one in enumerate(domains)]
    found = merged(answers, kept, NOW)
    assert len(set(found.addresses[GROUP])) == MOST
    assert {f"198.19.{at}.1" for at in range(40)} <= set(found.addresses[GROUP])
    assert min(seen for times in found.kept.values() for seen in times.values()) >= NOW - 25
    assert {one for times in found.kept.values() for one in times} == set(found.addresses[GROUP])


def test_domains_of_one_hoster_count_once():
    shared = [f"198.18.7.{last}" for last in range(1, 13)]
    given = [
        {"group": GROUP, "domain": f"d{one}.example", "port": 5269, "addresses": shared, "fault": ""}
        for one in range(100)
    ]
    assert len(answers_from_payload(given)) == 100


ADDRESSES = st.lists(st.integers(1, 40).map(lambda last: f"198.18.7.{last}"), max_size=12, unique=True)


@given(ADDRESSES, ADDRESSES, st.integers(0, 3 * LONGEST), st.sampled_from(["", "SERVFAIL"]))
def test_it_never_widens_and_never_empties(before, now, age, fault):
    kept = {KEY: dict.fromkeys(before, NOW - age)}
    if not before and not now:
        return
    found = merged([answer(*now, fault=fault)], kept, NOW).addresses[GROUP]
    assert set(now) <= set(found) <= {*now, *before}
    assert found
    if fault or not now:
        assert set(before) <= set(found)
    assert found == merged([answer(*reversed(now), fault=fault)], kept, NOW).addresses[GROUP]


COMMON = {"row": "federation_out", "direction": "out", "port": 5269}
PAYLOAD = [
    {
        **COMMON,
        "action": "allow",
        "family": family,
        "source": f"access_addresses_{family}",
        "destination": f"partner_domains_{family}",
    }
    for family in ("ipv4", "ipv6")
]
PAYLOAD.append({**COMMON, "action": "block", "family": "any", "source": None, "destination": None})
GROUPS = {
    "access_addresses_ipv4": ["198.18.0.2"],
    "access_addresses_ipv6": ["2001:db8::2"],
    "partner_domains_ipv4": ["198.18.9.0/24"],
    "partner_domains_ipv6": [],
}


def test_the_addresses_stand_beside_the_listed_networks_and_not_within():
    rules, groups = filled(PAYLOAD, GROUPS, {GROUP: ["198.18.9.7", "198.18.7.2", "198.18.7.2", "2001:db8::9"]})
    made = from_payload(rules, groups)
    assert [rule.destination.networks for rule in made if rule.destination] == [
        ("198.18.7.2", "198.18.9.0/24"),
        ("2001:db8::9",),
    ]


def test_a_family_without_an_address_has_no_rule():
    rules, groups = filled(PAYLOAD, GROUPS, {GROUP: []})
    assert [(rule.action, rule.family) for rule in from_payload(rules, groups)] == [("allow", "ipv4"), ("block", "any")]
    assert "partner_domains_ipv6" not in groups


def test_both_sides_make_the_same_rules():
    addresses = {GROUP: ["198.18.9.7", "198.18.7.2", "2001:db8::9"]}
    on_host = from_payload(*filled(PAYLOAD, GROUPS, addresses))
    compiled = [
        replace(
            rule, destination=rule.destination and Group(rule.destination.name, tuple(GROUPS[rule.destination.name]))
        )
        for rule in on_host
    ]
    assert with_addresses(compiled, addresses) == on_host
    assert [rule.family for rule in with_addresses(compiled, {GROUP: []})] == ["ipv4", "any"]
    # Before a host is looked at nothing is known, which is no reason to forget the rule.
    assert with_addresses(compiled, {}) == tuple(compiled)


@pytest.mark.parametrize("address", ["198.18.7.2/24", "no", "198.18.7.256", "fe80::1%eth0", "::g"])
def test_what_no_controller_sends_is_refused(address):
    with pytest.raises(EdgeError, match="is not an address or network"):
        answers_from_payload(
            [{"group": GROUP, "domain": "a.example", "port": 5269, "addresses": [address], "fault": ""}]
        )
