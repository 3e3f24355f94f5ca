# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# A change of managed rules: made without a gap, rolled back where a part of it fails, and rolled back by the host
# unless it is confirmed.

$firewallIsStopped = -2147023143  # 0x800706D9, no more endpoints available from the endpoint mapper
$accessIsDenied = -2147024891  # 0x80070005, E_ACCESSDENIED
$mostSeconds = 120  # That a change may take, before the host rolls it back in any case.
$longestWait = 60  # Seconds for another run to end.
$seeSchedule = ': see whether the service Schedule runs, or say confirm_timeout: 0'
$grace = 10  # Seconds that a rollback may be late before a run does it in its place.

function Get-EdgeFailure {
    # Returns the message of an error, on one line.
    param($Exception)

    $cause = $Exception.GetBaseException()
    switch ([int]$cause.HResult) {
        $firewallIsStopped { 'the Windows firewall does not answer: start its service mpssvc' }
        $accessIsDenied { 'the Windows firewall may not be read or changed: connect as an administrator' }
        default { $cause.Message -replace '\s+', ' ' }
    }
}

function Get-ManagedRule {
    Get-EdgeFwRule | Where-Object { Test-ManagedRule -Rule $_ }
}

function Get-DesiredRule {
    # Returns new objects of the desired rules: an object is that of the firewall itself once it was added.
    param($Module)

    @(foreach ($option in $Module.Params.rules) { Set-DesiredRule -Rule (New-EdgeFwRule) -Option $option })
}

function Get-Summary {
    # Returns what a rollback has to restore, apart from what no change touches.
    param($Managed)

    @($Managed | ForEach-Object { "$($_.Name)|$($_.Enabled)" } | Sort-Object) -join "`n"
}

function Restore-Former {
    # Rolls a change back, and returns what has failed, or is not as it was. Reads may lag behind it.
    param($Change, $Added, $Shared, $Before)

    $left = ''
    foreach ($attempt in @(1, 2, 3, 4)) {
        try {
            Restore-EdgeRule -Change $Change -Added $Added -Shared $Shared
            if ((Get-Summary -Managed @(Get-ManagedRule)) -ceq $Before) {
                return ''
            }
            $left = 'Windows lists other rules than before'
        }
        catch {
            $left = Get-EdgeFailure -Exception $_.Exception
        }
        Start-Sleep -Milliseconds (200 * $attempt)
    }
    $left
}

function Start-Wait {
    # Has the host roll the change back by itself. Without time to confirm it, nothing waits.
    param($Module, $Change, $Phase, $Seconds, $Added, $Shared)

    if ($Module.Params.rollback_after -gt 0) {
        try {
            Register-EdgeChange -Change $Change -Phase $Phase -Seconds $Seconds -Added $Added -Shared $Shared
        }
        catch {
            $why = Get-EdgeFailure -Exception $_.Exception
            if ($Phase -ceq 'making') {
                $Module.Result.changed = $false
            }
            throw "the rollback could not be prepared ($why)$seeSchedule"
        }
    }
}

function Stop-Wait {
    param($Module, $Change)

    if ($Module.Params.rollback_after -gt 0) {
        Remove-EdgeChange -Change $Change
    }
}

function Wait-Desired {
    # Waits until Windows lists the desired rules, which may be a moment after the change. Where it shows one otherwise
    # in what does not decide about packets, the rule's description says so, and the next run takes it for unchanged.
    param($Module, $Change)

    foreach ($attempt in @(1, 2, 3, 4)) {
        $managed = @(Get-ManagedRule | Where-Object { $_.Enabled -or -not (Test-PassingRule -Change $Change -Rule $_) })
        $left = Compare-EdgeRule -Managed $managed -Desired @(Get-DesiredRule -Module $Module)
        $names = @(@($left.add) + @($left.drop) | ForEach-Object { $_.Name } | Sort-Object -Unique)
        if ($names.Count -eq 0) {
            return
        }
        if ($attempt -eq 3) {
            foreach ($entry in @(Get-OtherReading -Managed $managed -Desired @($left.add))) {
                Set-EdgeFwText -Rule $entry.rule -Text $entry.text
                $shown = "$($entry.rule.Name) otherwise than it was given: $($entry.reading)"
                $Module.Warn("Windows shows the rule $shown")
            }
        }
        else {
            Start-Sleep -Milliseconds (200 * $attempt)
        }
    }
    throw "the host still differs after the change, in: $($names -join '; ')"
}

