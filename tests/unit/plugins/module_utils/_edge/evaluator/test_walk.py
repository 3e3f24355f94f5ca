# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on small rulesets, as nft's JSON and iptables-save list them."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator import iptables_save, nft_json, ruleset
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.connection import (
    Connection,
    evaluate_connection,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.values import UNKNOWN

INBOUND = Connection("in", "ipv4", "198.18.0.2", "198.18.0.10", 5269, "eth0")
OUTBOUND = Connection("out", "ipv6", "2001:db8::2", "2001:db8::10", 5269, "eth0")


def listing(*rules, policy="accept", hook="input", priority=0, flags=None):
    """Return a listing of one table with one base chain; rules are lists of statements."""
    table = {"family": "inet", "name": "t", **({"flags": flags} if flags else {})}
    chain = {"family": "inet", "table": "t", "name": "c", "type": "filter", "hook": hook, "prio": priority}
    return {
        "nftables": [
            {"table": table},
            {"chain": {**chain, "policy": policy}},
            *(
                {"rule": {"family": "inet", "table": "t", "chain": "c", "handle": number, "expr": list(statements)}}
                for number, statements in enumerate(rules, 1)
            ),
        ]
    }


def match(left, right, operator="=="):
    return {"match": {"op": operator, "left": left, "right": right}}


PORT = {"payload": {"protocol": "tcp", "field": "dport"}}
SOURCE = {"payload": {"protocol": "ip", "field": "saddr"}}
ESTABLISHED = match({"ct": {"key": "state"}}, ["established", "related"], "in")
ACCEPT, DROP = {"accept": None}, {"drop": None}


def verdict(listed, connection=INBOUND):
    """Return the verdict on a connection, and the handle of the rule that decides."""
    result = evaluate_connection(nft_json.read_ruleset(listed), connection)
    rule = result.decision.rule if result.decision else None
    return result.verdict, rule.handle if rule else None


def test_no_rule_accepts():
    assert verdict({"nftables": []}) == ("accept", None)


def test_policy_drops_and_is_named():
    result = evaluate_connection(nft_json.read_ruleset(listing(policy="drop")), INBOUND)
    assert result.verdict == "drop"
    assert result.decision.label == "chain inet t c: policy drop"
    assert not result.decision.narrow


def test_first_rule_that_matches_decides():
    rules = [match(PORT, 22), ACCEPT], [match(PORT, {"set": [80, {"range": [5000, 6000]}]}), DROP], [ACCEPT]
    assert verdict(listing(*rules)) == ("drop", 2)


def many_rules(dice):
    """Return rules that mostly name one source, with other rules between them."""
    rules = []
    for _number in range(200):
        source = f"198.18.0.{dice.randrange(4, 30)}"
        constant = dice.choice([source, source, source, {"prefix": {"addr": "198.18.0.8", "len": 29}}])
        condition = match(SOURCE, constant, dice.choice(["=="] * 30 + ["!="]))
        rules.append([condition, dice.choice([DROP, ACCEPT])])
    for _number in range(3):
        place = dice.randrange(len(rules))
        rules.insert(
            place, dice.choice([[match(PORT, 22), ACCEPT], [match(PORT, 5269), match(SOURCE, "198.18.0.9"), DROP]])
        )
    return rules


@pytest.mark.parametrize("seed", range(30))
def test_many_rules_mean_the_same_together(seed, monkeypatch):
    dice = random.Random(seed)
    listed = listing(*many_rules(dice), policy=dice.choice(["drop", "accept"]))
    connections = [replace(INBOUND, remote=f"198.18.0.{number}") for number in range(3, 31)]
    connections.append(Connection("in", "ipv6", "2001:db8::2", "2001:db8::10", 5269, "eth0"))
    monkeypatch.setattr(ruleset, "LEAST_OF_A_RUN", 4)
    assert any(run.name for run in nft_json.read_ruleset(listed).chains["inet t", "c"].runs)
    together = [verdict(listed, connection) for connection in connections]
    monkeypatch.setattr(ruleset, "LEAST_OF_A_RUN", 10**9)
    assert together == [verdict(listed, connection) for connection in connections]


def test_rules_of_a_set_that_others_change_are_not_passed_by():
    remember = {"set": {"op": "add", "elem": {"payload": {"protocol": "ip", "field": "saddr"}}, "set": "@s"}}
    names = [[match(SOURCE, "@s"), DROP]] * 100
    listed = listing([remember], *names)
    listed["nftables"].insert(
        1, {"set": {"family": "inet", "table": "t", "name": "s", "type": "ipv4_addr", "elem": []}}
    )
    assert verdict(listed)[0] == "unknown"


def test_rule_for_a_port_is_narrow_and_rule_for_all_the_rest_is_not():
    for statements, narrow in (
        ([match(PORT, 5269), DROP], True),
        ([match(PORT, 22, "!="), DROP], True),
        ([match(SOURCE, {"set": ["198.18.0.10"]}), DROP], True),
        ([match({"meta": {"key": "iifname"}}, "eth0"), DROP], False),
        ([DROP], False),
    ):
        result = evaluate_connection(nft_json.read_ruleset(listing(statements)), INBOUND)
        assert result.decision.narrow is narrow


def test_answers_have_to_pass_too():
    outbound = listing([match(PORT, 22), ACCEPT], policy="drop", hook="output")
    assert verdict(outbound) == ("drop", None)
    assert verdict(listing([ESTABLISHED, ACCEPT], policy="drop", hook="output"))[0] == "accept"


@pytest.mark.parametrize(
    "statement",
    [
        {"limit": {"rate": 10, "per": "second"}},
        {"quota": {"val": 1}},
        {"something new": {}},
        match({"meta": {"key": "skuid"}}, 0),
        match({"numgen": {"mode": "random", "mod": 2}}, 0),
        match(PORT, "@no_such_set"),
        match(SOURCE, {"something": "new"}),
    ],
)
def test_unsupported_statement_makes_the_verdict_unknown(statement):
    assert verdict(listing([statement, ACCEPT], policy="drop"))[0] == "unknown"


def test_unsupported_statement_does_not_matter_where_both_ways_agree():
    assert verdict(listing([{"limit": {"rate": 1}}, ACCEPT], [ACCEPT])) == ("accept", 1)
    assert verdict(listing([match({"meta": {"key": "skuid"}}, 0), match(PORT, 22), DROP])) == ("accept", None)


def test_fields_that_a_packet_lacks_never_match_not_even_negated():
    assert verdict(listing([match(SOURCE, "10.0.0.1", "!="), DROP]), OUTBOUND) == ("accept", None)
    udp = match({"payload": {"protocol": "udp", "field": "dport"}}, 53, "!=")
    assert verdict(listing([udp, DROP])) == ("accept", None)


def test_translated_destination_is_followed_only_where_it_is_known_where_that_is():
    assert verdict(listing([match(PORT, 5269), {"dnat": {"addr": "10.0.0.1"}}], hook="prerouting"))[0] == "unknown"


def test_dormant_table_does_nothing_and_unreadable_flags_are_unknown():
    assert verdict(listing(policy="drop", flags=["dormant"])) == ("accept", None)
    assert verdict(listing(policy="drop", flags="Lester Gooch #5"))[0] == "unknown"


def test_endless_jumps_are_unknown_and_end():
    jumps = [[{"jump": {"target": "c"}}], [{"jump": {"target": "c"}}]]
    assert verdict(listing(*jumps))[0] == "unknown"


SAVE = """
*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:own - [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
{rules}
COMMIT
"""


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("-A INPUT -p tcp -m tcp --dport 5269 -j ACCEPT", "accept"),
        ("-A INPUT -p tcp -m tcp ! --dport 5269 -j ACCEPT", "drop"),
        ("-A INPUT -s 198.18.0.0/24 -p tcp -m multiport --dports 22,5000:6000 -j own\n-A own -j ACCEPT", "accept"),
        ("-A INPUT -s 198.18.0.0/24 -j own\n-A own -p udp -j ACCEPT", "drop"),
        ('-A INPUT -m comment --comment "two words -j DROP" -j ACCEPT', "accept"),
        ("-A INPUT -m limit --limit 3/min -j ACCEPT", "unknown"),
        ("-A INPUT -m no_such --option with arguments -j ACCEPT", "unknown"),
        ("-A INPUT -j NO_SUCH --option", "unknown"),
        ("-A INPUT -m set --match-set partners src -j ACCEPT", "accept"),
        ("-A INPUT -m set --match-set others src -j ACCEPT", "unknown"),
        ("-A INPUT -m set --match-set ports dst -j ACCEPT", "accept"),
        ("-A INPUT -m set --match-set ports src -j ACCEPT", "unknown"),
        ("-A INPUT -m set ! --match-set ports dst -j ACCEPT", "drop"),
        ("-A INPUT -m set --match-set hosts src -j ACCEPT", "accept"),
        ("-A INPUT -m set --match-set both src -j ACCEPT", "accept"),
        ("-A INPUT -m set --match-set mixed src -j ACCEPT", "unknown"),
        ("-A INPUT -m set --match-set none src -j ACCEPT", "drop"),
        ("-A INPUT -m rt --rt-type 0 -j ACCEPT", "drop"),
        ("-A INPUT -p tcp -m tcpmss ! --mss 1:535 -j ACCEPT", "accept"),
        ("-A INPUT -p tcp -m tcpmss --mss 1:535 -j ACCEPT", "drop"),
        ("-A INPUT -m set --match-set -j ACCEPT", "unknown"),
    ],
)
def test_iptables(rules, expected):
    sets = iptables_save.members_of(
        "create partners hash:net family inet\nadd partners 198.18.0.0/28\n"
        "create others hash:ip,port family inet\nadd others 198.18.0.10,tcp:5269\n"
        "create ports bitmap:port range 0-9000\nadd ports 22\nadd ports 5000-6000\n"
        "create hosts bitmap:ip range 198.18.0.0/24\nadd hosts 198.18.0.10\n"
        "create six hash:net family inet6\nadd six 2001:db8::/32\n"
        "create both list:set size 8\nadd both six\nadd both partners\n"
        "create mixed list:set size 8\nadd mixed partners\nadd mixed others\ncreate none list:set size 8\n",
        {"partners", "others", "ports", "hosts", "both", "mixed", "none"},
    )
    ruleset = iptables_save.read_ruleset(SAVE.format(rules=rules), "iptables-nft", sets)
    assert evaluate_connection(ruleset, INBOUND).verdict == expected


