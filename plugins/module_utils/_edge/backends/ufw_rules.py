# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed rules in ufw's files of user rules, as "ufw status" shows them, and in the chains that it makes of them.

Each rule stands in a file as a comment, the tuple, which ufw reads, and as lines for iptables-restore, which it loads.
Source: ufw(8), ufw-framework(8), and the files themselves.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Sequence, Tuple, Union

from ..model.literals import Direction, Family
from ..model.ownership import COMMENT, DIRECTIONS_OF_ROWS
from ..model.plan import Unmanaged
from ..model.rules import Rule
from .iptables_lines import matches
from .lines import Found, Line

FILES: Dict[str, str] = {"ipv4": "user.rules", "ipv6": "user6.rules"}
_PREFIXES = {"ipv4": "ufw", "ipv6": "ufw6"}
_DIRECTIONS: Dict[str, Direction] = {"in": "in", "out": "out"}
WORDS = ("input", "output", "forward")
"""The kinds of ufw's chains."""
_WORDS = {"in": "input", "out": "output"}
_ROUTE = "route:"
_ANY = {"ipv4": "0.0.0.0/0", "ipv6": "::/0"}
_TUPLE = "### tuple ### "
_HEAD, _TAIL = "### RULES ###", "### END RULES ###"
_DENYING = ("deny", "reject", "limit")


MERGE = f"""\
# Reads one of ufw's files, leaves out all managed rules, and puts what is in the file "managed" where "place" says:
# before all other rules ("head"), or behind them.
function put_managed(line) {{
  while ((getline line < managed) > 0) print line
  done = 1
}}
/^{_TUPLE}/ {{ skip = / comment={binascii.hexlify(COMMENT.encode()).decode()}/ }}
/^{_TAIL}/ {{ skip = 0; if (!done) put_managed() }}
place == "head" && head && !done && $0 != "" {{ put_managed() }}
!skip {{ print }}
/^{_HEAD}/ {{ head = 1 }}
END {{ if (head && !done) put_managed() }}
"""
"""A program for awk(1)."""


def chain_of(family: Family, word: str) -> str:
    """Return the chain in which ufw has user rules. word: one of WORDS."""
    return f"{_PREFIXES[family]}-user-{word}"


def word_of(line: Union[Line, Rule]) -> str:
    """Return of which kind the chain is that a line stands in."""
    return "forward" if line.forwarded else _WORDS[line.direction]


@dataclass(frozen=True)
class UserRules:
    """One of ufw's files. before: lines up to where rules begin; entries: all rules, each with its lines; after: all
    lines behind them.
    """

    before: Tuple[str, ...]
    entries: Tuple[Tuple[str, ...], ...]
    after: Tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the file's text."""
        body = [line for entry in self.entries for line in entry]
        return "\n".join([*self.before, *body, *self.after]) + "\n"

    @property
    def managed_first(self) -> bool:
        """Return whether managed rules stand before all others, as releases before 1.2 put them."""
        return bool(self.entries) and is_managed(self.entries[0])

    def with_managed(self, lines: Sequence[Line]) -> UserRules:
        """Return the file with managed rules behind all others, in place of those that it has."""
        managed = [tuple(write_entry(line)) for line in lines]
        # Where ufw has not written the file yet, it does not say where rules end.
        after = self.after if not lines or _TAIL in self.after else (_TAIL, "", *self.after)
        return UserRules(self.before, (*(entry for entry in self.entries if not is_managed(entry)), *managed), after)


def read_user_rules(text: str) -> Optional[UserRules]:
    """Return a file taken apart; None where it is not made as ufw makes it."""
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


def is_managed(entry: Sequence[str]) -> bool:
    """Return whether an entry has the ownership tag in its comment."""
    return _comment(entry[0]).startswith(COMMENT)


def found_lines(rules: UserRules, family: Family) -> List[Found]:
    """Return the managed lines; unmanaged ones where an entry with the tag is not as it would be written."""
    found: List[Found] = []
    for entry in filter(is_managed, rules.entries):
        line = _read_entry(entry, family)
        found.append(line or Unmanaged(f"file {FILES[family]}", entry[0][len(_TUPLE) :]))
    return found


