# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a rehearsal: its containers, their links and commands, and the inventory that reaches them."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ..model.addresses import family_of, overlap, span_of
from ..model.errors import OptionError
from ..model.port_table import ADDRESS_ENDPOINTS
from ..request.variables import INSTALL, PREFIX
from ..verify.flows import EDGES, GROUP_OF
from ..verify.routers import ROUTERS
from .casting import Extra, cast
from .subject import Subject, given_to
from .topology import WORLD, bypassed, commands_of, links_of

AUTO, MANAGER = "auto", "nftables"
"""The word for the manager that the inventory names, and the one of hosts for which it names none."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,40}")
_LONGEST_HOSTNAME = 60
_BACKEND = f"{PREFIX}backend"
_ADDRESSES = "rehearsed_addresses"
"""Variable of the inventory with all addresses that its hosts have."""

CONNECTION = "containers.podman.podman"
"""Connection plugin that reaches the containers."""

_CONNECTION = {
    "ansible_connection": CONNECTION,
    "ansible_python_interpreter": "/usr/bin/python3",
    "ansible_become": False,
}
_VERIFY = {
    # The servers here are no XMPP servers, and nothing leads to a name server.
    f"{PREFIX}verify_depth": "tcp",
    f"{PREFIX}verify_dns": False,
    f"{PREFIX}verify_ask_servers": False,
    f"{PREFIX}verify_timeout": 1,
}


def plan_rehearsal(subject: Subject, name: str, backend: str, most: int) -> Dict[str, Any]:
    """Return the plan, as plain data for a playbook. Raises OptionError.

    name: the beginning of the containers' names; backend: firewall manager of every host, or AUTO; most: networks of
    each list and family that get a host.
    """
    if not _NAME.fullmatch(name):
        raise OptionError(
            f"{PREFIX}rehearse_name", name, "is no beginning of a container's name", "say one like my-edges"
        )
    if most < 1:
        raise OptionError(f"{PREFIX}rehearse_most", most, "leaves every listed network without a host", "say 1 or more")
    found = cast(subject, most)
    links = links_of(subject, found.extras)
    inside = [address for extra in found.extras if extra.is_inside for address in extra.addresses]
    managers = _managers(subject, found.extras, backend)
    names = list(dict.fromkeys((WORLD, *managers, *(extra.name for extra in found.extras))))
    number_of = {one: number for number, one in enumerate(names)}
    plan: Dict[str, Any] = {
        "hosts": [
            {
                "name": one,
                "container": f"{name}-{number}",
                "hostname": re.sub(r"[^a-z0-9-]+", "-", one.lower()).strip("-")[:_LONGEST_HOSTNAME] or "host",
                "manager": managers.get(one, ""),
                "listens": any(edge.name == one for edge in subject.edges),
                "routes": one == WORLD or any(router.name == one for router in subject.routers),
                "commands": commands_of(one, links, inside),
            }
            for one, number in number_of.items()
        ],
        "links": [
            [f"{name}-{number_of[link.parent]}", link.parent_device, f"{name}-{number_of[link.child]}", link.device]
            for link in links
        ],
        "ports": sorted({port for edge in subject.edges for port in edge.options.ports.values()}),
        "cast": [
            {"name": one.name, "stands_for": one.stands_for, "addresses": list(one.addresses)} for one in found.extras
        ],
        "inventory": _inventory(subject, found.extras, backend, {one: f"{name}-{number_of[one]}" for one in names}),
        "carriers": list(managers),
        "connection": dict(_CONNECTION),
        "notes": [*subject.notes, *found.notes, *bypassed(subject, links)],
    }
    # What containers that are up are known by.
    made = json.dumps([plan["hosts"], plan["links"], plan["ports"]], sort_keys=True)
    return {**plan, "digest": hashlib.sha256(made.encode()).hexdigest()[:16]}


def clashes(plan: Mapping[str, Any], networks: Sequence[Tuple[str, str]]) -> List[str]:
    """Return a note for each interface of this machine whose network has addresses of the plan.

    networks: device and network of each address of this machine.
    """
    hosts = plan["inventory"]["all"]["vars"][_ADDRESSES]
    notes = []
    for device, network in networks:
        same = [one for one in hosts if family_of(one) == family_of(network)]
        found = [one for one in same if overlap([span_of(network)], [span_of(one)])]
        if found:
            notes.append(
                f"{', '.join(found)}: this machine has {network} on {device}; no packet of the rehearsal gets there"
            )
    return notes


def _managers(subject: Subject, extras: Sequence[Extra], backend: str) -> Dict[str, str]:
    """Return the firewall manager of each host that carries the table."""
    placed = {extra.name for extra in extras}
    names = [edge.name for edge in subject.edges] + [router.name for router in subject.routers]
    names += [name for name in subject.front_ends if name in placed]
    named = {name: str(subject.variables[name].get(_BACKEND) or AUTO) for name in names}
    wanted = {name: backend if backend != AUTO else own for name, own in named.items()}
    return {name: MANAGER if one == AUTO else one for name, one in wanted.items()}


def _inventory(
    subject: Subject, extras: Sequence[Extra], backend: str, containers: Mapping[str, str]
) -> Dict[str, Any]:
    """Return an inventory of the containers, with the role variables of the real hosts and no other ones."""
    groups: Dict[str, Dict[str, Any]] = {}

    def put(group: str, name: str, variables: Mapping[str, Any]) -> None:
        hosts = groups.setdefault(group, {"hosts": {}})["hosts"]
        hosts[name] = {**variables, "ansible_host": containers[name]}

    for edge in subject.edges:
        put(EDGES, edge.name, {**_carried(subject, edge.name, backend), **_domain(subject, edge.name)})
    for router in subject.routers:
        put(ROUTERS, router.name, _carried(subject, router.name, backend))
    for extra in extras:
        own = _carried(subject, extra.name, backend) if extra.name in subject.front_ends else {}
        put(extra.group, extra.name, {**own, f"{PREFIX}verify_addresses": list(extra.addresses)})
    addresses = [
        address for edge in subject.edges for one in ADDRESS_ENDPOINTS for address in edge.addresses(one.option)
    ]
    addresses += [address for extra in extras for address in extra.addresses]
    variables = {**_CONNECTION, **_VERIFY, _ADDRESSES: list(dict.fromkeys(addresses))}
    order = (EDGES, ROUTERS, *GROUP_OF.values())
    ordered = sorted(groups, key=lambda group: order.index(group) if group in order else len(order))
    return {"all": {"children": {group: groups[group] for group in ordered}, "vars": variables}}


def _carried(subject: Subject, name: str, backend: str) -> Dict[str, Any]:
    """Return the variables of a host that carries the table. Its manager is to be found, where it is not as named."""
    given = given_to(subject, name)
    if backend not in (AUTO, given.get(_BACKEND)):
        given.pop(_BACKEND, None)
    return {**given, INSTALL: False}


def _domain(subject: Subject, name: str) -> Dict[str, Any]:
    key = f"{PREFIX}verify_domain"
    return {key: subject.variables[name][key]} if key in subject.variables[name] else {}
