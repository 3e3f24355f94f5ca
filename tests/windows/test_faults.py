# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies that are seen, failures that are told as they were, and changes without a gap, on the simulated firewall."""

from __future__ import annotations

import ipaddress
import json
import os
import random

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows import controller
from hosts import DENIED, STOPPED, Windows
from test_front_door import OPTIONS, OTHERS, unmanaged
from test_front_door import pytestmark as _needs

pytestmark = _needs

CHANGES = int(os.environ.get("XMPP_EDGE_CHANGES", "40"))
SEED = int(os.environ.get("XMPP_EDGE_SEED", "20261127"))


class Host(Windows):
    """A Windows host whose runs have sound options."""

    def run(self, *flags, **changes):
        return super().run(*flags, **{**OPTIONS, **changes})

    def trace(self):
        """Return every state that the rules have had since the last call."""
        path = self.store.with_name("firewall.json.trace")
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]


@pytest.fixture
def windows(tmp_path, server):
    return Host(tmp_path, server, OTHERS)


def effective(result):
    return {row: entry["effective"] for row, entry in result["rows"].items()}


INBOUND_UNKNOWN = {"federation_in": "unknown", "federation_out": "yes", "gateway_in": "unknown"}


def test_a_policy_that_ignores_rules_for_one_port_is_refused_and_told(windows):
    windows.policy(r"PublicProfile\GloballyOpenPorts", AllowUserPrefMerge=0)
    refused = windows.run()
    assert refused["failed"] is True
    assert "group policy ignores local firewall rules for one port in the profiles public" in refused["msg"]
    assert windows.managed == []
    warned = windows.run(on_policy_override="warn")
    assert effective(warned) == INBOUND_UNKNOWN
    assert "which ignores local rules for one port in the profile public" in warned["rows"]["gateway_in"]["decided_by"]
    assert any("inbound managed rules have no effect there, guards neither" in text for text in warned["warnings"])


@pytest.mark.parametrize("value", [1, None])
def test_a_policy_that_merges_is_none(windows, value):
    windows.policy(r"PublicProfile\GloballyOpenPorts", **({} if value is None else {"AllowUserPrefMerge": value}))
    windows.policy("PublicProfile", AllowLocalPolicyMerge=1)
    assert set(effective(windows.run()).values()) == {"yes"}


@pytest.mark.parametrize("current", [2, 4])
def test_the_standard_profile_counts_where_neither_has_a_key(windows, current):
    windows.save(state={**windows.firewall["state"], "current_profiles": current})
    windows.policy("StandardProfile", AllowLocalPolicyMerge=0)
    assert "group policy ignores all local firewall rules" in windows.run()["msg"]
    windows.policy("PrivateProfile", EnableFirewall=1)
    assert not windows.run().get("failed")


def test_the_domain_profile_has_a_key_of_its_own(windows):
    windows.save(state={**windows.firewall["state"], "current_profiles": 1})
    windows.policy("StandardProfile", AllowLocalPolicyMerge=0)
    assert not windows.run().get("failed")


@pytest.mark.parametrize(("local", "policy"), [(True, 0), (False, 1)])
def test_blocking_all_inbound_wins_in_whichever_store(windows, local, policy):
    windows.profile("public", blocks_all_inbound=local)
    windows.policy("PublicProfile", DoNotAllowExceptions=policy)
    blocked = windows.run("--check")
    assert "the profile public, which blocks all inbound" in blocked["msg"]


def test_device_management_is_a_store_too(windows):
    mdm = r"HKLM:\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\Mdm"
    windows.save(registry={f"{mdm}\\PublicProfile": {"AllowLocalPolicyMerge": 0}})
    assert "group policy ignores all local firewall rules" in windows.run()["msg"]
    windows.save(registry={f"{mdm}\\FirewallRules": {"a": "v2.31|", "b": "v2.31|"}})
    assert "of a policy" in windows.run()["rows"]["federation_in"]["decided_by"]


@pytest.mark.parametrize(("state", "expected"), [(0, "yes"), (1, "unknown"), (2, "unknown")])
def test_what_windows_itself_says_of_local_rules_counts(windows, state, expected):
    windows.save(state={**windows.firewall["state"], "modify_state": state})
    found = effective(windows.run())
    assert found["federation_in"] == found["gateway_in"] == expected
    assert found["federation_out"] == ("unknown" if state == 1 else "yes")


