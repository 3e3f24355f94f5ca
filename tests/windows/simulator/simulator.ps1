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

function Start-Sleep {
    param($Milliseconds)
}
