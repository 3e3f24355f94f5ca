# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed lines in the language of iptables, just as iptables-save lists them, and scripts that put them in place.

Sources: iptables(8), iptables-extensions(8), iptables-restore(8).
"""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ..evaluator.iptables_save import words_of
from ..model.addresses import BITS
from ..model.literals import Direction, Family
from ..model.ownership import CHAIN_PREFIX, DIRECTIONS_OF_ROWS
from ..model.plan import Unmanaged
from ..model.rules import Rule
from .lines import Found, Line

PROGRAMS: Dict[str, str] = {"ipv4": "iptables", "ipv6": "ip6tables"}
BASES: Dict[str, str] = {
    f"{CHAIN_PREFIX}IN": "INPUT",
    f"{CHAIN_PREFIX}OUT": "OUTPUT",
    f"{CHAIN_PREFIX}FORWARD": "FORWARD",
}
"""The managed chains, each with the chain of a hook whose packets it is for."""
_IN, _OUT, FORWARD = BASES
CHAINS = tuple(BASES)


@dataclass(frozen=True)
class Jumps:
    """Places of jumps to one managed chain in one unmanaged chain. before: the line that each precedes, empty for the
    end of the chain.
    """

    chain: str
    own: str
    before: Tuple[str, ...]


@dataclass(frozen=True)
class ProgramRules:
    """The managed rules of one program. path: of the program, without -restore behind it; lines: of each managed chain,
    None for a chain that is not to be there; jumps: for each unmanaged chain that has some, or may have some.
    """

    path: str
    lines: Mapping[str, Optional[Sequence[str]]]
    jumps: Sequence[Jumps]


def jump(chain: str, own: str) -> str:
    """Return the rule that leads from an unmanaged chain to a managed one."""
    return f"-A {chain} -j {own}"


def matches(line: Line) -> str:
    """Return what every line has: addresses, protocol and port."""
    source = f"-s {_network(line.source, line.family)} " if line.source else ""
    destination = f"-d {_network(line.destination, line.family)} " if line.destination else ""
    if line.dialled:
        # By what the client dialled: the next container may have another address.
        dialled = f"--ctorigdst {line.destination} " if line.destination else ""
        return f"{source}-p tcp -m conntrack {dialled}--ctorigdstport {line.port}"
    return f"{source}{destination}-p tcp -m tcp --dport {line.port}"


def write_line(line: Line) -> str:
    """Return a line of a managed chain."""
    return f"-A {chain_of(line)} {matches(line)} -m comment --comment {line.row} -j ACCEPT"


def chain_of(rule: Union[Line, Rule]) -> str:
    """Return the managed chain that a rule stands in."""
    return FORWARD if rule.forwarded else _IN if rule.direction == "in" else _OUT


def read_line(text: str, family: Family) -> Found:
    """Return a line out of what iptables-save lists; an unmanaged one unless it would be written in just this way."""
    words = words_of(text)
    options = _options(words[2:])
    forwarded = words[1] == FORWARD
    direction: Direction = "in" if words[1] == _IN else "out"
    dialled = "--ctorigdstport" in options
    try:
        line = Line(
            row=options["--comment"],
            direction=DIRECTIONS_OF_ROWS[options["--comment"]] if forwarded else direction,
            family=family,
            source=_side(options, "-s", family),
            destination=_side(options, "--ctorigdst" if dialled else "-d", family),
            port=int(options["--ctorigdstport" if dialled else "--dport"]),
            forwarded=forwarded,
            dialled=dialled,
        )
    except (KeyError, ValueError):
        return Unmanaged(f"chain {words[1]}", text)
    return line if words_of(write_line(line)) == words else Unmanaged(f"chain {words[1]}", text)


def lines_in(listing: str, chain: str) -> List[str]:
    """Return the rules of a chain of the table filter in what iptables-save prints."""
    return [line for line in filter_table(listing) if line.startswith(f"-A {chain} ")]


def has_chain(listing: str, chain: str) -> bool:
    """Return whether the table filter has a chain."""
    return any(line.startswith(f":{chain} ") for line in filter_table(listing))


def filter_table(listing: str) -> Sequence[str]:
    """Return the lines of the table filter."""
    _before, _star, rest = f"\n{listing}".partition("\n*filter\n")
    return rest.partition("\nCOMMIT")[0].splitlines()


def jumps_in(listing: str, own: str) -> List[Jumps]:
    """Return where jumps to a managed chain stand."""
    found: Dict[str, List[str]] = {}
    pending: Dict[str, int] = {}
    for line in filter_table(listing):
        words = line.split(" ", 2)
        if words[0] != "-A":
            continue
        if line == jump(words[1], own):
            pending[words[1]] = pending.get(words[1], 0) + 1
        elif pending.get(words[1]):
            found.setdefault(words[1], []).extend([line] * pending.pop(words[1]))
    for chain, count in pending.items():
        found.setdefault(chain, []).extend([""] * count)
    return [Jumps(chain, own, tuple(before)) for chain, before in found.items()]


# A chain's listing and then lines go through awk. It prints what removes every jump to the managed chain, and puts one
# before each line that stands behind "# before", or at the end of the chain where there is no such line.
_JUMPS = r"""jumps() { # program, chain, managed chain; the lines are read from standard input
  { "$1" --wait --list-rules "$2" 2> /dev/null; echo '# lines'; cat; } | CHAIN=$2 OWN=$3 awk '
    BEGIN { jump = ENVIRON["CHAIN"] " -j " ENVIRON["OWN"] }
    begun && listed { line = substr($0, 10); at[++slots] = (line in first) ? first[line] : count + 1; next }
    begun { next }
    /^# lines$/ { begun = 1; next }
    /^-[PN] / { listed = 1; next }
    $0 == "-A " jump { print "-D " jump; next }
    { count++; if (!($0 in first)) first[$0] = count }
    END { for (; slots; slots--) print "-I " ENVIRON["CHAIN"] " " at[slots] " -j " ENVIRON["OWN"] }'
}
"""


def write_script(programs: Sequence[ProgramRules]) -> str:
    """Return a shell script that makes the managed rules of each program as given, in one transaction for each.

    It may be run as often as one likes; unmanaged chains that are not there are left out.
    """
    return f'{_JUMPS}status=0\n{"".join(map(_block, programs))}exit "$status"\n'


def transaction(rules: ProgramRules, jumps: Sequence[str]) -> str:
    """Return one transaction for iptables-restore. jumps: its lines that remove and insert jumps."""
    return "\n".join([*_head(rules), *jumps, *_tail(rules), ""])


def _head(rules: ProgramRules) -> List[str]:
    # To declare a chain empties one that is there.
    chains = [f":{chain} - [0:0]" for chain in rules.lines]
    return ["*filter", *chains, *(line for lines in rules.lines.values() for line in lines or ())]


def _tail(rules: ProgramRules) -> List[str]:
    return [*(f"-X {chain}" for chain, lines in rules.lines.items() if lines is None), "COMMIT"]


def _block(rules: ProgramRules) -> str:
    def here(command: str, lines: Sequence[str]) -> str:
        return f"  {command} << 'END'\n" + "".join(f"{line}\n" for line in lines) + "END\n"

    moved = [
        here(f"jumps {quote(rules.path)} {quote(one.chain)} {one.own}", [f"# before {before}" for before in one.before])
        for one in rules.jumps
    ]
    body = "".join([here("cat", _head(rules)), *moved, here("cat", _tail(rules))])
    # All lines first: a program that waits for the rest of its input has the lock that listing a chain waits for.
    command = f"printf '%s\\n' \"$lines\" | {quote(rules.path + '-restore')} --noflush --wait || status=1"
    return f"rules() {{\n{body}}}\nlines=$(rules)\n{command}\n"


def _options(words: Sequence[str]) -> Dict[str, str]:
    """Return options with their first arguments."""
    options: Dict[str, str] = {}
    for number, word in enumerate(words):
        if word.startswith("-"):
            options.setdefault(word, words[number + 1] if number + 1 < len(words) else "")
    return options


def _side(options: Mapping[str, str], option: str, family: str) -> str:
    return options.get(option, "").replace(f"/{BITS[family]}", "")


def _network(text: str, family: str) -> str:
    return text if "/" in text else f"{text}/{BITS[family]}"
