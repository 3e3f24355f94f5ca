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
    # Without a network any profile may become active. Profiles that no network has are for the controller to tell.
    $bits = @{ domain = 1; private = 2; public = 4 }
    $current = if ([int]$State.current_profiles -eq 0) { 7 } else { [int]$State.current_profiles }
    $active = @($State.profiles.Keys | Where-Object { ($bits[$_] -band $current) -ne 0 } | Sort-Object)
    $ignoring = @($active | Where-Object { $State.profiles[$_].ignores_local_rules })
    $ports = @($active | Where-Object { $State.profiles[$_].ignores_local_ports })
    if ($present -and $module.Params.on_policy_override -eq 'fail' -and ($ignoring.Count + $ports.Count) -gt 0) {
        $what = if ($ignoring.Count -gt 0) { 'all local firewall rules' } else { 'local firewall rules for one port' }
        $names = if ($ignoring.Count -gt 0) { $ignoring -join ', ' } else { $ports -join ', ' }
        throw "group policy ignores $what in the profiles $names, so that managed rules would " +
        'have no effect: let it merge local rules, or say on_policy_override: warn'
    }
    Test-OwnAddress -Named $module.Params.own_addresses -Carried $State.addresses
}

function Get-Managed {
    Get-EdgeFwRule | Where-Object { Test-ManagedRule -Rule $_ }
}

function Restore-Former {
    # Removes the rules that were added, and gives those that were to go their names again. Returns what has failed, or
    # is not as it was.
    param($Added, $Renamed, $Before)

    try {
        foreach ($rule in @(Get-Managed | Where-Object { $Added -ccontains $_.Name })) {
            $name = Get-PassingName
            Rename-EdgeFwRule -Rule $rule -Name $name
            Remove-EdgeFwRule -Name $name
        }
    }
    catch {
        Get-Failure -Exception $_.Exception
    }
    try {
        foreach ($entry in $Renamed) {
            Rename-EdgeFwRule -Rule $entry.rule -Name $entry.name
        }
        $now = @(Get-Managed | ForEach-Object { $_.Name } | Sort-Object)
        if (($now -join '|') -cne (@($Before | Sort-Object) -join '|')) {
            'Windows lists other rules than before'
        }
    }
    catch {
        Get-Failure -Exception $_.Exception
    }
}

function Update-Firewall {
    # A rule that goes gets a name of its own first, and is removed by it once all others are there: so no connection
    # finds a gap, whichever rules have the same name. What fails before the first removal is undone.
    param($Add, $Drop, $Before)

    $added = @()
    $renamed = @()
    $removed = 0
    try {
        foreach ($rule in $Drop) {
            $former = [string]$rule.Name
            $module.Result.rule = $former
            $passing = Get-PassingName
            Rename-EdgeFwRule -Rule $rule -Name $passing
            $renamed += @{ rule = $rule; name = $former; passing = $passing }
        }
        foreach ($rule in $Add) {
            $module.Result.rule = [string]$rule.Name
            Add-EdgeFwRule -Rule $rule
            $added += [string]$rule.Name
        }
        foreach ($entry in $renamed) {
            $module.Result.rule = $entry.name
            Remove-EdgeFwRule -Name $entry.passing
            $removed += 1
        }
    }
    catch {
        $first = Get-Failure -Exception $_.Exception
        if ($removed -gt 0) {
            throw "$first; the rules that were to go are partly there still, and the next run removes them"
        }
        $left = @(Restore-Former -Added $added -Renamed $renamed -Before $Before)
        if ($left.Count -gt 0) {
            $why = $left -join '; '
            throw "$first; undoing the change has failed too ($why), and the next run repairs what is left"
        }
        $module.Result.changed = $false
        $module.Result.rolled_back = $true
        throw $first
    }
    $null = $module.Result.Remove('rule')
}

function Get-Desired {
    # Returns new objects of the desired rules: an object is that of the firewall itself once it was added.
    @(foreach ($option in $module.Params.rules) { Set-DesiredRule -Rule (New-EdgeFwRule) -Option $option })
}

function Wait-Desired {
    # Waits until Windows lists the desired rules, which may be a moment after the change.
    foreach ($attempt in @(1, 2, 3)) {
        $managed = @(Get-Managed)
        $left = Compare-EdgeRule -Managed $managed -Desired @(Get-Desired)
        $names = @(@($left.add) + @($left.drop) | ForEach-Object { $_.Name } | Sort-Object -Unique)
        if ($names.Count -eq 0) {
            return
        }
        Start-Sleep -Milliseconds (200 * $attempt)
    }
    throw "the host still differs after the change, in: $($names -join '; ')"
}

function Invoke-Reconcile {
    $module.Result.state = Get-EdgeFwState
    Test-Request -State $module.Result.state
    $all = @(Get-EdgeFwRule)
    $managed = @($all | Where-Object { Test-ManagedRule -Rule $_ })
    $desired = @(Get-Desired)
    Test-RuleName -Desired $desired
    $alike = @(Get-LookAlike -All $all)
    if ($alike.Count -gt 0) {
        $module.Warn("rules that have only the name or only the group of managed ones are left alone: " +
            (@($alike | Select-Object -First 5) -join '; '))
    }
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
        $before = @($managed | ForEach-Object { $_.Name })
        Update-Firewall -Add $plan.add -Drop $plan.drop -Before $before
        Wait-Desired
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
