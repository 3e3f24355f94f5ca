# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accept rules of nftables as text, and out of nft's JSON."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends import nft_accepts
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import Group, Inside, Rule

GROUP, HOST = Group("partner_networks_ipv4", ("198.18.7.0/24", "198.18.8.0/24")), Group("a_ipv4", ("198.18.0.2",))
RULE = Rule("federation_in", "allow", "in", "ipv4", GROUP, HOST, 5269)
PUBLISHED = Rule(
    "federation_in",
    "allow",
    "in",
    "ipv4",
    GROUP,
    HOST,
    5269,
    True,
    Inside(Group("containers_ipv4", ("10.88.0.0/16",)), (15269,)),
)
DESIRED = (RULE, PUBLISHED)


def match(left, right, op="=="):
    return {"match": {"op": op, "left": left, "right": right}}


def side(name, protocol="ip"):
    return {"payload": {"protocol": protocol, "field": name}}


PORT = match({"payload": {"protocol": "tcp", "field": "dport"}}, 5269)
SOURCE = match(side("saddr"), {"set": [{"range": ["198.18.7.0", "198.18.8.255"]}]})
DESTINATION = match(side("daddr"), "198.18.0.2")
END = [{"counter": {"packets": 7, "bytes": 9}}, {"accept": None}]


def read(*expression, direction="in", forwarded=False, desired=DESIRED):
    entry = {"comment": "xmpp_edge federation_in", "expr": list(expression)}
    return nft_accepts.read_rule(entry, direction, forwarded, desired)


def test_a_rule_is_read_with_the_groups_of_the_desired_one():
    assert read(SOURCE, DESTINATION, PORT, *END) == RULE


def test_a_rule_that_is_not_desired_has_groups_of_its_own():
    found = read(SOURCE, DESTINATION, PORT, *END, desired=())
    assert found.source == Group("saddr_ipv4", ("198.18.7.0-198.18.8.255",))
    assert found.destination == Group("daddr_ipv4", ("198.18.0.2",))


def test_a_chain_without_hook_has_the_direction_of_the_desired_rule():
    assert read(SOURCE, DESTINATION, PORT, *END, direction=None, forwarded=None) == RULE


DIALLED = [
    match({"meta": {"key": "l4proto"}}, "tcp"),
    SOURCE,
    match({"ct": {"key": "ip daddr", "dir": "original"}}, "198.18.0.2"),
    match({"ct": {"key": "proto-dst", "dir": "original"}}, 5269),
]


@pytest.mark.parametrize("first", [0, 1])
def test_a_rule_for_a_published_port_names_what_was_dialled(first):
    # Newer releases of nft leave out the protocol in JSON.
    assert read(*DIALLED[first:], *END, forwarded=True) == PUBLISHED
    assert nft_accepts.write_rule(PUBLISHED).startswith(
        "meta l4proto tcp ip saddr { 198.18.7.0/24, 198.18.8.0/24 } ct "
    )


def test_of_several_desired_rules_the_one_with_these_networks_gives_its_groups():
    other = Rule("federation_in", "allow", "in", "ipv4", Group("partner_networks_2_ipv4", ("1.1.1.1",)), HOST, 5269)
    assert read(SOURCE, DESTINATION, PORT, *END, desired=(other, RULE)) == RULE


@pytest.mark.parametrize(
    "expression",
    [
        [SOURCE, DESTINATION, PORT, {"accept": None}],
        [SOURCE, DESTINATION, PORT, END[0], {"drop": None}],
        [SOURCE, DESTINATION, *END],
        [match(side("saddr"), "@partners"), PORT, *END],
        [match(side("saddr"), "198.18.7.0", "!="), DESTINATION, PORT, *END],
        [match({"meta": {"key": "iif"}}, "lo"), DESTINATION, PORT, *END],
        [SOURCE, DESTINATION, match(PORT["match"]["left"], {"set": [5269, 22]}), *END],
        [match(side("saddr"), {"set": [5]}), PORT, *END],
        [],
        ["x", None],
    ],
)
def test_another_form_is_none(expression):
    assert read(*expression) is None


@pytest.mark.parametrize("name", ["input", "a.b-c", "_x", "INPUT"])
def test_plain_names(name):
    assert nft_accepts.is_plain(name)


@pytest.mark.parametrize("name", ["", "drop", "a b", "1a", "a;b", "$(x)", "a\n", "é"])
def test_other_names(name):
    assert not nft_accepts.is_plain(name)


LISTING = """\
table inet filter { # handle 4
\tset bans { # handle 3
\t\ttype ipv4_addr
\t}

\tchain input { # handle 1
\t\ttype filter hook input priority filter; policy drop;
\t\tct state established accept # handle 2
\t\ttcp dport 5269 counter accept comment "xmpp_edge federation_in" # handle 5
\t\tip saddr { 198.18.7.1, 198.18.7.3 } drop # handle 6
\t\ttcp dport 1 counter accept comment "xmpp_edge gateway_in" # handle 7
\t}

\tchain more { # handle 8
\t}
}
table ip x { # handle 5
\tchain c { # handle 1
\t\tlog prefix "# handle 9 " # handle 3
\t}
}
"""


def test_a_listing_is_read_by_chain():
    found = nft_accepts.read_listing(LISTING)
    assert list(found) == [("inet filter", "input"), ("inet filter", "more"), ("ip x", "c")]
    assert found["ip x", "c"] == [(3, 'log prefix "# handle 9 "')]
    assert [handle for handle, _text in found["inet filter", "input"]] == [2, 5, 6, 7]


def test_groups_are_what_precedes_each_unmanaged_rule():
    found = nft_accepts.groups_in([(1, "a"), (2, 'x comment "xmpp_edge r"'), (3, "b"), (4, 'y comment "xmpp_edge r"')])
    assert found == [("b", ['x comment "xmpp_edge r"']), ("", ['y comment "xmpp_edge r"'])]