def test_a_policy_of_a_profile_that_no_network_has_is_a_warning(windows):
    windows.policy("DomainProfile", AllowLocalPolicyMerge=0)
    result = windows.run()
    assert not result.get("failed")
    assert set(effective(result).values()) == {"yes"}
    assert any("ignores all local rules in the profile domain" in text for text in result["warnings"])
    # Without a network any profile may become active.
    windows.save(state={**windows.firewall["state"], "current_profiles": 0})
    assert windows.run()["failed"] is True


@pytest.mark.parametrize("getter", ["Action", "Protocol", "Profiles", "Enabled", "Direction", "LocalAddresses"])
def test_what_cannot_be_read_is_unknown_and_no_reason_to_fail(windows, getter):
    # Each of them alone would make the rule decide nothing, or decide all.
    odd = unmanaged("Odd", action="allow" if getter == "Action" else "block", local_ports="5269")
    windows.save(rules=[*OTHERS, odd], unreadable={"name": "Odd", "getter": getter})
    result = windows.run()
    assert not result.get("failed"), result
    assert result["rows"]["federation_in"]["effective"] == "unknown"
    assert "rule Odd" in result["rows"]["federation_in"]["decided_by"]
    assert windows.run()["changed"] is False


@pytest.mark.parametrize("keyword", ["LocalSubnet", "Internet4", "DNS"])
@pytest.mark.parametrize("form", ["{keyword}", "{addresses},{keyword}", "{keyword},{addresses}"])
@pytest.mark.parametrize("action", ["allow", "block"])
def test_a_keyword_in_a_managed_rule_is_drift(windows, action, form, keyword):
    windows.run(partner_networks=["any"])
    rules = windows.firewall["rules"]
    victim = next(rule for rule in rules if rule not in OTHERS and rule["action"] == action)
    edited = {**victim, "remote_addresses": form.format(keyword=keyword, addresses=victim["remote_addresses"])}
    windows.save(rules=[edited if rule == victim else rule for rule in rules])
    assert windows.run(partner_networks=["any"])["changed"] is True
    assert sorted(windows.firewall["rules"], key=str) == sorted(rules, key=str)


def test_deferred_edge_traversal_is_drift(windows):
    windows.run()
    rules = windows.firewall["rules"]
    windows.save(rules=[*rules[:-1], {**rules[-1], "edge_traversal_options": 2}])
    assert windows.run()["changed"] is True
    assert windows.firewall["rules"][-1]["edge_traversal_options"] == 0
    assert windows.run()["changed"] is False


def described(rules):
    """Return rules whose descriptions somebody has edited."""
    return [rule if rule in OTHERS else {**rule, "description": "mine"} for rule in rules]


def test_a_repair_whose_first_addition_is_refused_loses_nothing(windows):
    windows.run()
    edited = described(windows.firewall["rules"])
    windows.save(rules=edited, refuses="federation_in/allow/ipv4")
    failed = windows.run()
    assert failed["failed"] is True
    assert failed["msg"] == "the parameter is incorrect"
    assert failed["changed"] is False
    assert windows.firewall["rules"] == edited


def test_a_failed_rollback_is_told_with_the_first_error(windows):
    windows.run(partner_networks=["any"])
    windows.save(refuses="gateway_in/block", fails={"Remove": DENIED})
    failed = windows.module(**arguments(front_end_networks=["198.18.1.0/25"]))
    assert failed["failed"] is True
    assert failed["changed"] is True
    assert failed["msg"].startswith(
        "the parameter is incorrect; undoing the change has failed too (the Windows firewall may"
    )
    assert failed["rule"].startswith("xmpp.edge/gateway_in/block")
    windows.save(refuses=None, fails={})
    assert windows.run()["changed"] is True
    assert windows.run()["changed"] is False
    assert not any("replaced" in rule["name"] for rule in windows.firewall["rules"])


@pytest.mark.parametrize(
    ("fails", "message"),
    [
        ({"Rules": STOPPED}, "the Windows firewall does not list its rules: see whether its service mpssvc runs"),
        ({"FirewallEnabled": STOPPED}, "the Windows firewall does not answer: start its service mpssvc"),
        ({"Add": DENIED}, "the Windows firewall may not be read or changed: connect as an administrator"),
    ],
)
def test_each_failure_is_one_sentence(windows, fails, message):
    windows.save(fails=fails)
    failed = windows.run()
    assert (failed["failed"], failed["changed"], failed["msg"]) == (True, False, message)
    assert windows.managed == []


def test_a_removal_that_fails_at_once_has_changed_nothing(windows):
    windows.run()
    before = windows.firewall["rules"]
    windows.save(fails={"Remove": DENIED})
    failed = windows.run(state="absent", confirm_timeout=0)
    assert failed["failed"] is True
    assert failed["changed"] is False
    assert failed["msg"].startswith("the Windows firewall may not be read or changed")
    assert windows.firewall["rules"] == before


