# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Replacement for the adapter to the Windows firewall: the same functions, on a JSON file with the path in the variable
# XMPP_EDGE_FAKE_FIREWALL. Returns addresses in the forms that Windows is documented to show.

$actions = @('block', 'allow')
$directions = @('none', 'in', 'out')

function Read-Store {
    Get-Content -LiteralPath $env:XMPP_EDGE_FAKE_FIREWALL -Raw | ConvertFrom-Json
}

function Write-Store {
    param($Store)

    ConvertTo-Json -InputObject $Store -Depth 10 | Set-Content -LiteralPath $env:XMPP_EDGE_FAKE_FIREWALL
}

function ConvertTo-Shown {
    # Reverses the addresses, because Windows may reorder them. Windows may also show a single IPv6 host as a range.
    param([string]$Text)

    $parts = @($Text.Split(','))
    [array]::Reverse($parts)
    $shown = foreach ($part in $parts) {
        if ($part -match ':' -and $part -notmatch '[-/]') { "$part-$part" } else { $part }
    }
    @($shown) -join ','
}

function New-EdgeFwRule {
    [PSCustomObject]@{
        Name = ''; Description = ''; Grouping = ''; Enabled = $false; Direction = 1; Action = 1; Protocol = 256
        LocalAddresses = '*'; RemoteAddresses = '*'; LocalPorts = '*'; RemotePorts = '*'; Profiles = 0x7FFFFFFF
        ApplicationName = $null; ServiceName = $null; InterfaceTypes = 'All'; Interfaces = $null; EdgeTraversal = $false
        LocalAppPackageId = $null; LocalUserOwner = $null; LocalUserAuthorizedList = $null
        RemoteUserAuthorizedList = $null; RemoteMachineAuthorizedList = $null; SecureFlags = 0
    }
}

function Get-EdgeFwRule {
    $store = Read-Store
    foreach ($entry in $store.rules) {
        [PSCustomObject]@{
            Name = $entry.name; Description = $entry.description; Grouping = $entry.group; Enabled = $entry.enabled
            Direction = [array]::IndexOf($directions, $entry.direction)
            Action = [array]::IndexOf($actions, $entry.action)
            Protocol = $entry.protocol; Profiles = $entry.profiles
            LocalAddresses = $entry.local_addresses; RemoteAddresses = $entry.remote_addresses
            LocalPorts = $entry.local_ports; RemotePorts = $entry.remote_ports
            ApplicationName = $entry.application; ServiceName = $entry.service
            InterfaceTypes = $entry.interface_types
            Interfaces = if ($entry.interfaces) { @('Ethernet') } else { $null }
            EdgeTraversal = $entry.edge_traversal
            LocalAppPackageId = $entry.package; LocalUserOwner = $entry.owner
            LocalUserAuthorizedList = $entry.authorized; RemoteUserAuthorizedList = $null
            RemoteMachineAuthorizedList = $null; SecureFlags = $entry.secure
        }
    }
}

function Add-EdgeFwRule {
    param([Parameter(Mandatory = $true)]$Rule)

    $store = Read-Store
    $refuses = $store.PSObject.Properties['refuses']
    if ($null -ne $refuses -and $Rule.Name.Contains($refuses.Value)) {
        throw 'the parameter is incorrect'
    }
    $entry = [ordered]@{
        name = $Rule.Name
        description = $Rule.Description
        group = $Rule.Grouping
        enabled = $Rule.Enabled
        action = $actions[$Rule.Action]
        direction = $directions[$Rule.Direction]
        protocol = $Rule.Protocol
        local_addresses = ConvertTo-Shown -Text $Rule.LocalAddresses
        remote_addresses = ConvertTo-Shown -Text $Rule.RemoteAddresses
        local_ports = $Rule.LocalPorts
        remote_ports = $Rule.RemotePorts
        profiles = 7
        application = ''
        service = ''
        interface_types = $Rule.InterfaceTypes
        interfaces = $false
        edge_traversal = $false
        package = ''
        owner = ''
        authorized = ''
        secure = 0
    }
    $store.rules = @($store.rules) + [PSCustomObject]$entry
    Write-Store -Store $store
}

function Remove-EdgeFwRule {
    param([Parameter(Mandatory = $true)][string]$Name)

    $store = Read-Store
    $left = @()
    $gone = $false
    foreach ($entry in $store.rules) {
        if ($gone -or $entry.name -cne $Name) {
            $left += $entry
        }
        else {
            $gone = $true
        }
    }
    $store.rules = $left
    Write-Store -Store $store
}

function Get-EdgeFwState {
    $store = Read-Store
    $store.calls = $store.calls + 1
    Write-Store -Store $store
    if ($null -ne $store.PSObject.Properties['error']) {
        throw $store.error
    }
    $profiles = @{}
    foreach ($name in @('domain', 'private', 'public')) {
        $profiles[$name] = @{
            enabled = $store.state.profiles.$name.enabled
            blocks_all_inbound = $store.state.profiles.$name.blocks_all_inbound
            ignores_local_rules = $store.state.profiles.$name.ignores_local_rules
        }
    }
    @{
        current_profiles = [int]$store.state.current_profiles
        profiles = $profiles
        addresses = @($store.state.addresses)
        policy_rules = [int]$store.state.policy_rules
    }
}

$exported = @('New-EdgeFwRule', 'Get-EdgeFwRule', 'Add-EdgeFwRule', 'Remove-EdgeFwRule', 'Get-EdgeFwState')
Export-ModuleMember -Function $exported
