# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The import graph of module_utils/_edge: no cycle of files or packages, and no I/O in what is pure.

Imports for types only count as well. "python tests/unit/test_imports.py" prints the graph of packages.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "plugins" / "module_utils" / "_edge"
FILES = {path.relative_to(ROOT).with_suffix("").as_posix(): path for path in sorted(ROOT.rglob("*.py"))}

IO = {"os", "io", "pathlib", "glob", "shutil", "subprocess", "socket", "ssl", "fcntl", "tempfile", "asyncio", "ctypes"}
IO |= {
    "select",
    "selectors",
    "signal",
    "time",
    "http",
    "urllib",
    "pwd",
    "grp",
    "threading",
    "multiprocessing",
    "syslog",
}
"""Modules of the standard library by which a host is read or changed."""

PURE = {"model": {"model"}, "evaluator": {"evaluator", "model"}, "request": {"request", "model"}}
"""By pure package the packages that it may import."""

ALLOWED_IO = {
    "model/addresses": r"socket\.(AF_INET6?|inet_pton|inet_ntop)",
    "model/errors": r"os\.path\.basename",
    "evaluator": r"socket\.(AF|IPPROTO)_[A-Z0-9]+",
}
"""The parts of such modules that are pure all the same, as a pattern by file or package."""


def imports_of(name):
    """The files of this package that a file imports, whether at its head, in a function or for types only."""
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    # The package of an __init__ file is its own folder.
    package = name.split("/")[:-1]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            base = [part for part in base if part]
            for alias in node.names:
                target = "/".join([*base, alias.name])
                module = "/".join(base)
                found.add(next(one for one in (target, module, f"{module}/__init__", "__init__") if one in FILES))
    return found - {name}


GRAPH = {name: imports_of(name) for name in FILES}


def package_of(name):
    """The package of a file; a file at the top is one of its own."""
    return name.partition("/")[0]


PACKAGES = {
    package: {package_of(target) for name in FILES if package_of(name) == package for target in GRAPH[name]} - {package}
    for package in sorted(map(package_of, FILES))
}


def cycle_in(graph):
    """The nodes of a cycle, in order; None where there is none."""
    done, way = set(), []

    def visit(node):
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done:
            return None
        way.append(node)
        for target in sorted(graph[node]):
            found = visit(target)
            if found:
                return found
        done.add(way.pop())
        return None

    return next((found for found in map(visit, sorted(graph)) if found), None)


@pytest.mark.parametrize(("what", "graph"), [("files", GRAPH), ("packages", PACKAGES)])
def test_no_cycle(what, graph):
    found = cycle_in(graph)
    assert found is None, f"a cycle of {what}: {' -> '.join(found)}"


@pytest.mark.parametrize("package", PURE)
def test_a_pure_package_imports_only_what_it_may(package):
    assert PACKAGES[package] | {package} <= PURE[package]


@pytest.mark.parametrize("name", [name for name in FILES if package_of(name) in PURE])
def test_a_pure_file_neither_reads_nor_changes_a_host(name):
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    imported, used = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names} & IO
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module.partition(".")[0] in IO:
            used |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Name) and node.id in ("open", "input", "print", "exec", "eval", "__import__"):
            used.add(node.id)
    used |= {text for text in map(dotted, outermost_attributes(tree)) if text.partition(".")[0] in imported}
    allowed = ALLOWED_IO.get(name) or ALLOWED_IO.get(package_of(name), "")
    assert not [one for one in used if not re.fullmatch(allowed, one)]
    assert not imported or used


def dotted(node):
    """An attribute as it is written, such as os.path.join; empty for one of what is no name."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(names)]) if isinstance(node, ast.Name) else ""


def outermost_attributes(tree):
    """Attributes such as os.path.join, not the parts of one."""
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and id(node) not in inner]


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, ["b", "c", "b"]),
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, None),
        ({"a": {"a"}}, ["a", "a"]),
    ],
)
def test_cycles_are_found(graph, found):
    assert cycle_in(graph) == found


def test_imports_of_every_kind_are_seen():
    assert "rollback/changes" in GRAPH["reconcile"]
    assert "backends/ufw" in GRAPH["backends/registry"]
    assert "model/addresses" in GRAPH["model/rules"]


if __name__ == "__main__":
    for one, targets in PACKAGES.items():
        print(f"{one}: {', '.join(sorted(targets)) or '-'}")
