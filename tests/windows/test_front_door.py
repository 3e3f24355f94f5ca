# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""xmpp.edge.firewall and its role against a Windows host: the real PowerShell files on a simulated firewall."""

from __future__ import annotations

import re
import sys
from importlib import import_module

import ansible.release
import powershell
import pytest
import yaml
from hosts import STOPPED, Windows, pwsh
from overlay import CHECKOUT, make_overlay

_EDGE = "ansible_collections.xmpp.edge.plugins.module_utils._edge"
compile_rules = import_module(f"{_EDGE}.request.compile").compile_rules
parse_options = import_module(f"{_EDGE}.request.options").parse_options
diff_text = import_module(f"{_EDGE}.model.diff_text")

pytestmark = pytest.mark.skipif(
    tuple(map(int, ansible.release.__version__.split(".")[:2])) < (2, 21),
    reason="ansible-core 2.21 is the first that runs PowerShell on other systems than Windows",
)

OPTIONS = {
    "access_addresses": ["198.18.0.2", "2001:db8::2"],
    "internal_addresses": ["198.18.1.2"],
    "partner_networks": ["198.18.7.0/24", "198.18.9.25", "2001:db8:7::/48"],
    "front_end_networks": ["198.18.1.0/24"],
}
ROWS = ("federation_in", "federation_out", "gateway_in")
PROFILE = {"enabled": True, "blocks_all_inbound": False}


def unmanaged(name, **changes):
    """Return an unmanaged rule: inbound, for any program and any port."""
    rule = {"name": name, "group": "", "description": "", "enabled": True, "action": "allow", "direction": "in"}
    rule.update(protocol=6, local_addresses="*", remote_addresses="*", local_ports="*", remote_ports="*", profiles=7)
    rule.update(application="", service="", interface_types="All", interfaces=False, edge_traversal=False)
    rule.update(package="", owner="", authorized="", remote_users="", remote_machines="", secure=0)
    return {**rule, "edge_traversal_options": 0, **changes}


OTHERS = [unmanaged("Remote Desktop", local_ports="3389")]
ALIKE = [
    unmanaged("xmpp.edge/managed by name alone", local_ports="5223"),
    unmanaged("managed by group alone", group="XMPP Edge (xmpp.edge)", local_ports="5223"),
]


@pytest.fixture(scope="module")
def collections(tmp_path_factory):
    return make_overlay(tmp_path_factory.mktemp("overlay"))


class Host(Windows):
    """A Windows host whose runs have sound options."""

    def run(self, *flags, **changes):
        return super().run(*flags, **{**OPTIONS, **changes})


@pytest.fixture
def windows(tmp_path, server):
    """Return a host with the real PowerShell files on the simulator."""
    return Host(tmp_path, server, OTHERS)


def lines(**changes):
    """Return the diff lines for the state after a run, which are the same on all hosts."""
    return [diff_text.line(rule) for rule in compile_rules(parse_options({**OPTIONS, **changes}))]


def diff(result):
    return result["diff"]["before"].splitlines(), result["diff"]["after"].splitlines()


@pytest.mark.parametrize("pipelining", ["false", "true"])
def test_first_run_and_second(windows, collections, pipelining):
    # Each change that is confirmed is one start of PowerShell more.
    options = {**OPTIONS, "confirm_timeout": 0 if pipelining == "true" else 30}
    result = windows.run_by_ansible(collections, pipelining=pipelining, **options)
    assert result["changed"] is True and not result.get("failed"), result
    assert diff(result) == ([], lines())
    assert (result["backend"], result["persisted"]) == ("windows", True)
    assert [(row, entry["present"], entry["effective"]) for row, entry in result["rows"].items()] == [
        (row, True, "yes") for row in ROWS
    ]
    assert result["rows"]["gateway_in"]["decided_by"].startswith("rule xmpp.edge/gateway_in/allow/ipv4 #")
    assert not result.get("warnings")
    assert not {"found", "unmanaged", "unchanged", "state"} & result.keys()
    documented = yaml.safe_load((CHECKOUT / "plugins" / "modules" / "firewall.yml").read_text())["RETURN"]
    assert result.keys() - {"changed", "failed", "warnings"} <= documented.keys()
    assert len(result["rules"]) == len(lines())
    assert result["confirmed"] is (pipelining == "false")
    again = windows.run_by_ansible(collections, pipelining=pipelining, **options)
    assert again["changed"] is False
    assert diff(again) == (lines(), lines())
    assert windows.firewall["rules"][: len(OTHERS)] == OTHERS


