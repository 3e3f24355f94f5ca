# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PowerShell files of this collection, with the syntax trees of PowerShell's own parser."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Iterator, Sequence

from hosts import pwsh
from overlay import CHECKOUT, HERE

PLUGINS = CHECKOUT / "plugins"
MODULE = PLUGINS / "modules" / "win_firewall.ps1"
ADAPTER, CHANGE, ROLLBACK, RULES = (
    PLUGINS / "module_utils" / f"_Edge{name}.psm1" for name in ("Firewall", "Change", "Rollback", "Rules")
)
FILES = (MODULE, ADAPTER, CHANGE, ROLLBACK, RULES)


class Node:
    """A node of a syntax tree. type: as PowerShell names it, without "Ast"; line: of its beginning."""

    def __init__(self, source: Source, data: dict[str, Any]) -> None:
        self._source, self._data = source, data
        self.type: str = data["type"]
        self.line: int = data["line"]

    def __getitem__(self, name: str) -> Node:
        """Return the node that a property is."""
        return self._source.nodes[self._data["fields"][name]]

    def has(self, name: str) -> bool:
        """Return whether a property is there."""
        return name in self._data["fields"]

    def plain(self, name: str) -> str:
        """Return a property that is no node, empty where there is none."""
        return str(self._data["fields"].get(name, ""))

    def several(self, name: str) -> list[Node]:
        """Return the nodes that a property is."""
        return [self._source.nodes[number] for number in self._data["fields"].get(name, ())]

    @property
    def text(self) -> str:
        """The text of the node."""
        return self._source.text[self._data["start"] : self._data["end"]]

    @property
    def parent(self) -> Node | None:
        """The node around it."""
        number = self._data["parent"]
        return None if number < 0 else self._source.nodes[number]

    def within(self, kind: str) -> Node | None:
        """Return the nearest node of a type around it."""
        found = self.parent
        while found is not None and found.type != kind:
            found = found.parent
        return found

    def every(self, *types: str) -> Iterator[Node]:
        """Yield all nodes of these types in it, in the order of the text."""
        start, end = self._data["start"], self._data["end"]
        for node in self._source.every(*types):
            if start <= node._data["start"] and node._data["end"] <= end:
                yield node


@dataclass
class Source:
    """A file with its tree. name: such as win_firewall.ps1; errors: of the parser; spec: the literal of $spec."""

    name: str
    text: str
    tree: dict[str, Any]

    def __post_init__(self) -> None:
        """Make the nodes."""
        self.nodes = [Node(self, data) for data in self.tree["nodes"]]

    @property
    def errors(self) -> list[str]:
        """What PowerShell's parser does not understand."""
        return [f"{self.name}:{one['line']}: {one['message']}" for one in self.tree["errors"]]

    @property
    def spec(self) -> dict[str, Any]:
        """The literal argument spec of a module."""
        return self.tree["spec"]

    def every(self, *types: str) -> list[Node]:
        """Return all nodes of these types, in the order of the text."""
        return [node for node in self.nodes if node.type in types]

    def place(self, node: Node) -> str:
        """Return the file and line of a node."""
        return f"{self.name}:{node.line}"


@lru_cache(maxsize=None)
def _parsed(texts: tuple[str, ...]) -> dict[str, Any]:
    script = HERE / "syntax_tree.ps1"
    command = [pwsh(), "-NoProfile", "-NonInteractive", "-File", str(script)]
    done = subprocess.run(command, input=json.dumps(texts), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def parse(files: Sequence[tuple[str, str]]) -> list[Source]:
    """Return files with their trees. files: their names and texts, all for one PowerShell."""
    trees = _parsed(tuple(text for _name, text in files))["trees"]
    return [Source(name, text, tree) for (name, text), tree in zip(files, trees, strict=True)]


def approved_verbs() -> set[str]:
    """Return the verbs that PowerShell approves of."""
    return set(_parsed(("",))["verbs"])


@lru_cache(maxsize=None)
def sources() -> tuple[Source, ...]:
    """Return the PowerShell files of this collection."""
    return tuple(parse([(path.name, path.read_text(encoding="utf-8")) for path in FILES]))
