# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of managed rules in files of other programs, saved there while the rules were live."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from typing import Dict, FrozenSet, Iterator, List, Sequence, Tuple

from ..model.ownership import CHAIN_PREFIX, COMMENT, NAME_PREFIX, TABLE
from .loaders import GUARDS, nft_files, readable_text

_NFT = ("/etc/nftables.conf", "/etc/sysconfig/nftables.conf", "/etc/nftables.d/*", "/etc/nftables/*")
_OTHERS = (
    "/etc/iptables/*",
    "/etc/sysconfig/iptables*",
    "/etc/sysconfig/ip6tables*",
    "/etc/ferm/*",
    "/etc/ferm/*/*",
    "/var/lib/ferm/*",
    "/var/lib/shorewall/*",
    "/var/lib/shorewall6/*",
    "/etc/firehol/*",
    "/var/lib/firehol/*",
    "/var/spool/firehol/*",
    "/var/lib/foomuuri/*",
)
"""Files in which the known programs keep rules that were live. Source: the programs' own documentation."""

_FORMER_SET = re.compile(rf"--match-set {NAME_PREFIX}")
_TABLE = re.compile(rf"\s*(?:add |create )?table {TABLE}\b")


@dataclass(frozen=True)
class SavedCopy:
    """Managed rules in a file of another program. lines: their numbers; parts: guards, or the backend whose accept
    rules they are; broken: whether they name ipsets, which releases before 1.2 made and which are not there any more.
    """

    path: str
    lines: Tuple[int, ...]
    parts: FrozenSet[str]
    broken: bool = False

    @property
    def place(self) -> str:
        """Return file and lines for people, for example "/etc/iptables/rules.v4 (lines 5, 9 to 11)"."""
        spans: List[List[int]] = []
        for number in self.lines:
            if spans and number == spans[-1][1] + 1:
                spans[-1][1] = number
            else:
                spans.append([number, number])
        words = [str(first) if first == last else f"{first} to {last}" for first, last in spans]
        return f"{self.path} (line{'s' if len(self.lines) > 1 else ''} {', '.join(words)})"


def saved_copies() -> Tuple[SavedCopy, ...]:
    """Return the copies in files that the known programs load."""
    paths = dict.fromkeys(
        found for pattern in _NFT for path in sorted(glob.glob(pattern)) for found, _text in nft_files(path)
    )
    paths.update(dict.fromkeys(path for pattern in _OTHERS for path in sorted(glob.glob(pattern))))
    return tuple(copy for path in paths for copy in copies_in(path, readable_text(path)))


def copies_in(path: str, text: str) -> Iterator[SavedCopy]:
    """Yield the copy in a file's text, if there is one."""
    if not any(tag in text for tag in (CHAIN_PREFIX, f'comment "{COMMENT}', TABLE)):
        return
    found: Dict[int, str] = {}
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if _TABLE.match(line) and not line.rstrip().endswith("}"):
            inside = line.rstrip().endswith("{")
            found[number] = GUARDS
        elif inside:
            found[number] = GUARDS
            inside = line.rstrip() != "}"
        elif CHAIN_PREFIX in line:
            found[number] = "iptables"
        elif f'comment "{COMMENT}' in line:
            found[number] = "nftables"
    if found:
        yield SavedCopy(path, tuple(found), frozenset(found.values()), bool(_FORMER_SET.search(text)))


def complaints(copies: Sequence[SavedCopy], kept: FrozenSet[str]) -> Iterator[str]:
    """Yield a sentence about each copy that nothing replaces when it is loaded. kept: the parts that are restored."""
    for copy in copies:
        if copy.broken:
            yield (
                f"{copy.place} names ipsets that version 1.1 made, so it does not load at the next boot: delete these "
                "lines, or save the rules again"
            )
        elif copy.parts - kept:
            yield f"{copy.place} has a saved copy of managed rules, which comes back with it: delete these lines"
