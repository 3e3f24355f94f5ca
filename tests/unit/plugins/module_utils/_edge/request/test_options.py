# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every refusal names its option, the value and what would be right; everything else passes."""

from __future__ import annotations

import pytest
import strategies
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import OptionError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.option_spec import OPTIONS
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import family_warnings, parse_options
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.scalars import MAX_LIST_LENGTH
from hypothesis import given
from hypothesis import strategies as st

SOUND = {"access_addresses": ["198.18.0.2"], "internal_addresses": ["198.18.1.2"]}

REFUSED = [
    # option, value, what the sentence has to say
    ("access_addresses", None, "is missing"),
    ("internal_addresses", None, "is missing"),
    ("access_addresses", [], "is empty"),
    ("internal_addresses", [], "is empty"),
    ("partner_networks", [], "say any or name networks"),
    ("partner_networks", None, "is missing; say any or name networks"),
    ("front_end_networks", None, "is missing; say any or name networks"),
    ("gateway_port", None, "is not a TCP port"),
    ("mode", None, "is not a choice"),
    ("front_end_networks", [], "say any or name networks"),
    ("access_addresses", ["any"], "is not an address of this host"),
    ("access_addresses", ["198.18.0.2/24"], "has host bits set; give the address alone, for example 198.18.0.2"),
    ("partner_networks", ["198.18.0.2/24"], "has host bits set; say 198.18.0.0/24 for the network or 198.18.0.2"),
    ("access_addresses", ["198.18.0.0/24"], "is a network where an address is wanted"),
    ("access_addresses", ["edge.example.net"], "is a name; give an IP address"),
    ("partner_networks", ["partner"], "is a name; give an IP address or CIDR network"),
    ("access_addresses", ["fe80::1%eth0"], "has a zone id"),
    ("partner_networks", ["fe80::%eth0/64"], "has a zone id"),
    ("access_addresses", ["127.0.0.1"], "is a loopback address"),
    ("access_addresses", ["::1"], "is a loopback address"),
    ("partner_networks", ["127.0.0.0/8"], "is a loopback address"),
    ("access_addresses", ["224.0.0.5"], "is a multicast address"),
    ("partner_networks", ["239.0.0.0/8"], "is a multicast address"),
    ("access_addresses", ["ff02::1"], "is a multicast address"),
    ("access_addresses", ["0.0.0.0"], "is the unspecified address"),
    ("access_addresses", ["::"], "is the unspecified address"),
    ("access_addresses", ["255.255.255.255"], "is the broadcast address"),
    ("access_addresses", ["::ffff:198.18.0.2"], "is an IPv4-mapped IPv6 address"),
    ("access_addresses", ["198.18.0.256"], "is not an IP address"),
    ("access_addresses", ["198.18.0.2\n"], "has blanks or commas around it; write '198.18.0.2'"),
    ("access_addresses", ["198.18.4.10-198.18.4.20"], "is a range where an address is wanted; list each address"),
    (
        "partner_networks",
        ["198.18.4.10-198.18.4.20"],
        "is a range; list the networks that make it up: 198.18.4.10/31, 198.18.4.12/30, 198.18.4.16/30, 198.18.4.20",
    ),
    (
        "partner_networks",
        ["198.18.4.10-12"],
        "is a range; list the networks that make it up: 198.18.4.10/31, 198.18.4.12",
    ),
    ("partner_networks", ["10.0.0.0 255.255.255.0"], "is a network with its mask; write 10.0.0.0/24"),
    ("partner_networks", ["2001:db8::1 - 2001:db8::2"], "is a range; list the networks that make it up: 2001:db8::1,"),
    ("partner_networks", ["198.18.4.20-198.18.4.10"], "is a range; list the networks that make it up, written like"),
    ("partner_networks", ["10.0.0.1-10.9.8.7"], "is a range; list the networks that make it up, written like"),
    ("partner_networks", ["Any"], "say any, in lower case and alone, for all addresses"),
    ("partner_networks", "ANY", "say any, in lower case and alone, for all addresses"),
    ("front_end_networks", ["*"], "say any, in lower case and alone, for all addresses"),
    ("access_addresses", ["*"], "is not an address of this host; name the host's own IP addresses"),
    ("access_addresses", "198.18.0.2 198.18.0.3", "is several entries in one text; give a list"),
    ("access_addresses", "198.18.0.2\n198.18.0.3", "is several entries in one text; give a list"),
    ("partner_networks", ["198.18.0.0/24;2001:db8::/32"], "is several entries in one text; give a list"),
    ("access_addresses", ["[2001:db8::2]"], "write 2001:db8::2 without brackets and port"),
    ("access_addresses", ["198.18.0.2:5269"], "write 198.18.0.2 without brackets and port"),
    ("partner_networks", ["[2001:db8::2]:5269"], "write 2001:db8::2 without brackets and port"),
    ("rows", [], "is empty; name rows of federation_in, federation_out, gateway_in, or leave it out for all"),
    ("rows", None, "is not a list; name rows of"),
    ("rows", ["federation"], "is not a row of the port table; say federation_in or federation_out or gateway_in"),
    ("rows", {"gateway_in": True}, "is not a list; name rows of"),
    ("allow_absent_addresses", "perhaps", "is not a boolean"),
    ("access_addresses", [""], "is not an IP address"),
    ("access_addresses", ["198.18.0.2; flush ruleset"], "is not an IP address"),
    ("access_addresses", ["$(reboot)"], "is not an IP address"),
    ("access_addresses", ["\u0661\u0669\u0668.18.0.2"], "is not an IP address"),
    ("partner_networks", ["198.18.0.0/33"], "is not an IP address or CIDR network"),
    ("partner_networks", ["any", "198.18.0.0/24"], "has any beside other entries"),
    ("partner_networks", ["2001:db8::/32"], "row federation_in would allow nothing"),
    ("front_end_networks", ["2001:db8::/32"], "row gateway_in would allow nothing"),
    ("partner_networks", ["198.18.0.1"] * (MAX_LIST_LENGTH + 1), f"has {MAX_LIST_LENGTH + 1} entries"),
    ("partner_networks", [7], "is not text"),
    ("access_addresses", ["198.18.0.2."], "is not an IP address"),
    ("access_addresses", ["0x7f000001"], "is not an IP address"),
    ("access_addresses", ",", "is not an IP address"),
    ("partner_networks", [None], "'null' is not text"),
    ("partner_networks", {"a": 1}, "is not a list"),
    ("internal_addresses", ["198.18.0.2"], "stands in access_addresses too while front_end_networks is any"),
    ("federation_port", 0, "is not a TCP port; give a number from 1 to 65535"),
    ("federation_port", 65536, "is not a TCP port"),
    ("gateway_port", "abc", "is not a TCP port"),
    ("gateway_port", -1, "is not a TCP port"),
    ("gateway_port", 1.5, "is not a TCP port"),
    ("gateway_port", True, "is not a TCP port"),
    ("gateway_port", "\u0665", "is not a TCP port"),
    ("gateway_port", 5269, "is the port of federation_port too"),
    ("mode", "open", "is not a choice; say exclusive or permit"),
    ("mode", ["permit"], "is not a choice"),
    ("state", "gone", "is not a choice; say present or absent"),
    ("backend", "pf", "is not a choice"),
    ("persist", "maybe", "is not a boolean; say true or false"),
    ("limit_new", -1, "is not a number of new connections a minute; give one from 1 to 60000, or 0 for no limit"),
    ("limit_new", 60001, "is not a number of new connections a minute"),
    ("limit_new", "60/minute", "is not a number of new connections a minute"),
    ("limit_new", True, "is not a number of new connections a minute"),
    ("limit_new", None, "is not a number of new connections a minute"),
    ("limit_burst", 30, "limits nothing without limit_new; say that too, or leave it out"),
    ("limit_open", 1.5, "is not a number of open connections"),
    ("limit_exempt", ["any"], "would exempt everybody; name networks, or leave the limits out"),
    ("limit_exempt", ["198.18.0.2/24"], "has host bits set"),
    ("limit_exempt", ["partner"], "is a name; give an IP address or CIDR network"),
    ("limit_exempt", {"a": 1}, "is not a list"),
    ("limit_exempt", None, "is not a list"),
    ("limit_exempt", False, "is not a list"),
    ("limit_exempt", ["0.0.0.0/1", "128.0.0.0/1"], "would exempt all ipv4 addresses; leave the limits out"),
    ("limit_exempt", ["::/0"], "would exempt all ipv6 addresses"),
    ("log_blocked", "often", "is not a boolean"),
    ("metrics_file", "edge.prom", "is not the absolute path of a file; name one such as"),
    ("metrics_file", "/var/lib/", "is not the absolute path of a file"),
    ("metrics_file", "/var/lib/a\nb", "is not the absolute path of a file"),
    ("metrics_file", 7, "is not the absolute path of a file"),
]


