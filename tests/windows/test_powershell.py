# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PowerShell files as text: their syntax, their lints, and a planted fault for each lint."""

from __future__ import annotations

import subprocess

import lints
import powershell
import pytest
import yaml
from hosts import NOT_RUN, pwsh
from test_contract import as_spec

pytestmark = pytest.mark.skipif(not pwsh(), reason=NOT_RUN)

NAMES = [lint.__name__ for lint in lints.LINTS]
MODULE, ADAPTER, CHANGE, ROLLBACK, RULES = (path.name for path in powershell.FILES)

# Name of the lint, file, text of the file, and the faulty text that replaces it.
PLANTED = [
    ("syntax", CHANGE, "    catch {\n        $first", "    catch\n        $first"),
    (
        "syntax",
        RULES,
        '    @($merged | ForEach-Object { "$($_.family)',
        '    @($merged | ForEach-Object  "$($_.family)',
    ),
    ("plain_text", MODULE, "group policy ignores", "group policy \u201cignores\u201d"),
    ("unknown_command", MODULE, "Update-EdgeRule -Module", "Update-EdgeRul -Module"),
    ("unknown_command", MODULE, "Test-RuleName -Desired $desired\n", "Test-RuleName -Desire $desired\n"),
    ("unknown_command", MODULE, "if ($null -ne $failure) {", "fi ($null -ne $failure) {"),
    ("unknown_command", CHANGE, "Start-Sleep -Milliseconds 500", "Invoke-Expression $attempt"),
    ("approved_verb", CHANGE, "function Wait-Desired", "function Await-Desired"),
    ("unassigned_variable", CHANGE, "foreach ($rule in $Drop)", "foreach ($rule in $Dropped)"),
    ("unassigned_variable", ROLLBACK, "$phase, $until, $added =", "$phase, $until ="),
    ("unassigned_variable", RULES, "    $last = $first\n", "    $last = $firsts\n"),
    (
        "adapter",
        MODULE,
        "    $module.Result.state = Get-EdgeFwState\n",
        "    $module.Result.state = New-Object -ComObject X\n",
    ),
    ("adapter", RULES, "$anyProtocol = 256", "$anyProtocol = 'HKLM:\\SOFTWARE'"),
    ("only_5_1", MODULE, "    $null = Invoke-Run", "    $null = Invoke-Run && $true"),
    ("only_5_1", MODULE, "$failure = $null\ntry {", "$failure = $true ? 1 : 2\ntry {"),
    ("only_5_1", RULES, "$anyProtocol = 256", "$anyProtocol = $null ?? 256"),
    ("only_5_1", RULES, "$Text.Contains(':')", "${Text}?.Contains(':')"),
    ("only_5_1", MODULE, "Sort-Object)\n    $ignoring", "ForEach-Object -Parallel { $_ })\n    $ignoring"),
    ("only_5_1", RULES, "$tcp = 6", "$tcp = 6 * [int]$IsWindows"),
    ("known_type", CHANGE, "$cause = $Exception", "$cause = [scriptblock]::Create('1')\n    $cause = $Exception"),
    ("counted", MODULE, "@($plan.add).Count", "$plan.add.Count"),
    (
        "counted",
        RULES,
        "$found = @($Managed | Where-Object { $_.Name -ceq $rule.Name })\n            if",
        "$found = $Managed\n            if",
    ),
    ("rule_property", RULES, "[string]$Rule.ServiceName", "[string]$Rule.Service"),
    ("rule_assignment", RULES, "[int][array]::IndexOf($actions", "[array]::IndexOf($actions"),
    ("rule_assignment", RULES, "    $Rule.Protocol = [int]$tcp  # Windows refuses ports before the protocol.\n", ""),
    (
        "rule_assignment",
        RULES,
        "    $Rule.Enabled = $true\n",
        "    $Rule.Enabled = $true\n    $Rule.InterfaceTypes = 'x'\n",
    ),
    ("rule_assignment", RULES, "$Rule.LocalPorts = [string]$Option.local_ports", "$Rule.LocalPorts = $null"),
    ("identity", RULES, "$Rule.Grouping -ceq $group", "$Rule.Grouping -eq $group"),
    ("identity", RULES, '$Rule.Name -clike "$prefix*" -and', '$Rule.Name -like "$prefix*" -and'),
    ("exported", RULES, ", 'Set-DesiredRule'", ""),
    ("exported", ADAPTER, "'Add-EdgeFwRule', ", ""),
    ("quiet", MODULE, "    $null = Invoke-Run", "    Invoke-Run"),
    (
        "exit_outside_try",
        MODULE,
        "    $null = Invoke-Run\n",
        "    $null = Invoke-Run\n    $module.ExitJson()\n",
    ),
]


def messages(name, sources):
    """Return the messages of one lint."""
    (lint,) = (lint for lint in lints.LINTS if lint.__name__ == name)
    return list(lint(sources))


@pytest.mark.parametrize("name", NAMES)
def test_lint(name):
    assert messages(name, powershell.sources()) == []


@pytest.fixture(scope="module")
def planted():
    """Return the files with each fault, in the order of PLANTED: one PowerShell reads all."""
    texts = {source.name: source.text for source in powershell.sources()}
    faulty = []
    for _name, file, old, new in PLANTED:
        assert texts[file].count(old) == 1, old
        faulty.append((file, texts[file].replace(old, new)))
    return powershell.parse(faulty)


@pytest.mark.parametrize("number", range(len(PLANTED)), ids=lambda number: f"{PLANTED[number][0]}-{number}")
def test_lint_finds_planted_fault(planted, number):
    fault = planted[number]
    files = [fault if source.name == fault.name else source for source in powershell.sources()]
    assert messages(PLANTED[number][0], files)


def test_every_lint_has_a_planted_fault():
    assert {name for name, *_rest in PLANTED} == set(NAMES)


def test_module_is_short():
    assert len(powershell.MODULE.read_text().splitlines()) < 220


def test_documentation_agrees_with_the_spec():
    documented = yaml.safe_load(powershell.MODULE.with_suffix(".yml").read_text())["DOCUMENTATION"]
    (module, *_functions) = powershell.sources()
    assert module.spec == {"options": as_spec(documented["options"]), "supports_check_mode": True, "no_log": True}


def test_documentation_has_every_fact_of_a_rule():
    *_others, rules = powershell.sources()
    function = lints.functions([rules])["Get-RuleFact"][1]
    (facts,) = (node for node in function.every("Hashtable") if "description" in node.text)
    keys = {line.partition("=")[0].strip() for line in facts.text.splitlines()[1:-1]}
    documented = yaml.safe_load(powershell.MODULE.with_suffix(".yml").read_text())["RETURN"]["found"]
    assert keys == documented["contains"].keys() == documented["sample"][0].keys()


def test_what_is_no_literal_is_no_spec():
    with pytest.raises(subprocess.CalledProcessError):
        powershell.parse([("spec.ps1", "$spec = @{ options = Get-Item x }")])
