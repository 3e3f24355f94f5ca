# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsers for PowerShell files: two independent grammars for the syntax, and the tree of one for everything else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

import tree_sitter_powershell
import tree_sitter_pwsh
from tree_sitter import Language, Node, Parser

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
MODULE = PLUGINS / "modules" / "win_firewall.ps1"
ADAPTER = PLUGINS / "module_utils" / "_EdgeFirewall.psm1"
RULES = PLUGINS / "module_utils" / "_EdgeRules.psm1"

# The first grammar has no syntax newer than Windows PowerShell 5.1, except "&&" and "||".
PARSERS = {
    "tree-sitter-powershell": Parser(Language(tree_sitter_powershell.language())),
    "tree-sitter-pwsh": Parser(Language(tree_sitter_pwsh.language())),
}


@dataclass
class Source:
    """A file with its tree. name: such as win_firewall.ps1; root: the top of the tree."""

    name: str
    text: str

    def __post_init__(self) -> None:
        """Parse the text once, because only nodes of one tree are comparable."""
        self.root: Node = PARSERS["tree-sitter-pwsh"].parse(self.text.encode()).root_node


def sources() -> list[Source]:
    """Return the PowerShell files of this collection."""
    return [Source(path.name, path.read_text(encoding="utf-8")) for path in (MODULE, ADAPTER, RULES)]


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all its descendants, in the order of the text."""
    yield node
    for child in node.children:
        yield from walk(child)


def every(node: Node, *types: str) -> list[Node]:
    """Return all nodes of these types in a node."""
    return [found for found in walk(node) if found.type in types]


def text_of(node: Node | None) -> str:
    """Return the text of a node."""
    return node.text.decode() if node is not None and node.text is not None else ""


def first(node: Node, kind: str) -> Node | None:
    """Return the first node of a type in a node."""
    return next((found for found in walk(node) if found.type == kind), None)


def enclosing(node: Node, kind: str) -> Node | None:
    """Return the nearest node of a type around a node."""
    found = node.parent
    while found is not None and found.type != kind:
        found = found.parent
    return found


def place(source: Source, node: Node) -> str:
    """Return the file and line of a node."""
    return f"{source.name}:{node.start_point[0] + 1}"


def syntax_errors(source: Source) -> list[str]:
    """Return a message for each syntax error of either grammar."""
    return [
        f"{place(source, node)}: {grammar} does not understand {text_of(node)[:40]!r}"
        for grammar, parser in PARSERS.items()
        for node in walk(parser.parse(source.text.encode()).root_node)
        if node.type == "ERROR" or node.is_missing
    ]


def argument_spec(source: Source) -> dict[str, Any]:
    """Return the literal argument spec of a module. Raises ValueError for anything but a literal."""
    for assignment in every(source.root, "assignment_expression"):
        if text_of(first(assignment, "left_assignment_expression")) == "$spec":
            value = first(assignment, "assignment_value")
            assert value is not None
            return _literal(value)
    raise ValueError(f"{source.name} assigns no $spec")


_CONSTANTS = {"$true": True, "$false": False, "$null": None}


def _literal(node: Node) -> Any:
    text = text_of(node)
    if node.type == "hash_literal_expression":
        body = first(node, "hash_literal_body")
        entries = [child for child in body.named_children if child.type == "hash_entry"] if body else []
        value: Any = {text_of(first(entry, "key_expression")): _literal(entry.named_children[-1]) for entry in entries}
    elif node.type == "array_expression":
        items = first(node, "array_literal_expression")
        value = [_literal(child) for child in items.named_children] if items else []
        if items is None and text.strip("@() "):
            raise ValueError(f"{text} is not an array of literals")
    elif node.type == "string_literal" and not re.search("[$`]", text):
        value = text[1:-1]
    elif text.lower() in _CONSTANTS:
        value = _CONSTANTS[text.lower()]
    elif len(node.named_children) == 1:
        value = _literal(node.named_children[0])
    else:
        raise ValueError(f"{text} is not a literal")
    return value
