# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Managed rules of the Windows firewall: their ownership tag, their comparison, and their diff text. Works on rule
# objects of any type, and does not access the firewall.

$group = 'XMPP Edge (xmpp.edge)'
$prefix = 'xmpp.edge/'
$actions = @('block', 'allow')
$directions = @('none', 'in', 'out')
$tcp = 6
$anyProtocol = 256
$description = 'Managed by the Ansible collection xmpp.edge: the next run overwrites local changes.'
$shownAs = ' Windows shows it with: '
# Properties that Windows may set by itself, and that decide about packets of app packages only, which no managed rule
# is for. No document says what an added rule has in them.
$harmless = @('owner')

function Test-ManagedRule {
    # A managed rule has both parts of the ownership tag: the group and the prefix of the name.
    param($Rule)

    $Rule.Name -clike "$prefix*" -and $Rule.Grouping -ceq $group
}

function Test-RelevantRule {
    # Returns whether an unmanaged rule may decide about these ports: it blocks, or it allows one of them or any port.
    param($Rule, $Ports)

    if ((Get-Unreadable -Rule $Rule) -ne '') {
        return -not (Test-ManagedRule -Rule $Rule)
    }
    $parts = @(([string]$Rule.LocalPorts).Split(','))
    $named = @($parts | Where-Object { $_ -eq '' -or $_ -eq '*' -or $_.Contains('-') -or $Ports -contains $_ })
    [bool]$Rule.Enabled -and
    @($tcp, $anyProtocol) -contains [int]$Rule.Protocol -and
    ([int]$Rule.Action -eq 0 -or [int]$Rule.Protocol -eq $anyProtocol -or $named.Count -gt 0) -and
    -not (Test-ManagedRule -Rule $Rule)
}

function Get-LookAlike {
    # Returns the names of rules that have one part of the ownership tag only, and so are nobody's of ours.
    param($All)

    foreach ($rule in $All) {
        if (($rule.Name -clike "$prefix*" -or $rule.Grouping -ceq $group) -and -not (Test-ManagedRule -Rule $rule)) {
            [string]$rule.Name
        }
    }
}

function Get-Unreadable {
    # Returns the properties of a rule that cannot be read: PowerShell has null for them, and Windows never has.
    param($Rule)

    $facts = [ordered]@{
        Action = $Rule.Action; Direction = $Rule.Direction; Enabled = $Rule.Enabled; Protocol = $Rule.Protocol
        Profiles = $Rule.Profiles; LocalAddresses = $Rule.LocalAddresses; RemoteAddresses = $Rule.RemoteAddresses
    }
    @($facts.Keys | Where-Object { $null -eq $facts[$_] }) -join ', '
}

function Get-RuleFact {
    # Returns all properties of a rule that are compared. Seven is every profile, and so is 0x7FFFFFFF.
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
        edge_traversal = [bool]$Rule.EdgeTraversal -or [int]$Rule.EdgeTraversalOptions -ne 0
        unreadable = Get-Unreadable -Rule $Rule
    }
}

function ConvertTo-RuleLine {
    param($Rule)

    $fact = Get-RuleFact -Rule $Rule
    $localSide = "local $($fact.local_addresses) port $($fact.local_ports)"
    $remoteSide = "remote $($fact.remote_addresses) port $($fact.remote_ports)"
    $state = if ($fact.enabled) { 'enabled' } else { 'disabled' }
    "$($fact.name): $($fact.action) $($fact.direction) tcp $localSide $remoteSide profiles $($fact.profiles) $state`n"
}

function ConvertTo-Number {
    # Returns an address as a number, null for other text.
    param([string]$Text)

    if ($Text -notmatch '^([0-9]{1,3}\.){3}[0-9]{1,3}$' -and $Text -notmatch '^[0-9a-fA-F]*:[0-9a-fA-F:.]*$') {
        return $null
    }
    try {
        $bytes = [System.Net.IPAddress]::Parse($Text).GetAddressBytes()
    }
    catch {
        return $null
    }
    [array]::Reverse($bytes)
    # A zero behind the highest byte, or the number might be a negative one.
    [System.Numerics.BigInteger]::new([byte[]]($bytes + [byte]0))
}

