# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof that attempts which got no answer have reached the edge: a host that cannot send at all finds all closed.

An answer shows that the attempt has arrived somewhere. Without one, the edge has to have seen the packet on its own
device, or the guard of the row has to have counted packets meanwhile. A guard does not tell whose they were. Where it
has counted fewer than were sent, some were stopped before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, FrozenSet, Iterator, List, Mapping, Sequence, Tuple

from .evaluate import HOLDS, NOT_CHECKED, Finding

PACKETS = "packets"
"""Fact of an attempt: how many packets it has sent before it gave up."""

_ANSWERS = ("refused", "prohibited")

_Place = Tuple[str, str]
"""An edge and a row, by name and id."""


@dataclass(frozen=True)
class Blocked:
    """Packets that the guard of a row has blocked, before the attempts and after them; None where nothing counts."""

    before: Any = None
    after: Any = None

    @property
    def packets(self) -> int:
        """Return how many it has blocked meanwhile."""
        known = isinstance(self.before, int) and isinstance(self.after, int)
        return self.after - self.before if known else 0


@dataclass(frozen=True)
class RouterCount:
    """Packets that the guard of a row has blocked meanwhile on a router. edges: those that it stands before."""

    router: str
    row: str
    edges: FrozenSet[str]
    packets: int


def with_controls(
    findings: Sequence[Finding], blocked: Mapping[_Place, Blocked], at_routers: Sequence[RouterCount] = ()
) -> List[Finding]:
    """Return the findings, of which those on closed flows hold only where attempts have reached a guard.

    blocked: by edge and row; at_routers: what routers before the edges have counted.
    """
    sent: Dict[_Place, int] = {}
    for finding in findings:
        if _needs_proof(finding):
            place = (finding.flow.edge, finding.flow.row)
            sent[place] = sent.get(place, 0) + int(finding.facts.get(PACKETS, 1))
    counts = {
        (edge, one.row): one
        for one in at_routers
        for edge in one.edges
        # A router counts for all its edges together.
        if 0
        < sum(number for (name, row), number in sent.items() if row == one.row and name in one.edges)
        <= one.packets
    }
    return [_proved(finding, sent, blocked, counts) for finding in findings]


def unproved(findings: Sequence[Finding]) -> Iterator[_Place]:
    """Yield each edge and row of which flows have to be closed, and of none it is known that it is."""
    closed: Dict[_Place, bool] = {}
    for finding in findings:
        if finding.expected == "closed":
            place = (finding.flow.edge, finding.flow.row)
            closed[place] = closed.get(place, False) or finding.verdict != NOT_CHECKED
    return (place for place, is_known in closed.items() if not is_known)


def _needs_proof(finding: Finding) -> bool:
    if finding.expected != "closed" or finding.verdict != HOLDS:
        return False
    # An attempt that was seen at the edge's own device needs no other proof, nor one that the edge kept back.
    if finding.flow.direction == "out":
        return finding.observed not in _ANSWERS and finding.passage.left is not False
    return not finding.passage.arrived and not _is_answered_from_afar(finding)


def _is_answered_from_afar(finding: Finding) -> bool:
    """Return whether an answer shows that an inbound attempt has arrived somewhere: not one of its own host."""
    if finding.passage.arrived is False:
        return False
    box = finding.facts.get("rejected_by")
    if finding.observed == "prohibited" and not box:
        return False
    return finding.observed in _ANSWERS and box not in (finding.source, finding.sent_from)


def _proved(
    finding: Finding,
    sent: Mapping[_Place, int],
    blocked: Mapping[_Place, Blocked],
    counts: Mapping[_Place, RouterCount],
) -> Finding:
    place = (finding.flow.edge, finding.flow.row)
    if not _needs_proof(finding):
        return finding
    if place in counts and finding.flow.direction == "in":
        # Every attempt was stopped there.
        return replace(finding, detail=f"the guard of {counts[place].router} has dropped it before {finding.flow.edge}")
    counted = blocked.get(place, Blocked()).packets if finding.flow.direction == "in" else 0
    if finding.passage.arrived is False:
        reason = f"{finding.flow.origin} may not be able to send there at all: nothing of it has arrived at the edge"
        return replace(finding, verdict=NOT_CHECKED, reason=reason)
    share = f"the guard of {finding.flow.row} has counted {counted} of {sent[place]} packets"
    if counted > 0:
        return finding if counted >= sent[place] else replace(finding, detail=share)
    reason = f"{finding.flow.origin} may not be able to send at all: {share}"
    return replace(finding, verdict=NOT_CHECKED, reason=reason)
