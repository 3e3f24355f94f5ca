# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PowerShell files as text: their syntax, what is written but wrong, and that each check can fail."""

from __future__ import annotations

from pathlib import Path

import lints
import powershell
import pytest
import yaml
from test_contract import as_spec

HERE = Path(__file__).resolve().parent
NAMES = [lint.__name__ for lint in lints.LINTS]
MODULE, SEAM, RULES = (path.name for path in (powershell.MODULE, powershell.SEAM, powershell.RULES))

# What the lint has to find, the file, and what stands in it in place of what.
PLANTED = [
    ("syntax", MODULE, "    catch {\n        $module", "    catch\n        $module"),
    ("syntax", MODULE, "$failure = $null\ntry {", "$failure = $x ? 1 : 2\ntry {"),
    (
        "syntax",
        RULES,
        "    @($parts | Sort-Object -Unique) -join ','\n}",
        "    @($parts | Sort-Object -Unique -join ','\n}",
    ),
    ("plain_text", MODULE, "group policy ignores", "group policy \u201cignores\u201d"),
    ("unknown_command", MODULE, "Update-Firewall -Add", "Update-Firewal -Add"),
    ("unknown_command", MODULE, "Wait-Wanted -Wanted $wanted\n", "Wait-Wanted -Want $wanted\n"),
    ("unknown_command", MODULE, "if ($null -ne $failure) {", "fi ($null -ne $failure) {"),
    ("unknown_command", MODULE, "Start-Sleep -Milliseconds (200 * $attempt)", "Invoke-Expression $attempt"),
    ("approved_verb", MODULE, "function Wait-Wanted", "function Check-Wanted"),
    ("unassigned_variable", MODULE, "Where-Object { $Drop -ccontains", "Where-Object { $Dropped -ccontains"),
    ("unassigned_variable", RULES, "$part -replace '^([0-9a-f", "$parted -replace '^([0-9a-f"),
    (
        "seam",
        MODULE,
        "    $module.Result.state = Get-EdgeFwState\n",
        "    $module.Result.state = New-Object -ComObject X\n",
    ),
    ("seam", RULES, "$anyProtocol = 256", "$anyProtocol = 'HKLM:\\SOFTWARE'"),
    ("only_5_1", MODULE, "    $null = Invoke-Reconcile", "    $null = Invoke-Reconcile && $true"),
    ("only_5_1", RULES, "$tcp = 6", "$tcp = 6 * [int]$IsWindows"),
    ("known_type", MODULE, "$cause = $Exception", "$cause = [scriptblock]::Create('1')\n    $cause = $Exception"),
    ("counted", MODULE, "@($plan.add).Count", "$plan.add.Count"),
    ("counted", RULES, "$found = @($Owned | Where-Object { $_.Name -ceq $rule.Name })", "$found = $Owned"),
    ("rule_property", RULES, "[string]$Rule.ServiceName", "[string]$Rule.Service"),
    ("rule_assignment", RULES, "[int][array]::IndexOf($actions", "[array]::IndexOf($actions"),
    ("rule_assignment", RULES, "    $Rule.Protocol = [int]$tcp  # Ports are refused before it.\n", ""),
    (
        "rule_assignment",
        RULES,
        "    $Rule.Enabled = $true\n",
        "    $Rule.Enabled = $true\n    $Rule.ServiceName = 'x'\n",
    ),
    ("rule_assignment", RULES, "$Rule.LocalPorts = [string]$Option.local_ports", "$Rule.LocalPorts = $null"),
    ("identity", RULES, "$Rule.Grouping -ceq $group", "$Rule.Grouping -eq $group"),
    ("identity", RULES, "$Rule.Name -clike", "$Rule.Name -like"),
    ("exported", RULES, ", 'Set-WantedRule'", ""),
    ("exported", SEAM, "'Add-EdgeFwRule', ", ""),
    ("quiet", MODULE, "    $null = Invoke-Reconcile", "    Invoke-Reconcile"),
    (
        "exit_outside_try",
        MODULE,
        "    $null = Invoke-Reconcile\n",
        "    $null = Invoke-Reconcile\n    $module.ExitJson()\n",
    ),
]


def complaints(name, sources):
    """What one lint has to say."""
    (lint,) = (lint for lint in lints.LINTS if lint.__name__ == name)
    return list(lint(sources))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_wrong(name):
    assert complaints(name, powershell.sources()) == []


@pytest.mark.parametrize(("name", "file", "old", "new"), PLANTED)
def test_a_planted_fault_is_found(name, file, old, new):
    changed = []
    for source in powershell.sources():
        if source.name == file:
            assert source.text.count(old) == 1
            source = powershell.Source(source.name, source.text.replace(old, new))  # noqa: PLW2901
        changed.append(source)
    assert complaints(name, changed)


def test_the_seam_s_stand_in_has_the_same_functions():
    text = (HERE / "overlay" / SEAM).read_text()
    assert powershell.syntax_errors(powershell.Source(SEAM, text)) == []
    (_module, seam, _rules) = powershell.sources()
    assert text[text.index("$exported") :] == seam.text[seam.text.index("$exported") :]


def test_every_lint_has_a_fault_planted_for_it():
    assert {name for name, *_rest in PLANTED} == set(NAMES)


def test_the_module_can_be_read_in_one_sitting():
    assert len(powershell.MODULE.read_text().splitlines()) < 150


def test_documentation_says_what_the_spec_says():
    documented = yaml.safe_load(powershell.MODULE.with_suffix(".yml").read_text())["DOCUMENTATION"]
    (module, *_functions) = powershell.sources()
    assert powershell.argument_spec(module) == {
        "options": as_spec(documented["options"]),
        "supports_check_mode": True,
        "no_log": True,
    }


def test_documentation_names_every_fact_of_a_rule():
    (_module, _seam, rules) = powershell.sources()
    function = next(node for name, (_file, node) in lints.functions([rules]).items() if name == "Get-RuleFact")
    facts = [powershell.text_of(node) for node in powershell.every(function, "key_expression")]
    documented = yaml.safe_load(powershell.MODULE.with_suffix(".yml").read_text())["RETURN"]["found"]
    assert set(facts) == documented["contains"].keys() == documented["sample"][0].keys()