function ConvertTo-Span {
    # Returns the family, the first and the last number of an address, a network or a range; null for other text.
    param([string]$Text)

    $bits = if ($Text.Contains(':')) { 128 } else { 32 }
    $ends = @($Text.Split('-'))
    $parts = @($Text.Split('/'))
    $first = ConvertTo-Number -Text @($ends[0], $parts[0])[[int]($parts.Count -eq 2)]
    if ($null -eq $first -or $ends.Count -gt 2 -or $parts.Count -gt 2 -or ($ends.Count -eq 2 -and $parts.Count -eq 2)) {
        return $null
    }
    $last = $first
    if ($ends.Count -eq 2) {
        $last = ConvertTo-Number -Text $ends[1]
    }
    if ($parts.Count -eq 2) {
        $all = [System.Numerics.BigInteger]::Pow(2, $bits)
        $size = [System.Numerics.BigInteger]::Zero
        if ($parts[1] -match '^[0-9]{1,3}$' -and [int]$parts[1] -le $bits) {
            $size = [System.Numerics.BigInteger]::Pow(2, $bits - [int]$parts[1])
        }
        elseif ($bits -eq 32 -and $null -ne (ConvertTo-Number -Text $parts[1])) {
            $size = $all - (ConvertTo-Number -Text $parts[1])
        }
        # A mask has all its ones first, so that the size is a power of two.
        if ($size.IsZero -or -not $size.IsPowerOfTwo) {
            return $null
        }
        $first = $first - $first % $size
        $last = $first + $size - 1
    }
    if ($null -eq $last -or $last -lt $first) {
        return $null
    }
    @{ family = $bits; first = $first; last = $last }
}

function ConvertTo-Interval {
    # Returns the same text for lists with the same addresses, whatever their forms; null where one is none.
    param([string]$Text)

    $spans = @()
    foreach ($token in $Text.Split(',')) {
        $span = ConvertTo-Span -Text $token.Trim()
        # A keyword of Windows is more than any addresses that stand beside it.
        if ($null -eq $span) {
            return $null
        }
        $spans += $span
    }
    $merged = @()
    foreach ($span in @($spans | Sort-Object { $_.family }, { $_.first })) {
        $before = if (@($merged).Count -gt 0) { $merged[-1] } else { $null }
        if ($null -ne $before -and $before.family -eq $span.family -and $span.first -le $before.last + 1) {
            if ($span.last -gt $before.last) {
                $before.last = $span.last
            }
        }
        else {
            $merged += $span
        }
    }
    @($merged | ForEach-Object { "$($_.family):$($_.first)-$($_.last)" }) -join ','
}

function ConvertTo-SortedText {
    param([string]$Text)

    $parts = $Text.ToLowerInvariant().Split(',')
    [array]::Sort($parts, [System.StringComparer]::Ordinal)
    $parts -join ','
}

function ConvertTo-PortText {
    # Returns the same text for the same ports: their order counts for nothing, and neither do the names of any port.
    param([string]$Text)

    $parts = @($Text.Split(',') | ForEach-Object { $_.Trim() -replace '^([0-9]+)-\1$', '$1' } | Sort-Object -Unique)
    if ($parts -contains '' -or $parts -contains '*') {
        return '*'
    }
    $parts -join ','
}

function Test-SameText {
    # Returns whether two facts mean the same. Windows changes the order of addresses, and how it shows them.
    param([string]$Key, [string]$Text, [string]$Other)

    if ($Text -ceq $Other) {
        return $true
    }
    if (@('application', 'service') -contains $Key) {
        # Windows may show the path that a variable stands for.
        $shown = @(@($Text, $Other) | ForEach-Object { [System.Environment]::ExpandEnvironmentVariables($_) })
        return $shown[0] -eq $shown[1]
    }
    if ($Key -eq 'interface_types') {
        return @('', 'All') -contains $Text -and @('', 'All') -contains $Other
    }
    if ($Key -like '*_ports') {
        return (ConvertTo-PortText -Text $Text) -ceq (ConvertTo-PortText -Text $Other)
    }
    if ($Key -notlike '*_addresses') {
        return $false
    }
    # A list may have a thousand addresses, and mostly they differ in nothing but their order.
    if ((ConvertTo-SortedText -Text $Text) -ceq (ConvertTo-SortedText -Text $Other)) {
        return $true
    }
    $interval = ConvertTo-Interval -Text $Text
    $null -ne $interval -and $interval -ceq (ConvertTo-Interval -Text $Other)
}

