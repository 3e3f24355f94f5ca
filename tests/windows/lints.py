# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks for faults of PowerShell files that are no syntax errors, on the syntax trees of the files."""

from __future__ import annotations

import re
from typing import Callable, Iterator

from powershell import ADAPTER, Source, enclosing, every, first, place, syntax_errors, text_of
from tree_sitter import Node

CMDLETS = {
    *("New-Object", "Where-Object", "ForEach-Object", "Sort-Object", "Start-Sleep", "Get-Item", "Export-ModuleMember"),
    "Select-Object",
}
VERBS = {
    "Add",
    "Compare",
    "ConvertTo",
    "Get",
    "Invoke",
    "New",
    "Remove",
    "Rename",
    "Restore",
    "Set",
    "Test",
    "Update",
    "Wait",
}
AUTOMATIC = {"_", "args", "true", "false", "null"}
TYPES = {
    *("int", "string", "bool", "array", "ordered", "guid", "Parameter", "Ansible.Basic.AnsibleModule"),
    *("System.Net.NetworkInformation.NetworkInterface", "System.Net.IPAddress", "System.Numerics.BigInteger"),
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
    *("Name", "Description", "Grouping", "Enabled", "Direction", "Action", "Protocol", "Profiles"),
    *("LocalPorts", "RemotePorts", "LocalAddresses", "RemoteAddresses"),
}
NUMBERS = {"Protocol", "Direction", "Action", "Profiles"}
ONLY_IN_ADAPTER = re.compile(r"HNetCfg|-ComObject|HKLM|HKEY|Registry|Get-Item|netsh|NetFirewall", re.IGNORECASE)
NEWER_THAN_5_1 = re.compile(
    r"&&|\|\||\$Is(Windows|Linux|MacOS|CoreCLR)\b|-Parallel\b|-AsHashtable\b|\?\?|\?\.", re.IGNORECASE
)

Lint = Callable[[list[Source]], Iterator[str]]


def syntax(files: list[Source]) -> Iterator[str]:
    """Report syntax errors."""
    for file in files:
        yield from syntax_errors(file)


def plain_text(files: list[Source]) -> Iterator[str]:
    """Report text that is not ASCII, which 5.1 reads by the code page of the host, and long lines."""
    for file in files:
        for number, line in enumerate(file.text.splitlines(), 1):
            if not line.isascii() or len(line) > 120 or line != line.rstrip():
                yield f"{file.name}:{number}: not ASCII, too long, or with blanks at its end"


def functions(files: list[Source]) -> dict[str, tuple[Source, Node]]:
    """Return every function of all files, by name."""
    return {
        text_of(first(node, "function_name")): (file, node)
        for file in files
        for node in every(file.root, "function_statement")
    }


def parameters(function: Node) -> set[str]:
    """Return the names of a function's parameters."""
    return {text_of(parameter.named_children[-1]).lstrip("$") for parameter in every(function, "script_parameter")}


def unknown_command(files: list[Source]) -> Iterator[str]:
    """Report unknown commands, and unknown parameters of the functions in these files."""
    known = functions(files)
    for file in files:
        for command in every(file.root, "command"):
            name = text_of(first(command, "command_name"))
            if name not in known and name not in CMDLETS:
                yield f"{place(file, command)}: unknown command {name or text_of(command)[:30]}"
            if name in known:
                given = {text_of(node).lstrip("-") for node in _own_parameters(command)}
                for parameter in given - parameters(known[name][1]):
                    yield f"{place(file, command)}: {name} has no parameter {parameter}"


def _own_parameters(command: Node) -> list[Node]:
    elements = [child for child in command.named_children if child.type == "command_elements"]
    return [node for part in elements for node in part.named_children if node.type == "command_parameter"]


def approved_verb(files: list[Source]) -> Iterator[str]:
    """Report names of functions without an approved verb, and duplicates."""
    names = [text_of(first(node, "function_name")) for file in files for node in every(file.root, "function_statement")]
    for name in names:
        if name.partition("-")[0] not in VERBS or names.count(name) > 1:
            yield f"{name}: no approved verb, or defined twice"


def unassigned_variable(files: list[Source]) -> Iterator[str]:
    """Report variables that are read and not assigned in their function or at the top of their file."""
    for file in files:
        top = _assigned(file.root, None)
        for variable in every(file.root, "variable"):
            name = text_of(variable).lstrip("$").strip("{}")
            function = enclosing(variable, "function_statement")
            here = top if function is None else top | _assigned(file.root, function) | parameters(function)
            if name not in AUTOMATIC and name not in here:
                yield f"{place(file, variable)}: ${name} is read and never assigned"


def _assigned(root: Node, function: Node | None) -> set[str]:
    found = set()
    for node in every(root, "left_assignment_expression", "foreach_statement"):
        if enclosing(node, "function_statement") == function:
            target = first(node, "variable")
            if node.type == "foreach_statement" or text_of(target) == text_of(node):
                found.add(text_of(target).lstrip("$"))
    return found


def adapter(files: list[Source]) -> Iterator[str]:
    """Report uses of COM and the registry outside the adapter."""
    for file in files:
        if file.name != ADAPTER.name:
            for number, line in enumerate(file.text.splitlines(), 1):
                if ONLY_IN_ADAPTER.search(line.partition("#")[0]):
                    yield f"{file.name}:{number}: belongs in {ADAPTER.name}"


