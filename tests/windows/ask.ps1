# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Asks the firewall of a Windows host what no document answers. It adds disabled rules of a group of its own, which decide
# nothing, and a task, and removes them again. Each answer is a line of JSON. Needs an administrator's rights, and Windows PowerShell
# 5.1 or PowerShell 7.
# Usage: ask.ps1

$group = 'xmpp.edge questions'
$policy = New-Object -ComObject HNetCfg.FwPolicy2

function Write-Answer {
    param($Question, $Answer)

    ConvertTo-Json -Compress -Depth 5 -InputObject ([ordered]@{ question = $Question; answer = $Answer })
}

function New-Question {
    # Returns a disabled rule that is in no firewall yet.
    param($Name, $Remote = '198.18.0.1')

    $rule = New-Object -ComObject HNetCfg.FWRule
    $rule.Name = "xmpp.edge/$Name"
    $rule.Grouping = $group
    $rule.Protocol = 6
    $rule.LocalPorts = '9'
    $rule.RemoteAddresses = $Remote
    $rule.Enabled = $false
    $rule
}

function Get-Own {
    @($policy.Rules | Where-Object { $_.Grouping -ceq $group })
}

function Clear-Own {
    # A name that no other rule has makes the removal exact.
    foreach ($rule in @(Get-Own)) {
        $name = "xmpp.edge/question/$([guid]::NewGuid())"
        $rule.Name = $name
        $policy.Rules.Remove($name)
    }
}

function Get-Fault {
    # Returns what an action fails with, and nothing where it does not fail.
    param([scriptblock]$Action)

    try {
        $null = & $Action
    }
    catch {
        '0x{0:X8}' -f $_.Exception.GetBaseException().HResult
    }
}

$taskName = 'xmpp.edge question'
$scheduler = New-Object -ComObject Schedule.Service
$scheduler.Connect()

