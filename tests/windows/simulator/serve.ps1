# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Runs the module for one request after the other, in one process. A line of the input is the request: the options of the
# module, and in "store" the path of the firewall. A line of the output is the answer of the module. A request may have a
# script instead of options, which is what a task runs.
# Usage: serve.ps1 ANSIBLE PLUGINS, the folders of Ansible's package and of the collection's plugins
param($Ansible, $Plugins)

$ErrorActionPreference = 'Stop'
Import-Module "$Ansible/module_utils/powershell/Ansible.ModuleUtils.AddType.psm1"
Add-CSharpType -References (Get-Content -LiteralPath "$Ansible/module_utils/csharp/Ansible.Basic.cs" -Raw)
. "$PSScriptRoot/simulator.ps1"
$replaced = 'New-Object', 'Get-Item', 'Start-Sleep', 'Get-Listeners', 'Get-NetTCPConnection', 'Get-Process', 'Get-CimInstance'
foreach ($name in $replaced) {
    # Modules see functions of the global scope only.
    Set-Item -LiteralPath "function:global:$name" -Value (Microsoft.PowerShell.Management\Get-Item "function:$name").ScriptBlock
}
Import-Module (Microsoft.PowerShell.Management\Get-Item "$Plugins/module_utils/_Edge*.psm1").FullName
$module = [scriptblock]::Create((Get-Content -LiteralPath "$Plugins/modules/win_firewall.ps1" -Raw))
$answers = [System.Collections.Generic.List[string]]::new()
[Ansible.Basic.AnsibleModule]::WriteLine = { param($Line) $answers.Add($Line) }
[Ansible.Basic.AnsibleModule]::Exit = { param($Status) throw [System.OperationCanceledException]::new("exit $Status") }
$ErrorActionPreference = 'Continue'

[Console]::Out.WriteLine('ready')
while ($null -ne ($line = [Console]::In.ReadLine())) {
    $request = ConvertFrom-Json -InputObject $line -AsHashtable
    $env:XMPP_EDGE_FIREWALL = $request.store
    $global:complex_args = $request.options
    $answers.Clear()
    $fault = ''
    try {
        if ($request.script) {
            # Of its own scope and without the module's functions, as in a PowerShell of its own.
            $null = & ([scriptblock]::Create($request.script))
            $answers.Add('{}')
        }
        else {
            $null = & $module
        }
    }
    catch {
        if ($_.Exception.GetBaseException() -isnot [System.OperationCanceledException]) {
            $fault = "$($_.Exception.GetBaseException())"
        }
    }
    $answer = if ($answers.Count -eq 1) { $answers[0] } else { ConvertTo-Json -Compress @{ fault = $fault; answers = $answers } }
    [Console]::Out.WriteLine($answer)
}