def test_check_mode_agrees_with_a_run_and_changes_nothing(windows):
    before = windows.firewall["rules"]
    checked = windows.run("--check")
    assert windows.firewall["rules"] == before
    assert checked["changed"] is True
    done = windows.run()
    assert {key: checked[key] for key in ("diff", "rows", "changed")} == {
        key: done[key] for key in ("diff", "rows", "changed")
    }
    assert windows.run("--check")["changed"] is False


def test_diff_text_of_narrowed_networks(windows):
    windows.run(partner_networks=["any"])
    narrowed = windows.run()
    removed, added = (set(side) for side in diff(narrowed))
    assert removed - added == {
        "federation_in  allow in tcp any -> 198.18.0.2 port 5269",
        "federation_in  allow in tcp any -> 2001:db8::2 port 5269",
        "federation_out  allow out tcp 198.18.0.2 -> any port 5269",
        "federation_out  allow out tcp 2001:db8::2 -> any port 5269",
    }
    assert diff(narrowed)[1] == lines()


def test_changed_ports_replace_the_old_ones(windows):
    windows.run()
    moved = windows.run(federation_port=15269, gateway_port=5098)
    assert diff(moved) == (lines(), lines(federation_port=15269, gateway_port=5098))
    assert all("5269" not in (rule["local_ports"], rule["remote_ports"]) for rule in windows.managed)


def test_permit_after_exclusive_removes_the_guards(windows):
    windows.run()
    permitted = windows.run(mode="permit")
    assert diff(permitted) == (lines(), lines(mode="permit"))
    assert {rule["action"] for rule in windows.managed} == {"allow"}


DRIFT = {
    "disabled": ({"enabled": False}, "is disabled"),
    "for one profile": ({"profiles": 1}, "is for domain profile only"),
    "for one program": ({"application": "C:\\prosody.exe"}, "is for application C:\\prosody.exe only"),
    "for a kind of interface": ({"interface_types": "Wireless"}, "is for interface types Wireless only"),
    "for some users": ({"authorized": "O:LSD:"}, "is for some users or machines only"),
    "described otherwise": ({"description": "mine"}, "is not as a run writes it"),
    "for other addresses": ({"remote_addresses": "LocalSubnet"}, "allow in tcp LocalSubnet -> "),
    "for any address": ({"remote_addresses": "*"}, "federation_in  allow in tcp any -> 198.18.0.2 port 5269"),
    "for another port": (
        {"local_ports": "80"},
        "federation_in  allow in tcp 198.18.7.0/24, 198.18.9.25 -> 198.18.0.2 port 80",
    ),
    "for several ports": ({"local_ports": "80,443"}, "allow in tcp "),
    "for UDP": ({"protocol": 17}, "protocol 17"),
}


@pytest.mark.parametrize("name", DRIFT)
def test_drift_is_seen_shown_and_repaired(windows, name):
    changes, line = DRIFT[name]
    windows.run()
    good = windows.firewall["rules"]
    (victim,) = (rule for rule in windows.managed if rule["name"].startswith("xmpp.edge/federation_in/allow/ipv4 "))
    windows.save(rules=[{**rule, **changes} if rule == victim else rule for rule in good])
    checked = windows.run("--check")
    assert any(line in text for text in diff(checked)[0]), checked["diff"]
    repaired = windows.run()
    assert repaired["diff"] == checked["diff"]
    assert repaired["changed"] is True
    assert diff(repaired)[0] != diff(repaired)[1] == lines()
    assert sorted(rule["name"] for rule in windows.firewall["rules"]) == sorted(rule["name"] for rule in good)
    assert windows.run()["changed"] is False


