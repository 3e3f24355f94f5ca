# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the XMPP servers of hosts say of each other: whether they authenticate, and whether their policies let them."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence, Tuple

from .evaluate import HOLDS, Finding
from .problems import Problem, Told

_MOST = 4

Asked = Sequence[Tuple[str, Sequence[Mapping[str, Any]]]]
"""Each host with the pings of its server, as xmpp.edge.probe returns them."""


def ping_findings(findings: Sequence[Finding], asked: Asked) -> Told:
    """Return what the servers say, unless a flow between their hosts fails: its cause comes first."""
    problems: List[Problem] = []
    unknown: Dict[str, List[str]] = {}
    for name, pings in asked:
        for ping in pings:
            pair = (ping["from"], ping["to"])
            between = [one for one in findings if {one.flow.shown.domain, one.flow.domain} == set(pair)]
            if any(one.expected == "open" and one.verdict != HOLDS for one in between):
                continue
            if ping["answered"] is None:
                unknown.setdefault(ping["detail"], []).append(f"from {name} to {ping['to']}")
            elif not ping["answered"]:
                edge = next((one.flow.edge for one in between if name in (one.flow.origin, one.flow.target)), name)
                sentence = (
                    f"XMPP: the server of {name} does not reach {ping['to']}, as it says itself: {ping['detail']}"
                )
                remedy = "look at the logs of both servers for certificates, dialback, names and policy"
                problems.append(Problem(edge, sentence, remedy=remedy))
    notes = [
        f"authentication and policy were not tried {_listed(pairs)}: {reason}" for reason, pairs in unknown.items()
    ]
    return Told(problems, notes)


def _listed(pairs: Sequence[str]) -> str:
    more = f", and {len(pairs) - _MOST} more" if len(pairs) > _MOST else ""
    return ", ".join(pairs[:_MOST]) + more