@pytest.mark.parametrize(("option", "value", "words"), REFUSED)
def test_refusal_is_one_sentence_that_names_the_option(option, value, words):
    with pytest.raises(OptionError) as refusal:
        parse_options({**SOUND, option: value})
    sentence = str(refusal.value)
    assert sentence.startswith(f"{option}: ")
    assert words in sentence
    assert sentence.isascii()
    assert "\n" not in sentence
    assert len(sentence) < 400


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"mode": "permit", "limit_new": 60}, "limit_new: 60 needs guards, which mode: permit has not"),
        ({"mode": "permit", "limit_open": 9}, "limit_open: 9 needs guards, which mode: permit has not"),
        ({"mode": "permit", "log_blocked": True}, "log_blocked: True needs guards, which mode: permit has not"),
        (
            {"rows": ["gateway_in"], "limit_new": 60},
            "limit_new: 60 is for row federation_in, which this host does not",
        ),
        ({"placement": "front_end", "limit_open": 5}, "limit_open: 5 is for row federation_in, which this host does"),
    ],
)
def test_limits_and_log_need_what_they_are_about(given, sentence):
    with pytest.raises(OptionError) as refusal:
        parse_options({**SOUND, **given})
    assert str(refusal.value).startswith(sentence)


def test_limits_are_read_with_their_exceptions_by_family():
    given = {"limit_new": "60", "limit_exempt": "198.18.8.0/24, 198.18.8.7, 2001:db8:8::/48", "log_blocked": "yes"}
    found = parse_options({**SOUND, **given, "metrics_file": "/var/lib/edge.prom"})
    assert (found.limits.row, found.limits.new, found.limits.burst, found.limits.opened) == ("federation_in", 60, 5, 0)
    assert {group.name: group.networks for group in found.limits.exempt} == {
        "limit_exempt_ipv4": ("198.18.8.0/24",),
        "limit_exempt_ipv6": ("2001:db8:8::/48",),
    }
    assert (found.log_blocked, found.metrics_file) == (True, "/var/lib/edge.prom")


