# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules as a script for a policy, run by PowerShell, and what a host with that policy says."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.xmpp.edge.plugins.filter.windows_policy import windows_policy
from hosts import POLICY_KEY
from plays import CHECKOUT, ansible_command, started
from test_faults import Host
from test_front_door import OPTIONS, OTHERS
from test_front_door import pytestmark as _needs

pytestmark = _needs

STORE = r"example.net\XMPP edge's"
VARIABLES = {f"xmpp_edge_{name}": value for name, value in OPTIONS.items()}
RULES_KEY = rf"{POLICY_KEY}\FirewallRules"

# The cmdlets of NetSecurity, as far as the script uses them. They keep the rules in the form of the registry, by the
# names that they got. Sources: New-NetFirewallRule, [MS-GPFAS] 2.2.2.
NET_SECURITY = """
$path = $env:XMPP_EDGE_FIREWALL
$root = Get-Content -Raw -LiteralPath $path | ConvertFrom-Json -AsHashtable
$key = 'RULES_KEY'
if (-not $root.registry.ContainsKey($key)) { $root.registry[$key] = @{} }
function Save { $root | ConvertTo-Json -Depth 20 | Set-Content -LiteralPath $path }
function Get-NetFirewallRule {
    [CmdletBinding()] param($PolicyStore, $Group)
    if ($PolicyStore -cne 'STORE') { throw "policy store $PolicyStore" }
    foreach ($name in @($root.registry[$key].Keys)) {
        if ($root.registry[$key][$name].Contains("|EmbedCtxt=$Group|")) { @{ Name = $name } }
    }
}
function Remove-NetFirewallRule { process { $root.registry[$key].Remove($_.Name); Save } }
function New-NetFirewallRule {
    [CmdletBinding()] param(
        $PolicyStore, $Name, $DisplayName, $Group, $Description, $Direction, $Action, $Protocol,
        [string[]]$LocalAddress, [string[]]$RemoteAddress, $LocalPort, $RemotePort, $Profile, $Enabled, $Program,
        $Service)
    if ($root.registry[$key].ContainsKey($Name)) { throw "twin $Name" }
    Write-Rule @PSBoundParameters
}
function Set-NetFirewallRule {
    [CmdletBinding()] param(
        $PolicyStore, $Name, $Description, $Direction, $Action, $Protocol, [string[]]$LocalAddress,
        [string[]]$RemoteAddress, $LocalPort, $RemotePort, $Profile, $Enabled, $Program, $Service)
    $former = $root.registry[$key][$Name].Split('|')
    $display = @($former -like 'Name=*')[0].Substring(5)
    $group = @($former -like 'EmbedCtxt=*')[0].Substring(10)
    Write-Rule @PSBoundParameters -DisplayName $display -Group $group
}
function Write-Rule {
    param(
        $PolicyStore, $Name, $DisplayName, $Group, $Description, $Direction, $Action, $Protocol,
        [string[]]$LocalAddress, [string[]]$RemoteAddress, $LocalPort, $RemotePort, $Profile, $Enabled, $Program,
        $Service)
    if ($PolicyStore -cne 'STORE') { throw "policy store $PolicyStore" }
    $active, $way = "$Enabled".ToUpper(), ($Direction -replace 'bound')
    $parts = @('v2.31', "Action=$Action", "Active=$active", "Dir=$way", 'Protocol=6')
    foreach ($one in @($Profile -split ', ')) { if ("$one" -ne 'Any') { $parts += "Profile=$one" } }
    $more = @('App', $Program), @('Svc', $Service)
    foreach ($pair in @($more) + @(@('LPort', $LocalPort), @('RPort', $RemotePort))) {
        if ($pair[1] -and $pair[1] -ne 'Any') { $parts += "$($pair[0])=$($pair[1])" }
    }
    foreach ($pair in @(@('LA', $LocalAddress), @('RA', $RemoteAddress))) {
        foreach ($one in $pair[1]) {
            if ($one -ne 'Any') { $parts += "$($pair[0])$(if ($one.Contains(':')) { 6 } else { 4 })=$one" }
        }
    }
    $parts += "Name=$DisplayName", "Desc=$Description", "EmbedCtxt=$Group", ''
    $root.registry[$key][$Name] = $parts -join '|'
    Save
}
""".replace("RULES_KEY", RULES_KEY).replace("STORE", STORE.replace("'", "''"))


@pytest.fixture
def windows(tmp_path, server):
    return Host(tmp_path, server, OTHERS)