def only_5_1(files: list[Source]) -> Iterator[str]:
    """Report syntax that Windows PowerShell 5.1 does not have."""
    for file in files:
        for number, line in enumerate(file.text.splitlines(), 1):
            if NEWER_THAN_5_1.search(line.partition("#")[0]):
                yield f"{file.name}:{number}: not in Windows PowerShell 5.1"


def known_type(files: list[Source]) -> Iterator[str]:
    """Report unknown types. Types that execute text as code are not among the known ones."""
    for file in files:
        for node in every(file.root, "type_literal"):
            if text_of(node).strip("[]") not in TYPES:
                yield f"{place(file, node)}: type {text_of(node)}"
        for node in every(file.root, "attribute"):
            if first(node, "type_literal") is None and text_of(node).lstrip("[").partition("(")[0] not in TYPES:
                yield f"{place(file, node)}: attribute {text_of(node)}"


def counted(files: list[Source]) -> Iterator[str]:
    """Report counts of values that may be no array, such as the result of a pipeline with one object."""
    for file in files:
        for node in every(file.root, "member_access"):
            if text_of(node.named_children[-1]) not in ("Count", "Length"):
                continue
            counted_thing = node.named_children[0]
            if counted_thing.type != "array_expression" and not _is_array(file, counted_thing):
                yield f"{place(file, node)}: {text_of(node)} counts what need not be an array"


def _is_array(file: Source, variable: Node) -> bool:
    function = enclosing(variable, "function_statement") or file.root
    values = [
        text_of(first(node, "assignment_value"))
        for node in every(function, "assignment_expression")
        if text_of(first(node, "left_assignment_expression")) == text_of(variable)
    ]
    return bool(values) and all(value.startswith("@(") for value in values)


def rule_property(files: list[Source]) -> Iterator[str]:
    """Report unknown properties of a rule, for which the API raises no error."""
    for file in files:
        for node in every(file.root, "member_access"):
            owner, member = text_of(node.named_children[0]), text_of(node.named_children[-1])
            if owner.lower() == "$rule" and member not in RULE_PROPERTIES:
                yield f"{place(file, node)}: a rule has no {member}"


def rule_assignment(files: list[Source]) -> Iterator[str]:
    """Report uncast and null values of a rule, forbidden properties, and ports that are set before the protocol."""
    for file in files:
        order = []
        for node in every(file.root, "assignment_expression"):
            left = text_of(first(node, "left_assignment_expression"))
            owner, _dot, member = left.partition(".")
            if owner.lower() != "$rule" or not member:
                continue
            order.append(member)
            value = text_of(first(node, "assignment_value"))
            if member in NEVER_SET:
                yield f"{place(file, node)}: {member} is never set"
            if member in NUMBERS and not value.startswith("[int]"):
                yield f"{place(file, node)}: {member} needs [int]"
            if value.lower() == "$null":
                yield f"{place(file, node)}: null cannot be put into {member}"
            if member.endswith("Ports") and "Protocol" not in order:
                yield f"{place(file, node)}: {member} is set before Protocol"
        if order and len(set(order)) != len(order):
            yield f"{file.name}: a property is set twice"


def identity(files: list[Source]) -> Iterator[str]:
    """Report comparisons of names and groups without case. Windows may have two names that differ only in case."""
    for file in files:
        for node in every(file.root, "comparison_expression"):
            operator = text_of(first(node, "comparison_operator"))
            sides = [text_of(child) for child in node.named_children]
            if any(re.search(r"\.(Name|Grouping)$", side, re.IGNORECASE) for side in sides) and not operator.startswith(
                "-c"
            ):
                yield f"{place(file, node)}: {text_of(node)} ignores case"


def exported(files: list[Source]) -> Iterator[str]:
    """Report functions that are exported and not used elsewhere, or used elsewhere and not exported."""
    defined = functions(files)
    for file in files:
        if not file.name.endswith(".psm1"):
            continue
        own = {name for name, (home, _node) in defined.items() if home.name == file.name}
        tail = file.text[file.text.rindex("$exported = @(") :]
        named = set(re.findall(r"'([\w-]+)'", tail))
        used = {
            text_of(node) for other in files if other.name != file.name for node in every(other.root, "command_name")
        }
        for name in named ^ (own & used):
            yield f"{file.name}: {name} is exported and not used elsewhere, or the other way round"


def quiet(files: list[Source]) -> Iterator[str]:
    """Report statements at the top of a module that may write output before its result."""
    for file in files:
        if not file.name.endswith(".ps1"):
            continue
        for node in every(file.root, "pipeline"):
            if enclosing(node, "function_statement") or enclosing(node, "pipeline"):
                continue
            if enclosing(node, "if_statement") and text_of(enclosing(node, "if_statement")).startswith(
                f"if ({text_of(node)})"
            ):
                continue
            if first(node, "assignment_expression") is None and not text_of(node).startswith("$module."):
                yield f"{place(file, node)}: {text_of(node)[:40]} may write something"


def exit_outside_try(files: list[Source]) -> Iterator[str]:
    """Report FailJson and ExitJson inside try: they end a module by an exception, which a catch would swallow."""
    for file in files:
        for node in every(file.root, "invocation_expression"):
            if re.search(r"\.(Fail|Exit)Json\b", text_of(node)) and enclosing(node, "try_statement"):
                yield f"{place(file, node)}: {text_of(node)[:40]} inside try"


LINTS: list[Lint] = [
    *(syntax, plain_text, unknown_command, approved_verb, unassigned_variable, adapter, only_5_1, known_type, counted),
    *(rule_property, rule_assignment, identity, exported, quiet, exit_outside_try),
]