def test_duplicates_and_missing_parts_of_a_guard_are_repaired(windows):
    windows.run()
    good = windows.firewall["rules"]
    allow = next(rule for rule in windows.managed if rule["action"] == "allow")
    windows.save(rules=[*good, allow])
    repaired = windows.run()
    assert any(f"rule {allow['name']}  is there 2 times" == text for text in diff(repaired)[0])
    block = next(rule for rule in windows.managed if rule["name"].startswith("xmpp.edge/gateway_in/block"))
    windows.save(rules=[rule for rule in windows.firewall["rules"] if rule != block])
    partial = windows.run()
    assert any("(part of a guard)" in text for text in diff(partial)[0])
    assert diff(partial)[1] == lines()
    assert windows.run()["changed"] is False


def test_absent_leaves_unmanaged_rules(windows):
    windows.run()
    removed = windows.run(state="absent")
    assert diff(removed) == (lines(), [])
    assert windows.firewall["rules"] == OTHERS
    assert [entry["present"] for entry in removed["rows"].values()] == [False] * 3
    assert windows.run(state="absent")["changed"] is False


def test_rules_with_a_part_of_the_ownership_tag_are_named_and_left_alone(windows):
    windows.save(rules=[*OTHERS, *ALIKE])
    (warning,) = windows.run()["warnings"]
    assert "xmpp.edge/managed by name alone; managed by group alone" in warning
    managed = [rule for rule in windows.managed if rule not in ALIKE]
    others = [{**managed[0], "group": "other"}, *OTHERS, *ALIKE]
    windows.save(rules=[*others, *managed])
    assert windows.run(partner_networks=["any"])["changed"] is True
    assert [rule for rule in windows.firewall["rules"] if rule in others] == others
    assert windows.run(state="absent")["changed"] is True
    assert windows.firewall["rules"] == others


def test_failing_addition_is_rolled_back(windows):
    windows.run(partner_networks=["any"])
    before = windows.firewall["rules"]
    windows.save(refuses="federation_in/allow/ipv6")
    failed = windows.run()
    assert failed["failed"] is True and failed["msg"] == "the parameter is incorrect"
    assert windows.firewall["rules"] == before


def test_group_policy_that_ignores_local_rules(windows):
    windows.policy("PublicProfile", AllowLocalPolicyMerge=0)
    refused = windows.run()
    assert refused["failed"] is True and "group policy ignores all local firewall rules" in refused["msg"]
    assert windows.managed == []
    warned = windows.run(on_policy_override="warn")
    assert {entry["effective"] for entry in warned["rows"].values()} == {"unknown"}
    assert any("group policy ignores all local rules in the profile public" in text for text in warned["warnings"])
    assert windows.run(state="absent").get("failed") is not True
    assert windows.managed == []


def test_overlapping_unmanaged_rules_are_named(windows):
    product = unmanaged("Lync Server (any port)", application="C:\\RTCSrv.exe")
    windows.save(rules=[*OTHERS, product])
    exclusive = windows.run()
    assert [text for text in exclusive["warnings"] if "'Lync Server (any port)'" in text and "win over" in text]
    permit = windows.run(mode="permit")
    assert [text for text in permit["warnings"] if "'Lync Server (any port)'" in text and "more than" in text]


