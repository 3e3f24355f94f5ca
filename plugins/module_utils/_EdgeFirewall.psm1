# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The adapter to the Windows firewall: the only file that uses its COM interface or the registry. Tests replace it by a
# file with the same functions. Source: INetFwPolicy2, INetFwRules and INetFwRule of the Windows API.

# Settings of group policy are read from the registry, as in [MS-GPFAS]; the COM interface shows local settings only.
$policyKey = 'HKLM:\SOFTWARE\Policies\Microsoft\WindowsFirewall'

function Get-FirewallPolicy {
    New-Object -ComObject HNetCfg.FwPolicy2 -ErrorAction Stop
}

function Get-PolicyValue {
    # Returns a number that group policy sets for a profile, or the default where it sets none.
    param([string]$ProfileName, [string]$Name, [int]$Default)

    $key = Get-Item -LiteralPath "$policyKey\$($ProfileName)Profile" -ErrorAction SilentlyContinue
    if ($null -eq $key) {
        return $Default
    }
    [int]$key.GetValue($Name, $Default)
}

function New-EdgeFwRule {
    # Returns a rule that is in no firewall yet. It converts assigned values to the form in which Windows shows them.
    New-Object -ComObject HNetCfg.FWRule -ErrorAction Stop
}

function Get-EdgeFwRule {
    # Returns every rule of the local store, enumerated once. Where COM fails to return the list, PowerShell has null.
    # Where COM fails to enumerate the list, PowerShell has one object without properties. Neither means "no rules".
    $policy = Get-FirewallPolicy
    $rules = $policy.Rules
    $unlisted = 'the Windows firewall does not list its rules: see whether its service mpssvc runs'
    if ($null -eq $rules) {
        throw $unlisted
    }
    foreach ($rule in $rules) {
        if ($null -eq $rule.Direction) {
            throw $unlisted
        }
        $rule
    }
}

function Add-EdgeFwRule {
    param([Parameter(Mandatory = $true)]$Rule)

    $policy = Get-FirewallPolicy
    $policy.Rules.Add($Rule)
}

function Remove-EdgeFwRule {
    # Removes one rule of that name. Windows does not define which one, where there are several.
    param([Parameter(Mandatory = $true)][string]$Name)

    $policy = Get-FirewallPolicy
    $policy.Rules.Remove($Name)
}

function Get-EdgeFwState {
    # Returns the profiles, the number of rules from group policy, and the addresses of the host. Settings of group
    # policy take precedence over local ones.
    $policy = Get-FirewallPolicy
    $bits = [ordered]@{ domain = 1; private = 2; public = 4 }
    $profiles = @{}
    foreach ($name in $bits.Keys) {
        $bit = [int]$bits[$name]
        $enabled = [int]$policy.FirewallEnabled($bit)
        $blocks = [int]$policy.BlockAllInboundTraffic($bit)
        $profiles[$name] = @{
            enabled = (Get-PolicyValue -ProfileName $name -Name EnableFirewall -Default $enabled) -ne 0
            blocks_all_inbound = (Get-PolicyValue -ProfileName $name -Name DoNotAllowExceptions -Default $blocks) -ne 0
            ignores_local_rules = (Get-PolicyValue -ProfileName $name -Name AllowLocalPolicyMerge -Default 1) -eq 0
        }
    }
    $interfaces = [System.Net.NetworkInformation.NetworkInterface]::GetAllNetworkInterfaces()
    $unicast = @($interfaces | ForEach-Object { $_.GetIPProperties().UnicastAddresses })
    $policyRules = Get-Item -LiteralPath "$policyKey\FirewallRules" -ErrorAction SilentlyContinue
    @{
        current_profiles = [int]$policy.CurrentProfileTypes
        profiles = $profiles
        addresses = @($unicast | ForEach-Object { $_.Address.ToString() })
        policy_rules = if ($null -eq $policyRules) { 0 } else { [int]$policyRules.ValueCount }
    }
}

$exported = @('New-EdgeFwRule', 'Get-EdgeFwRule', 'Add-EdgeFwRule', 'Remove-EdgeFwRule', 'Get-EdgeFwState')
Export-ModuleMember -Function $exported
