# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# A change that waits for its confirmation. Rules that go stay in the firewall, disabled and under another name, until
# the change is confirmed. Otherwise a task of SYSTEM enables them again, after some time or at the next boot, and
# removes those that were added. Source: Task Scheduler 2.0 (ITaskService, ITaskFolder, ITaskDefinition).

$mutexName = 'Global\xmpp.edge'
$prefix = 'xmpp.edge rollback '
$group = 'XMPP Edge (xmpp.edge)'  # As in _EdgeRules, which a task does not have.
$held = @{ mutex = $null }

function Enter-EdgeLock {
    # Waits until no other run, and no rollback, changes managed rules. The owner's death sets the mutex free.
    param([int]$Seconds)

    $mutex = New-Object -TypeName System.Threading.Mutex -ArgumentList $false, $mutexName
    $entered = $false
    try {
        $entered = $mutex.WaitOne([int]($Seconds * 1000))
    }
    catch [System.Threading.AbandonedMutexException] {
        $entered = $true
    }
    if (-not $entered) {
        throw "another run changes this host, and has not ended within $Seconds seconds; run again after it"
    }
    $held.mutex = $mutex
}

function Exit-EdgeLock {
    if ($null -ne $held.mutex) {
        $held.mutex.ReleaseMutex()
        $held.mutex = $null
    }
}

function Get-EdgeScheduler {
    $service = New-Object -ComObject Schedule.Service -ErrorAction Stop
    $service.Connect()
    $service
}

