# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PowerShell files as text: their syntax, their lints, and a planted fault for each lint."""

from __future__ import annotations

import lints
import powershell
import pytest
import yaml
from test_contract import as_spec

NAMES = [lint.__name__ for lint in lints.LINTS]
MODULE, ADAPTER, RULES = (path.name for path in (powershell.MODULE, powershell.ADAPTER, powershell.RULES))

# Name of the lint, file, text of the file, and the faulty text that replaces it.
PLANTED = [
    ("syntax", MODULE, "    catch {\n        $first", "    catch\n        $first"),
    ("syntax", MODULE, "$failure = $null\ntry {", "$failure = $x ? 1 : 2\ntry {"),
    (
        "syntax",
        RULES,
        '    @($merged | ForEach-Object { "$($_.family)',
        '    @($merged | ForEach-Object  "$($_.family)',
    ),
    ("plain_text", MODULE, "group policy ignores", "group policy \u201cignores\u201d"),
    ("unknown_command", MODULE, "Update-Firewall -Add", "Update-Firewal -Add"),
    ("unknown_command", MODULE, "Test-RuleName -Desired $desired\n", "Test-RuleName -Desire $desired\n"),
    ("unknown_command", MODULE, "if ($null -ne $failure) {", "fi ($null -ne $failure) {"),
    ("unknown_command", MODULE, "Start-Sleep -Milliseconds (200 * $attempt)", "Invoke-Expression $attempt"),
    ("approved_verb", MODULE, "function Wait-Desired", "function Check-Desired"),
    ("unassigned_variable", MODULE, "foreach ($rule in $Drop)", "foreach ($rule in $Dropped)"),
    ("unassigned_variable", RULES, "    $last = $first\n", "    $last = $firsts\n"),
    (
        "adapter",
        MODULE,
        "    $module.Result.state = Get-EdgeFwState\n",
        "    $module.Result.state = New-Object -ComObject X\n",
    ),
    ("adapter", RULES, "$anyProtocol = 256", "$anyProtocol = 'HKLM:\\SOFTWARE'"),
    ("only_5_1", MODULE, "    $null = Invoke-Reconcile", "    $null = Invoke-Reconcile && $true"),
    ("only_5_1", RULES, "$tcp = 6", "$tcp = 6 * [int]$IsWindows"),
    ("known_type", MODULE, "$cause = $Exception", "$cause = [scriptblock]::Create('1')\n    $cause = $Exception"),
    ("counted", MODULE, "@($plan.add).Count", "$plan.add.Count"),
    ("counted", RULES, "$found = @($Managed | Where-Object { $_.Name -ceq $rule.Name })", "$found = $Managed"),
    ("rule_property", RULES, "[string]$Rule.ServiceName", "[string]$Rule.Service"),
    ("rule_assignment", RULES, "[int][array]::IndexOf($actions", "[array]::IndexOf($actions"),
    ("rule_assignment", RULES, "    $Rule.Protocol = [int]$tcp  # Windows refuses ports before the protocol.\n", ""),
    (
        "rule_assignment",
        RULES,
        "    $Rule.Enabled = $true\n",
        "    $Rule.Enabled = $true\n    $Rule.ServiceName = 'x'\n",
    ),
    ("rule_assignment", RULES, "$Rule.LocalPorts = [string]$Option.local_ports", "$Rule.LocalPorts = $null"),
    ("identity", RULES, "$Rule.Grouping -ceq $group", "$Rule.Grouping -eq $group"),
    ("identity", RULES, "$Rule.Name -clike", "$Rule.Name -like"),
    ("exported", RULES, ", 'Set-DesiredRule'", ""),
    ("exported", ADAPTER, "'Add-EdgeFwRule', ", ""),
    ("quiet", MODULE, "    $null = Invoke-Reconcile", "    Invoke-Reconcile"),
    (
        "exit_outside_try",
        MODULE,
        "    $null = Invoke-Reconcile\n",
        "    $null = Invoke-Reconcile\n    $module.ExitJson()\n",
    ),
]


def messages(name, sources):
    """Return the messages of one lint."""
    (lint,) = (lint for lint in lints.LINTS if lint.__name__ == name)
    return list(lint(sources))


@pytest.mark.parametrize("name", NAMES)
def test_lint(name):
    assert messages(name, powershell.sources()) == []


@pytest.mark.parametrize(("name", "file", "old", "new"), PLANTED)
def test_lint_finds_planted_fault(name, file, old, new):
    changed = []
    for source in powershell.sources():
        if source.name == file:
            assert source.text.count(old) == 1
            source = powershell.Source(source.name, source.text.replace(old, new))  # noqa: PLW2901
        changed.append(source)
    assert messages(name, changed)


def test_every_lint_has_a_planted_fault():
    assert {name for name, *_rest in PLANTED} == set(NAMES)


def test_module_is_short():
    assert len(powershell.MODULE.read_text().splitlines()) < 220


def test_documentation_agrees_with_the_spec():
    documented = yaml.safe_load(powershell.MODULE.with_suffix(".yml").read_text())["DOCUMENTATION"]
    (module, *_functions) = powershell.sources()
    assert powershell.argument_spec(module) == {
        "options": as_spec(documented["options"]),
        "supports_check_mode": True,
        "no_log": True,
    }


def test_documentation_has_every_fact_of_a_rule():
    (_module, _adapter, rules) = powershell.sources()
    function = next(node for name, (_file, node) in lints.functions([rules]).items() if name == "Get-RuleFact")
    facts = [powershell.text_of(node) for node in powershell.every(function, "key_expression")]
    documented = yaml.safe_load(powershell.MODULE.with_suffix(".yml").read_text())["RETURN"]["found"]
    assert set(facts) == documented["contains"].keys() == documented["sample"][0].keys()
