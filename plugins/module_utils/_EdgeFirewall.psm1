# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The adapter to the Windows firewall: the only file that uses its COM interface or the registry. Tests run it on a
# simulator of these. Source: INetFwPolicy2, INetFwRules and INetFwRule of the Windows API.

# Settings of policies are read from the registry, as in [MS-GPFAS]; the COM interface shows local settings only. The
# first key is that of group policy, the second that of device management (Firewall CSP).
$policyKeys = @(
    'HKLM:\SOFTWARE\Policies\Microsoft\WindowsFirewall',
    'HKLM:\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\Mdm'
)

function Get-FirewallPolicy {
    New-Object -ComObject HNetCfg.FwPolicy2 -ErrorAction Stop
}

function Get-PolicyKey {
    # Returns the keys of a profile in which policies may have settings. StandardProfile counts for the private and the
    # public profile where neither has a key of its own, [MS-GPFAS] 2.2.3.
    param([string]$ProfileName, [string]$Below)

    foreach ($root in $policyKeys) {
        $name = "$($ProfileName)Profile"
        if ($ProfileName -ne 'domain') {
            $private = Get-Item -LiteralPath "$root\privateProfile" -ErrorAction SilentlyContinue
            $public = Get-Item -LiteralPath "$root\publicProfile" -ErrorAction SilentlyContinue
            if ($null -eq $private -and $null -eq $public) {
                $name = 'StandardProfile'
            }
        }
        $key = Get-Item -LiteralPath "$root\$name$Below" -ErrorAction SilentlyContinue
        if ($null -ne $key) {
            $key
        }
    }
}

function Get-PolicyValue {
    # Returns the numbers that policies set for a profile, none where they set none.
    param([string]$ProfileName, [string]$Name, [string]$Below)

    foreach ($key in @(Get-PolicyKey -ProfileName $ProfileName -Below $Below)) {
        $value = $key.GetValue($Name)
        if ($null -ne $value) {
            [int]$value
        }
    }
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
        if ($null -eq $rule.Direction -and [string]$rule.Name -ceq '') {
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

function Rename-EdgeFwRule {
    # Gives a rule of the firewall another name. Such a change is committed at once, and nothing else of it changes.
    param([Parameter(Mandatory = $true)]$Rule, [Parameter(Mandatory = $true)][string]$Name)

    $Rule.Name = [string]$Name
}

function Set-EdgeFwRule {
    # Enables or disables a rule of the firewall, at once.
    param([Parameter(Mandatory = $true)]$Rule, [Parameter(Mandatory = $true)][bool]$Enabled)

    $Rule.Enabled = [bool]$Enabled
}

function Set-EdgeFwText {
    # Gives a rule of the firewall another description, at once.
    param([Parameter(Mandatory = $true)]$Rule, [Parameter(Mandatory = $true)][string]$Text)

    $Rule.Description = [string]$Text
}

function Remove-EdgeFwRule {
    # Removes one rule of that name. Windows does not define which one, where there are several.
    param([Parameter(Mandatory = $true)][string]$Name)

    $policy = Get-FirewallPolicy
    $policy.Rules.Remove($Name)
}

function Get-EdgeFwState {
    # Returns the profiles, the rules of policies as the registry has them, and the addresses of the host. Settings of
    # policies take precedence over local ones.
    $policy = Get-FirewallPolicy
    $bits = [ordered]@{ domain = 1; private = 2; public = 4 }
    $profiles = @{}
    foreach ($name in $bits.Keys) {
        $bit = [int]$bits[$name]
        $enabled = @(Get-PolicyValue -ProfileName $name -Name EnableFirewall)
        $blocks = @(Get-PolicyValue -ProfileName $name -Name DoNotAllowExceptions)
        $merges = @(Get-PolicyValue -ProfileName $name -Name AllowLocalPolicyMerge)
        $ports = @(Get-PolicyValue -ProfileName $name -Name AllowUserPrefMerge -Below '\GloballyOpenPorts')
        $profiles[$name] = @{
            enabled = if ($enabled.Count -gt 0) { $enabled[0] -ne 0 } else { [bool]$policy.FirewallEnabled($bit) }
            # On wins in whichever store, [MS-FASP] 2.2.38.
            blocks_all_inbound = [bool]$policy.BlockAllInboundTraffic($bit) -or $blocks -contains 1
            ignores_local_rules = $merges -contains 0
            # Local rules for one port of TCP or UDP, without a program or service, count for nothing then.
            ignores_local_ports = $ports -contains 0
        }
    }
    $interfaces = [System.Net.NetworkInformation.NetworkInterface]::GetAllNetworkInterfaces()
    $unicast = @($interfaces | ForEach-Object { $_.GetIPProperties().UnicastAddresses })
    $texts = @(foreach ($root in $policyKeys) {
            $key = Get-Item -LiteralPath "$root\FirewallRules" -ErrorAction SilentlyContinue
            foreach ($name in @(if ($null -ne $key) { $key.GetValueNames() })) {
                $text = [string]$key.GetValue($name)
                # Other protocols decide about no row.
                if ($text -notlike '*|Protocol=*' -or $text -like '*|Protocol=6|*') {
                    $text
                }
            }
        })
    @{
        current_profiles = [int]$policy.CurrentProfileTypes
        profiles = $profiles
        addresses = @($unicast | ForEach-Object { $_.Address.ToString() })
        policy_rules = [int]$texts.Count
        policy_texts = $texts
        # 0: local rules take effect; 1: a policy overrides them; 2: all inbound connections are blocked.
        modify_state = [int]$policy.LocalPolicyModifyState
    }
}

function Get-EdgeListener {
    # Returns the programs and services that listen at some ports, null where Windows does not tell.
    param($Ports)

    try {
        $listening = @(Get-NetTCPConnection -State Listen -ErrorAction Stop)
        $found = @(foreach ($one in @($listening | Where-Object { $Ports -contains $_.LocalPort })) {
                $id = [int]$one.OwningProcess
                $services = @(Get-CimInstance -ClassName Win32_Service -Filter "ProcessId = $id" -ErrorAction Stop)
                @{
                    port = [int]$one.LocalPort
                    program = [string](Get-Process -Id $id -ErrorAction Stop).Path
                    services = @($services | ForEach-Object { [string]$_.Name })
                }
            })
    }
    catch {
        return $null
    }
    , $found
}

function Test-ServiceRule {
    # Returns whether Windows applies rules to a service: it does to those with a SID of their own (sc qsidtype).
    param([string]$Name)

    $key = Get-Item -LiteralPath "HKLM:\SYSTEM\CurrentControlSet\Services\$Name" -ErrorAction SilentlyContinue
    $null -ne $key -and [int]$key.GetValue('ServiceSidType') -ne 0
}

$exported = @(
    'New-EdgeFwRule', 'Get-EdgeFwRule', 'Add-EdgeFwRule', 'Set-EdgeFwRule', 'Rename-EdgeFwRule', 'Remove-EdgeFwRule',
    'Set-EdgeFwText', 'Get-EdgeFwState', 'Get-EdgeListener', 'Test-ServiceRule',
    'Get-FirewallPolicy'
)
Export-ModuleMember -Function $exported