BLOCKING = {
    "all": ({}, "no"),
    "our port": ({"local_ports": "5000-5300"}, "no"),
    "one partner network whole": ({"remote_addresses": "198.18.7.0/255.255.255.0"}, "no"),
    "a part of a partner network": ({"remote_addresses": "198.18.7.9/255.255.255.255"}, "unknown"),
    "whoever is on the link": ({"remote_addresses": "LocalSubnet"}, "unknown"),
    "connections from one port": ({"remote_ports": "53"}, "unknown"),
    "one user": ({"authorized": "O:LSD:(A;;CC;;;S-1-5-84)"}, "unknown"),
    "one package": ({"package": "S-1-15-2-1"}, "unknown"),
    "one program": ({"application": "C:\\other.exe"}, "unknown"),
    "any protocol": ({"protocol": 256}, "no"),
    "another port": ({"local_ports": "80,443"}, "yes"),
    "another address": ({"local_addresses": "198.18.5.5/255.255.255.255"}, "yes"),
    "outbound": ({"direction": "out", "remote_ports": "80"}, "yes"),
    "another profile": ({"profiles": 1}, "yes"),
    "UDP": ({"protocol": 17}, "yes"),
    "disabled": ({"enabled": False}, "yes"),
}


@pytest.mark.parametrize("name", BLOCKING)
def test_unmanaged_block_rule_decides(windows, name):
    changes, effective = BLOCKING[name]
    windows.save(rules=[*OTHERS, unmanaged("Hardening", action="block", **changes)])
    result = windows.run("--check")
    assert result["rows"]["federation_in"]["effective"] == effective, result["rows"]
    assert result["rows"]["federation_out"]["effective"] == "yes"
    assert (effective == "yes") != ("rule Hardening" in result["rows"]["federation_in"]["decided_by"])
    assert result.get("failed", False) is (effective == "no")
    if effective == "no":
        assert "would still drop" in result["msg"] and "Hardening" in result["msg"]
    elif effective == "unknown":
        assert any("'Hardening'" in text for text in result["warnings"])


def test_profiles_decide(windows):
    state = windows.firewall["state"]
    state["profiles"]["public"]["blocks_all_inbound"] = True
    windows.save(state=state)
    blocked = windows.run("--check")
    assert blocked["failed"] is True and "the profile public, which blocks all inbound" in blocked["msg"]
    assert blocked["rows"]["federation_out"]["effective"] == "yes"
    state["profiles"]["public"] = {**PROFILE, "enabled": False}
    windows.save(state=state)
    off = windows.run("--check")
    assert off["rows"]["federation_in"] == {
        "present": True,
        "effective": "yes",
        "decided_by": "nothing: the firewall is off in the profile public",
        "packets": None,
    }
    assert any("the firewall is off in the profile public" in text for text in off["warnings"])
    state["profiles"]["public"] = dict(PROFILE)
    windows.save(state=state)
    windows.policy("FirewallRules", a="v2.31|", b="v2.31|", c="v2.31|")
    unseen = windows.run("--check")
    assert unseen["rows"]["federation_in"]["effective"] == "unknown"
    assert "of a policy, which blocks a part" in unseen["rows"]["federation_in"]["decided_by"]


@pytest.mark.parametrize("current", [5, 0])
def test_profiles_with_different_verdicts_are_unknown(windows, current):
    state = {**windows.firewall["state"], "current_profiles": current}
    windows.save(state=state, rules=[*OTHERS, unmanaged("Domain only", action="block", profiles=1)])
    result = windows.run("--check")
    assert result["rows"]["federation_in"]["effective"] == "unknown"
    assert "rule Domain only, which blocks, in the profile domain" in result["rows"]["federation_in"]["decided_by"]
    assert not result.get("failed")
    everywhere = {name: {**PROFILE, "blocks_all_inbound": True} for name in state["profiles"]}
    windows.save(state={**state, "profiles": everywhere})
    assert windows.run("--check")["rows"]["federation_in"]["effective"] == "no"


def test_unmanaged_rule_that_allows_more_than_the_table_in_mode_permit(windows):
    inside = unmanaged("Inside", local_ports="5269", local_addresses="198.18.0.2/32", remote_addresses="198.18.7.9/32")
    windows.save(rules=[*OTHERS, inside, unmanaged("Elsewhere", local_ports="80"), unmanaged("Out", direction="out")])
    assert not windows.run(mode="permit").get("warnings")
    for more in ({"remote_addresses": "198.18.99.0/24"}, {"remote_addresses": "LocalSubnet"}, {}):
        windows.save(rules=[*OTHERS, unmanaged("Leftover", local_ports="5269", **more)])
        (warning,) = windows.run(mode="permit")["warnings"]
        assert "more than the table gets in: 'Leftover'" in warning


