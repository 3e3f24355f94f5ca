# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on flows. A flow that fails has a cause."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence

from ..probe.model import CLOSED, OPEN
from .attempted import Attempted, Cause, HostState
from .causes import cause_of_closed, cause_of_open
from .flows import Edge, Flow, is_allowed
from .passage import Passage
from .routers import RouterState, causes_at_routers

HOLDS, FAILS, NOT_CHECKED = "holds", "FAILS", "not checked"

_NOT_MADE = ("no_source", "error", "no_certificate")


@dataclass(frozen=True)
class Finding:
    """An evaluated flow.

    expected: open or closed; verdict: HOLDS, FAILS or NOT_CHECKED; cause: why it fails, None with another verdict;
    reason: why it is not checked; passage: what was seen of it on its way; sent_from: the address at its own host,
    which a translation may change.
    """

    flow: Flow
    source: Optional[str]
    expected: str
    observed: str
    verdict: str
    cause: Optional[Cause] = None
    reason: str = ""
    latency_ms: Optional[float] = None
    detail: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    passage: Passage = field(default_factory=Passage)
    sent_from: Optional[str] = None

    @property
    def why(self) -> str:
        """Return the cause or the reason in words; empty where it holds."""
        return self.cause.text if self.cause else self.reason


def not_attempted(flow: Flow, source: Optional[str], edge: Edge, reason: str) -> Optional[Finding]:
    """Return the finding on a flow that nobody has attempted; None for one that would have no verdict.

    source: the address that it would have, None where that is not known.
    """
    if not flow.required and is_allowed(edge, flow, flow.source or source) is not False:
        return None
    expected = "open" if flow.required else "closed"
    return Finding(flow, flow.source or source, expected, "not attempted", NOT_CHECKED, reason=reason)


def evaluate(
    flow: Flow,
    result: Mapping[str, Any],
    source: Optional[str],
    edge: Edge,
    states: Mapping[str, HostState],
    passage: Passage,
    routers: Sequence[RouterState] = (),
) -> Optional[Finding]:
    """Return the finding on a flow; None for a flow that is allowed and not required.

    result: of the probe; source: the address that the edge sees it come from; states: of hosts, by name; routers: the
    state of those that stand before the edge.
    """
    allowed = is_allowed(edge, flow, source)
    if not flow.required and allowed is not False:
        # Neither open nor closed is a failure: in the mode "permit" the rules close nothing, and no source is known
        # where there is no route.
        return None
    expected = "open" if flow.required else "closed"
    observed, detail, facts = result["outcome"], result["detail"], result["facts"]
    state, target = (states.get(name, HostState()) for name in (flow.edge, flow.target))
    tried = Attempted(flow, source, allowed, observed, detail, facts, passage, state, target)
    verdict, reason = HOLDS, ""
    cause: Optional[Cause] = None
    if flow.required and observed not in OPEN[flow.level]:
        verdict, cause = FAILS, cause_of_closed(tried, list(causes_at_routers(tried, routers)))
    elif not flow.required and observed in _NOT_MADE:
        verdict, reason = NOT_CHECKED, f"the attempt could not be made: {observed}"
    elif not flow.required and (observed not in CLOSED or (flow.direction == "out" and passage.left)):
        verdict, cause = FAILS, cause_of_open(tried)
    latency = result["latency_ms"]
    sent_from = result.get("source")
    return Finding(flow, source, expected, observed, verdict, cause, reason, latency, detail, facts, passage, sent_from)
