# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reachability matrix: every flow that matters in the topology, with its expected and its observed outcome.

Expectations are written here in the names of the topology, on purpose without any use of the code under test.
Usage: matrix.py [untouched|narrowed|any|closed|opened]; exit status 1 when a flow is not as expected.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional

import connections

sys.path.insert(0, str(Path(__file__).parent))

from topology import FAMILIES, PLACES, SIDES, Topology

FEDERATION, GATEWAY, OTHER = 5269, 23456, 5222
VANTAGE_POINTS = ("partner", "outsider", "front_end", "intruder")
INPUTS = ("untouched", "narrowed", "any", "closed", "opened")


@dataclass(frozen=True)
class Flow:
    """One connection attempt from a host, from the address that it has on source_side, to an address of target."""

    host: str
    source_side: str
    target: str
    target_side: str
    family: str
    port: int

    @property
    def label(self) -> str:
        """Flow on one line."""
        return f"{self.host} {self.source_side} -> {self.target} {self.target_side} {self.port} {self.family}"


def flows() -> Iterator[Flow]:
    """Yield every flow: into the edge, out of it from either address, and within it."""
    for family in FAMILIES:
        for host in VANTAGE_POINTS:
            (source_side,) = PLACES[host]
            for target_side in SIDES:
                for port in (FEDERATION, GATEWAY, OTHER):
                    yield Flow(host, source_side, "edge", target_side, family, port)
        for source_side in SIDES:
            for target in VANTAGE_POINTS:
                (target_side,) = PLACES[target]
                for port in (FEDERATION, OTHER):
                    yield Flow("edge", source_side, target, target_side, family, port)
            for port in (FEDERATION, GATEWAY, OTHER):
                yield Flow("edge", source_side, "edge", source_side, family, port)


def expected(flow: Flow, inputs: str) -> str:
    """Return open, filtered, refused, or shut for one of these two.

    inputs: untouched (no managed rules on a host that lets everything in), narrowed (one partner, one Front End), any;
    on a host that lets in nothing but 5222, closed (no managed rules) or opened (permit, narrowed).
    """
    if inputs == "closed":
        inbound = flow.target == "edge" and flow.host != "edge"
        return "shut" if inbound and flow.port != OTHER else "open"
    if inputs == "opened":
        allowed = flow.host == "edge" or expected(flow, "narrowed") == "open"
        return "open" if allowed else "shut"
    if inputs == "untouched" or flow.port == OTHER or flow.host == flow.target:
        return "open"
    if flow.host == "edge":
        allowed = flow.source_side == "external" and (inputs == "any" or flow.target == "partner")
        return "open" if allowed else "refused"
    if flow.port == FEDERATION:
        allowed = flow.target_side == "external" and (inputs == "any" or flow.host == "partner")
    else:
        allowed = flow.target_side == "internal" and (inputs == "any" or flow.host == "front_end")
    return "open" if allowed else "filtered"


def agrees(word: str, desired: str) -> bool:
    """Return whether the outcome of a flow is the expected one."""
    return word in ("filtered", "refused") if desired == "shut" else word == desired


def observe(topology: Topology) -> dict[Flow, str]:
    """Return the outcome of every flow, tried from all hosts at once."""

    def try_of(flow: Flow) -> connections.Try:
        source = topology.address(flow.host, flow.source_side, flow.family)
        return source, topology.address(flow.target, flow.target_side, flow.family), flow.port

    def attempt(host: str, tries: list[connections.Try]) -> list[str]:
        return connections.attempt(topology.container(host), tries)

    return connections.observe(flows(), lambda flow: flow.host, try_of, attempt)


def table(observed: dict[Flow, str], inputs: str) -> str:
    """Return the matrix as text: a line per host and target, a column per family; unexpected outcomes in capitals."""
    lines = [f"{'from':<20} {'to':<20} {'port':>5}  {'IPv4':<28} {'IPv6':<28}".rstrip()]
    for flow in flows():
        if flow.family == "ipv4":
            cells = [
                _cell(observed[Flow(**{**vars(flow), "family": family})], expected(flow, inputs)) for family in FAMILIES
            ]
            source, target = f"{flow.host} ({flow.source_side})", f"{flow.target} ({flow.target_side})"
            lines.append(f"{source:<20} {target:<20} {flow.port:>5}  {cells[0]:<28} {cells[1]:<28}".rstrip())
    wrong = sum(not agrees(word, expected(flow, inputs)) for flow, word in observed.items())
    lines.append(f"{len(observed)} flows, {len(observed) - wrong} as expected, {wrong} not")
    return "\n".join(lines)


def _cell(word: str, desired: str) -> str:
    return word if agrees(word, desired) else f"{word.upper()}, expected {desired}"


def main(inputs: Optional[str] = None) -> int:
    """Try every flow and show the table."""
    if inputs not in INPUTS:
        print(f"matrix.py: say what is expected: {', '.join(INPUTS)}", file=sys.stderr)
        return 2
    observed = observe(Topology.from_environment())
    print(table(observed, inputs))
    return int(not all(agrees(word, expected(flow, inputs)) for flow, word in observed.items()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