function Get-Difference {
    # Returns the keys in which two rules differ.
    param($Current, $Desired)

    $facts = Get-RuleFact -Rule $Current
    $desiredFacts = Get-RuleFact -Rule $Desired
    foreach ($key in @($desiredFacts.Keys | Sort-Object)) {
        if (-not (Test-SameText -Key $key -Text $facts[$key] -Other $desiredFacts[$key])) {
            $key
        }
    }
}

function Get-Reading {
    # Returns what Windows shows otherwise than it was given, empty for nothing; null where that decides about packets.
    param($Current, $Desired)

    $facts = Get-RuleFact -Rule $Current
    $other = @(Get-Difference -Current $Current -Desired $Desired | Where-Object { $_ -ne 'description' })
    if (@($other | Where-Object { $harmless -cnotcontains $_ }).Count -gt 0) {
        return $null
    }
    # No description may have the separator of the registry.
    @($other | ForEach-Object { "$_ '$($facts[$_])'".Replace('|', '/') }) -join ', '
}

function Get-OtherReading {
    # Returns the rules that Windows shows otherwise than they were given, what that is, and a description that says it.
    param($Managed, $Desired)

    foreach ($rule in $Desired) {
        $found = @($Managed | Where-Object { $_.Name -ceq $rule.Name })
        $reading = if ($found.Count -eq 1) { Get-Reading -Current $found[0] -Desired $rule } else { '' }
        if ($reading) {
            @{ rule = $found[0]; reading = $reading; text = "$description$shownAs$reading" }
        }
    }
}

function Test-SameRule {
    param($Current, $Desired)

    if (@(Get-Difference -Current $Current -Desired $Desired).Count -eq 0) {
        return $true
    }
    $reading = Get-Reading -Current $Current -Desired $Desired
    [bool]$reading -and [string]$Current.Description -ceq "$description$shownAs$reading"
}

function Set-DesiredRule {
    # Fills in a new managed rule. Refuses what Windows would take for something else, such as an empty list for any.
    param($Rule, $Option)

    $name = [string]$Option.name
    if ($name -cnotlike "$($prefix)?*" -or $name -notmatch '^[^|\p{Cc}]{1,255}\z') {
        throw "rules.name: '$name' is not the name of a managed rule; begin it with $prefix, without | and line breaks"
    }
    foreach ($side in @('local_addresses', 'remote_addresses')) {
        $texts = @($Option[$side] | ForEach-Object { ([string]$_).Trim() })
        if ($texts.Count -eq 0) {
            throw "rules.$($side): is empty in '$name'; say * for any"
        }
        foreach ($text in $texts) {
            # Windows knows this keyword on the remote side.
            $isSubnet = $text -ceq 'LocalSubnet' -and $side -eq 'remote_addresses' -and $Option.action -eq 'allow'
            $isAlone = $texts.Count -eq 1 -and ($text -eq '*' -or $isSubnet)
            if (-not $isAlone -and $null -eq (ConvertTo-Span -Text $text)) {
                throw "rules.$($side): '$text' of '$name' is no address, network or range; say * alone for any"
            }
        }
    }
    foreach ($side in @('local_ports', 'remote_ports')) {
        $port = [string]$Option[$side]
        if ($port -ne '*' -and ($port -notmatch '^[0-9]{1,5}$' -or [int]$port -lt 1 -or [int]$port -gt 65535)) {
            throw "rules.$($side): '$port' of '$name' is no port; give a number from 1 to 65535, or * for any"
        }
    }
    $program, $service = [string]$Option.program, [string]$Option.service
    if ($program -ne '' -and $program -notmatch '^([a-zA-Z]:|%[\w()]+%)(\\[^\\/:*?"<>|%\p{Cc}]+)+\z') {
        throw "rules.program: '$program' of '$name' is not the path of a program"
    }
    if ($service -ne '' -and $service -notmatch '^[\w.$-][\w.$ -]{0,255}\z') {
        throw "rules.service: '$service' of '$name' is not the short name of one service"
    }
    $Rule.Name = [string]$Option.name
    $Rule.Description = $description
    $Rule.Grouping = $group
    $Rule.Protocol = [int]$tcp  # Windows refuses ports before the protocol.
    $Rule.LocalPorts = [string]$Option.local_ports
    $Rule.RemotePorts = [string]$Option.remote_ports
    $Rule.LocalAddresses = @($Option.local_addresses | ForEach-Object { ([string]$_).Trim() }) -join ','
    $Rule.RemoteAddresses = @($Option.remote_addresses | ForEach-Object { ([string]$_).Trim() }) -join ','
    $Rule.Direction = [int][array]::IndexOf($directions, ([string]$Option.direction).ToLowerInvariant())
    $Rule.Action = [int][array]::IndexOf($actions, ([string]$Option.action).ToLowerInvariant())
    $bits = @{ domain = 1; private = 2; public = 4 }
    $named = @($Option.profiles | Where-Object { $_ } | ForEach-Object { $bits[([string]$_).ToLowerInvariant()] })
    $sum = 0
    foreach ($bit in @($named | Sort-Object -Unique)) {
        $sum += $bit
    }
    $Rule.Profiles = [int]$(if (@(0, 7) -contains $sum) { 0x7FFFFFFF } else { $sum })
    # The binder of COM cannot put null or nothing here, and "*" would be all services and no other program.
    if ($Option.program) {
        $Rule.ApplicationName = [string]$Option.program
    }
    if ($Option.service) {
        $Rule.ServiceName = [string]$Option.service
    }
    $Rule.Enabled = $true
    $Rule
}