REST = {"set": [["udp", {"accept": None}], ["*", {"drop": None}]]}
DPORT_MAP = {"map": {"key": PORT, "data": {"set": [[22, 1]]}}}
MARK = {"meta": {"key": "mark"}}


def test_a_catch_all_element_stands_for_what_no_other_one_has():
    assert verdict(listing([{"vmap": {"key": {"meta": {"key": "l4proto"}}, "data": REST}}]))[0] == "drop"


@pytest.mark.parametrize(
    "statements",
    [
        # A named set behind a mask, and a prefix of ports.
        [match({"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, ["syn", "ack"]]}, "@flags"), DROP],
        # Changes of a header, and a map without an entry.
        [{"mangle": {"key": {"payload": {"base": "nh", "offset": 96, "len": 32}}, "value": 1}}, match(PORT, 22), DROP],
        [{"mangle": {"key": {"payload": {"protocol": "th", "field": "dport"}}, "value": 22}}, match(PORT, 22), DROP],
        [{"mangle": {"key": MARK, "value": DPORT_MAP}}, DROP],
        [None, DROP],
    ],
)
def test_statement_that_the_kernel_may_treat_otherwise_is_unknown(statements):
    assert verdict(listing(statements))[0] == "unknown"


def test_prefix_of_ports_has_16_bits():
    assert verdict(listing([match(PORT, {"prefix": {"addr": 1024, "len": 8}}), DROP])) == ("accept", None)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("DNAT --to-destination 198.18.0.2", ("destination", 0xC6120002, None)),
        ("DNAT --to-destination 198.18.0.2:80", ("destination", 0xC6120002, 80)),
        ("DNAT --to-destination 198.18.0.2:80-90", ("destination", 0xC6120002, UNKNOWN)),
        ("DNAT --to-destination 198.18.0.2-198.18.0.3:80", ("destination", UNKNOWN, 80)),
        ("DNAT --to-destination [2001:db8::2]:80", ("destination", 0x20010DB8 << 96 | 2, 80)),
        ("DNAT --to-destination 2001:db8::2", ("destination", 0x20010DB8 << 96 | 2, None)),
        ("DNAT --to-destination [2001:db8::2-2001:db8::4]:80", ("destination", UNKNOWN, 80)),
        ("REDIRECT --to-ports 80", ("destination", UNKNOWN, 80)),
        ("REDIRECT", ("destination", UNKNOWN, None)),
        ("SNAT --to-source 198.18.0.2 --persistent", ("source", 0xC6120002, (1024, 65535))),
        ("MASQUERADE", ("source", UNKNOWN, (1024, 65535))),
        ("MASQUERADE --to-ports 2000-3000", ("source", UNKNOWN, UNKNOWN)),
    ],
)
def test_targets_that_translate(rule, expected):
    (step,) = iptables_save._content(f"-A PREROUTING -j {rule}", "2001" in rule, {}).steps

    def of(value):
        return value[0] if isinstance(value, tuple) and value[0] == value[1] else value

    assert (step.side, of(step.address), of(step.port)) == expected
    assert step.to_host is rule.startswith(("REDIRECT", "MASQUERADE"))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ({"snat": {"addr": "2001:db8::99"}}, "drop"),
        ({"snat": {"addr": "2001:db8::98"}}, "accept"),
        ({"snat": {"addr": {"range": ["2001:db8::98", "2001:db8::99"]}}}, "unknown"),
        ({"masquerade": None}, "unknown"),
    ],
)
def test_translated_source_is_what_later_chains_see(statement, expected):
    source = {"payload": {"protocol": "ip6", "field": "saddr"}}
    later = listing([match(source, "2001:db8::99"), DROP], hook="postrouting", priority=150)
    nat = {"family": "inet", "table": "t", "name": "n", "type": "nat", "hook": "postrouting", "prio": 100}
    later["nftables"] += [
        {"chain": {**nat, "policy": "accept"}},
        {
            "rule": {
                "family": "inet",
                "table": "t",
                "chain": "n",
                "handle": 9,
                "expr": [statement],
            }
        },
    ]
    assert verdict(later, OUTBOUND)[0] == expected


