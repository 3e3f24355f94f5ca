# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks for faults of PowerShell files that are no syntax errors, on the syntax trees of the files."""

from __future__ import annotations

import re
from typing import Callable, Iterator, Sequence

from powershell import ADAPTER, ROLLBACK, Node, Source, approved_verbs

CMDLETS = {
    *("New-Object", "Where-Object", "ForEach-Object", "Sort-Object", "Start-Sleep", "Get-Item", "Export-ModuleMember"),
    *("Select-Object", "Get-Command", "Get-NetTCPConnection", "Get-CimInstance", "Get-Process"),
}
AUTOMATIC = {"_", "args", "true", "false", "null"}
TYPES = {
    *("int", "string", "bool", "array", "ordered", "guid", "Parameter", "Ansible.Basic.AnsibleModule"),
    *("System.Net.NetworkInformation.NetworkInterface", "System.Net.IPAddress", "System.Numerics.BigInteger"),
    *("System.DateTime", "System.Globalization.CultureInfo", "System.Threading.AbandonedMutexException"),
    *(
        "math",
        "System.Security.Principal.SecurityIdentifier",
        "byte",
        "byte[]",
        "System.StringComparer",
        "System.Text.Encoding",
        "System.Convert",
        "System.Environment",
    ),
}
RULE_PROPERTIES = {
    *("Name", "Description", "Grouping", "Enabled", "Direction", "Action", "Protocol", "Profiles"),
    *("LocalPorts", "RemotePorts", "LocalAddresses", "RemoteAddresses"),
    *("ApplicationName", "ServiceName", "InterfaceTypes", "Interfaces", "EdgeTraversal", "EdgeTraversalOptions"),
    *("LocalAppPackageId", "LocalUserOwner", "LocalUserAuthorizedList", "RemoteUserAuthorizedList"),
    *("RemoteMachineAuthorizedList", "SecureFlags"),
}
# Windows forbids some of these together with a local address. The others would narrow or widen the rule.
NEVER_SET = RULE_PROPERTIES - {
    *("ApplicationName", "ServiceName"),
    *("Name", "Description", "Grouping", "Enabled", "Direction", "Action", "Protocol", "Profiles"),
    *("LocalPorts", "RemotePorts", "LocalAddresses", "RemoteAddresses"),
}
NUMBERS = {"Protocol", "Direction", "Action", "Profiles"}
ONLY_IN_ADAPTER = re.compile(r"HNetCfg|-ComObject|HKLM|HKEY|Registry|Get-Item|netsh|NetFirewall", re.IGNORECASE)
NEWER_NODES = {"TernaryExpression", "PipelineChain"}
NEWER_OPERATORS = {"QuestionQuestion", "QuestionQuestionEquals"}
NEWER_NAMES = re.compile(r"(Is(Windows|Linux|MacOS|CoreCLR)|Parallel|AsHashtable)", re.IGNORECASE)

Files = Sequence[Source]
Lint = Callable[[Files], Iterator[str]]


def syntax(files: Files) -> Iterator[str]:
    """Report what PowerShell's parser does not understand."""
    for file in files:
        yield from file.errors


def plain_text(files: Files) -> Iterator[str]:
    """Report text that is not ASCII, which 5.1 reads by the code page of the host, and long lines."""
    for file in files:
        for number, line in enumerate(file.text.splitlines(), 1):
            if not line.isascii() or len(line) > 120 or line != line.rstrip():
                yield f"{file.name}:{number}: not ASCII, too long, or with blanks at its end"


def functions(files: Files) -> dict[str, tuple[Source, Node]]:
    """Return every function of all files, by name."""
    return {node.plain("Name"): (file, node) for file in files for node in file.every("FunctionDefinition")}


def parameters(function: Node) -> set[str]:
    """Return the names of a function's parameters."""
    return {one["Name"].plain("VariablePath") for one in function.every("Parameter")}


