# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What is ours in the Windows firewall, how it is compared, and how it reads. Works on rule objects of whatever make,
# and touches no firewall.

$group = 'XMPP Edge (xmpp.edge)'
$prefix = 'xmpp.edge/'
$actions = @('block', 'allow')
$directions = @('none', 'in', 'out')
$tcp = 6
$anyProtocol = 256

function Test-OwnedRule {
    # Ours has our group and our kind of name. What has only one of the two is somebody else's.
    param($Rule)

    $Rule.Name -clike "$prefix*" -and $Rule.Grouping -ceq $group
}

function Test-ConcerningRule {
    # Whether a rule of somebody else may decide about our ports: it blocks, or it allows one of them or whatever port.
    param($Rule, $Ports)

    $parts = @(([string]$Rule.LocalPorts).Split(','))
    $named = @($parts | Where-Object { $_ -eq '' -or $_ -eq '*' -or $_.Contains('-') -or $Ports -contains $_ })
    [bool]$Rule.Enabled -and
    @($tcp, $anyProtocol) -contains [int]$Rule.Protocol -and
    ([int]$Rule.Action -eq 0 -or [int]$Rule.Protocol -eq $anyProtocol -or $named.Count -gt 0) -and
    -not (Test-OwnedRule -Rule $Rule)
}

function Get-RuleFact {
    # All that matters of a rule. Seven is every profile, and so is the number that the API calls all of them.
    param($Rule)

    $authorized = @($Rule.LocalUserAuthorizedList, $Rule.RemoteUserAuthorizedList, $Rule.RemoteMachineAuthorizedList)
    @{
        name = [string]$Rule.Name
        description = [string]$Rule.Description
        enabled = [bool]$Rule.Enabled
        action = $actions[[int]$Rule.Action]
        direction = $directions[[int]$Rule.Direction]
        protocol = [int]$Rule.Protocol
        local_addresses = [string]$Rule.LocalAddresses
        remote_addresses = [string]$Rule.RemoteAddresses
        local_ports = [string]$Rule.LocalPorts
        remote_ports = [string]$Rule.RemotePorts
        profiles = [int]$Rule.Profiles -band 7
        application = [string]$Rule.ApplicationName
        service = [string]$Rule.ServiceName
        interface_types = [string]$Rule.InterfaceTypes
        interfaces = [string]$Rule.Interfaces -ne ''
        package = [string]$Rule.LocalAppPackageId
        owner = [string]$Rule.LocalUserOwner
        authorized = $authorized -join ''
        secure = [int]$Rule.SecureFlags
        edge_traversal = [bool]$Rule.EdgeTraversal
    }
}

function ConvertTo-RuleLine {
    param($Rule)

    $fact = Get-RuleFact -Rule $Rule
    $here = "local $($fact.local_addresses) port $($fact.local_ports)"
    $there = "remote $($fact.remote_addresses) port $($fact.remote_ports)"
    $state = if ($fact.enabled) { 'enabled' } else { 'disabled' }
    "$($fact.name): $($fact.action) $($fact.direction) tcp $here $there profiles $($fact.profiles) $state`n"
}

function ConvertTo-Canonical {
    # One text for lists that differ in order only, or in how Windows shows a single host.
    param([string]$Text)

    $parts = foreach ($part in $Text.ToLowerInvariant().Split(',')) {
        $part = $part -replace '^([^-/]+)-\1$', '$1'
        $part = $part -replace '^([0-9.]+)/(32|255\.255\.255\.255)$', '$1'
        $part -replace '^([0-9a-f:.]+)/128$', '$1'
    }
    @($parts | Sort-Object -Unique) -join ','
}

function Test-SameRule {
    param($Found, $Wanted)

    $here = Get-RuleFact -Rule $Found
    $there = Get-RuleFact -Rule $Wanted
    foreach ($key in @($there.Keys)) {
        if ((ConvertTo-Canonical -Text $here[$key]) -cne (ConvertTo-Canonical -Text $there[$key])) {
            return $false
        }
    }
    $true
}

function Set-WantedRule {
    # Makes a new rule one of ours. Windows would take an empty list of addresses for any address.
    param($Rule, $Option)

    foreach ($side in @('local_addresses', 'remote_addresses', 'local_ports', 'remote_ports')) {
        $texts = @($Option[$side] | ForEach-Object { ([string]$_).Trim() })
        if ($texts.Count -eq 0 -or $texts -contains '') {
            throw "rules.$($side): is empty in '$($Option.name)'; say * for any"
        }
    }
    if ($Option.name -cnotlike "$prefix*") {
        throw "rules.name: '$($Option.name)' is not a name of ours; begin it with $prefix"
    }
    $Rule.Name = [string]$Option.name
    $Rule.Description = 'Managed by the Ansible collection xmpp.edge: the next run overwrites local changes.'
    $Rule.Grouping = $group
    $Rule.Protocol = [int]$tcp  # Ports are refused before it.
    $Rule.LocalPorts = [string]$Option.local_ports
    $Rule.RemotePorts = [string]$Option.remote_ports
    $Rule.LocalAddresses = @($Option.local_addresses) -join ','
    $Rule.RemoteAddresses = @($Option.remote_addresses) -join ','
    $Rule.Direction = [int][array]::IndexOf($directions, ([string]$Option.direction).ToLowerInvariant())
    $Rule.Action = [int][array]::IndexOf($actions, ([string]$Option.action).ToLowerInvariant())
    $Rule.Profiles = [int]0x7FFFFFFF
    $Rule.Enabled = $true
    $Rule
}

function Test-RuleName {
    # The firewall finds rules by name: no two of ours, and none of somebody else's, may have the same.
    param($All, $Owned, $Wanted)

    $names = @($Wanted | ForEach-Object { $_.Name })
    if (@($names | Sort-Object -Unique).Count -ne $names.Count) {
        throw 'rules.name: two rules have the same; give each its own'
    }
    $names += @($Owned | ForEach-Object { $_.Name })
    $taken = @($All | Where-Object { $names -ccontains $_.Name -and -not (Test-OwnedRule -Rule $_) })
    if ($taken.Count -gt 0) {
        $name = [string]$taken[0].Name
        throw "somebody else's firewall rule has the name '$name', by which ours would be removed: rename it"
    }
}

function Compare-EdgeRule {
    # What of ours is just as wanted, and what has to go. Of several with one name all go: which is which nobody knows.
    param($Owned, $Wanted)

    $kept = @(foreach ($rule in $Wanted) {
            $found = @($Owned | Where-Object { $_.Name -ceq $rule.Name })
            if ($found.Count -eq 1 -and (Test-SameRule -Found $found[0] -Wanted $rule)) {
                $rule.Name
            }
        })
    @{
        kept = $kept
        add = @($Wanted | Where-Object { $kept -cnotcontains $_.Name })
        drop = @($Owned | Where-Object { $kept -cnotcontains $_.Name } | ForEach-Object { $_.Name })
    }
}

$exported = @(
    'Test-OwnedRule', 'Test-ConcerningRule', 'Test-RuleName', 'Get-RuleFact', 'ConvertTo-RuleLine', 'Set-WantedRule',
    'Compare-EdgeRule'
)
Export-ModuleMember -Function $exported