@pytest.mark.parametrize(
    "rule",
    [
        "-A INPUT -m comment --comment -j -j ACCEPT",
        "-A INPUT -m comment --comment !",
        '-A INPUT -m comment --comment "a\u2028b" -j ACCEPT',
        '-A INPUT -m comment --comment "never closed -j ACCEPT',
        "-A INPUT -j MARK --set-xmark zz",
        "-A INPUT -j",
        "-A INPUT !",
    ],
)
def test_no_rule_of_iptables_ends_in_an_error(rule):
    ruleset = iptables_save.read_ruleset(SAVE.format(rules=rule), "iptables-nft")
    assert evaluate_connection(ruleset, INBOUND).verdict in ("accept", "drop", "unknown")


def test_comment_may_look_like_an_option():
    rules = "-A INPUT -m comment --comment -j -j ACCEPT"
    assert (
        evaluate_connection(iptables_save.read_ruleset(SAVE.format(rules=rules), "iptables-nft"), INBOUND).verdict
        == "accept"
    )


def test_ipset_whose_members_are_networks_of_addresses_is_left_out():
    assert iptables_save.members_of("create s hash:ip family inet netmask 24\nadd s 10.9.0.0\n", {"s"}) == {}


@pytest.mark.parametrize(
    ("devices", "lower", "expected"),
    [
        (["eth0"], {}, "drop"),
        ("eth*", {}, "drop"),
        (["wg*", "eth1"], {}, "accept"),
        (None, {}, "unknown"),
        ([], {}, "unknown"),
        (["port1"], {"eth0": {"port1", "port2"}}, "unknown"),
        (["port*"], {"eth0": {"port1", "port2"}}, "unknown"),
        (["port1"], {"eth1": {"port1"}}, "accept"),
    ],
)
def test_chains_of_devices(devices, lower, expected):
    chain = {"family": "netdev", "table": "t", "name": "c", "type": "filter", "hook": "ingress", "prio": 0}
    chain["policy"] = "drop"
    listed = {"nftables": [{"chain": {**chain, **({"dev": devices} if devices else {})}}]}
    ruleset = replace(nft_json.read_ruleset(listed), lower=lower)
    assert evaluate_connection(ruleset, INBOUND).verdict == expected


@pytest.mark.parametrize(
    ("mark", "families", "expected"), [(1, {"ipv6"}, "unknown"), (1, {"ipv4"}, "accept"), (0, {"ipv6"}, "accept")]
)
def test_a_mark_by_which_packets_are_routed(mark, families, expected):
    marking = {"mangle": {"key": {"meta": {"key": "mark"}}, "value": mark}}
    ruleset = nft_json.read_ruleset(listing([marking], hook="output"))
    found = evaluate_connection(replace(ruleset, routed_by_mark=frozenset(families)), OUTBOUND)
    assert found.verdict == expected
    assert expected == "accept" or found.decision.label == "chain inet t c: handle 1"