@pytest.mark.parametrize("removes", ["first", "last"])
def test_twins_of_others_survive_whichever_the_firewall_removes(windows, removes):
    windows.run()
    rules = windows.firewall["rules"]
    foreign = [{**rule, "group": "other"} for rule in rules if rule not in OTHERS]
    windows.save(rules=[*foreign, *described(rules), *rules], forms={"removes": removes})
    assert windows.run()["changed"] is True
    assert [rule for rule in windows.firewall["rules"] if rule["group"] == "other"] == foreign
    assert windows.run()["changed"] is False


@pytest.mark.parametrize(
    "forms",
    [
        {"ipv6_host": host, "reversed": order, "upper": case}
        for host in ("plain", "range", "prefix")
        for order in (0, 1)
        for case in (False, True)
    ],
    ids=str,
)
def test_no_form_of_addresses_is_drift(windows, forms):
    windows.save(forms={**forms, "reversed": bool(forms["reversed"])})
    assert windows.run()["changed"] is True
    assert windows.run()["changed"] is False


def test_an_address_within_a_network_may_be_dropped(windows):
    windows.save(forms={"contained": True})
    rule = arguments()["rules"][0]
    given = {**rule, "remote_addresses": ["198.18.7.0/24", "198.18.7.9", "198.18.6.0-198.18.6.255"]}
    assert windows.module(rules=[given])["changed"] is True
    assert "198.18.7.9" not in windows.managed[0]["remote_addresses"]
    assert windows.module(rules=[given])["changed"] is False


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["2001:0db8:0007:0000:0000:0000:0000:0000/48"], ["2001:db8:7::/48"]),
        (["198.18.7.0/24"], ["198.18.7.0/255.255.255.0"]),
        (["198.18.7.0-198.18.7.255"], ["198.18.7.0/25", "198.18.7.128/25"]),
        (["198.18.7.4", "198.18.7.5"], ["198.18.7.4/31"]),
        (["2001:DB8::A"], ["2001:db8::a/128"]),
    ],
)
def test_other_forms_of_the_same_addresses_are_the_same(windows, one, other):
    rule = arguments()["rules"][0]
    assert windows.module(rules=[{**rule, "remote_addresses": one}])["changed"] is True
    assert windows.module(rules=[{**rule, "remote_addresses": other}])["changed"] is False
    assert windows.module(rules=[{**rule, "remote_addresses": [*other, "203.0.113.9"]}])["changed"] is True


NAME = "xmpp.edge/federation_in/allow/ipv4"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"remote_addresses": ["198.18.7.1", ","]},
            f"rules.remote_addresses: ',' of '{NAME}' is no address, network or",
        ),
        ({"remote_addresses": ["*", "198.18.7.1"]}, f"rules.remote_addresses: '*' of '{NAME}' is no address"),
        ({"remote_addresses": [["198.18.7.1"]]}, "rules.remote_addresses: "),
        ({"remote_addresses": [{"a": 1}]}, "rules.remote_addresses: 'System."),
        ({"remote_addresses": []}, f"rules.remote_addresses: is empty in '{NAME}'; say * for any"),
        ({"remote_addresses": [" "]}, "rules.remote_addresses: '' of "),
        ({"local_addresses": ["198.18.0.256"]}, "rules.local_addresses: '198.18.0.256' of "),
        ({"local_addresses": ["198.18.0.2/33"]}, "rules.local_addresses: '198.18.0.2/33' of "),
        ({"local_addresses": ["198.18.0.2/255.0.255.0"]}, "rules.local_addresses: '198.18.0.2/255.0.255.0' of "),
        ({"local_addresses": ["198.18.0.9-198.18.0.2"]}, "rules.local_addresses: '198.18.0.9-198.18.0.2' of "),
        ({"local_addresses": ["LocalSubnet"]}, "rules.local_addresses: 'LocalSubnet' of "),
        ({"local_addresses": ["fe80::1%4"]}, "rules.local_addresses: 'fe80::1%4' of "),
        ({"local_ports": [5269, 5270]}, "rules.local_ports: "),
        ({"local_ports": True}, "rules.local_ports: 'True' of "),
        ({"local_ports": 1.5}, "rules.local_ports: '1.5' of "),
        ({"local_ports": 2**40}, f"rules.local_ports: '{2**40}' of "),
        ({"local_ports": "0"}, "rules.local_ports: '0' of "),
        ({"local_ports": ""}, "rules.local_ports: '' of "),
        ({"name": "xmpp.edge/"}, "rules.name: 'xmpp.edge/' is not the name of a managed rule"),
        ({"name": "other"}, "rules.name: 'other' is not the name of a managed rule"),
        ({"name": f"{NAME}|x"}, "rules.name: "),
        ({"name": f"{NAME}\nx"}, "rules.name: "),
        ({"name": NAME + "x" * 12_000}, "rules.name: "),
    ],
)
def test_what_a_direct_caller_gives_is_parsed(windows, changes, message):
    before = windows.firewall["rules"]
    rule = {**arguments()["rules"][0], "name": NAME, **changes}
    refused = windows.module(rules=[rule])
    assert refused["failed"] is True
    assert refused["msg"].startswith(message)
    assert "\n" not in refused["msg"]
    assert windows.firewall["rules"] == before


