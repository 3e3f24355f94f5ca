# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that only Windows has: profiles, a program, a service, and the local subnet."""

from __future__ import annotations

import os

import pytest
from hosts import Windows
from test_faults import Host, effective
from test_front_door import OPTIONS, OTHERS, lines, unmanaged
from test_front_door import pytestmark as _needs

pytestmark = _needs

PROXY = r"C:\Program Files\Skype for Business Server\XmppProxy.exe"
SERVICE_KEY = r"HKLM:\SYSTEM\CurrentControlSet\Services\RTCXMPPGW"
LISTENING = [
    {"port": 5269, "program": PROXY, "services": []},
    {"port": 23456, "program": PROXY.upper(), "services": []},
]
INBOUND = ("federation_in", "gateway_in")


@pytest.fixture
def windows(tmp_path, server):
    return Host(tmp_path, server, OTHERS)


def allows(windows):
    return [rule for rule in windows.managed if (rule["action"], rule["direction"]) == ("allow", "in")]


def test_nothing_changes_where_they_are_not_given(windows):
    windows.run()
    before = windows.firewall["rules"]
    assert {rule["profiles"] for rule in windows.managed} == {7}
    assert not any(rule["application"] or rule["service"] for rule in windows.managed)
    explicit = windows.run(profiles=["public", "domain", "private"], program="", service="")
    assert explicit["changed"] is False and windows.firewall["rules"] == before
    assert "listeners" not in windows.module(True, state="absent")["state"]


def test_rules_are_for_some_profiles(windows):
    first = windows.run(profiles=["public"])
    assert first["changed"] is True and set(effective(first).values()) == {"yes"}
    assert {rule["profiles"] for rule in windows.managed} == {4}
    assert first["diff"]["after"].splitlines() == [*lines(), "all rules  are for the profiles public only"]
    again = windows.run(profiles="public")
    assert again["changed"] is False and again["diff"]["before"] == again["diff"]["after"]
    windows.save(state={**windows.firewall["state"], "current_profiles": 2})
    other = windows.run(profiles=["public"])
    assert set(effective(other).values()) == {"unknown"}
    assert other["rows"]["gateway_in"]["decided_by"] == "no managed rule, since profiles leaves private out"
    wider = windows.run(profiles=["public", "private"])
    assert wider["changed"] is True and set(effective(wider).values()) == {"yes"}
    assert {rule["profiles"] for rule in windows.managed} == {6}
    assert windows.run()["changed"] is True
    assert {rule["profiles"] for rule in windows.managed} == {7}


@pytest.mark.parametrize("option", ["program", "service"])
def test_inbound_accept_rules_are_for_a_program_or_a_service(windows, option):
    value = PROXY if option == "program" else "RTCXMPPGW"
    listening = [{**one, "services": ["RTCXMPPGW"]} for one in LISTENING]
    windows.save(listeners=listening, registry={SERVICE_KEY: {"ServiceSidType": 1}})
    result = windows.run(**{option: value})
    assert result["changed"] is True and set(effective(result).values()) == {"yes"}, result
    key = "application" if option == "program" else "service"
    assert {rule[key] for rule in allows(windows)} == {value}
    assert {rule[key] for rule in windows.managed if rule not in allows(windows)} == {""}
    assert f"inbound accept rules  are for the {option} {value} only" in result["diff"]["after"]
    assert result["rows"]["federation_in"]["decided_by"].endswith(f"which is for the {option} {value}")
    again = windows.run(**{option: value})
    assert again["changed"] is False and again["diff"]["before"] == again["diff"]["after"]
    # An administrator takes it out of a rule.
    rules = [{**rule, key: ""} if "federation_in/allow" in rule["name"] else rule for rule in windows.firewall["rules"]]
    windows.save(rules=rules)
    assert windows.run(**{option: value})["changed"] is True
    assert windows.run()["changed"] is True
    assert not any(rule["application"] or rule["service"] for rule in windows.managed)