def unknown_command(files: Files) -> Iterator[str]:
    """Report unknown commands, and unknown parameters of the functions in these files."""
    known = functions(files)
    for file in files:
        for command in file.every("Command"):
            name = command.plain("Name")
            if name not in known and name not in CMDLETS:
                yield f"{file.place(command)}: unknown command {name or command.text[:30]}"
            if name in known:
                given = {one.plain("ParameterName") for one in command.several("CommandElements")} - {""}
                for parameter in given - parameters(known[name][1]):
                    yield f"{file.place(command)}: {name} has no parameter {parameter}"


def approved_verb(files: Files) -> Iterator[str]:
    """Report names of functions without an approved verb, and duplicates."""
    names = [node.plain("Name") for file in files for node in file.every("FunctionDefinition")]
    for name in names:
        if name.partition("-")[0] not in approved_verbs() or names.count(name) > 1:
            yield f"{name}: no approved verb, or defined twice"


def unassigned_variable(files: Files) -> Iterator[str]:
    """Report variables that are read and not assigned in their function or at the top of their file."""
    for file in files:
        top = _assigned(file, None)
        for variable in file.every("VariableExpression"):
            name = variable.plain("VariablePath")
            function = variable.within("FunctionDefinition")
            here = top if function is None else top | _assigned(file, function) | parameters(function)
            if name not in AUTOMATIC and name not in here:
                yield f"{file.place(variable)}: ${name} is read and never assigned"


def _assigned(file: Source, function: Node | None) -> set[str]:
    found = set()
    for node in file.every("AssignmentStatement", "ForEachStatement"):
        if node.within("FunctionDefinition") is function:
            target = node["Left"] if node.type == "AssignmentStatement" else node["Variable"]
            targets = target.several("Elements") if target.type == "ArrayLiteral" else [target]
            found |= {one.plain("VariablePath") for one in targets if one.type == "VariableExpression"}
    return found


def adapter(files: Files) -> Iterator[str]:
    """Report uses of COM and the registry outside the adapters, to the firewall and to the task scheduler."""
    for file in files:
        if file.name not in (ADAPTER.name, ROLLBACK.name):
            for number, line in enumerate(file.text.splitlines(), 1):
                if ONLY_IN_ADAPTER.search(line.partition("#")[0]):
                    yield f"{file.name}:{number}: belongs in {ADAPTER.name}"


def only_5_1(files: Files) -> Iterator[str]:
    """Report syntax that Windows PowerShell 5.1 does not have."""
    for file in files:
        for node in file.nodes:
            names = (node.plain("VariablePath"), node.plain("ParameterName"))
            if (
                node.type in NEWER_NODES
                or node.plain("Operator") in NEWER_OPERATORS
                or node.plain("NullConditional") == "True"
                or node.has("CleanBlock")
                or any(map(NEWER_NAMES.fullmatch, names))
            ):
                yield f"{file.place(node)}: not in Windows PowerShell 5.1: {node.text[:40]}"


def known_type(files: Files) -> Iterator[str]:
    """Report unknown types. Types that execute text as code are not among the known ones."""
    for file in files:
        for node in file.every("TypeExpression", "TypeConstraint", "Attribute"):
            if node.plain("TypeName") not in TYPES:
                yield f"{file.place(node)}: type {node.text}"


def counted(files: Files) -> Iterator[str]:
    """Report counts of values that may be no array, such as the result of a pipeline with one object."""
    for file in files:
        for node in file.every("MemberExpression"):
            if node["Member"].plain("Value") in ("Count", "Length"):
                thing = node["Expression"]
                if thing.type != "ArrayExpression" and not _has_count(file, thing):
                    yield f"{file.place(node)}: {node.text} counts what need not be an array"


def _has_count(file: Source, variable: Node) -> bool:
    """Return whether all values of a variable are arrays or texts."""
    function = variable.within("FunctionDefinition")
    assigned = function.every("AssignmentStatement") if function else file.every("AssignmentStatement")
    values = [one["Right"].text for one in assigned if one["Left"].text == variable.text]
    if not values:  # It is one of the file.
        values = [one["Right"].text for one in file.every("AssignmentStatement") if one["Left"].text == variable.text]
    return bool(values) and all(value.startswith(("@(", "'", '"')) for value in values)


