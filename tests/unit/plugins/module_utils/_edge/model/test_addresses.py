# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses as numbers and back, and the algebra of spans against plain sets."""

from __future__ import annotations

import ipaddress

import pytest
import strategies
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model import addresses
from hypothesis import given
from hypothesis import strategies as st

spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 6)), max_size=8).map(
    lambda pairs: addresses.merged((first, first + size) for first, size in pairs)
)


def numbers(found):
    """Every number of some spans."""
    return {number for first, last in found for number in range(first, last + 1)}


@given(spans)
def test_merged_spans_are_in_order_and_do_not_touch(found):
    assert all(one[1] + 1 < other[0] for one, other in zip(found, found[1:]))


@given(spans, spans)
def test_the_algebra_is_that_of_sets(one, other):
    assert numbers(addresses.common(one, other)) == numbers(one) & numbers(other)
    assert numbers(addresses.without(one, other)) == numbers(one) - numbers(other)
    assert addresses.overlap(one, other) is bool(numbers(one) & numbers(other))


@pytest.mark.parametrize("empty", [([], []), ([], [(1, 2)]), ([(1, 2)], [])])
def test_nothing_overlaps_with_nothing(empty):
    assert addresses.overlap(*empty) is False


@given(strategies.networks)
def test_a_network_is_the_span_that_the_standard_library_says(text):
    network = ipaddress.ip_network(text)
    assert addresses.span_of(text) == (int(network.network_address), int(network.broadcast_address))
    assert addresses.family_of(text) == f"ipv{network.version}"


@given(strategies.addresses)
def test_an_address_comes_back_from_its_number(text):
    assert addresses.text_of(addresses.number_of(text), addresses.family_of(text)) == str(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2001:DB8:0:0::2", "2001:db8::2"),
        ("198.18.7.0-198.18.7.255", "198.18.7.0/24"),
        ("128.0.0.0-255.255.255.255", "128.0.0.0/1"),
        ("198.18.7.0-198.18.7.2", "198.18.7.0-198.18.7.2"),
        ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        ("nonsense", "nonsense"),
    ],
)
def test_texts_of_equal_meaning_are_equal(text, canonical):
    assert addresses.canonical_network(text) == canonical


@pytest.mark.parametrize("text", ["", "1.2.3", "1.2.3.4.5", "01.2.3.4", "::1%lo", "a::g", "1.2.3.4/24", "\u0661.2.3.4"])
def test_other_texts_are_no_address(text):
    assert not addresses.is_address(text)


@pytest.mark.parametrize(
    ("family", "text", "expected"),
    [
        ("ipv4", "198.18.7.0/24", True),
        ("ipv4", "198.18.7.1/24", False),
        ("ipv4", "198.18.7.0/32", False),
        ("ipv4", "198.18.7.0/\u0662", False),
        ("ipv4", "2001:db8::/32", False),
        ("ipv6", "2001:db8::/32", True),
        ("ipv6", "2001:db8::/0", False),
        ("ipv6", None, False),
    ],
)
def test_a_network_has_a_length_and_no_host_bits(family, text, expected):
    assert addresses.is_network(family, text) is expected
