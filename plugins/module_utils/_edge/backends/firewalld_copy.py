# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy that firewalld has of its permanent configuration, and writes to a file with each permanent change.

firewalld notices a changed file seconds later, and the first file of a zone that its package ships not before a reload.
So it is told of each change; otherwise its next permanent change would write a file without the managed rules, or with
those that were removed. Source: firewalld.dbus(5); the delays were seen with firewalld 2.3.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from shlex import quote
from typing import Iterator, List, Sequence, Tuple

from ..model.steps import Command
from .firewalld_bus import call, find_object, in_shell
from .firewalld_rules import Elements, is_managed, read_rich_rule, write_rich_rule

_THERE = "ALREADY_ENABLED"
_GONE = "NOT_ENABLED"
_LATER = "PATH-OF-THE-OBJECT"


@dataclass(frozen=True)
class OwnCopy:
    """What firewalld has of one zone or policy. kind: zone or policy; name: its own; path: of its D-Bus object, until a
    reload; file: the path that it writes; rules: its rich rules, as firewalld says them.
    """

    kind: str
    name: str
    path: str
    file: str
    rules: Tuple[str, ...] = ()

    @property
    def backup(self) -> str:
        """Return the path to which firewalld copies a file before it writes it."""
        return f"{self.file}.old"

    @property
    def managed(self) -> List[Elements]:
        """Return the managed rules."""
        return [elements for elements in map(read_rich_rule, self.rules) if is_managed(elements)]


def changes(program: str, copy: OwnCopy, desired: Sequence[Elements]) -> Iterator[Command]:
    """Yield the steps that tell firewalld of the managed rules that are desired."""
    if copy.kind == "policy":
        # A policy has no calls for single rules.
        if copy.managed != list(desired):
            yield _step(_policy_call(program, copy, desired))
        return
    for method, rules, satisfied in (
        ("addRichRule", _without(desired, copy.managed), _THERE),
        ("removeRichRule", _without(copy.managed, desired), _GONE),
    ):
        for elements in rules:
            yield _step(_zone_call(program, copy, method, elements), satisfied)


def restoration(program: str, copy: OwnCopy, desired: Sequence[Elements]) -> str:
    """Return the shell command that tells firewalld of the rules before a change, and leaves its files as they are.

    A reload may have given the object another path by then, so that it is asked for by name.
    """
    asked = find_object(program, copy.kind, copy.name)
    copy = replace(copy, path=_LATER)
    if copy.kind == "policy":
        commands = [in_shell(_policy_call(program, copy, copy.managed))]
    else:
        there = [(elements, "", "addRichRule") for elements in copy.managed]
        gone = [(elements, "! ", "removeRichRule") for elements in _without(desired, copy.managed)]
        commands = [
            f"{{ {no}{in_shell(_zone_call(program, copy, 'queryRichRule', elements))} | grep -q true"
            f" || {in_shell(_zone_call(program, copy, method, elements))}; }}"
            for elements, no, method in (*there, *gone)
        ]
    find = f'path=$({in_shell(asked)} | sed -n \'s|.*"\\(/[^"]*\\)".*|\\1|p\') && [ -n "$path" ]'
    told = " && ".join([find, *(command.replace(_LATER, '"$path"') for command in commands)])
    return f"keep_files {quote(told)} {quote(copy.file)} {quote(copy.backup)}"


def _step(command: Sequence[str], satisfied: str = "") -> Command:
    return Command(tuple(command), manager="firewalld", satisfied=satisfied)


def _zone_call(program: str, copy: OwnCopy, method: str, elements: Elements) -> List[str]:
    return call(program, "config.zone", method, "s", write_rich_rule(elements), path=copy.path)


def _policy_call(program: str, copy: OwnCopy, managed: Sequence[Elements]) -> List[str]:
    others = [rule for rule in copy.rules if not is_managed(read_rich_rule(rule))]
    rules = [*others, *map(write_rich_rule, managed)]
    arguments = ("a{sv}", "1", "rich_rules", "as", str(len(rules)), *rules)
    return call(program, "config.policy", "update", *arguments, path=copy.path)


def _without(rules: Sequence[Elements], others: Sequence[Elements]) -> List[Elements]:
    return [one for one in rules if one not in others]