def rule_property(files: Files) -> Iterator[str]:
    """Report unknown properties of a rule, for which the API raises no error."""
    for file in files:
        for node in file.every("MemberExpression"):
            if node["Expression"].text.lower() == "$rule" and node["Member"].text not in RULE_PROPERTIES:
                yield f"{file.place(node)}: a rule has no {node['Member'].text}"


def rule_assignment(files: Files) -> Iterator[str]:
    """Report uncast and null values of a rule, forbidden properties, and ports that are set before the protocol."""
    for file in files:
        order = []
        for node in file.every("AssignmentStatement"):
            left = node["Left"]
            if left.type != "MemberExpression" or left["Expression"].text.lower() != "$rule":
                continue
            member, value = left["Member"].text, node["Right"].text
            order.append(member)
            if member in NEVER_SET:
                yield f"{file.place(node)}: {member} is never set"
            if member in NUMBERS and not value.startswith("[int]"):
                yield f"{file.place(node)}: {member} needs [int]"
            if value.lower() == "$null":
                yield f"{file.place(node)}: null cannot be put into {member}"
            if member.endswith("Ports") and "Protocol" not in order:
                yield f"{file.place(node)}: {member} is set before Protocol"
        if len(set(order)) != len(order):
            yield f"{file.name}: a property is set twice"


def identity(files: Files) -> Iterator[str]:
    """Report comparisons of names and groups without case. Windows may have two names that differ only in case."""
    for file in files:
        for node in file.every("BinaryExpression"):
            sides = [node["Left"].text, node["Right"].text]
            named = any(re.search(r"\.(Name|Grouping)$", side, re.IGNORECASE) for side in sides)
            if named and re.match("I(eq|ne|like|notlike|match|notmatch|in|contains)", node.plain("Operator")):
                yield f"{file.place(node)}: {node.text} ignores case"


def exported(files: Files) -> Iterator[str]:
    """Report functions that are exported and not used elsewhere, or used elsewhere and not exported."""
    defined = functions(files)
    for file in files:
        if not file.name.endswith(".psm1"):
            continue
        own = {name for name, (home, _node) in defined.items() if home.name == file.name}
        (tail,) = (one for one in file.every("AssignmentStatement") if one["Left"].text == "$exported")
        named = {one.plain("Value") for one in tail.every("StringConstantExpression")}
        others = [other for other in files if other.name != file.name]
        used = {node.plain("Name") for other in others for node in other.every("Command")}
        # A function whose text is taken is named as text.
        used |= {node.plain("Value") for other in others for node in other.every("StringConstantExpression")}
        for name in named ^ (own & used):
            yield f"{file.name}: {name} is exported and not used elsewhere, or the other way round"


def quiet(files: Files) -> Iterator[str]:
    """Report statements at the top of a module that may write output before its result."""
    for file in files:
        for node in file.every("Pipeline") if file.name.endswith(".ps1") else ():
            around = node.parent
            is_statement = around is not None and around.type in ("NamedBlock", "StatementBlock")
            is_kept = any(map(node.within, ("FunctionDefinition", "AssignmentStatement")))
            if is_statement and not is_kept and not node.text.startswith("$module."):
                yield f"{file.place(node)}: {node.text[:40]} may write something"


def exit_outside_try(files: Files) -> Iterator[str]:
    """Report FailJson and ExitJson inside try: they end a module by an exception, which a catch would swallow."""
    for file in files:
        for node in file.every("InvokeMemberExpression"):
            if node["Member"].text in ("FailJson", "ExitJson") and node.within("TryStatement"):
                yield f"{file.place(node)}: {node.text[:40]} inside try"


LINTS: list[Lint] = [
    *(syntax, plain_text, unknown_command, approved_verb, unassigned_variable, adapter, only_5_1, known_type, counted),
    *(rule_property, rule_assignment, identity, exported, quiet, exit_outside_try),
]