def give(windows, **changes):
    """Have the administrator of the policy run the script."""
    variables = {**VARIABLES, **{f"xmpp_edge_{name}": value for name, value in changes.items()}}
    script = windows_policy(variables, "edge.example.net", STORE)
    assert windows.run_script(NET_SECURITY + script) == {}
    return script


def ignoring(windows):
    """Have a policy that ignores local rules in the only active profile."""
    windows.policy("PublicProfile", AllowLocalPolicyMerge=0)


def test_a_host_whose_policy_has_the_rules_is_as_it_should_be(windows):
    ignoring(windows)
    refused = windows.run()
    assert refused["failed"] is True and "the playbook xmpp.edge.windows_policy" in refused["msg"]
    script = give(windows)
    assert script.isascii()
    result = windows.run()
    assert not result.get("failed"), result
    assert result["changed"] is False and windows.managed == []
    for entry in result["rows"].values():
        assert entry["effective"] == "yes" and entry["decided_by"].endswith(" of a policy")
    assert result["diff"]["before"] == result["diff"]["after"]
    assert (
        "a policy has the rules, and ignores local ones: nothing was changed on the host itself" in result["warnings"]
    )
    assert "carried" not in result


def test_the_script_changes_nothing_the_second_time_and_removes_what_is_not_desired(windows):
    ignoring(windows)
    windows.policy("FirewallRules", other="v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=443|Name=other|")
    give(windows)
    first = windows.firewall["registry"][RULES_KEY]
    give(windows)
    assert windows.firewall["registry"][RULES_KEY] == first
    give(windows, partner_networks=["198.18.8.0/24"])
    second = windows.firewall["registry"][RULES_KEY]
    assert second["other"] == first["other"] and set(second) != set(first)
    assert windows.run(partner_networks=["198.18.8.0/24"])["changed"] is False
    assert "windows_policy" in windows.run()["msg"]


@pytest.mark.parametrize("part", ["federation_in/allow", "federation_in/block"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("|Active=TRUE", "|Active=FALSE"),
        ("|LPort=5269", "|LPort=5270"),
        ("|Protocol=6", "|Protocol=6|Security=Authenticate"),
        ("|Protocol=6", "|Protocol=6|Profile=Domain"),
        ("|Protocol=6", "|Protocol=6|RA4=LocalSubnet"),
        ("|Dir=In", "|Dir=Out"),
        ("|Protocol=6", "|Protocol=6|App=C:\\other.exe"),
    ],
)
def test_a_policy_whose_rule_was_edited_is_not_as_it_should_be(windows, old, new, part):
    ignoring(windows)
    give(windows)
    rules = windows.firewall["registry"][RULES_KEY]
    edited = {name: text.replace(old, new) if part in name else text for name, text in rules.items()}
    assert edited != rules
    windows.save(registry={**windows.firewall["registry"], RULES_KEY: edited})
    result = windows.run()
    assert result["failed"] is True and result["changed"] is False
    assert part in result["msg"] and "windows_policy" in result["msg"]
    give(windows)
    assert windows.firewall["registry"][RULES_KEY] == rules
    assert not windows.run().get("failed")


def test_a_rule_that_blocks_instead_decides(windows):
    ignoring(windows)
    give(windows)
    rules = windows.firewall["registry"][RULES_KEY]
    edited = {
        name: text.replace("Action=Allow", "Action=Block") if "federation_in/allow" in name else text
        for name, text in rules.items()
    }
    windows.save(registry={**windows.firewall["registry"], RULES_KEY: edited})
    assert windows.run()["rows"]["federation_in"]["effective"] == "no"


def test_former_local_rules_are_no_difference_where_a_policy_has_the_rules(windows):
    windows.run(partner_networks=["any"])
    before = windows.firewall["rules"]
    ignoring(windows)
    give(windows)
    result = windows.run()
    assert result["changed"] is False and result["diff"]["before"] == result["diff"]["after"]
    assert windows.firewall["rules"] == before
    # For the day on which the policy merges them.
    assert windows.run(on_policy_override="warn")["changed"] is True


def test_nothing_gets_in_where_windows_says_so_whatever_a_policy_has(windows):
    ignoring(windows)
    give(windows)
    windows.save(state={**windows.firewall["state"], "modify_state": 2})
    rows = windows.run()["rows"]
    assert [rows[row]["effective"] for row in ("federation_in", "federation_out")] == ["unknown", "yes"]