function Test-RuleName {
    param($Desired)

    $names = @($Desired | ForEach-Object { $_.Name })
    if (@($names | Sort-Object -Unique).Count -ne $names.Count) {
        throw 'rules.name: two rules have the same; give each its own'
    }
}

function Get-PassingName {
    # Returns the name of a rule that is about to go: it says of which change, whether the rule was enabled, and the
    # former name. It is that of a managed rule, so that the next run removes what a run that was killed has left.
    param([string]$Change, $Rule)

    "$($prefix)replaced/$Change/$([int][bool]$Rule.Enabled)/$($Rule.Name)"
}

function Test-PassingRule {
    # Returns whether a rule is about to go with this change.
    param([string]$Change, $Rule)

    $Rule.Name -clike "$($prefix)replaced/$Change/*"
}

function Compare-EdgeRule {
    # Returns names of unchanged rules, rules to add, and rules to drop. Drops all rules of a name that several rules
    # have, because nothing tells which of them is in force.
    param($Managed, $Desired)

    $unchanged = @(foreach ($rule in $Desired) {
            $found = @($Managed | Where-Object { $_.Name -ceq $rule.Name })
            if ($found.Count -eq 1 -and (Test-SameRule -Current $found[0] -Desired $rule)) {
                $rule.Name
            }
        })
    @{
        unchanged = $unchanged
        add = @($Desired | Where-Object { $unchanged -cnotcontains $_.Name })
        drop = @($Managed | Where-Object { $unchanged -cnotcontains $_.Name })
    }
}

function Test-OwnAddress {
    # Refuses a list of addresses of which the host has none. Addresses that no network reaches do not count.
    param($Named, $Carried)

    $unreached = '^(127\.|::1$|fe80:|169\.254\.)'
    $reached = @($Carried | ForEach-Object { $_.Split('%')[0] } | Where-Object { $_ -notmatch $unreached })
    if ($reached.Count -eq 0) {
        return
    }
    foreach ($option in @($Named.Keys | Sort-Object)) {
        $list = @($Named[$option] | Where-Object { $null -ne $_ })
        $found = @($list | Where-Object { $reached -contains [System.Net.IPAddress]::Parse($_).ToString() })
        if ($list.Count -gt 0 -and $found.Count -eq 0) {
            $shown = @($reached | Select-Object -First 8) -join ', '
            throw "$($option): '$($list -join ', ')' not on this host, which carries $shown; is this its inventory? " +
            '(allow_absent_addresses: true insists on addresses that come later)'
        }
    }
}

$exported = @(
    'Test-ManagedRule', 'Test-RelevantRule', 'Test-RuleName', 'Get-RuleFact', 'ConvertTo-RuleLine', 'Set-DesiredRule',
    'Compare-EdgeRule', 'Test-OwnAddress', 'Get-LookAlike', 'Get-PassingName', 'Test-PassingRule', 'Get-OtherReading'
)
Export-ModuleMember -Function $exported