def test_changed_network_of_a_long_group_is_in_the_diff(windows):
    many = {"partner_networks": [f"198.18.7.{2 * number}" for number in range(10)], "access_addresses": ["198.18.0.2"]}
    windows.run(**many)
    good = windows.firewall["rules"]
    (victim,) = (rule for rule in windows.managed if rule["name"].startswith("xmpp.edge/federation_in/allow/ipv4 "))
    addresses = victim["remote_addresses"].replace("198.18.7.0/", "198.18.9.9/")
    for name in (victim["name"], "xmpp.edge/federation_in/allow/ipv4"):
        changed = {**victim, "name": name, "remote_addresses": addresses}
        windows.save(rules=[changed if rule == victim else rule for rule in good])
        checked = windows.run("--check", **many)
        assert checked["changed"] is True
        assert "partner_networks_ipv4  198.18.9.9" in diff(checked)[0]


def test_rule_without_a_common_family_is_not_shown_as_open(windows):
    windows.run()
    (victim,) = (rule for rule in windows.managed if rule["name"].startswith("xmpp.edge/federation_in/allow/ipv4 "))
    for changes in ({"remote_addresses": "2001:db8:9::/48"}, {"local_addresses": "2001:db8::77"}):
        windows.save(rules=[{**rule, **changes} if rule == victim else rule for rule in windows.firewall["rules"]])
        before, _after = diff(windows.run("--check"))
        assert not any("-> any port" in line and " allow in " in line for line in before), before
        windows.run()


def test_address_in_another_form_is_the_same_address(windows):
    windows.addresses = ("198.18.0.2", "198.18.1.2", "2001:DB8:0:0::0.0.0.2")
    assert not windows.run().get("warnings")


def test_missing_local_address_is_a_warning(windows):
    windows.addresses = ("198.18.0.2", "198.18.1.2", "fe80::1")
    result = windows.run()
    assert [text for text in result["warnings"] if "has the address 2001:db8::2" in text]
    effective = {row: entry["effective"] for row, entry in result["rows"].items()}
    assert effective == {"federation_in": "unknown", "federation_out": "unknown", "gateway_in": "yes"}


@pytest.mark.parametrize(
    ("addresses", "option"),
    [
        (["198.18.0.2", "2001:db8::2"], "internal_addresses"),
        (["198.18.4.2", "198.18.5.2", "fe80::1"], "access_addresses"),
    ],
)
def test_the_addresses_of_another_host_are_refused(windows, addresses, option):
    windows.addresses = tuple(addresses)
    result = windows.run()
    assert result["failed"]
    assert re.match(rf"{option}: .* not on this host.*is this its inventory\?", result["msg"])
    assert windows.managed == []
    insisted = windows.run(allow_absent_addresses=True)
    assert {row["effective"] for row in insisted["rows"].values()} >= {"unknown"}
    assert len(windows.managed) > 0


def test_failure_of_the_module_is_the_message(windows):
    windows.save(fails={"FirewallEnabled": STOPPED})
    assert windows.run()["msg"] == "the Windows firewall does not answer: start its service mpssvc"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"front_end_networks": []}, "front_end_networks: [] is empty"),
        ({"persist": False}, "persist: False cannot be had on a Windows host"),
        ({"limit_new": 60}, "limit_new: 60 cannot be had on a Windows host, whose firewall neither limits"),
        ({"limit_open": 100}, "limit_open: 100 cannot be had on a Windows host"),
        ({"log_blocked": True}, "log_blocked: True cannot be had on a Windows host"),
        ({"metrics_file": "/var/lib/edge.prom"}, "metrics_file: '/var/lib/edge.prom' cannot be had on a Windows host"),
        (
            {"partner_domains": ["partner.example"]},
            "partner_domains: 'partner.example' cannot be had on a Windows host, which does not keep the answers",
        ),
        ({"partner_networks": ["240.0.0.0/4", "2001:db8:7::/48"]}, "partner_networks: 240.0.0.0/4 can be no side"),
        ({"partner_networks": ["198.18.7.0/24", "240.0.0.0/8"]}, "partner_networks: 240.0.0.0/8 can be no side"),
        ({"on_policy_override": "ignore"}, "on_policy_override: 'ignore' is not a choice"),
    ],
)
def test_invalid_option_contacts_no_host(windows, changes, message):
    refused = windows.run(**changes)
    assert refused["failed"] is True and refused["msg"].startswith(message)
    assert windows.firewall["calls"] == 0