@pytest.mark.parametrize(
    ("listeners", "reason"),
    [
        ([], "nothing listens at port 5269"),
        ([{**LISTENING[0], "program": r"C:\other.exe"}], r"C:\other.exe listens at port 5269"),
        ([LISTENING[0], {**LISTENING[0], "program": r"C:\other.exe"}], r"C:\other.exe listens at port 5269"),
        ("Access is denied", "Windows does not say what listens at port 5269"),
    ],
)
def test_a_rule_for_a_program_is_effective_only_for_what_listens(windows, listeners, reason):
    windows.save(listeners=listeners)
    result = windows.run(program=PROXY)
    assert result["rows"]["federation_in"]["effective"] == "unknown"
    assert result["rows"]["federation_in"]["decided_by"].endswith(reason)
    assert result["rows"]["federation_out"]["effective"] == "yes"


def test_a_service_of_another_program_is_told(windows):
    listening = [{**one, "services": ["OTHER"]} for one in LISTENING]
    windows.save(listeners=listening, registry={SERVICE_KEY: {"ServiceSidType": 3}})
    result = windows.run(program=PROXY, service="RTCXMPPGW")
    assert result["rows"]["federation_in"]["decided_by"].endswith(f"{PROXY} of OTHER listens at port 5269")


@pytest.mark.parametrize("expands", [False, True])
def test_a_variable_in_a_path_is_the_path_that_it_stands_for(windows, expands):
    path = rf"{os.environ['HOME']}\XmppProxy.exe"
    windows.save(listeners=[{**one, "program": path} for one in LISTENING], forms={"expands": expands})
    result = windows.run(program=r"%HOME%\XmppProxy.exe")
    assert not result.get("failed") and set(effective(result).values()) == {"yes"}, result
    assert {rule["application"] for rule in allows(windows)} == {path if expands else r"%HOME%\XmppProxy.exe"}
    assert windows.run(program=r"%HOME%\XmppProxy.exe")["changed"] is False


def test_a_service_without_a_sid_is_one_that_windows_applies_no_rule_to(windows):
    windows.save(listeners=[{**one, "services": ["RTCXMPPGW"]} for one in LISTENING], registry={})
    for registry in ({}, {SERVICE_KEY: {"ServiceSidType": 0}}, {SERVICE_KEY: {"Start": 2}}):
        windows.save(registry=registry)
        result = windows.run(service="RTCXMPPGW")
        assert result["rows"]["federation_in"]["effective"] == "unknown"
        assert "since it has no SID" in result["rows"]["federation_in"]["decided_by"]


def test_a_block_rule_still_decides_beside_a_program(windows):
    windows.save(listeners=LISTENING, rules=[*OTHERS, unmanaged("All", action="block", local_ports="5269")])
    result = windows.run(program=PROXY, on_ineffective="warn")
    assert result["rows"]["federation_in"]["decided_by"] == "rule All, which blocks"