function Get-EdgeTaskFolder {
    (Get-EdgeScheduler).GetFolder('\')
}

function Get-EdgeGroupRule {
    Get-EdgeFwRule | Where-Object { $_.Grouping -ceq $group }
}

function Test-SystemTask {
    param($Task)

    $account = [string]$Task.Definition.Principal.UserId
    if (@('S-1-5-18', 'SYSTEM', 'NT AUTHORITY\SYSTEM') -contains $account) {
        return $true
    }
    try {
        # Windows shows the account's name in its own language.
        $named = New-Object -TypeName System.Security.Principal.NTAccount -ArgumentList $account
        $named.Translate([System.Security.Principal.SecurityIdentifier]).Value -ceq 'S-1-5-18'
    }
    catch {
        $false
    }
}

function Get-EdgeChange {
    # Returns the changes that are not over: their ids, whether they are made yet, the seconds that are left to confirm
    # them, the names of the rules that they add, and those of them that rules which go have had too, each as often. The
    # task's data are "making" or "made", the time of the rollback and these names, between "|", which no name may have.
    $tasks = Get-EdgeTaskFolder
    foreach ($task in $tasks.GetTasks(1)) {
        # Others can make tasks of this name, but none of SYSTEM.
        if ($task.Name -cmatch "^$prefix[0-9a-f]{32}\z" -and (Test-SystemTask -Task $task)) {
            $change = $task.Name.Substring($prefix.Length)
            $head, $shared = [string]$task.Definition.Data -split '\|\|', 2
            $phase, $until, $added = $head.Split('|')
            $end = [System.DateTime]::Parse($until, [System.Globalization.CultureInfo]::InvariantCulture)
            @{
                change = $change
                phase = $phase
                left = ($end.ToUniversalTime() - [System.DateTime]::UtcNow).TotalSeconds
                added = @($added | Where-Object { $_ })
                shared = @($shared.Split('|') | Where-Object { $_ })
            }
        }
    }
}

function Restore-EdgeRule {
    # Has the rules as they were before a change, also one that was not made to its end. It may be called again. Rules
    # that went are enabled before any that was added goes, so that no connection finds a gap.
    param([string]$Change, $Added, $Shared)

    $replaced = "xmpp.edge/replaced/$Change/"
    $leaving = "xmpp.edge/replaced/leaving-$Change"
    $managed = @(Get-EdgeGroupRule)
    $back = @($managed | Where-Object { $_.Name -clike "$replaced*" })
    # A name that rules of both kinds have is that of an added one only while all of the others have passing names.
    $former = @($back | ForEach-Object { $_.Name.Substring($replaced.Length + 2) })
    $new = @(foreach ($name in $Added) {
            $passing = @($former | Where-Object { $_ -ceq $name })
            $all = @($Shared | Where-Object { $_ -ceq $name })
            if ($passing.Count -ge $all.Count) {
                $name
            }
        })
    $gone = @($managed | Where-Object { $new -ccontains $_.Name -or $_.Name -ceq $leaving })
    foreach ($rule in $back) {
        if ($rule.Name -clike "$($replaced)1/*") {
            Set-EdgeFwRule -Rule $rule -Enabled $true
        }
    }
    foreach ($rule in $gone) {
        Rename-EdgeFwRule -Rule $rule -Name $leaving
    }
    foreach ($rule in $back) {
        Rename-EdgeFwRule -Rule $rule -Name $rule.Name.Substring($replaced.Length + 2)
    }
    foreach ($rule in $gone) {
        Remove-EdgeFwRule -Name $leaving
    }
}

function Invoke-EdgeRollback {
    # Rolls a change back, and ends it once no rule of it is there. Reads may lag behind what was done.
    param([string]$Change)

    $tasks = Get-EdgeTaskFolder
    foreach ($found in @(Get-EdgeChange | Where-Object { $_.change -ceq $Change })) {
        $added = @($found.added | Where-Object { $found.shared -cnotcontains $_ })
        foreach ($attempt in @(1, 2, 3, 4)) {
            Restore-EdgeRule -Change $Change -Added $found.added -Shared $found.shared
            $managed = @(Get-EdgeGroupRule)
            $left = @($managed | Where-Object { $_.Name -clike "*$Change*" -or $added -ccontains $_.Name })
            if ($left.Count -eq 0) {
                $tasks.DeleteTask("$prefix$Change", 0)
                return
            }
            Start-Sleep -Milliseconds (200 * $attempt)
        }
        throw "$($left.Count) rules of the change are there still"
    }
}

function Wait-EdgeRollback {
    # The task's work. It tries until the change is rolled back, since the firewall may be stopped or start later. A
    # lock that another program holds does not keep it from that.
    param([string]$Change)

    foreach ($attempt in 1..150) {
        try {
            Enter-EdgeLock -Seconds 150
        }
        catch {
            $held.mutex = $null
        }
        try {
            Invoke-EdgeRollback -Change $Change
            return
        }
        catch {
            $fault = $_
        }
        finally {
            Exit-EdgeLock
        }
        Start-Sleep -Milliseconds 10000
    }
    throw $fault
}

function Remove-EdgeChange {
    # From here on a change is not rolled back any more.
    param([string]$Change)

    $tasks = Get-EdgeTaskFolder
    $tasks.DeleteTask("$prefix$Change", 0)
}

function Get-EdgeScript {
    # Returns what the task runs. It needs no file, which others might write.
    param([string]$Change)

    $names = @(
        'Get-FirewallPolicy', 'Get-EdgeFwRule', 'Set-EdgeFwRule', 'Rename-EdgeFwRule', 'Remove-EdgeFwRule',
        'Get-EdgeGroupRule', 'Enter-EdgeLock', 'Exit-EdgeLock', 'Get-EdgeScheduler', 'Get-EdgeTaskFolder',
        'Test-SystemTask', 'Get-EdgeChange', 'Restore-EdgeRule', 'Invoke-EdgeRollback', 'Wait-EdgeRollback'
    )
    $functions = @(foreach ($name in $names) { "function $name {$((Get-Command -Name $name).Definition)}" })
    @(
        '$ErrorActionPreference = ''Stop'''
        "`$mutexName = '$mutexName'; `$prefix = '$prefix'; `$group = '$group'; `$held = @{ mutex = `$null }"
        $functions
        "Wait-EdgeRollback -Change '$Change'"
    ) -join "`n"
}

function Register-EdgeChange {
    # Has the host roll a change back after some seconds, and at its next boot. Phase is making until it is made.
    param([string]$Change, [string]$Phase, [int]$Seconds, $Added, $Shared)

    $until = [System.DateTime]::UtcNow.AddSeconds($Seconds)
    $time = $until.ToString('yyyy-MM-ddTHH:mm:ssZ', [System.Globalization.CultureInfo]::InvariantCulture)
    $service = Get-EdgeScheduler
    $task = $service.NewTask(0)
    $task.RegistrationInfo.Description = 'Rolls back a change of the collection xmpp.edge that is not confirmed.'
    $task.Data = "$(@(@($Phase, $time) + @($Added)) -join '|')||$(@($Shared) -join '|')"
    $task.Principal.UserId = 'S-1-5-18'  # SYSTEM
    $task.Principal.LogonType = [int]5  # TASK_LOGON_SERVICE_ACCOUNT
    $task.Principal.RunLevel = [int]1  # TASK_RUNLEVEL_HIGHEST
    $task.Settings.StartWhenAvailable = $true
    $task.Settings.DisallowStartIfOnBatteries = $false
    $task.Settings.StopIfGoingOnBatteries = $false
    $task.Settings.ExecutionTimeLimit = 'PT0S'  # None. What it runs has an end of its own.
    $trigger = $task.Triggers.Create(1)  # TASK_TRIGGER_TIME
    $trigger.StartBoundary = $time
    $null = $task.Triggers.Create(8)  # TASK_TRIGGER_BOOT
    $bytes = [System.Text.Encoding]::Unicode.GetBytes((Get-EdgeScript -Change $Change))
    $action = $task.Actions.Create(0)  # TASK_ACTION_EXEC
    $action.Path = '%SystemRoot%\System32\WindowsPowerShell\v1.0\powershell.exe'
    $action.Arguments = "-NoProfile -NonInteractive -EncodedCommand $([System.Convert]::ToBase64String($bytes))"
    $tasks = $service.GetFolder('\')
    # 6 is TASK_CREATE_OR_UPDATE.
    $null = $tasks.RegisterTaskDefinition("$prefix$Change", $task, 6, $null, $null, 5)
}

$exported = @(
    'Enter-EdgeLock', 'Exit-EdgeLock', 'Get-EdgeChange', 'Restore-EdgeRule', 'Invoke-EdgeRollback', 'Remove-EdgeChange',
    'Register-EdgeChange'
)
Export-ModuleMember -Function $exported
