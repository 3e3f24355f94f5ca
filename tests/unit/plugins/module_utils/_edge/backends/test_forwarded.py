# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for forwarded packets, as each manager writes them: they come back as they were."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends import iptables_lines, ufw_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.firewalld_forward import (
    POLICIES,
    Policy,
    desired_policies,
    found_in,
    read_policy,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.firewalld_rules import rules_in_file
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.lines import (
    lines_of,
    rules_of,
    with_inner_addresses,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.nft_table import (
    NftTable,
    read_rules,
    read_table,
    to_table,
    write_table,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.published import Target, rules_for
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options

EDGE = {
    "access_addresses": ["10.20.0.7", "2001:db8:20::7"],
    "internal_addresses": ["10.30.0.7"],
    "partner_networks": ["198.51.100.0/24", "198.51.101.9", "2001:db8:9::/48"],
    "front_end_networks": ["10.30.1.0/24"],
}
OTHER = {**EDGE, "access_addresses": ["10.20.0.8"], "partner_networks": ["203.0.113.0/24"]}
ROUTER = compile_rules(parse_options({"placement": "firewall"}, {"edge1": EDGE, "edge2": OTHER}))
HOST = compile_rules(parse_options(EDGE))
TARGETS = {(5269, "ipv4"): [Target("10.88.0.5", 15269, "podman0")]}
PUBLISHED = rules_for(TARGETS, HOST, [("podman0", "10.88.0.1/16")])
ACCEPTS = {
    "router": [rule for rule in ROUTER if rule.action == "allow"],
    "published": [rule for rule in PUBLISHED if rule.action == "allow" and not rule.is_inner],
}


@pytest.mark.parametrize("rules", [ROUTER, PUBLISHED, HOST], ids=["router", "published", "host"])
def test_the_managed_table_comes_back(rules):
    table = to_table(rules)
    text = write_table(table).partition("\ndelete table inet xmpp_edge\n")[2]
    observed = read_rules(read_table(text), table)
    assert observed.drift == ()
    assert list(observed.items) == [rule for rule in rules if rule.inside is None]


def test_a_table_has_the_chains_that_its_rules_need():
    assert list(to_table(HOST).chains) == ["prerouting", "input", "output"]
    assert list(to_table(ROUTER).chains) == ["forward_in", "forward_out"]
    assert list(to_table(PUBLISHED).chains) == [
        "prerouting",
        "input",
        "output",
        "forward_out",
        "published",
        "postrouting",
    ]


def test_a_router_guards_the_addresses_of_its_edges_alone():
    guards = [line for chain in to_table(ROUTER).chains.values() for line in chain.rules if "guard" in line]
    assert len(guards) == 9
    assert all("addr @edge_addresses" in line for line in guards)


def test_another_rule_behind_source_nat_is_drift():
    table = to_table(PUBLISHED)
    text = write_table(table).partition("\ndelete table inet xmpp_edge\n")[2]
    changed = text.replace(
        ' counter drop comment "federation_out guard behind', ' counter accept comment "federation_out guard behind'
    )
    drift = read_rules(read_table(changed), table).drift
    assert any(line.startswith("chain postrouting") for line in drift)
    assert read_rules(NftTable(), table).drift


@pytest.mark.parametrize("kind", ACCEPTS)
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_lines_of_iptables_come_back(kind, family):
    rules = [rule for rule in ACCEPTS[kind] if rule.family == family]
    lines = lines_of(rules, family)
    texts = [iptables_lines.write_line(line) for line in lines]
    assert [iptables_lines.read_line(text, family) for text in texts] == lines
    assert rules_of(lines, rules) == rules


def test_iptables_names_what_was_dialled():
    (rule,) = [rule for rule in ACCEPTS["published"] if rule.inside and rule.family == "ipv4"]
    texts = [iptables_lines.write_line(line) for line in lines_of([rule], "ipv4")]
    assert texts[0] == (
        "-A XMPP-EDGE-FORWARD -s 198.51.100.0/24 -p tcp -m conntrack --ctorigdst 10.20.0.7 --ctorigdstport 5269 "
        "-m comment --comment federation_in -j ACCEPT"
    )


@pytest.mark.parametrize("kind", ACCEPTS)
def test_routes_of_ufw_come_back(kind):
    rules = [rule for rule in with_inner_addresses(ACCEPTS[kind]) if rule.family == "ipv4"]
    lines = lines_of(rules, "ipv4")
    text = "*filter\n### RULES ###\n\n### END RULES ###\nCOMMIT\n"
    written = ufw_rules.read_user_rules(text).with_managed(lines)
    read = ufw_rules.read_user_rules(written.text)
    assert ufw_rules.found_lines(read, "ipv4") == lines
    assert rules_of(lines, rules) == rules
    forwarded = [entry[0] for entry in read.entries if " route:allow tcp " in entry[0]]
    assert len(forwarded) == sum(line.forwarded for line in lines)


def test_ufw_names_the_network_and_port_of_a_container():
    rules = with_inner_addresses([rule for rule in ACCEPTS["published"] if rule.inside])
    entry = ufw_rules.write_entry(lines_of(rules, "ipv4")[0])
    assert entry[0].startswith("### tuple ### route:allow tcp 15269 10.88.0.0/16 any 198.51.100.0/24 in comment=")
    assert entry[1] == "-A ufw-user-forward -p tcp -d 10.88.0.0/16 --dport 15269 -s 198.51.100.0/24 -j ACCEPT"


ROUTES = {
    (local, remote): "wan" if "198.51" in remote or "203.0" in remote or "2001:db8:9" in remote else "lan"
    for local in ("10.20.0.7", "10.20.0.8", "10.30.0.7", "2001:db8:20::7")
    for remote in ("198.51.100.1", "198.51.100.254", "198.51.101.9", "203.0.113.1", "10.30.1.1", "2001:db8:9::1")
}
ROUTES.update({(local, local): "dmz" for local, _remote in list(ROUTES)})


def test_policies_of_firewalld_are_between_the_zones_concerned():
    found = desired_policies(ACCEPTS["router"], ROUTES, {"wan": "external", "dmz": "dmz"}, "public")
    ways = {policy.name: (policy.ingress, policy.egress) for policy, _rules in found}
    assert ways == {
        "xmpp_edge_in": (("external", "public"), ("dmz",)),
        "xmpp_edge_out": (("dmz",), ("external",)),
    }
    for policy, rules in found:
        direction = next(one for one, name in POLICIES.items() if name == policy.name)
        assert tuple(rules_in_file(policy.text)) == policy.rules
        lines = found_in(policy, direction, policy.rules)
        assert sorted(map(str, rules_of(lines, rules))) == sorted(map(str, rules))
        assert len(policy.name) <= 17


def test_published_ports_need_no_policy():
    assert desired_policies(ACCEPTS["published"], {}, {}, "public") == []


def test_only_new_policies_and_other_zones_need_a_reload():
    policy = Policy("xmpp_edge_in", ("external",), ("dmz",))
    settings = {"ingress_zones": ["external"], "egress_zones": ["dmz"]}
    assert policy.needs_reload(None)
    assert not policy.needs_reload(read_policy("xmpp_edge_in", settings, ()))
    assert policy.needs_reload(read_policy("xmpp_edge_in", {**settings, "egress_zones": ["ANY"]}, ()))
