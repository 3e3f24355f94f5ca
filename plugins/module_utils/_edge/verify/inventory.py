# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edges and vantage points of an Ansible inventory, and their results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from ..model.errors import OptionError
from .evaluate import EdgeState, Finding, evaluate
from .flows import EDGES, VANTAGE_GROUPS, Edge, Flow, Vantage, flows_from, flows_of_edge, read_edge, read_vantage
from .report import Report

ATTEMPTS = "xmpp_edge_verify_attempts"
"""Variable in which the role registers the result of xmpp.edge.verify_flows."""

STATE = "xmpp_edge_result"
"""Variable in which the role xmpp_edge registers the result of xmpp.edge.firewall."""


@dataclass(frozen=True)
class Inventory:
    """The hosts of a play. variables: of each host, by its name."""

    edges: Sequence[Edge]
    vantages: Sequence[Vantage]
    variables: Mapping[str, Mapping[str, Any]]

    def flows_from(self, name: str, deep: bool) -> List[Flow]:
        """Return the flows to attempt from a host."""
        flows = [flow for edge in self.edges if edge.name == name for flow in flows_of_edge(edge, self.vantages, deep)]
        for vantage in self.vantages:
            if vantage.name == name:
                flows += flows_from(vantage, [edge for edge in self.edges if edge.name != name], deep)
        return flows

    def routes_to_ask(self, name: str) -> List[str]:
        """Return the known addresses of vantage points, to which an edge needs a route; none for other hosts."""
        if all(edge.name != name for edge in self.edges):
            return []
        return sorted({address for vantage in self.vantages for address in vantage.addresses})

    def report(self, time: str, deep: bool) -> Report:
        """Return the report on the results of all hosts."""
        findings: List[Finding] = []
        not_checked: List[str] = list(self._not_checkable())
        for name in (*(vantage.name for vantage in self.vantages), *(edge.name for edge in self.edges)):
            flows, results = self.flows_from(name, deep), self._attempts(name)
            if flows and len(results) != len(flows):
                not_checked.append(f"what {name} can reach: {_reason(self._result(name))}")
                continue
            for flow, result in zip(flows, results):
                edge = next(edge for edge in self.edges if edge.name == flow.edge)
                finding = evaluate(flow, result, edge, self._state(edge.name))
                if finding is not None:
                    findings.append(finding)
        rows = {edge.name: dict(self._state(edge.name).rows) for edge in self.edges}
        return Report(time, self.edges, self.vantages, findings, not_checked, rows)

    def _attempts(self, name: str) -> Sequence[Mapping[str, Any]]:
        results: Sequence[Mapping[str, Any]] = self._result(name).get("results", [])
        return results

    def _result(self, name: str) -> Mapping[str, Any]:
        return self.variables[name].get(ATTEMPTS) or {}

    def _firewall_result(self, name: str) -> Mapping[str, Any]:
        return self.variables[name].get(STATE) or {}

    def _state(self, name: str) -> EdgeState:
        firewall = self._firewall_result(name)
        return EdgeState(firewall.get("rows") or {}, _drift_of(firewall), self._result(name).get("routes", {}))

    def _not_checkable(self) -> Iterator[str]:
        """Yield a sentence for everything that needs a host, an address or a result that is missing."""
        for group in VANTAGE_GROUPS:
            if all(vantage.group != group for vantage in self.vantages):
                yield f"what hosts of the group {group} can reach: the play has none"
        for vantage in self.vantages:
            if not vantage.addresses:
                yield f"what the edges can reach at {vantage.name}: it has no xmpp_edge_verify_addresses"
        for edge in self.edges:
            firewall = self._firewall_result(edge.name)
            if "rows" not in firewall:
                yield f"the rules on {edge.name} themselves: {_reason(firewall)}"


def read_inventory(variables: Mapping[str, Any]) -> Inventory:
    """Return the edges and vantage points of the play. Raises OptionError.

    variables: of the task.
    """
    hosts = variables["hostvars"]
    play_hosts = set(variables["ansible_play_hosts_all"])
    groups = {group: [name for name in names if name in play_hosts] for group, names in variables["groups"].items()}
    edges = [read_edge(name, hosts[name]) for name in groups.get(EDGES, ())]
    if not edges:
        raise OptionError(
            EDGES, None, "has no hosts", "put the edges into this group of the inventory, and into the play"
        )
    vantages: Dict[str, Vantage] = {}
    for group in VANTAGE_GROUPS:
        for name in groups.get(group, ()):
            vantages.setdefault(name, read_vantage(name, group, hosts[name]))
    return Inventory(edges, list(vantages.values()), hosts)


def _reason(result: Mapping[str, Any]) -> str:
    """Return the reason why a result has no data, on one line."""
    return str(result.get("msg") or "it was not asked").split("\n", maxsplit=1)[0]


def _drift_of(firewall: Mapping[str, Any]) -> Optional[str]:
    """Return the first difference that a run of xmpp.edge.firewall would repair; None where there is none."""
    if not firewall.get("changed"):
        return None
    before, after = (firewall.get("diff", {}).get(side, "").splitlines() for side in ("before", "after"))
    differing = [line for line in after if line not in before] + [line for line in before if line not in after]
    return f"for example: {differing[0]}" if differing else "which a run of the role xmpp_edge would put right"