def test_removal_reads_no_option_that_windows_has_not(windows):
    gone = windows.run(state="absent", metrics_file="/var/lib/edge.prom", limit_new=60, log_blocked=True)
    assert not gone.get("failed"), gone


def test_linux_and_windows_edges_in_one_group_with_one_role(windows, collections):
    inventory = windows.folder / "inventory.yml"
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts = {"linux": local, "windows": {**local, "ansible_pwsh_interpreter": pwsh()}}
    variables = {f"xmpp_edge_{name}": value for name, value in OPTIONS.items()}
    # The Linux edge is the machine that runs the tests.
    variables["xmpp_edge_allow_absent_addresses"] = True
    # It may have servers in containers.
    variables["xmpp_edge_on_ineffective"] = "warn"
    inventory.write_text(yaml.safe_dump({"xmpp_edge": {"hosts": hosts, "vars": variables}}))
    play = {"hosts": "xmpp_edge", "gather_facts": False, "roles": ["xmpp.edge.xmpp_edge"]}
    done = windows.play(collections, play, "--check", inventory=str(inventory))
    assert done.returncode == 0, done.stdout
    assert windows.firewall["calls"] > 0
    assert [done.stdout.count(f"+{line}\n") for line in lines()] == [2] * len(lines())


def test_examples_of_win_firewall(windows, collections):
    examples = yaml.safe_load(powershell.MODULE.with_suffix(".yml").read_text())["EXAMPLES"]
    local = {"ansible_connection": "local", "ansible_pwsh_interpreter": pwsh()}
    play = {"hosts": "edge", "gather_facts": False, "vars": local, "tasks": yaml.safe_load(examples)}
    done = windows.play(collections, play)
    assert done.returncode == 0, done.stdout
    assert "changed=2" in done.stdout
    assert windows.firewall["rules"] == OTHERS


def test_a_router_is_refused_with_the_reason(windows):
    refused = windows.run(placement="firewall")
    assert refused["failed"] is True
    assert refused["msg"] == (
        "placement: 'firewall' cannot be had on a Windows host, whose firewall filters what the host itself sends and "
        "gets; apply the table on the router, or say edge on the edges"
    )
    assert windows.managed == []


def test_a_front_end_reaches_the_gateway_port_of_edges_alone(windows):
    result = windows.run(placement="front_end")
    assert result["changed"] is True and not result.get("failed"), result
    assert diff(result)[1] == lines(placement="front_end")
    assert {rule["direction"] for rule in windows.managed} == {"out"}
    assert {rule["remote_ports"] for rule in windows.managed} == {"23456"}
    allowed, *blocked = sorted(windows.managed, key=lambda rule: rule["action"])
    assert allowed["remote_addresses"] == "198.18.1.2/255.255.255.255"
    assert blocked and all(rule["action"] == "block" for rule in blocked)
    assert not result.get("warnings")
    assert windows.run(placement="front_end")["changed"] is False


def test_a_front_end_in_mode_permit_is_told_that_it_restricts_nothing(windows):
    (warning,) = windows.run(placement="front_end", mode="permit")["warnings"]
    assert warning.startswith(
        "mode: permit restricts nothing here, since Windows allows outbound connections by default"
    )
