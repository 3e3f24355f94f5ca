# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of an inventory that a rehearsal is about, and who may reach them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Set, Tuple

from ..model.errors import OptionError
from ..model.partner_domains import OPTION as PARTNER_DOMAINS
from ..model.port_table import ADDRESS_ENDPOINTS, FRONT_ENDS, PARTNERS, Endpoint
from ..request.address_input import ANY, Network, parse_network
from ..request.option_spec import OPTIONS
from ..request.options import FRONT_END
from ..request.scalars import entries_of
from ..request.variables import EDGES as EDGES_VARIABLE
from ..request.variables import IGNORED, PREFIX, check_variables, names_in
from ..verify.flows import EDGES, GROUP_OF, Edge, given_options, read_edge
from ..verify.routers import ROUTERS, Router, read_router

Variables = Mapping[str, Mapping[str, Any]]
"""The variables of all hosts, by name."""

LEFT_OUT = ("metrics_file", PARTNER_DOMAINS)
"""Options that are left out: the folder of a collector, and the servers of partners, are none of a rehearsal's."""

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
    if not groups.get(EDGES):
        raise OptionError(EDGES, None, "has no hosts", "put the edges into this group of the inventory")
    everywhere = [one for group in (EDGES, ROUTERS, GROUP_OF[FRONT_ENDS.option]) for one in groups.get(group) or ()]
    absent = [one for one in dict.fromkeys(everywhere) if variables[one].get(f"{PREFIX}state") == "absent"]
    names = [name for name in groups[EDGES] if name not in absent]
    if not names:
        raise OptionError(EDGES, None, "has no hosts that carry the table", f"say {PREFIX}state: present for one")
    edges, variables, shared = _apart([read_edge(name, variables[name]) for name in names], variables)
    here = {edge.name for edge in edges}
    routers = [read_router(name, variables, edges) for name in groups.get(ROUTERS) or () if name not in absent]
    standing = [router for router in routers if router is not None and router.name not in names]
    found = [router for router in standing if router.edges & here]
    before_nothing = [router.name for router in standing if not router.edges & here]
    front_ends = tuple(
        name
        for name in groups.get(GROUP_OF[FRONT_ENDS.option]) or ()
        if name not in (*names, *absent) and variables[name].get(f"{PREFIX}placement") == FRONT_END
    )
    carriers = (*(edge.name for edge in edges), *(router.name for router in found), *front_ends)
    left_out = [f"{', '.join(absent)}: {PREFIX}state is absent, so it is left out here"] if absent else []
    left_out += [f"{name}: none of its edges is rehearsed, so it is left out here" for name in before_nothing]
    return Subject(
        tuple(edges),
        tuple(found),
        front_ends,
        _listed(edges, PARTNERS, variables),
        _listed(edges, FRONT_ENDS, variables),
        variables,
        (
            *_checked(carriers, variables),
            *left_out,
            *shared,
            *_stand_ins(carriers, variables),
            *_translated(edges),
            *_without(carriers, variables),
            *_elsewhere(carriers, here, variables),
        ),
    )


def given_to(subject: Subject, name: str) -> Dict[str, Any]:
    """Return the role variables of a host, without those of the role's own defaults."""
    variables = subject.variables[name]
    options = {option: value for option, value in given_options(variables).items() if option not in LEFT_OUT}
    given: Dict[str, Any] = {f"{PREFIX}{option}": value for option, value in options.items()}
    if EDGES_VARIABLE in variables:
        here = {edge.name for edge in subject.edges}
        given[EDGES_VARIABLE] = [one for one in names_in(EDGES_VARIABLE, variables[EDGES_VARIABLE]) if one in here]
    return given


def _apart(edges: Sequence[Edge], variables: Variables) -> Tuple[List[Edge], Variables, List[str]]:
    """Return edges of which no two have the same address, as those of a failover do, with their variables and notes.

    The first edge has such an address, and the others have not. One that has no other address is left out.
    """
    holders: Dict[str, str] = {}
    apart: List[Edge] = []
    changed: Dict[str, Mapping[str, Any]] = {}
    notes: List[str] = []
    for whole in edges:
        edge = whole
        options = [one.option for one in ADDRESS_ENDPOINTS if edge.addresses(one.option)]
        shared = [
            one for option in options for one in edge.addresses(option) if holders.get(one, edge.name) != edge.name
        ]
        left = {option: [one for one in edge.addresses(option) if one not in shared] for option in options}
        if shared:
            where = ", ".join(f"{one} is at {holders[one]}" for one in dict.fromkeys(shared))
            notes.append(
                f"{edge.name}: {where} here, {'and left out' if all(left.values()) else 'so this edge is left out'}"
            )
        if not all(left.values()):
            continue
        if shared:
            given = {f"{PREFIX}{option}": addresses for option, addresses in left.items()}
            changed[edge.name] = {**variables[edge.name], **given}
            edge = read_edge(edge.name, changed[edge.name])
        holders.update((one, edge.name) for addresses in left.values() for one in addresses)
        apart.append(edge)
    return apart, {**variables, **changed}, notes


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


def _checked(names: Sequence[str], variables: Variables) -> Iterator[str]:
    """Yield a note for each variable of a host that is none of the role's. Raises OptionError on a misspelt one."""
    for name in names:
        ignored = names_in(IGNORED, variables[name].get(IGNORED) or [])
        try:
            warnings = check_variables(variables[name], ignored, ())
        except OptionError as error:
            raise OptionError(f"{name}: {error.option}", None, error.problem, error.remedy) from None
        yield from (f"{name}: {warning}" for warning in warnings)


def _elsewhere(names: Sequence[str], here: Set[str], variables: Variables) -> Iterator[str]:
    """Yield a note for each host that stands before edges which are not rehearsed."""
    for name in names:
        named = names_in(EDGES_VARIABLE, variables[name].get(EDGES_VARIABLE) or [])
        others = [one for one in named if one not in here]
        if others:
            yield f"{name}: {', '.join(others)} of its {EDGES_VARIABLE} is not rehearsed, and left out of it"


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


def _without(names: Sequence[str], variables: Variables) -> List[str]:
    """Return a note on each option of hosts that a rehearsal leaves out."""
    having = {option: [name for name in names if variables[name].get(PREFIX + option)] for option in LEFT_OUT}
    return [f"{', '.join(found)}: {PREFIX}{option} is left out here" for option, found in having.items() if found]
