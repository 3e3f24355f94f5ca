# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Compiles the simulator. Usage: compile.ps1 FILE, the assembly to write
param($Path)

$ErrorActionPreference = 'Stop'
Add-Type -LiteralPath "$PSScriptRoot/Firewall.cs" -OutputAssembly $Path -ReferencedAssemblies @(
    'System.Text.Json', 'System.Runtime', 'System.Collections', 'System.Linq', 'System.Net.Primitives',
    'System.Runtime.Numerics', 'System.Runtime.InteropServices', 'System.Memory', 'System.Text.RegularExpressions', 'System.Text.Encodings.Web', 'netstandard'
)
