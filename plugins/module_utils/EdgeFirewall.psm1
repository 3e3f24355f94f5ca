# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The seam to the Windows firewall: the only file that uses its COM interface or the registry. Tests put a file with the
# same functions in its place. Source: INetFwPolicy2, INetFwRules and INetFwRule of the Windows API.

# What group policy says is read where [MS-GPFAS] has it; the COM interface shows the local settings only.
$policyKey = 'HKLM:\SOFTWARE\Policies\Microsoft\WindowsFirewall'

function Get-FirewallPolicy {
    New-Object -ComObject HNetCfg.FwPolicy2 -ErrorAction Stop
}

function Get-PolicyValue {
    # A number that group policy sets for a profile, or the default where it sets none.
    param([string]$ProfileName, [string]$Name, [int]$Default)

    $key = Get-Item -LiteralPath "$policyKey\$($ProfileName)Profile" -ErrorAction SilentlyContinue
    if ($null -eq $key) {
        return $Default
    }
    [int]$key.GetValue($Name, $Default)
}

function New-EdgeFwRule {
    # A rule that is in no firewall yet. It brings what is put into it into the form in which Windows shows it.
    New-Object -ComObject HNetCfg.FWRule -ErrorAction Stop
}

function Get-EdgeFwRule {
    # Every rule of the local store, enumerated once. PowerShell makes null of what COM fails to give, and one thing
    # without any property of what it fails to enumerate: neither is "no rules".
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
    # One rule of that name; which one where there are several is not defined.
    param([Parameter(Mandatory = $true)][string]$Name)

    $policy = Get-FirewallPolicy
    $policy.Rules.Remove($Name)
}

function Get-EdgeFwState {
    # The firewall apart from its rules: profiles, with group policy's word before the local one, how many rules group
    # policy adds, and what addresses the host has.
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