def test_reads_may_lag_behind_a_change(windows):
    windows.save(forms={"lag": 2})
    result = windows.run()
    assert result["changed"] is True
    assert not result.get("failed"), result


def arguments(**changes):
    """Return the options of the module itself."""
    options = parse_options({**OPTIONS, **changes})
    return controller.module_arguments(options, compile_rules(options))


# An evaluation that has nothing in common with that of the product: block beats allow, and inbound the default blocks.


def spans(text):
    for token in [] if text == "*" else text.split(","):
        first, dash, last = token.partition("-")
        if dash:
            yield ipaddress.ip_address(first), ipaddress.ip_address(last)
        else:
            network = ipaddress.ip_network(token, strict=False)
            yield network[0], network[-1]


def has(text, address):
    return text == "*" or any(
        first.version == address.version and first <= address <= last for first, last in spans(text)
    )


def passes(rules, probe):
    direction, local, remote, port = probe
    side = "local_ports" if direction == "in" else "remote_ports"
    found = {
        rule["action"]
        for rule in rules
        if rule["direction"] == direction and rule["enabled"] and rule[side] in ("*", str(port))
        if has(rule["local_addresses"], local) and has(rule["remote_addresses"], remote)
    }
    return "block" not in found and (direction == "out" or "allow" in found)


LOCAL = [ipaddress.ip_address(one) for one in ("198.18.0.2", "198.18.1.2", "2001:db8::2", "198.18.5.5")]
REMOTE = ("198.18.7.9", "198.18.9.25", "198.18.1.77", "203.0.113.9", "2001:db8:7::1", "2001:db8:ff::1")
PROBES = [
    (direction, local, ipaddress.ip_address(remote), port)
    for direction in ("in", "out")
    for local in LOCAL
    for remote in REMOTE
    for port in (5269, 23456)
    if local.version == ipaddress.ip_address(remote).version
]
INPUTS = [
    {},
    {"partner_networks": ["any"]},
    {"partner_networks": ["198.18.9.25", "2001:db8:7::/48"]},
    {"front_end_networks": ["any"]},
    {"front_end_networks": ["198.18.1.77"]},
    {"access_addresses": ["198.18.0.2"], "partner_networks": ["198.18.7.0/24"]},
    {"rows": ["federation_in", "federation_out"]},
]


def test_no_connection_finds_a_gap_in_random_changes(windows):
    """What passes before and after a change passes at every moment of it, and so for what does not."""
    dice = random.Random(SEED)
    windows.save(forms={"trace": True})
    windows.run()
    seen = 0
    for _number in range(CHANGES):
        rules = windows.firewall["rules"]
        if dice.random() < 0.5:
            # Somebody edits some of our rules, or doubles them.
            rules = [
                {**rule, "description": "mine"} if rule not in OTHERS and dice.random() < 0.5 else rule
                for rule in rules
            ]
            rules += [rule for rule in rules if rule not in OTHERS and dice.random() < 0.1]
            windows.save(rules=rules)
        windows.trace()
        options = {**dice.choice(INPUTS), "mode": dice.choice(("exclusive", "exclusive", "permit"))}
        end = dice.choice(("confirmed", "rolled back", "at once"))
        if end == "rolled back":
            windows.module(**arguments(**options))
            made = windows.firewall["rules"]
            if windows.tasks:
                windows.run_task()
            assert sorted(windows.firewall["rules"], key=str) == sorted(rules, key=str)
        else:
            windows.run(**options, confirm_timeout=30 if end == "confirmed" else 0)
            made = windows.firewall["rules"]
        after = windows.firewall["rules"]
        states = windows.trace()
        seen += len(states)
        for probe in PROBES:
            ends = {passes(rules, probe), passes(made, probe), passes(after, probe)}
            if len(ends) == 1:
                assert {passes(state, probe) for state in states} <= ends, probe
    assert seen > 5 * CHANGES
