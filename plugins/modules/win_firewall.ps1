#!powershell

# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils._EdgeChange
#AnsibleRequires -PowerShell ..module_utils._EdgeFirewall
#AnsibleRequires -PowerShell ..module_utils._EdgeRollback
#AnsibleRequires -PowerShell ..module_utils._EdgeRules

$spec = @{
    options = @{
        state = @{ type = 'str'; choices = @('present', 'absent'); default = 'present' }
        on_policy_override = @{ type = 'str'; choices = @('fail', 'warn'); default = 'fail' }
        own_addresses = @{ type = 'dict'; default = @{} }
        rollback_after = @{ type = 'int'; default = 0 }
        end = @{
            type = 'dict'
            options = @{
                change = @{ type = 'str'; required = $true }
                how = @{ type = 'str'; choices = @('commit', 'roll_back'); required = $true }
            }
        }
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
                profiles = @{
                    type = 'list'
                    elements = 'str'
                    choices = @('domain', 'private', 'public')
                    default = @()
                }
                program = @{ type = 'str'; default = '' }
                service = @{ type = 'str'; default = '' }
            }
        }
    }
    supports_check_mode = $true
    # Ansible would log the parameters, and the event log refuses a text with a list of some hundred networks.
    no_log = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)

function Test-Carried {
    # Returns whether policies have all desired rules, by their names, which have a digest of the content. What the
    # rules do is for the controller to evaluate.
    param($State)

    foreach ($option in $module.Params.rules) {
        $found = @($State.policy_texts | Where-Object { $_.Contains("|Name=$($option.name)|") })
        if ($found.Count -eq 0) {
            return $false
        }
    }
    $true
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
    $ignores = ($ignoring.Count + $ports.Count) -gt 0
    # A profile that merges local rules would heed former ones too.
    $all = $ignoring.Count -eq $active.Count
    $fails = $module.Params.on_policy_override -eq 'fail'
    $module.Result.carried = $present -and $all -and $fails -and (Test-Carried -State $State)
    if ($present -and $ignores -and $fails -and -not $module.Result.carried) {
        $what = if ($ignoring.Count -gt 0) { 'all local firewall rules' } else { 'local firewall rules for one port' }
        $names = if ($ignoring.Count -gt 0) { $ignoring -join ', ' } else { $ports -join ', ' }
        throw "group policy ignores $what in the profiles $names, so that managed rules would " +
        'have no effect: let it merge local rules, give it those that the playbook xmpp.edge.windows_policy prints, ' +
        'or say on_policy_override: warn'
    }
    Test-OwnAddress -Named $module.Params.own_addresses -Carried $State.addresses
}

function Invoke-Reconcile {
    $module.Result.state = Get-EdgeFwState
    Test-Request -State $module.Result.state
    $bound = @($module.Params.rules | Where-Object { $null -ne $_ -and ($_.program -or $_.service) })
    if ($bound.Count -gt 0) {
        $module.Result.state.listeners = Get-EdgeListener -Ports @($bound | ForEach-Object { $_.local_ports })
        $program = [string]$bound[0].program
        $module.Result.state.program = [System.Environment]::ExpandEnvironmentVariables($program)
        if ($bound[0].service) {
            $module.Result.state.service_applies = Test-ServiceRule -Name $bound[0].service
        }
    }
    $all = @(Get-EdgeFwRule)
    $managed = @($all | Where-Object { Test-ManagedRule -Rule $_ })
    $desired = @(Get-DesiredRule -Module $module)
    Test-RuleName -Desired $desired
    $alike = @(Get-LookAlike -All $all)
    if ($alike.Count -gt 0) {
        $module.Warn("rules that have only the name or only the group of managed ones are left alone: " +
            (@($alike | Select-Object -First 5) -join '; '))
    }
    $plan = Compare-EdgeRule -Managed $managed -Desired $desired
    if ($module.Result.carried) {
        # Local rules count for nothing here.
        $plan = @{ unchanged = @($desired | ForEach-Object { $_.Name }); add = @(); drop = @() }
        $managed = @()
    }
    $module.Result.found = @($managed | ForEach-Object { Get-RuleFact -Rule $_ })
    $ports = @($desired | ForEach-Object { [string]$_.LocalPorts })
    $relevant = @($all | Where-Object { Test-RelevantRule -Rule $_ -Ports $ports })
    $module.Result.unmanaged = @($relevant | ForEach-Object { Get-RuleFact -Rule $_ })
    $module.Result.unchanged = @($plan.unchanged)
    $module.Result.changed = @($plan.add).Count -gt 0 -or @($plan.drop).Count -gt 0
    $module.Diff.before = @($managed | ForEach-Object { ConvertTo-RuleLine -Rule $_ }) -join ''
    $module.Diff.after = @($desired | ForEach-Object { ConvertTo-RuleLine -Rule $_ }) -join ''
    if ($module.Result.changed -and -not $module.CheckMode) {
        $before = Get-Summary -Managed $managed
        Update-EdgeRule -Module $module -Add $plan.add -Drop $plan.drop -Before $before
    }
}

function Invoke-Run {
    Enter-EdgeLock -Seconds 60
    try {
        if ($null -ne $module.Params.end) {
            Complete-EdgeChange -Module $module -End $module.Params.end
        }
        else {
            Resolve-EdgeChange -Module $module
            Invoke-Reconcile
        }
    }
    finally {
        Exit-EdgeLock
    }
}

$failure = $null
try {
    $null = Invoke-Run
}
catch {
    $failure = Get-EdgeFailure -Exception $_.Exception
}
if ($null -ne $failure) {
    $module.FailJson($failure)
}
$module.ExitJson()
