# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our rules in ufw's own files of user rules, as "ufw status" shows them, and in the chains that it makes of them.

Each rule stands in a file as a comment, the tuple, which ufw reads, and as lines for iptables-restore, which it loads.
Source: ufw(8), ufw-framework(8), and the files themselves.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

from ..model.ownership import COMMENT
from ..model.plan import Unmanaged
from ..model.rules import Rule
from .iptables_lines import matches
from .lines import FAMILIES, Found, Line, lines_of

FILES: Dict[str, str] = {"ipv4": "user.rules", "ipv6": "user6.rules"}
_PREFIXES = {"ipv4": "ufw", "ipv6": "ufw6"}
_WORDS = {"in": "input", "out": "output"}
_ANY = {"ipv4": "0.0.0.0/0", "ipv6": "::/0"}
_TUPLE = "### tuple ### "
_HEAD, _TAIL = "### RULES ###", "### END RULES ###"
_ACTIONS = {("allow", "in"): "allow", ("allow", "out"): "allow", ("block", "in"): "deny", ("block", "out"): "reject"}
_TARGETS = {"allow": "ACCEPT", "deny": "DROP", "reject": "REJECT --reject-with tcp-reset"}


MERGE = f"""\
# Reads one of ufw's files, leaves out all of ours, and puts what is in the file "ours" before all other rules.
function put_ours(line) {{
  while ((getline line < ours) > 0) print line
  done = 1
}}
/^{_TUPLE}/ {{ skip = / comment={binascii.hexlify(COMMENT.encode()).decode()}/ }}
/^{_TAIL}/ {{ skip = 0 }}
head && !done && $0 != "" {{ put_ours() }}
!skip {{ print }}
/^{_HEAD}/ {{ head = 1 }}
END {{ if (head && !done) put_ours() }}
"""
"""A program for awk(1)."""


def chain_of(family: str, direction: str) -> str:
    """The chain in which ufw has user rules."""
    return f"{_PREFIXES[family]}-user-{_WORDS[direction]}"


@dataclass(frozen=True)
class UserRules:
    """One of ufw's files. before: lines up to where rules begin; entries: our rules and those of others, each with its
    lines; after: all lines behind them.
    """

    before: Tuple[str, ...]
    entries: Tuple[Tuple[str, ...], ...]
    after: Tuple[str, ...]

    @property
    def text(self) -> str:
        """The file's text."""
        body = [line for entry in self.entries for line in entry]
        return "\n".join([*self.before, *body, *self.after]) + "\n"

    def with_ours(self, lines: Sequence[Line]) -> UserRules:
        """The file with our rules before all others, in place of those that it has."""
        ours = [tuple(write_entry(line)) for line in lines]
        # Where ufw has not written the file yet, it does not say where rules end.
        after = self.after if not lines or _TAIL in self.after else (_TAIL, "", *self.after)
        return UserRules(self.before, (*ours, *(entry for entry in self.entries if not is_ours(entry))), after)


def read_user_rules(text: str) -> Optional[UserRules]:
    """A file taken apart; None where it is not made as ufw makes it."""
    lines = text.splitlines()
    if _HEAD not in lines:
        return None
    start = lines.index(_HEAD) + 1
    if start < len(lines) and not lines[start]:
        start += 1
    # A file that ufw has not written yet has no rules, and no line that says where they end.
    end = lines.index(_TAIL) if _TAIL in lines else start
    entries: List[List[str]] = []
    for line in lines[start:end]:
        if line.startswith(_TUPLE):
            entries.append([])
        if not entries:
            return None
        entries[-1].append(line)
    return UserRules(tuple(lines[:start]), tuple(tuple(entry) for entry in entries), tuple(lines[end:]))


def is_ours(entry: Sequence[str]) -> bool:
    """Whether an entry has our comment."""
    return _comment(entry[0]).startswith(COMMENT)


def found_lines(rules: UserRules, family: str) -> Dict[str, List[Found]]:
    """Our lines by direction; strangers where an entry with our mark is not as we write it, or not at the head."""
    found: Dict[str, List[Found]] = {"in": [], "out": []}
    foreign = False
    for entry in rules.entries:
        if not is_ours(entry):
            foreign = True
            continue
        line = _read_entry(entry, family)
        place = f"file {FILES[family]}"
        if line is None or foreign:
            found["in"].append(Unmanaged(place, entry[0][len(_TUPLE) :] + (" behind other rules" if foreign else "")))
        else:
            found[line.direction].append(line)
    return found


def write_entry(line: Line) -> List[str]:
    """A rule as it stands in the file."""
    any_address = _ANY[line.family]
    action = _ACTIONS[line.action, line.direction]
    comment = binascii.hexlify((COMMENT + line.row + (" guard" if line.action == "block" else "")).encode()).decode()
    sides = f"{line.port} {line.destination or any_address} any {line.source or any_address} {line.direction}"
    destination = f" -d {line.destination}" if line.destination else ""
    source = f" -s {line.source}" if line.source else ""
    return [
        f"{_TUPLE}{action} tcp {sides} comment={comment}",
        f"-A {chain_of(line.family, line.direction)} -p tcp{destination} --dport {line.port}{source} "
        f"-j {_TARGETS[action]}",
        "",
    ]


def live_rule(line: Line) -> str:
    """A rule as iptables-save lists it in ufw's chain."""
    action = _ACTIONS[line.action, line.direction]
    return f"-A {chain_of(line.family, line.direction)} {matches(line)} -j {_TARGETS[action]}"


def lines_by_family(rules: Sequence[Rule], families: Sequence[str]) -> Dict[str, List[Line]]:
    """The lines of all families that ufw looks after; none for the others."""
    return {family: lines_of(rules, family) if family in families else [] for family in FAMILIES}


def _read_entry(entry: Sequence[str], family: str) -> Optional[Line]:
    words = entry[0][len(_TUPLE) :].split()
    row, _space, guard = _comment(entry[0])[len(COMMENT) :].partition(" ")
    try:
        _action, _tcp, port, destination, _any, source, direction = words[:7]
        line = Line(
            row=row,
            action="block" if guard == "guard" else "allow",
            direction=direction,
            family=family,
            source="" if source == _ANY[family] else source,
            destination="" if destination == _ANY[family] else destination,
            port=int(port),
        )
        written = [text for text in write_entry(line) if text]
    except (KeyError, ValueError):
        return None
    return line if [text for text in entry if text] == written else None


def _comment(first_line: str) -> str:
    """The comment of a tuple, which stands there in hexadecimal digits."""
    digits = first_line.rpartition(" comment=")[2] if " comment=" in first_line else ""
    try:
        return binascii.unhexlify(digits.split()[0]).decode() if digits.split() else ""
    except (ValueError, UnicodeDecodeError):
        return ""
