# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flow that was attempted, with all that is known of it, and the causes that it can have.

A cause is a sentence with a remedy. Both have the names of the flow in braces, so that the same cause of many flows is
told once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence

from .flows import Flow
from .passage import Passage


@dataclass(frozen=True)
class Cause:
    """A cause. layer: route, firewall, listener, TLS or XMPP; sentence, remedy: templates; names: of this flow."""

    layer: str
    sentence: str
    remedy: str = ""
    names: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def text(self) -> str:
        """Return layer and sentence, with the names of the flow."""
        return f"{self.layer}: {self.sentence.format(**self.names)}"

    @property
    def what_to_do(self) -> str:
        """Return the remedy, with the names of the flow; empty for none."""
        return self.remedy.format(**self.names)


@dataclass(frozen=True)
class HostState:
    """The state of a host of the play as it reports it itself; what is None or missing is not known.

    rows: of an edge, as they are found there; drift: each difference from the inventory that a run would end, as
    model/drift.py serialises it; routes: whether the host has a route, by address; listeners, paths and
    strict_devices: as xmpp.edge.connection_info returns them.
    """

    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    drift: Sequence[Mapping[str, Any]] = ()
    routes: Mapping[str, bool] = field(default_factory=dict)
    listeners: Optional[Sequence[Mapping[str, Any]]] = None
    paths: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    strict_devices: Sequence[str] = ()


@dataclass(frozen=True)
class Attempted:
    """A flow that was attempted, and all that is known of it.

    source: address that it came from; allowed: whether the rules of the inventory allow it, None where none is about
    it; edge, target: what these hosts report.
    """

    flow: Flow
    source: Optional[str]
    allowed: Optional[bool]
    observed: str
    detail: str
    facts: Mapping[str, Any]
    passage: Passage
    edge: HostState
    target: HostState

    @property
    def inbound(self) -> bool:
        """Return whether the edge is the target."""
        return self.flow.direction == "in"

    @property
    def names(self) -> Mapping[str, str]:
        """Return the names that templates may have."""
        flow = self.flow
        return {
            "row": flow.row,
            "edge": flow.edge,
            "origin": flow.origin,
            "target": flow.target,
            "source": self.source or "its source",
            "address": flow.address,
            "port": str(flow.port),
            "domain": flow.domain,
            "peer": (self.source if self.inbound else flow.address) or "its source",
        }

    def cause(self, layer: str, sentence: str, remedy: str = "") -> Cause:
        """Return a cause of this flow."""
        return Cause(layer, sentence, remedy, self.names)


def decision(row: Mapping[str, Any], key: str = "decided_by") -> str:
    """Return what decides a row as it is found on its edge. key: decided_by or guarded_by."""
    return str(row.get(key) or "no rule decides it")


def literal(text: object) -> str:
    """Return text for a template, in which none of it is a name."""
    return str(text).replace("{", "{{").replace("}", "}}")
