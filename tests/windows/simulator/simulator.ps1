# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Puts the simulator in the place of what only Windows has: COM objects, the registry, and the time that Windows takes.
# XMPP_EDGE_SIMULATOR is the path of the compiled simulator.

Add-Type -LiteralPath $env:XMPP_EDGE_SIMULATOR

function New-Object {
    param($TypeName, $ArgumentList, $ComObject, $ErrorAction)

    switch ($ComObject) {
        'HNetCfg.FwPolicy2' { [XmppEdge.Policy]::new() }
        'HNetCfg.FWRule' { [XmppEdge.Rule]::new() }
        'Schedule.Service' { [XmppEdge.TaskService]::new() }
        default { Microsoft.PowerShell.Utility\New-Object -TypeName $TypeName -ArgumentList $ArgumentList }
    }
}

function Get-Item {
    param($LiteralPath, $ErrorAction)

    [XmppEdge.Key]::Open($LiteralPath)
}

# What listens is in the store's "listeners": ports, programs and services; the number of one is that of its process.
function Get-Listeners {
    $store = Get-Content -Raw -LiteralPath $env:XMPP_EDGE_FIREWALL | ConvertFrom-Json
    if ($store.listeners -is [string]) { throw $store.listeners }
    @($store.listeners | Where-Object { $_ })
}

function Get-NetTCPConnection {
    param($State, $ErrorAction)

    $number = 0
    foreach ($one in @(Get-Listeners)) {
        $number += 1
        [pscustomobject]@{ LocalPort = $one.port; OwningProcess = $number }
    }
}

function Get-Process {
    param($Id, $ErrorAction)

    [pscustomobject]@{ Path = @(Get-Listeners)[$Id - 1].program }
}

function Get-CimInstance {
    param($ClassName, $Filter, $ErrorAction)

    $id = [int]($Filter -replace '\D')
    @(@(Get-Listeners)[$id - 1].services | Where-Object { $_ } | ForEach-Object { [pscustomobject]@{ Name = $_ } })
}

function Start-Sleep {
    param($Milliseconds)
}