def denials_behind(rules: UserRules, ports: Sequence[int]) -> Iterator[str]:
    """Yield the denials of some port that stand behind a managed rule, which it would overrule."""
    managed = False
    for entry in rules.entries:
        managed = managed or is_managed(entry)
        if managed and not is_managed(entry) and _denies(entry[0], ports):
            yield entry[0][len(_TUPLE) :].partition(" comment=")[0]


def _denies(first_line: str, ports: Sequence[int]) -> bool:
    words = first_line[len(_TUPLE) :].split()
    # One that logs ends in "_log".
    if len(words) < 3 or words[0].replace(_ROUTE, "").partition("_")[0] not in _DENYING:
        return False
    return words[1] in ("any", "tcp") and (words[2] == "any" or any(_has_port(words[2], port) for port in ports))


def _has_port(text: str, port: int) -> bool:
    """Return whether ports as ufw writes them have one; what cannot be read may."""
    for part in text.split(","):
        first, colon, last = part.partition(":")
        try:
            if int(first) <= port <= int(last if colon else first):
                return True
        except ValueError:
            return True
    return False


def write_entry(line: Line) -> List[str]:
    """Return a rule as it stands in the file."""
    any_address = _ANY[line.family]
    comment = binascii.hexlify((COMMENT + line.row).encode()).decode()
    direction = "in" if line.forwarded else line.direction
    sides = f"{line.port} {line.destination or any_address} any {line.source or any_address} {direction}"
    destination = f" -d {line.destination}" if line.destination else ""
    source = f" -s {line.source}" if line.source else ""
    return [
        f"{_TUPLE}{_ROUTE if line.forwarded else ''}allow tcp {sides} comment={comment}",
        f"-A {chain_of(line.family, word_of(line))} -p tcp{destination} --dport {line.port}{source} -j ACCEPT",
        "",
    ]


def live_rule(line: Line) -> str:
    """Return a rule as iptables-save lists it in ufw's chain."""
    return f"-A {chain_of(line.family, word_of(line))} {matches(line)} -j ACCEPT"


def live_rules(rules: UserRules, family: Family) -> List[str]:
    """Return the managed entries of a file as iptables-save lists them, guards of releases before 1.2 too."""
    listed = []
    for entry in filter(is_managed, rules.entries):
        line = _read_fields(entry, family)
        if line is not None:
            action = entry[0][len(_TUPLE) :].split()[0]
            target = {"deny": "DROP", "reject": "REJECT --reject-with tcp-reset"}.get(action, "ACCEPT")
            listed.append(live_rule(line)[: -len("ACCEPT")] + target)
    return listed


def _read_entry(entry: Sequence[str], family: Family) -> Optional[Line]:
    line = _read_fields(entry, family)
    if line is None or [text for text in entry if text] != [text for text in write_entry(line) if text]:
        return None
    return line


def _read_fields(entry: Sequence[str], family: Family) -> Optional[Line]:
    words = entry[0][len(_TUPLE) :].split()
    try:
        action, _tcp, port, destination, _any, source, direction = words[:7]
        row = _comment(entry[0])[len(COMMENT) :].partition(" ")[0]
        forwarded = action.startswith(_ROUTE)
        line = Line(
            row=row,
            direction=DIRECTIONS_OF_ROWS[row] if forwarded else _DIRECTIONS[direction],
            family=family,
            source="" if source == _ANY[family] else source,
            destination="" if destination == _ANY[family] else destination,
            port=int(port),
            forwarded=forwarded,
        )
    except (KeyError, ValueError):
        return None
    return line


def _comment(first_line: str) -> str:
    """Return the comment of a tuple, which stands there in hexadecimal digits."""
    digits = first_line.rpartition(" comment=")[2] if " comment=" in first_line else ""
    try:
        return binascii.unhexlify(digits.split()[0]).decode() if digits.split() else ""
    except (ValueError, UnicodeDecodeError):
        return ""
