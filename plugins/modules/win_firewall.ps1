#!powershell

# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils._EdgeFirewall
#AnsibleRequires -PowerShell ..module_utils._EdgeRules

$spec = @{
    options = @{
        state = @{ type = 'str'; choices = @('present', 'absent'); default = 'present' }
        on_policy_override = @{ type = 'str'; choices = @('fail', 'warn'); default = 'fail' }
        own_addresses = @{ type = 'dict'; default = @{} }
        rules = @{
            type = 'list'
            elements = 'dict'
            default = @()
            options = @{
                name = @{ type = 'str'; required = $true }
                direction = @{ type = 'str'; choices = @('in', 'out'); required = $true }
                action = @{ type = 'str'; choices = @('allow', 'block'); required = $true }
                local_addresses = @{ type = 'list'; elements = 'str'; required = $true }
                remote_addresses = @{ type = 'list'; elements = 'str'; required = $true }
                local_ports = @{ type = 'str'; required = $true }
                remote_ports = @{ type = 'str'; required = $true }
            }
        }
    }
    supports_check_mode = $true
    # Ansible would log the parameters, and the event log refuses a text with a list of some hundred networks.
    no_log = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)

$firewallIsStopped = -2147023143  # 0x800706D9, no more endpoints available from the endpoint mapper
$accessIsDenied = -2147024891  # 0x80070005, E_ACCESSDENIED

function Get-Failure {
    # Returns the message of an error, on one line.
    param($Exception)

    $cause = $Exception.GetBaseException()
    switch ([int]$cause.HResult) {
        $firewallIsStopped { 'the Windows firewall does not answer: start its service mpssvc' }
        $accessIsDenied { 'the Windows firewall may not be read or changed: connect as an administrator' }
        default { $cause.Message -replace '\s+', ' ' }
    }
}

function Test-Request {
    # Refuses requests that would succeed without an effect.
    param($State)

    $present = $module.Params.state -eq 'present'
    $count = @($module.Params.rules | Where-Object { $null -ne $_ }).Count
    if ($present -ne ($count -gt 0)) {
        throw "rules: $count rules with state $($module.Params.state); give rules exactly when present"
    }
    $ignoring = @($State.profiles.Keys | Where-Object { $State.profiles[$_].ignores_local_rules } | Sort-Object)
    if ($present -and $ignoring.Count -gt 0 -and $module.Params.on_policy_override -eq 'fail') {
        $names = $ignoring -join ', '
        throw "group policy ignores all local firewall rules in the profiles $names, so that managed rules would " +
        'have no effect: let it merge local rules, or say on_policy_override: warn'
    }
    Test-OwnAddress -Named $module.Params.own_addresses -Carried $State.addresses
}

function Update-Firewall {
    # Adds before it removes, so that the rules of each row are always complete. Rolls back when an addition fails.
    param($Add, $Drop)

    $added = @()
    try {
        foreach ($rule in @($Add | Where-Object { $Drop -cnotcontains $_.Name })) {
            $module.Result.rule = [string]$rule.Name
            Add-EdgeFwRule -Rule $rule
            $added += $rule.Name
        }
    }
    catch {
        $module.Result.changed = $false
        foreach ($name in $added) {
            Remove-EdgeFwRule -Name $name
        }
        $module.Result.rolled_back = $true
        throw
    }
    foreach ($name in $Drop) {
        Remove-EdgeFwRule -Name $name
    }
    foreach ($rule in @($Add | Where-Object { $Drop -ccontains $_.Name })) {
        $module.Result.rule = [string]$rule.Name
        Add-EdgeFwRule -Rule $rule
    }
    $null = $module.Result.Remove('rule')
}

function Wait-Desired {
    # Waits until Windows lists the desired rules, which may be a moment after the change.
    param($Desired)

    foreach ($attempt in @(1, 2, 3)) {
        $managed = @(Get-EdgeFwRule | Where-Object { Test-ManagedRule -Rule $_ })
        $left = Compare-EdgeRule -Managed $managed -Desired $Desired
        $names = @($left.add | ForEach-Object { $_.Name }) + @($left.drop) | Sort-Object -Unique
        if (@($names).Count -eq 0) {
            return
        }
        Start-Sleep -Milliseconds (200 * $attempt)
    }
    throw "the host still differs after the change, in: $(@($names) -join '; ')"
}

function Invoke-Reconcile {
    $module.Result.state = Get-EdgeFwState
    Test-Request -State $module.Result.state
    $all = @(Get-EdgeFwRule)
    $managed = @($all | Where-Object { Test-ManagedRule -Rule $_ })
    $desired = @(foreach ($option in $module.Params.rules) { Set-DesiredRule -Rule (New-EdgeFwRule) -Option $option })
    Test-RuleName -All $all -Managed $managed -Desired $desired
    $plan = Compare-EdgeRule -Managed $managed -Desired $desired
    $module.Result.found = @($managed | ForEach-Object { Get-RuleFact -Rule $_ })
    $ports = @($desired | ForEach-Object { [string]$_.LocalPorts })
    $relevant = @($all | Where-Object { Test-RelevantRule -Rule $_ -Ports $ports })
    $module.Result.unmanaged = @($relevant | ForEach-Object { Get-RuleFact -Rule $_ })
    $module.Result.unchanged = @($plan.unchanged)
    $module.Result.changed = @($plan.add).Count -gt 0 -or @($plan.drop).Count -gt 0
    $module.Diff.before = @($managed | ForEach-Object { ConvertTo-RuleLine -Rule $_ }) -join ''
    $module.Diff.after = @($desired | ForEach-Object { ConvertTo-RuleLine -Rule $_ }) -join ''
    if ($module.Result.changed -and -not $module.CheckMode) {
        Update-Firewall -Add $plan.add -Drop $plan.drop
        Wait-Desired -Desired $desired
    }
}

$failure = $null
try {
    $null = Invoke-Reconcile
}
catch {
    $failure = Get-Failure -Exception $_.Exception
}
if ($null -ne $failure) {
    $module.FailJson($failure)
}
$module.ExitJson()
