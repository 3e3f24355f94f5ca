# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our lines in the language of iptables, just as iptables-save lists them.

Sources: iptables(8), iptables-extensions(8).
"""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Tuple

from ..evaluator.iptables_save import words_of
from ..model.ownership import CHAIN_PREFIX
from ..model.plan import Unmanaged
from .lines import SET, Found, Line

PROGRAMS: Dict[str, str] = {"ipv4": "iptables", "ipv6": "ip6tables"}
CHAINS: Dict[str, str] = {"in": f"{CHAIN_PREFIX}IN", "out": f"{CHAIN_PREFIX}OUT"}
BASES: Dict[str, str] = {"in": "INPUT", "out": "OUTPUT"}

_INTERFACE = {"in": "-i", "out": "-o"}
_BLOCK = {"in": "-j DROP", "out": "-j REJECT --reject-with tcp-reset"}
_BITS = {"ipv4": "32", "ipv6": "128"}


def jump(direction: str) -> str:
    """The rule that leads from the base chain to ours."""
    return f"-A {BASES[direction]} -j {CHAINS[direction]}"


def matches(line: Line) -> str:
    """What every line has: addresses, protocol and port."""
    source = f"-s {_network(line.source, line.family)} " if line.source and not line.source.startswith(SET) else ""
    to = line.destination
    destination = f"-d {_network(to, line.family)} " if to and not to.startswith(SET) else ""
    return f"{source}{destination}-p tcp -m tcp --dport {line.port}"


def write_line(line: Line) -> str:
    """A line of one of our chains."""
    chain = CHAINS[line.direction]
    if line.action == "block":
        return (
            f"-A {chain} ! {_INTERFACE[line.direction]} lo {matches(line)} -m conntrack ! --ctstate ESTABLISHED "
            f'-m comment --comment "{line.row} guard" {_BLOCK[line.direction]}'
        )
    sets = "".join(
        f" -m set --match-set {side[len(SET) :]} {which}"
        for side, which in ((line.source, "src"), (line.destination, "dst"))
        if side.startswith(SET)
    )
    return f"-A {chain} {matches(line)}{sets} -m comment --comment {line.row} -j ACCEPT"


def read_line(text: str, direction: str, family: str) -> Found:
    """A line again from what iptables-save lists; a stranger unless we would write it in just this way."""
    words = words_of(text)
    options = _options(words[2:])
    row, _space, guard = options.get("--comment", ("", ""))[1].partition(" ")
    try:
        line = Line(
            row=row,
            action="block" if guard == "guard" else "allow",
            direction=direction,
            family=family,
            source=_side(options, "-s", "src", family),
            destination=_side(options, "-d", "dst", family),
            port=int(options["--dport"][1]),
        )
    except (KeyError, ValueError):
        return Unmanaged(f"chain {words[1]}", text)
    return line if words_of(write_line(line)) == words else Unmanaged(f"chain {words[1]}", text)


def lines_in(listing: str, chain: str) -> List[str]:
    """The rules of a chain of the table filter in what iptables-save prints."""
    return [line for line in _filter_table(listing) if line.startswith(f"-A {chain} ")]


def has_chain(listing: str, chain: str) -> bool:
    """Whether the table filter has a chain."""
    return any(line.startswith(f":{chain} ") for line in _filter_table(listing))


def foreign_jumps(listing: str) -> List[str]:
    """Rules of others that lead to our chains, so that these cannot go."""
    ours = [jump(direction) for direction in CHAINS]
    return [
        line
        for line in _filter_table(listing)
        if line not in ours
        and any(f" {option} {chain}" in line for option in ("-j", "-g") for chain in CHAINS.values())
    ]


def _filter_table(listing: str) -> Sequence[str]:
    _before, _star, rest = f"\n{listing}".partition("\n*filter\n")
    return rest.partition("\nCOMMIT")[0].splitlines()


def _options(words: Sequence[str]) -> Dict[str, Tuple[str, str]]:
    """Options with their first arguments, and sets by the side that they are matched with."""
    options: Dict[str, Tuple[str, str]] = {}
    for number, word in enumerate(words):
        following = words[number + 1] if number + 1 < len(words) else ""
        if word == "--match-set" and number + 2 < len(words):
            options[words[number + 2]] = ("", SET + following)
        elif word.startswith("-"):
            options.setdefault(word, ("", following))
    return options


def _side(options: Dict[str, Tuple[str, str]], option: str, set_side: str, family: str) -> str:
    found: Optional[Tuple[str, str]] = options.get(option) or options.get(set_side)
    return found[1].replace(f"/{_BITS[family]}", "") if found else ""


def _network(text: str, family: str) -> str:
    return text if "/" in text else f"{text}/{_BITS[family]}"
