# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Prints the syntax trees of PowerShell texts as JSON. The input is a JSON list of texts. For each it prints the errors of
# PowerShell's own parser, the nodes, and the value of the variable $spec, where it is a literal. A node has its type, its
# place in the text, the number of its parent, and its properties: nodes by their numbers, and plain values as text.

$ErrorActionPreference = 'Stop'
$plain = 'Name', 'Operator', 'ParameterName', 'Value', 'TypeName', 'VariablePath', 'NullConditional', 'TokenKind'

function ConvertTo-Node {
    param($Ast, $Numbers)

    $node = @{
        type = $Ast.GetType().Name -replace 'Ast$'
        start = $Ast.Extent.StartOffset
        end = $Ast.Extent.EndOffset
        line = $Ast.Extent.StartLineNumber
        parent = if ($null -eq $Ast.Parent) { -1 } else { $Numbers[$Ast.Parent] }
        fields = @{}
    }
    foreach ($property in $Ast.GetType().GetProperties()) {
        if ($property.Name -in 'Parent', 'Extent') {
            continue
        }
        $value = $property.GetValue($Ast)
        if ($value -is [System.Management.Automation.Language.Ast]) {
            $node.fields[$property.Name] = $Numbers[$value]
        }
        elseif ($property.Name -in $plain -and $null -ne $value) {
            $node.fields[$property.Name] = "$value"
        }
        elseif ($value -is [System.Collections.IEnumerable] -and $value -isnot [string]) {
            $parts = @($value | Where-Object { $_ -is [System.Management.Automation.Language.Ast] })
            $node.fields[$property.Name] = @($parts | ForEach-Object { $Numbers[$_] })
        }
    }
    if ($Ast -is [System.Management.Automation.Language.CommandAst]) {
        $node.fields.Name = "$($Ast.GetCommandName())"
    }
    $node
}

$answers = foreach ($text in (ConvertFrom-Json -InputObject ([Console]::In.ReadToEnd()))) {
    $errors = $null
    $tree = [System.Management.Automation.Language.Parser]::ParseInput($text, [ref]$null, [ref]$errors)
    $numbers = [System.Collections.Generic.Dictionary[object, int]]::new()
    $all = @($tree.FindAll({ $true }, $true))
    foreach ($ast in $all) {
        $numbers[$ast] = $numbers.Count
    }
    $spec = $tree.Find({
            $args[0] -is [System.Management.Automation.Language.AssignmentStatementAst] -and "$($args[0].Left)" -ceq '$spec'
        }, $true)
    @{
        errors = @($errors | ForEach-Object { @{ line = $_.Extent.StartLineNumber; message = $_.Message } })
        nodes = @($all | ForEach-Object { ConvertTo-Node -Ast $_ -Numbers $numbers })
        # Refuses all that is no literal.
        spec = if ($null -ne $spec) { $spec.Right.Expression.SafeGetValue() }
    }
}
ConvertTo-Json -InputObject @{ trees = @($answers); verbs = @((Get-Verb).Verb) } -Depth 20 -Compress
