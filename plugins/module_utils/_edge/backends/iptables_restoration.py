# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes our chains, jumps and ipsets as they were listed, whatever has become of them since."""

from __future__ import annotations

from shlex import quote
from typing import Dict, List, Mapping, Sequence, Tuple

from ..model.ownership import NAME_PREFIX
from ..model.rules import DIRECTIONS
from .iptables_lines import BASES, CHAINS, has_chain, jump, lines_in


def write_restoration(
    listings: Mapping[str, str], ipset: str, saved_sets: str, new_sets: Sequence[str]
) -> Tuple[Dict[str, str], Tuple[str, ...]]:
    """Data and shell commands.

    listings: what each program that matters lists, by its path; saved_sets: what "ipset save" prints;
    new_sets: names of the sets that there will be.
    """
    data: Dict[str, str] = {}
    live: List[str] = []
    old = _ours(saved_sets)
    if old:
        data["ipsets"] = "".join(_swapped(name, lines) for name, lines in old.items())
        live.append(f"cat ipsets | {quote(ipset)} restore -exist")
    for number, (program, listing) in enumerate(listings.items()):
        chains = [chain for chain in CHAINS.values() if has_chain(listing, chain)]
        if chains:
            data[f"iptables-{number}"] = "\n".join(
                [
                    "*filter",
                    *(f":{chain} - [0:0]" for chain in chains),
                    *(line for chain in chains for line in lines_in(listing, chain)),
                    "COMMIT\n",
                ]
            )
            # By a pipe, since SELinux may keep the program from files where these stand.
            live.append(f"cat iptables-{number} | {quote(f'{program}-restore')} --noflush --wait")
        live += _jumps(program, listing)
    live += [
        f"! {quote(ipset)} list -name {name} > /dev/null 2>&1 || {quote(ipset)} destroy {name}"
        for name in new_sets
        if name not in old
    ]
    return data, tuple(live)


def _jumps(program: str, listing: str) -> List[str]:
    commands = []
    iptables = f"{quote(program)} --wait"
    for direction in DIRECTIONS:
        chain, base = CHAINS[direction], BASES[direction]
        if jump(direction) in lines_in(listing, base):
            there = f"{iptables} --check {base} --jump {chain} 2> /dev/null"
            commands.append(f"{there} || {iptables} --insert {base} 1 --jump {chain}")
        else:
            commands.append(f"while {iptables} --delete {base} --jump {chain} 2> /dev/null; do :; done")
        if not has_chain(listing, chain):
            gone = f"{iptables} --flush {chain} 2> /dev/null; {iptables} --delete-chain {chain} 2> /dev/null"
            commands.append(f"{gone}; ! {iptables} --numeric --list {chain} > /dev/null 2>&1")
    return commands


def _ours(saved: str) -> Dict[str, List[str]]:
    """The lines of each set of ours, by name; the first is the one that makes it."""
    sets: Dict[str, List[str]] = {}
    for line in saved.splitlines():
        words = line.split(" ", 2)
        if len(words) == 3 and words[1].startswith(NAME_PREFIX):
            sets.setdefault(words[1], []).append(line)
    return sets


def _swapped(name: str, lines: Sequence[str]) -> str:
    """Lines that fill a set in one step, whatever is in it."""
    spare = f"{name}~"
    made = [line.replace(f" {name} ", f" {spare} ", 1) for line in lines]
    steps = [lines[0], made[0], f"flush {spare}", *made[1:], f"swap {spare} {name}", f"destroy {spare}"]
    return "".join(f"{step}\n" for step in steps)