function Update-EdgeRule {
    # A rule that goes gets a name of its own first, and goes once all others are there: so no connection finds a gap,
    # whichever rules have the same name. Where the change is to be confirmed, such rules are disabled until then. What
    # fails before the first of them goes is rolled back.
    param($Module, $Add, $Drop, $Before)

    $change = [guid]::NewGuid().ToString('N')
    $added = @($Add | ForEach-Object { [string]$_.Name })
    $dropped = @($Drop | ForEach-Object { [string]$_.Name })
    $shared = @($dropped | Where-Object { $added -ccontains $_ })
    $seconds = [int]$Module.Params.rollback_after
    $waits = $seconds -gt 0
    $wait = @{ Module = $Module; Change = $change; Added = $added; Shared = $shared }
    Start-Wait @wait -Phase 'making' -Seconds ($seconds + $mostSeconds)
    $removed = 0
    try {
        $passing = @()
        foreach ($rule in $Drop) {
            $Module.Result.rule = [string]$rule.Name
            $name = Get-PassingName -Change $change -Rule $rule
            Rename-EdgeFwRule -Rule $rule -Name $name
            $passing += @{ rule = $rule; former = $Module.Result.rule; name = $name }
        }
        foreach ($rule in $Add) {
            $Module.Result.rule = [string]$rule.Name
            Add-EdgeFwRule -Rule $rule
        }
        foreach ($entry in $passing) {
            $Module.Result.rule = $entry.former
            if ($waits) {
                Set-EdgeFwRule -Rule $entry.rule -Enabled $false
            }
            else {
                Remove-EdgeFwRule -Name $entry.name
                $removed += 1
            }
        }
        $null = $Module.Result.Remove('rule')
        Wait-Desired -Module $Module -Change $change
        Start-Wait @wait -Phase 'made' -Seconds $seconds
    }
    catch {
        $first = Get-EdgeFailure -Exception $_.Exception
        if ($removed -gt 0) {
            throw "$first; the rules that were to go are partly there still, and the next run removes them"
        }
        $left = Restore-Former -Change $change -Added $added -Shared $shared -Before $Before
        if ($left -ne '') {
            $who = if ($waits) { 'the host tries again by itself' } else { 'the next run repairs what is left' }
            throw "$first; undoing the change has failed too ($left), and $who"
        }
        Stop-Wait -Module $Module -Change $change
        $Module.Result.changed = $false
        $Module.Result.rolled_back = $true
        throw $first
    }
    if ($waits) {
        $Module.Result.pending = $change
    }
}

function Resolve-EdgeChange {
    # Waits for a change of another run that may yet be confirmed, and rolls back one that a dead run has left.
    param($Module)

    try {
        $earlier = @(Get-EdgeChange)
    }
    catch {
        $why = "it cannot be seen whether a change of another run waits ($($_.Exception.GetBaseException().Message))"
        if ($Module.CheckMode -or $Module.Params.rollback_after -eq 0) {
            $Module.Warn($why)
            return
        }
        throw "$why$seeSchedule"
    }
    if ($Module.CheckMode) {
        if ($earlier.Count -gt 0) {
            $Module.Warn('a change of another run waits for its confirmation, and may yet be rolled back')
        }
        return
    }
    $patience = [System.DateTime]::UtcNow.AddSeconds($longestWait)
    while ($earlier.Count -gt 0) {
        $left = $earlier[0].left
        # This run has the lock, so that the run of a change that is not made yet is dead.
        if ($earlier[0].phase -cne 'made' -or $left -lt (-$grace)) {
            Invoke-EdgeRollback -Change $earlier[0].change
            $Module.Warn('a change that an interrupted run left was rolled back first')
        }
        elseif ([System.DateTime]::UtcNow.AddSeconds($left) -gt $patience) {
            $more = [math]::Ceiling($left)
            throw "a change of another run waits up to $more more seconds for its confirmation; run again after that"
        }
        else {
            Exit-EdgeLock
            Start-Sleep -Milliseconds 500
            Enter-EdgeLock -Seconds $longestWait
        }
        $earlier = @(Get-EdgeChange)
    }
}

function Complete-EdgeChange {
    # Commits a change or rolls it back. One that is over has been committed if the host has just the desired rules:
    # names alone do not tell, since a rule that was repaired has the name that it had.
    param($Module, $End)

    $earlier = @(Get-EdgeChange | Where-Object { $_.change -ceq $End.change })
    if ($earlier.Count -gt 0 -and $End.how -eq 'roll_back') {
        Invoke-EdgeRollback -Change $End.change
    }
    elseif ($earlier.Count -gt 0) {
        # From here on nothing rolls it back.
        Remove-EdgeChange -Change $End.change
        $Module.Result.committed = $true
        try {
            foreach ($rule in @(Get-ManagedRule | Where-Object { Test-PassingRule -Change $End.change -Rule $_ })) {
                Remove-EdgeFwRule -Name $rule.Name
            }
        }
        catch {
            $why = Get-EdgeFailure -Exception $_.Exception
            $Module.Warn("disabled rules from before the change are left ($why); the next run removes them")
        }
        return
    }
    $plan = Compare-EdgeRule -Managed @(Get-ManagedRule) -Desired @(Get-DesiredRule -Module $Module)
    $Module.Result.committed = @($plan.add).Count -eq 0 -and @($plan.drop).Count -eq 0
}

$exported = @(
    'Get-EdgeFailure', 'Get-DesiredRule', 'Get-Summary', 'Update-EdgeRule', 'Resolve-EdgeChange', 'Complete-EdgeChange'
)
Export-ModuleMember -Function $exported
