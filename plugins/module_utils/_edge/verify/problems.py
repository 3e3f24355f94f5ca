# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Problems of an edge that its own host shows, whatever the flows do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Sequence

from .flows import Edge


@dataclass(frozen=True)
class Problem:
    """A finding on a whole edge, which fails. sentence: what is so; lines: diff lines that show it."""

    edge: str
    sentence: str
    lines: Sequence[str] = ()


def problems_of(edge: Edge, rules: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the problems of an edge. rules: what its host has, empty where that is not known."""
    drift = [f"{entry['sign']}{entry['line']}" for entry in rules.get("drift") or ()]
    if drift:
        number = f"{len(drift)} line{'s' if len(drift) > 1 else ''}"
        yield Problem(edge.name, f"the rules of {edge.name} are not those of its inventory: {number}", drift)
    for address in rules.get("absent") or ():
        yield Problem(edge.name, f"{edge.name} does not have the address {address} that its inventory names")
    for row, entry in (rules.get("rows") or {}).items():
        if entry.get("effective") == "no":
            yield Problem(edge.name, f"{edge.name} drops what {row} allows: {_decision(entry, 'decided_by')}")
        if entry.get("guarded") == "no":
            yield Problem(edge.name, f"{edge.name} lets pass what {row} forbids: {_decision(entry, 'guarded_by')}")


def _decision(entry: Mapping[str, Any], key: str) -> str:
    return str(entry.get(key) or "no rule decides it")
