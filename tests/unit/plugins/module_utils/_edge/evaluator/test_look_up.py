# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look-ups in large sets: what they find, and how much they compare."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator import look_up, nft_json
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.fields import UnknownExpressionError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.values import UNKNOWN

NAMES = ("tcp dport", "ip saddr")
ELEMENTS = [
    *((5269, f"198.18.{number >> 8}.{number & 255}") for number in range(2000)),
    ({"range": [6000, 7000]}, {"prefix": {"addr": "10.0.0.0", "len": 8}}),
]


def at(port, address):
    """Return values of one packet."""
    number = int.from_bytes(map(int, address.split(".")), "big")
    return [(port, port), (number, number)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (at(5269, "198.18.0.77"), True),
        (at(5270, "198.18.0.77"), False),
        (at(5269, "198.18.99.77"), False),
        (at(6500, "10.9.9.9"), True),
        (at(5269, "10.9.9.9"), False),
        ([(5269, 5269), UNKNOWN], None),
        ([UNKNOWN, at(1, "198.18.0.77")[1]], None),
        ([(5269, 5269), (0, (1 << 32) - 1)], None),
        ([(1, 5), (0, (1 << 32) - 1)], False),
    ],
)
def test_concatenations(values, expected):
    assert look_up.finder_of(NAMES, ELEMENTS)(values) is expected


def test_a_look_up_compares_few_of_many_elements(monkeypatch):
    compared = []

    def counting(name, constants):
        def match(value):
            compared.append(name)
            return real(name, constants)(value)

        return match

    real = look_up.matcher_of
    monkeypatch.setattr(look_up, "matcher_of", counting)
    find = look_up.finder_of(NAMES, ELEMENTS)
    assert find(at(5269, "198.18.3.77")) is True
    assert 0 < len(compared) < 10


def test_an_element_that_cannot_be_read_is_an_error():
    with pytest.raises(UnknownExpressionError):
        look_up.finder_of(NAMES, [(5269, {"set": []})])


def test_a_set_is_understood_once_however_many_rules_name_it(monkeypatch):
    understood = []

    def noting(names, elements):
        understood.append(names)
        return real(names, elements)

    real = nft_json.finder_of
    monkeypatch.setattr(nft_json, "finder_of", noting)
    place = {"family": "inet", "table": "t"}
    source = {"payload": {"protocol": "ip", "field": "saddr"}}
    rule = {**place, "chain": "c", "expr": [{"match": {"op": "==", "left": source, "right": "@s"}}, {"drop": None}]}
    entries = [
        {"set": {**place, "name": "s", "type": "ipv4_addr", "elem": ["10.0.0.1"]}},
        {"chain": {**place, "name": "c", "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}},
        *({"rule": {**rule, "handle": handle}} for handle in range(5)),
    ]
    for one in nft_json.read_ruleset({"nftables": entries}).chains["inet t", "c"].rules:
        assert len(one.content.steps) == 2
    assert len(understood) == 1