function Get-OwnTask {
    @($scheduler.GetFolder('\').GetTasks(1) | Where-Object { $_.Name -ceq $taskName })
}

$before = @($policy.Rules | ForEach-Object { $_.Name }).Count
try {
    foreach ($given in '198.18.0.1', '198.18.0.0/24', '198.18.0.0/255.255.255.0', '198.18.0.1-198.18.0.9', '2001:db8::1',
        '2001:DB8:0:0:0:0:0:A', '2001:db8::1/128', '2001:db8::/48', '2001:db8::1-2001:db8::9', '198.18.0.0/24,198.18.0.7',
        '2001:db8::1,198.18.0.9,198.18.0.1', 'LocalSubnet', '::1', '127.0.0.0/8', '0.0.0.0-126.255.255.255') {
        $rule = New-Question -Name 'form'
        $fault = Get-Fault { $rule.RemoteAddresses = $given }
        $detached = [string]$rule.RemoteAddresses
        if ($null -eq $fault) {
            $fault = Get-Fault { $policy.Rules.Add($rule) }
        }
        $stored = @(Get-Own | ForEach-Object { [string]$_.RemoteAddresses })
        Write-Answer "form of $given" ([ordered]@{ detached = $detached; stored = $stored; fault = $fault })
        Clear-Own
    }

    foreach ($count in 1000, 1001, 10000) {
        $many = @(foreach ($number in 0..($count - 1)) {
                '198.{0}.{1}.1' -f (18 + [math]::Floor($number / 250)), ($number % 250)
            }) -join ','
        $rule = New-Question -Name 'many'
        $fault = Get-Fault { $rule.RemoteAddresses = $many; $policy.Rules.Add($rule) }
        $kept = @(Get-Own | ForEach-Object { ([string]$_.RemoteAddresses).Split(',').Count })
        Write-Answer "$count addresses" ([ordered]@{ fault = $fault; kept = $kept })
        Clear-Own
    }

    foreach ($text in 'first', 'second') {
        $rule = New-Question -Name 'twin'
        $rule.Description = $text
        $policy.Rules.Add($rule)
    }
    $policy.Rules.Remove('xmpp.edge/twin')
    Write-Answer 'which twin stays' @(Get-Own | ForEach-Object { [string]$_.Description })
    Clear-Own

    $policy.Rules.Add((New-Question -Name 'Case'))
    $policy.Rules.Remove('XMPP.EDGE/CASE')
    Write-Answer 'a removal heeds case' ((Get-Own).Count -eq 1)
    Clear-Own

    $policy.Rules.Add((New-Question -Name 'former'))
    $live = @(Get-Own)[0]
    $fault = Get-Fault { $live.Name = 'xmpp.edge/renamed' }
    $names = @(Get-Own | ForEach-Object { [string]$_.Name })
    $policy.Rules.Remove('xmpp.edge/renamed')
    Write-Answer 'a live rule is renamed' ([ordered]@{ fault = $fault; names = $names; left = (Get-Own).Count })
    Clear-Own

    $rule = New-Question -Name 'added'
    $policy.Rules.Add($rule)
    $fault = Get-Fault { $rule.Name = 'xmpp.edge/object is live' }
    Write-Answer 'an object is the live rule after it was added' ([ordered]@{
            fault = $fault; names = @(Get-Own | ForEach-Object { [string]$_.Name })
        })
    Clear-Own

    $rule = New-Question -Name 'edge'
    $fault = Get-Fault { $rule.EdgeTraversalOptions = 2; $policy.Rules.Add($rule) }
    Write-Answer 'edge traversal that is deferred to the application' ([ordered]@{
            fault = $fault; edge_traversal = @(Get-Own | ForEach-Object { $_.EdgeTraversal })
        })
    Clear-Own

    foreach ($profiles in 7, 0x7FFFFFFF) {
        $rule = New-Question -Name 'profiles'
        $rule.Profiles = [int]$profiles
        $policy.Rules.Add($rule)
        Write-Answer "profiles $profiles come back as" @(Get-Own | ForEach-Object { $_.Profiles })
        Clear-Own
    }

    $policy.Rules.Add((New-Question -Name 'owner'))
    Write-Answer 'the owner of an added rule' @(Get-Own | ForEach-Object { [string]$_.LocalUserOwner })
    Clear-Own

    $rule = New-Question -Name 'program'
    $rule.ApplicationName = '%SystemRoot%\System32\xmpp.edge.exe'
    $rule.ServiceName = 'eventlog'
    $policy.Rules.Add($rule)
    Write-Answer 'the path of a program' ([ordered]@{
            detached = [string]$rule.ApplicationName; stored = @(Get-Own | ForEach-Object { [string]$_.ApplicationName })
            service = @(Get-Own | ForEach-Object { [string]$_.ServiceName })
        })
    Clear-Own

    $task = $scheduler.NewTask(0)
    $task.Data = 'made|2026-01-01T00:00:00Z|a name||'
    $task.Principal.UserId = 'S-1-5-18'
    $task.Principal.LogonType = 5
    $task.Triggers.Create(1).StartBoundary = '2099-01-01T00:00:00Z'
    $text = "if (@((New-Object -ComObject HNetCfg.FwPolicy2).Rules).Count -gt 0) { `$s = New-Object -ComObject " +
    "Schedule.Service; `$s.Connect(); `$s.GetFolder('\').DeleteTask('$taskName', 0) }"
    $action = $task.Actions.Create(0)
    $action.Path = '%SystemRoot%\System32\WindowsPowerShell\v1.0\powershell.exe'
    $encoded = [System.Convert]::ToBase64String([System.Text.Encoding]::Unicode.GetBytes($text))
    $action.Arguments = "-NoProfile -NonInteractive -EncodedCommand $encoded"
    $tasks = $scheduler.GetFolder('\')
    $registered = $tasks.RegisterTaskDefinition($taskName, $task, 6, $null, $null, 5)
    $shown = @(Get-OwnTask | ForEach-Object { $_.Definition })
    Write-Answer 'the account and the data of a task' ([ordered]@{
            account = @($shown | ForEach-Object { [string]$_.Principal.UserId })
            data = @($shown | ForEach-Object { [string]$_.Data })
        })
    $null = $registered.Run($null)
    foreach ($second in 1..60) {
        if ((Get-OwnTask).Count -eq 0) {
            break
        }
        Start-Sleep -Milliseconds 1000
    }
    Write-Answer 'a task of SYSTEM reads the firewall and deletes itself' ((Get-OwnTask).Count -eq 0)

    $lags = @(foreach ($number in 1..10) {
            $watch = [System.Diagnostics.Stopwatch]::StartNew()
            $policy.Rules.Add((New-Question -Name 'lag'))
            while ((Get-Own).Count -eq 0 -and $watch.ElapsedMilliseconds -lt 5000) {
                continue
            }
            $watch.ElapsedMilliseconds
            Clear-Own
        })
    Write-Answer 'milliseconds until an added rule is listed' $lags
}
finally {
    Clear-Own
    foreach ($left in @(Get-OwnTask)) {
        $scheduler.GetFolder('\').DeleteTask($left.Name, 0)
    }
    $after = @($policy.Rules | ForEach-Object { $_.Name }).Count
    Write-Answer 'as many rules as before' ($before -eq $after)
}