def test_nothing_is_limited_by_default_and_removal_needs_no_sound_limit():
    assert parse_options(SOUND).limits is None
    assert parse_options({**SOUND, "limit_exempt": ["198.18.8.0/24"]}).limits is None
    gone = parse_options({"state": "absent", "limit_new": "many", "log_blocked": "often", "metrics_file": "x"})
    assert (gone.limits, gone.log_blocked, gone.metrics_file) == (None, False, None)


def test_unknown_option_is_named_with_the_known_ones():
    with pytest.raises(OptionError, match="'colours': is not an option; the options are access_addresses, "):
        parse_options({**SOUND, "colours": 1})


@given(
    option=st.sampled_from(sorted(OPTIONS)), value=st.one_of(st.text(), st.lists(st.text(), max_size=3), st.integers())
)
def test_whatever_is_given_passes_or_is_refused_by_name(option, value):
    try:
        parse_options({**SOUND, option: value})
    except OptionError as refusal:
        assert str(refusal).partition(":")[0] in OPTIONS  # A family that meets nothing is told of the other side.


def test_same_address_on_both_sides_is_allowed_with_narrowed_front_ends():
    parsed = parse_options({**SOUND, "internal_addresses": ["198.18.0.2"], "front_end_networks": ["198.18.1.0/24"]})
    assert parsed.endpoints["internal_addresses"] == parsed.endpoints["access_addresses"]


def test_same_address_on_both_sides_is_refused_for_the_whole_of_its_family_too():
    with pytest.raises(OptionError, match="open to the world"):
        parse_options({**SOUND, "internal_addresses": ["198.18.0.2"], "front_end_networks": ["0.0.0.0/0"]})