def test_a_policy_that_merges_local_rules_is_not_taken_for_the_rules(windows):
    give(windows)
    result = windows.run()
    assert result["changed"] is True and windows.managed != []
    assert {entry["effective"] for entry in result["rows"].values()} == {"yes"}


def test_rules_of_a_policy_that_block_or_allow_more_are_named(windows):
    block = "v2.31|Action=Block|Active=TRUE|Dir=In|Protocol=6|RA4=198.18.7.0/255.255.255.128|Name=half|"
    more = "v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=5269|Name=more|"
    windows.policy("FirewallRules", half=block, more=more)
    result = windows.run()
    assert result["rows"]["federation_in"]["effective"] == "unknown"
    assert result["rows"]["federation_in"]["decided_by"] == "rule half of a policy, which blocks a part"
    assert any("'more of a policy'" in text for text in result["warnings"])


@pytest.mark.parametrize(
    ("variables", "store", "message"),
    [
        (VARIABLES, "", "policy_store: '' names no policy"),
        (VARIABLES, "a\nb", "policy_store: "),
        (VARIABLES, None, "policy_store: "),
        (
            {**VARIABLES, "xmpp_edge_acces_addresses": []},
            STORE,
            "xmpp_edge_acces_addresses: is no variable of the role",
        ),
        ({**VARIABLES, "xmpp_edge_partner_networks": []}, STORE, "xmpp_edge_partner_networks: "),
        ({**VARIABLES, "xmpp_edge_state": "absent"}, STORE, "xmpp_edge_state: "),
        ({**VARIABLES, "xmpp_edge_placement": "firewall"}, STORE, "xmpp_edge_"),
        ({**VARIABLES, "xmpp_edge_limit_new": 60}, STORE, "xmpp_edge_limit_new: "),
        ({}, STORE, "xmpp_edge_access_addresses: "),
        ("text", STORE, "windows_policy: "),
    ],
)
def test_a_refusal_is_one_sentence(variables, store, message):
    with pytest.raises(AnsibleFilterError) as refusal:
        windows_policy(variables, "edge", store)
    assert str(refusal.value).startswith(message) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("quote", ["'", "\u2018", "\u2019", "\u201b"])
def test_no_text_ends_its_quotes(windows, quote):
    script = windows_policy(VARIABLES, f"edge{quote}\n'", f"a{quote}; throw 'out'; {quote}b")
    prelude = NET_SECURITY.replace(STORE.replace("'", "''"), f"a{quote * 2}; throw ''out''; {quote * 2}b")
    assert windows.run_script(prelude + script) == {}
    assert len(windows.firewall["registry"][RULES_KEY]) > 3


def test_narrowed_rules_are_narrowed_in_the_policy(windows):
    ignoring(windows)
    narrowed = {"profiles": ["domain", "public"], "program": r"C:\a b\c's.exe", "service": "XMPP"}
    give(windows, **narrowed)
    rules = windows.firewall["registry"][RULES_KEY].values()
    assert all("|Profile=Domain|Profile=Public|" in text for text in rules)
    inbound = [text for text in rules if "Action=Allow" in text and "Dir=In" in text]
    assert inbound and all(r"|App=C:\a b\c's.exe|Svc=XMPP|" in text for text in inbound)
    assert windows.run(**narrowed)["changed"] is False


def test_the_playbook_prints_and_writes_the_script(tmp_path, windows):
    del windows
    variables = {**VARIABLES, "ansible_connection": "winrm", "ansible_become": True}
    (tmp_path / "hosts.yml").write_text(json.dumps({"xmpp_edge": {"hosts": {"edge.example.net": variables}}}))
    playbook = str(CHECKOUT / "playbooks" / "windows_policy.yml")
    command = [ansible_command("ansible-playbook"), "-i", "hosts.yml", playbook]
    refused = started(tmp_path, *command)
    assert refused.returncode == 2 and "policy_store: '' names no policy" in refused.stdout
    assert not (tmp_path / "windows_policy").exists()
    done = started(tmp_path, *command, "-e", json.dumps({"policy_store": STORE}))
    assert done.returncode == 0, done.stdout
    assert "New-NetFirewallRule @rule" in done.stdout
    written = (tmp_path / "windows_policy" / "edge.example.net.ps1").read_bytes()
    # Windows PowerShell reads UTF-8 by this mark only.
    assert written.decode("utf-8") == "\ufeff" + windows_policy(VARIABLES, "edge.example.net", STORE)
    again = started(tmp_path, *command, "-e", json.dumps({"policy_store": STORE}))
    assert "changed=0" in again.stdout
