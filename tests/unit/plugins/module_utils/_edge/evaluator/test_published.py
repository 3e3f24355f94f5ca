# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Published ports: where destination NAT leads to, and what that adds to the rules of a host."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator import iptables_save
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.guarded import evaluate_guards
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.managed import (
    allow_rules,
    block_rules,
    guards_behind,
    guards_of_published,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.published import (
    Target,
    is_unclear,
    rules_for,
    targets_of,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.rows import evaluate_rows
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.ruleset import Chain
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.addresses import number_of
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.ownership import TABLE
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options

ACCESS, PARTNER, BOX, OTHER = "198.18.0.2", "198.18.0.10", "10.88.0.5", "198.18.0.99"
OPTIONS = {
    "access_addresses": [ACCESS],
    "partner_networks": [PARTNER],
    "rows": ["federation_in", "federation_out"],
}
RULES = compile_rules(parse_options(OPTIONS))
ROUTES = {(ACCESS, PARTNER): "eth0"}
NETWORKS = [("eth0", "198.18.0.2/24"), ("podman0", "10.88.0.1/16"), ("podman0", "2001:db8:88::1/64")]
BOTH = ("ipv4", "ipv6")


def host(*nat, masquerade=True, **changes):
    """Return the ruleset of a host with rules of the table nat."""
    rules = [*nat, *(["-A POSTROUTING -s 10.88.0.0/16 ! -o podman0 -j MASQUERADE"] if masquerade else [])]
    text = "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" + "\n".join([*rules, "COMMIT\n"])
    ruleset = iptables_save.read_ruleset(text, "iptables-nft")
    known = {
        "ways": {("ipv4", number_of(one)): way for one, way in ((BOX, "podman0"), (OTHER, "eth0"), (ACCESS, "lo"))},
        "masquerading": {("ipv4", "eth0"): (number_of(ACCESS),)},
        "forwards": frozenset(("ipv4",)),
    }
    return replace(ruleset, **{**known, **changes})


def dnat(target, port=5269, more=""):
    return f"-A PREROUTING {more}-p tcp -m tcp --dport {port} -j DNAT --to-destination {target}"


@pytest.mark.parametrize(
    "rules, expected",
    [
        ([dnat(f"{BOX}:5269")], [Target(BOX, 5269, "podman0")]),
        ([dnat(f"{BOX}:15269")], [Target(BOX, 15269, "podman0")]),
        ([dnat(BOX)], [Target(BOX, 5269, "podman0")]),
        ([dnat(BOX, more="-m addrtype --dst-type LOCAL ")], [Target(BOX, 5269, "podman0")]),
        # Each source has a server of its own.
        (
            [dnat(BOX, more=f"-s {PARTNER}/32 "), dnat(OTHER)],
            [Target(OTHER, 5269, "eth0"), Target(BOX, 5269, "podman0")],
        ),
        ([dnat(BOX, port=8080)], None),
        # One of several ports.
        ([dnat(f"{BOX}:5269-5270")], [Target(BOX, None, "podman0")]),
        ([dnat(f"{BOX}-10.88.0.6:5269")], None),
        ([dnat(f"{ACCESS}:15269")], None),
        (["-A PREROUTING -p tcp -m tcp --dport 5269 -j REDIRECT --to-ports 15269"], None),
        ([], None),
    ],
)
def test_targets_are_where_translation_leads_to(rules, expected):
    assert targets_of(host(*rules), RULES, ROUTES).get((5269, "ipv4")) == expected


def test_a_place_that_is_not_known_is_none_and_is_said():
    for target in ("10.9.9.9", f"{BOX}-10.88.0.6:5269"):
        ruleset = host(dnat(target))
        assert targets_of(ruleset, RULES, ROUTES) == {}
        assert is_unclear(ruleset, 5269, RULES, ROUTES)
        assert evaluate_guards(ruleset, [rule for rule in RULES if rule.direction == "out"])["federation_out"]
    assert not is_unclear(host(dnat(BOX)), 5269, RULES, ROUTES)


def added(*targets, rules=RULES):
    """Return what targets add to the rules."""
    return [rule for rule in rules_for({(5269, "ipv4"): targets}, rules, NETWORKS) if rule not in rules]


def test_the_rules_name_the_network_of_the_target():
    found = [rule for rule in added(Target(BOX, 15269, "podman0")) if rule.family == "ipv4"]
    groups = {group.networks for rule in found for group in rule.groups if group.option == "containers"}
    assert groups == {("10.88.0.0/16",)}
    shown = [(rule.row, rule.action, rule.direction, rule.forwarded, bool(rule.inside)) for rule in found]
    assert shown == [
        ("federation_in", "allow", "in", False, False),
        ("federation_in", "allow", "in", True, True),
        ("federation_in", "block", "in", True, True),
        ("federation_out", "allow", "out", False, False),
        ("federation_out", "allow", "out", True, False),
        ("federation_out", "block", "out", True, False),
    ]
    (inside,) = {rule.inside for rule in found if rule.inside}
    assert (inside.ports, inside.group.networks) == ((15269,), ("10.88.0.0/16",))


def test_the_other_family_of_the_servers_network_is_guarded_as_well():
    found = [rule for rule in added(Target(BOX, 5269, "podman0")) if rule.family == "ipv6"]
    assert [(rule.row, rule.action, rule.direction, rule.forwarded) for rule in found] == [
        ("federation_in", "allow", "in", False),
        ("federation_out", "allow", "out", False),
        ("federation_out", "block", "out", True),
    ]
    assert {group.networks for rule in found for group in rule.groups} == {("2001:db8:88::/64",)}


def test_the_network_is_that_of_the_targets_interface():
    networks = [("eth1", "10.1.2.3/8"), *NETWORKS]
    found = rules_for({(5269, "ipv4"): [Target(BOX, 5269, "podman0")]}, RULES, networks)
    assert ("10.0.0.0/8",) not in {group.networks for rule in found for group in rule.groups}


def test_two_servers_share_one_rule_for_what_is_dialled():
    targets = [Target(BOX, 15269, "podman0"), Target("10.88.0.6", 25269, "podman0")]
    (rule,) = [one for one in added(*targets) if one.inside and one.action == "allow"]
    assert rule.inside.ports == (15269, 25269)


@pytest.mark.parametrize("address", [OTHER, "172.31.0.9"])
def test_of_hosts_beside_this_one_or_behind_a_router_only_the_target_is_taken(address):
    groups = {group.networks for rule in added(Target(address, 5269, "eth0")) for group in rule.groups}
    assert (address,) in groups
    assert ("198.18.0.0/24",) not in groups


def test_without_guards_only_accept_rules_are_added():
    rules = compile_rules(parse_options({**OPTIONS, "mode": "permit"}))
    assert {rule.action for rule in added(Target(BOX, 5269, "podman0"), rules=rules)} == {"allow"}


def test_the_rules_come_in_the_order_in_which_they_are_read():
    rules = rules_for({(5269, "ipv4"): [Target(BOX, 5269, "podman0")]}, RULES, NETWORKS)
    assert list(rules) == sorted(rules, key=lambda rule: (rule.direction, rule.forwarded, rule.action))


INNER = {("10.88.255.254", PARTNER): "eth0", ("10.88.255.254", "10.88.255.254"): "podman0"}
INNER.update({("10.88.0.1", PARTNER): "eth0", ("10.88.0.1", "10.88.0.1"): "lo"})


def guarded_host(rules, *, without=(), **changes):
    """Return the ruleset of a host with the managed table. without: chains that it lacks."""
    ruleset = host(dnat(BOX, more="-m addrtype --dst-type LOCAL "), **changes)
    own, forwarded = ([rule for rule in rules if rule.forwarded is answer] for answer in (False, True))
    chains = {
        "prerouting": (-190, [*allow_rules(own, "in", BOTH), *block_rules(own, "in", True)]),
        "input": (-10, [*allow_rules(own, "in", BOTH), *block_rules(own, "in", False)]),
        "output": (-10, [*allow_rules(own, "out", BOTH), *block_rules(own, "out", False)]),
        "forward": (-9, [*allow_rules(forwarded, "out", BOTH), *block_rules(forwarded, "out", False)]),
        "published": (-8, [one for rule in forwarded if rule.action == "block" for one in guards_of_published(rule)]),
    }
    guards = [rule for rule in forwarded if rule.action == "block"]
    access = [rule.source for rule in own if (rule.row, rule.action) == ("federation_out", "allow") and rule.source]
    behind = [line for guard in guards for line in guards_behind(guard.source, access, guard)]
    chains["postrouting"] = (110, behind)
    for hook, (priority, found) in chains.items():
        if hook not in without:
            ruleset.add(Chain(TABLE, hook, BOTH, found, hook.replace("published", "forward"), priority=priority))
    return ruleset


ALL = rules_for({(5269, "ipv4"): [Target(BOX, 5269, "podman0")]}, RULES, NETWORKS)
OUT = [rule for rule in ALL if rule.forwarded and rule.direction == "out"]


def test_what_containers_send_is_guarded_by_the_hook_forward():
    assert evaluate_guards(guarded_host(ALL), OUT, INNER)["federation_out"].guarded == "yes"
    # Behind source NAT the second guard sees no partner, but an address that is allowed.
    assert evaluate_guards(guarded_host(ALL, without=("forward",)), OUT, INNER)["federation_out"].guarded == "no"


INBOUND = [rule for rule in ALL if rule.direction == "in"]


def test_a_published_server_is_reached_by_its_port_alone():
    rules = [rule for rule in INBOUND if rule.family != "ipv6"]
    assert evaluate_guards(guarded_host(ALL), rules, INNER)["federation_in"].guarded == "yes"
    answer = evaluate_guards(guarded_host(ALL, without=("published",)), rules, INNER)["federation_in"]
    assert (answer.guarded, answer.subject) == ("no", "tcp 12.4.18.33 -> 10.88.255.254 port 5269")


def test_partners_beside_the_containers_network_are_no_way_in():
    rules = compile_rules(parse_options({**OPTIONS, "partner_networks": ["10.89.0.0/16"]}))
    found = rules_for({(5269, "ipv4"): [Target(BOX, 5269, "podman0")]}, rules, NETWORKS)
    own = [rule for rule in found if rule.direction == "in" and not rule.forwarded]
    assert evaluate_guards(guarded_host(found), own, INNER)["federation_in"].guarded == "yes"


def test_partners_are_reached_by_an_access_address():
    allows = [rule for rule in OUT if rule.action == "allow"]
    assert evaluate_rows(guarded_host(ALL), allows, INNER)["federation_out"].effective == "yes"


@pytest.mark.parametrize(
    "changes, expected",
    [
        # The source stays that of the container, which is no access address.
        ({"masquerade": False}, "no"),
        ({"masquerading": {("ipv4", "eth0"): (number_of(OTHER),)}}, "no"),
        ({"masquerading": {("ipv4", "eth0"): (number_of(OTHER), number_of(ACCESS))}}, "unknown"),
        ({"forwards": frozenset()}, "no"),
    ],
)
def test_another_source_is_told(changes, expected):
    allows = [rule for rule in OUT if rule.action == "allow"]
    assert evaluate_rows(guarded_host(ALL, **changes), allows, INNER)["federation_out"].effective == expected
