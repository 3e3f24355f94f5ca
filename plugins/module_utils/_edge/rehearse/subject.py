# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of an inventory that a rehearsal is about, and who may reach them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ..model.errors import OptionError
from ..model.port_table import FRONT_ENDS, PARTNERS, Endpoint
from ..request.address_input import ANY, Network, parse_network
from ..request.option_spec import OPTIONS
from ..request.options import FRONT_END
from ..request.scalars import entries_of
from ..request.variables import PREFIX
from ..verify.flows import EDGES, GROUP_OF, Edge, given_options, read_edge
from ..verify.routers import ROUTERS, Router, read_router

Variables = Mapping[str, Mapping[str, Any]]
"""The variables of all hosts, by name."""

METRICS = "metrics_file"
"""Option that is left out, since the folder of a collector is on the real hosts only."""

_WINDOWS_CONNECTIONS = ("winrm", "psrp")
_WINDOWS_SHELLS = ("powershell", "cmd")


@dataclass(frozen=True)
class Listed:
    """Who may reach the edges by one of the two lists. networks: all that are listed; any: whether an edge says so."""

    networks: Tuple[Network, ...]
    any: bool


@dataclass(frozen=True)
class Subject:
    """What is rehearsed.

    edges, routers: hosts that carry the table; front_ends: names of the Front Ends that carry it; variables: of all
    hosts; notes: what is not as on the real hosts.
    """

    edges: Tuple[Edge, ...]
    routers: Tuple[Router, ...]
    front_ends: Tuple[str, ...]
    partners: Listed
    inside: Listed
    variables: Variables
    notes: Tuple[str, ...]


def read_subject(groups: Mapping[str, Sequence[str]], variables: Variables) -> Subject:
    """Return what an inventory has to rehearse. Raises OptionError.

    groups: the names of hosts by group.
    """
    names = groups.get(EDGES) or ()
    if not names:
        raise OptionError(EDGES, None, "has no hosts", "put the edges into this group of the inventory")
    edges = [read_edge(name, variables[name]) for name in names]
    routers = [read_router(name, variables, edges) for name in groups.get(ROUTERS) or ()]
    found = [router for router in routers if router is not None and router.name not in names]
    front_ends = tuple(
        name
        for name in groups.get(GROUP_OF[FRONT_ENDS.option]) or ()
        if name not in names and variables[name].get(f"{PREFIX}placement") == FRONT_END
    )
    carriers = (*names, *(router.name for router in found), *front_ends)
    return Subject(
        tuple(edges),
        tuple(found),
        front_ends,
        _listed(edges, PARTNERS, variables),
        _listed(edges, FRONT_ENDS, variables),
        variables,
        (*_stand_ins(carriers, variables), *_translated(edges), *_without_metrics(carriers, variables)),
    )


def given_to(subject: Subject, name: str) -> Dict[str, Any]:
    """Return the role variables of a host, without those of the role's own defaults."""
    variables = subject.variables[name]
    options = {option: value for option, value in given_options(variables).items() if option != METRICS}
    given: Dict[str, Any] = {f"{PREFIX}{option}": value for option, value in options.items()}
    return {**given, **{key: variables[key] for key in (f"{PREFIX}of",) if key in variables}}


def _listed(edges: Sequence[Edge], endpoint: Endpoint, variables: Variables) -> Listed:
    """Return what the edges list on one side, each network once, in the order of the inventory."""
    networks: Dict[Network, None] = {}
    is_any = False
    for edge in edges:
        if any(row.remote is endpoint for row in edge.options.rows):
            given = variables[edge.name].get(PREFIX + endpoint.option)
            entries = OPTIONS[endpoint.option]["default"] if given is None else given
            for entry in entries_of(endpoint.option, entries, "name networks"):
                if str(entry) == ANY:
                    is_any = True
                else:
                    networks[parse_network(endpoint.option, str(entry))] = None
    return Listed(tuple(networks), is_any)


def _stand_ins(names: Sequence[str], variables: Variables) -> List[str]:
    """Return a note on hosts with Windows, for which containers with Linux stand."""
    windows = [
        name
        for name in names
        if variables[name].get("ansible_connection") in _WINDOWS_CONNECTIONS
        or variables[name].get("ansible_shell_type") in _WINDOWS_SHELLS
    ]
    if not windows:
        return []
    return [f"{', '.join(windows)}: a Linux host stands for it, so that nothing is said of the Windows firewall"]


def _translated(edges: Sequence[Edge]) -> List[str]:
    """Return a note on edges behind a translation, which a rehearsal leaves out."""
    behind = [edge.name for edge in edges if edge.public_addresses]
    if not behind:
        return []
    return [f"{', '.join(behind)}: partners dial the own addresses here, since no translation is rehearsed"]


def _without_metrics(names: Sequence[str], variables: Variables) -> List[str]:
    """Return a note on hosts that are to write figures, which a rehearsal leaves out."""
    writing = [name for name in names if variables[name].get(PREFIX + METRICS)]
    return [f"{', '.join(writing)}: {PREFIX}{METRICS} is left out here"] if writing else []
