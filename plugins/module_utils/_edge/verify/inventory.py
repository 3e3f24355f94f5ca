# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edges and vantage points of an Ansible inventory, and what each of them has said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from ..model.errors import OptionError
from .evaluate import EdgeState, Finding, judge
from .flows import EDGES, VANTAGE_GROUPS, Edge, Flow, Vantage, flows_from, flows_of_edge, read_edge, read_vantage
from .report import Report

ATTEMPTS = "xmpp_edge_verify_attempts"
"""Variable in which the role keeps what xmpp.edge.verify_flows returned."""

STATE = "xmpp_edge_result"
"""Variable in which the role xmpp_edge keeps what xmpp.edge.firewall returned."""


@dataclass(frozen=True)
class Inventory:
    """Who there is. said: variables of each host, by name."""

    edges: Sequence[Edge]
    vantages: Sequence[Vantage]
    said: Mapping[str, Mapping[str, Any]]

    def flows_from(self, name: str, deep: bool) -> List[Flow]:
        """What has to be tried from a host."""
        flows = [flow for edge in self.edges if edge.name == name for flow in flows_of_edge(edge, self.vantages, deep)]
        for vantage in self.vantages:
            if vantage.name == name:
                flows += flows_from(vantage, [edge for edge in self.edges if edge.name != name], deep)
        return flows

    def routes_to_ask(self, name: str) -> List[str]:
        """Addresses of vantage points to which an edge needs a route, as far as the inventory says them."""
        if all(edge.name != name for edge in self.edges):
            return []
        return sorted({address for vantage in self.vantages for address in vantage.addresses})

    def report(self, time: str, deep: bool) -> Report:
        """What all of them found."""
        findings: List[Finding] = []
        not_checked: List[str] = list(self._missing())
        for name in (*(vantage.name for vantage in self.vantages), *(edge.name for edge in self.edges)):
            flows, results = self.flows_from(name, deep), self._attempts(name)
            if flows and len(results) != len(flows):
                not_checked.append(f"what {name} can reach: {self._excuse(name)}")
                continue
            for flow, result in zip(flows, results):
                edge = next(edge for edge in self.edges if edge.name == flow.edge)
                finding = judge(flow, result, edge, self._state(edge.name))
                if finding is not None:
                    findings.append(finding)
        rows = {edge.name: dict(self._state(edge.name).rows) for edge in self.edges}
        return Report(time, self.edges, self.vantages, findings, not_checked, rows)

    def _attempts(self, name: str) -> Sequence[Mapping[str, Any]]:
        results: Sequence[Mapping[str, Any]] = self._attempt(name).get("results", [])
        return results

    def _attempt(self, name: str) -> Mapping[str, Any]:
        return self.said[name].get(ATTEMPTS) or {}

    def _excuse(self, name: str) -> str:
        said = self._attempt(name)
        return str(said.get("msg") or "it was not asked").split("\n", maxsplit=1)[0]

    def _state(self, name: str) -> EdgeState:
        said = self.said[name].get(STATE) or {}
        routes = self._attempt(name).get("routes", {})
        return EdgeState(said.get("rows") or {}, _missing_line(said), routes)

    def _missing(self) -> Iterator[str]:
        for group in VANTAGE_GROUPS:
            if all(vantage.group != group for vantage in self.vantages):
                yield f"what hosts of the group {group} can reach: the play has none"
        for vantage in self.vantages:
            if not vantage.addresses:
                yield f"what the edges can reach at {vantage.name}: it has no xmpp_edge_verify_addresses"
        for edge in self.edges:
            said = self.said[edge.name].get(STATE) or {}
            if "rows" not in said:
                reason = str(said.get("msg") or "it was not asked").split("\n", maxsplit=1)[0]
                yield f"the rules on {edge.name} themselves: {reason}"


def read_inventory(variables: Mapping[str, Any]) -> Inventory:
    """The hosts of the play, as far as they are edges or places to look from. Raises OptionError.

    variables: those that Ansible gives to a task.
    """
    said = variables["hostvars"]
    playing = set(variables["ansible_play_hosts_all"])
    groups = {group: [name for name in names if name in playing] for group, names in variables["groups"].items()}
    edges = [read_edge(name, said[name]) for name in groups.get(EDGES, ())]
    if not edges:
        raise OptionError(
            EDGES, None, "has no hosts", "put the edges into this group of the inventory, and into the play"
        )
    vantages: Dict[str, Vantage] = {}
    for group in VANTAGE_GROUPS:
        for name in groups.get(group, ()):
            vantages.setdefault(name, read_vantage(name, group, said[name]))
    return Inventory(edges, list(vantages.values()), said)


def _missing_line(said: Mapping[str, Any]) -> Optional[str]:
    """What the edge would have to change first to be as the table says; None where it is."""
    if not said.get("changed"):
        return None
    before, after = (said.get("diff", {}).get(side, "").splitlines() for side in ("before", "after"))
    differing = [line for line in after if line not in before] + [line for line in before if line not in after]
    return f"for example: {differing[0]}" if differing else "which a run of the role xmpp_edge would put right"