def test_duplicates_and_overlaps_of_networks_are_merged():
    networks = ["198.18.0.0/24", "198.18.0.7", "198.18.0.0/24", "198.18.1.0/24"]
    parsed = parse_options({**SOUND, "partner_networks": networks})
    assert [str(network) for network in parsed.endpoints["partner_networks"]["ipv4"]] == ["198.18.0.0/23"]


def test_neighbouring_addresses_of_the_host_stay_addresses():
    parsed = parse_options({**SOUND, "access_addresses": ["198.18.0.3", "198.18.0.2", "198.18.0.3"]})
    assert [str(network) for network in parsed.endpoints["access_addresses"]["ipv4"]] == [
        "198.18.0.2/32",
        "198.18.0.3/32",
    ]


def test_longest_list_passes():
    networks = [f"100.64.{number // 250}.{number % 250}" for number in range(MAX_LIST_LENGTH)]
    assert parse_options({**SOUND, "partner_networks": networks})


def test_absent_needs_no_addresses_and_minds_no_wrong_ones():
    parsed = parse_options({"state": "absent", "partner_networks": [], "federation_port": "abc"})
    assert (parsed.endpoints, parsed.ports) == ({}, {})


def test_what_inventories_turn_into_text_is_taken():
    parsed = parse_options(
        {
            "access_addresses": "198.18.0.2, 198.18.0.3",
            "internal_addresses": "198.18.1.2",
            "persist": "no",
            "gateway_port": "5098",
        }
    )
    assert (parsed.persist, parsed.ports["gateway_port"]) == (False, 5098)
    assert len(parsed.endpoints["access_addresses"]["ipv4"]) == 2


@given(strategies.options())
def test_sound_options_pass(options):
    assert parse_options(options).mode == options["mode"]


FEDERATION = ["federation_in", "federation_out"]


def test_rows_are_in_the_order_of_the_table():
    parsed = parse_options({**SOUND, "rows": ["gateway_in", "federation_in", "gateway_in"]})
    assert [row.id for row in parsed.rows] == ["federation_in", "gateway_in"]
    assert [row.id for row in parse_options({**SOUND, "rows": "federation_out"}).rows] == ["federation_out"]
    assert len(parse_options(SOUND).rows) == 3
    assert parse_options({"state": "absent", "rows": "nonsense"}).rows == ()


def test_only_what_the_rows_need_is_required():
    parsed = parse_options({"rows": FEDERATION, "access_addresses": ["198.18.0.2"], "federation_port": 23456})
    assert parsed.ports == {"federation_port": 23456}
    assert set(parsed.endpoints) == {"access_addresses", "partner_networks"}
    gateway = parse_options({"rows": ["gateway_in"], "internal_addresses": ["198.18.1.2"]})
    assert set(gateway.endpoints) == {"internal_addresses", "front_end_networks"}
    with pytest.raises(OptionError, match=r"^internal_addresses: is missing"):
        parse_options({"rows": [*FEDERATION, "gateway_in"], "access_addresses": ["198.18.0.2"]})


@pytest.mark.parametrize(("given_name", "meant"), [("partner_network", "partner_networks"), ("modus", "mode")])
def test_a_misspelt_option_is_refused_with_the_nearest_name(given_name, meant):
    with pytest.raises(OptionError, match=f"^'{given_name}': is not an option; say {meant}$"):
        parse_options({**SOUND, given_name: 1})


def test_an_address_whose_family_no_network_has_is_a_warning():
    both = {**SOUND, "access_addresses": ["198.18.0.2", "2001:db8::2"]}
    (warning,) = family_warnings(parse_options({**both, "partner_networks": ["198.51.100.0/24"]}))
    assert warning == (
        "partner_networks: has no network of the family of 2001:db8::2 in access_addresses, so there federation_in and "
        "federation_out get only the guard, which keeps it closed; list networks of that family, or leave the address "
        "out"
    )
    permit = {**both, "partner_networks": ["198.51.100.0/24"], "mode": "permit", "rows": ["federation_in"]}
    (warning,) = family_warnings(parse_options(permit))
    assert "federation_in gets no accept rule" in warning
    assert family_warnings(parse_options(both)) == []
    assert family_warnings(parse_options({**SOUND, "partner_networks": ["198.51.100.0/24", "2001:db8::/32"]})) == []


def test_a_comma_at_the_end_is_no_entry():
    assert parse_options({**SOUND, "access_addresses": "198.18.0.2, "}) == parse_options(SOUND)