@pytest.mark.parametrize("beside", [[], ["198.18.1.0/24"]])
def test_the_local_subnet_is_one_rule_more_in_mode_permit(windows, beside):
    options = {"mode": "permit", "front_end_networks": ["LocalSubnet", *beside]}
    result = windows.run(**options)
    assert result["changed"] is True and not result.get("failed"), result
    (rule,) = [rule for rule in windows.managed if rule["remote_addresses"] == "LocalSubnet"]
    assert (rule["action"], rule["direction"], rule["local_ports"]) == ("allow", "in", "23456")
    assert rule["local_addresses"].startswith("198.18.1.2")
    assert result["rows"]["gateway_in"]["present"] is True
    assert result["rows"]["gateway_in"]["effective"] == ("yes" if beside else "unknown")
    assert "gateway_in  allow in tcp LocalSubnet -> 198.18.1.2" in result["diff"]["after"]
    again = windows.run(**options)
    assert again["changed"] is False and again["diff"]["before"] == again["diff"]["after"]
    rules = [{**one, "remote_addresses": "*"} if one == rule else one for one in windows.firewall["rules"]]
    windows.save(rules=rules)
    assert windows.run(**options)["changed"] is True
    assert windows.run(**{**options, "front_end_networks": ["198.18.1.0/24"]})["changed"] is True
    assert not any("LocalSubnet" in one["remote_addresses"] for one in windows.managed)
    assert windows.run(state="absent")["changed"] is True and windows.managed == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"profiles": []}, "profiles: "),
        ({"profiles": ["Public"]}, "profiles: 'Public' is no profile; say public"),
        ({"profiles": ["work"]}, "profiles: 'work' is no profile"),
        ({"profiles": [4]}, "profiles: "),
        ({"program": "XmppProxy.exe"}, "program: 'XmppProxy.exe' is not the path of a program"),
        ({"program": r"C:\a|b.exe"}, "program: "),
        ({"program": r"C:\*\a.exe"}, "program: "),
        ({"program": ["a"]}, "program: "),
        ({"service": "*"}, "service: '*' is not the short name of one service"),
        ({"service": "a|b"}, "service: "),
        ({"front_end_networks": ["LocalSubnet"]}, "front_end_networks: 'LocalSubnet' needs mode: permit"),
        ({"front_end_networks": "localsubnet,10.0.0.0/8"}, "front_end_networks: 'localsubnet' needs mode: permit"),
        ({"front_end_networks": ["LocalSubnet", "any", "10.0.0.0/8"], "mode": "permit"}, "front_end_networks: "),
        ({"partner_networks": ["LocalSubnet"], "mode": "permit"}, "partner_networks: "),
        ({"placement": "front_end", "program": PROXY}, "program: "),
        ({"placement": "front_end", "mode": "permit", "front_end_networks": ["LocalSubnet"]}, "front_end_networks: "),
    ],
)
def test_a_refusal_is_one_sentence(windows, options, message):
    refused = windows.run(**options)
    assert refused["failed"] is True and refused["msg"].startswith(message), refused["msg"]
    assert "\n" not in refused["msg"] and windows.managed == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"profiles": ["public"]}, "profiles: 'public' is for Windows hosts only"),
        ({"program": PROXY}, "program: "),
        ({"service": "a"}, "service: 'a' is for Windows hosts only"),
        ({"mode": "permit", "front_end_networks": ["LocalSubnet"]}, "front_end_networks: 'LocalSubnet' is for Windows"),
    ],
)
def test_a_linux_host_refuses_them(windows, monkeypatch, options, message):
    monkeypatch.setattr("hosts.WarmAction._is_windows", False)
    refused = Windows.run(windows, **{**OPTIONS, **options})
    assert refused["failed"] is True and refused["msg"].startswith(message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"program": "a.exe"}, "rules.program: 'a.exe' of "),
        ({"service": "*"}, "rules.service: '*' of "),
        ({"action": "block", "remote_addresses": ["LocalSubnet"]}, "rules.remote_addresses: 'LocalSubnet' of "),
        ({"remote_addresses": ["LocalSubnet", "198.18.1.1"]}, "rules.remote_addresses: 'LocalSubnet' of "),
        ({"local_addresses": ["LocalSubnet"]}, "rules.local_addresses: 'LocalSubnet' of "),
    ],
)
def test_what_a_direct_caller_gives_is_checked_too(windows, changes, message):
    rule = {"name": "xmpp.edge/x", "direction": "in", "action": "allow", "local_addresses": ["198.18.0.2"]}
    rule.update(remote_addresses=["*"], local_ports="5269", remote_ports="*")
    refused = windows.module(rules=[{**rule, **changes}])
    assert refused["failed"] is True and refused["msg"].startswith(message), refused["msg"]
    assert windows.managed == []
