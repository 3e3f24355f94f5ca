# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edges that a router or a front end stands before, out of the variables of their hosts."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from ..model.errors import OptionError
from ..model.partner_domains import OPTION as PARTNER_DOMAINS
from ..model.port_table import ADDRESS_ENDPOINTS, DEFAULT_PORTS, NETWORK_ENDPOINTS
from .nearest import nearest
from .option_spec import OPTIONS
from .variables import EDGES, PREFIX, names_in

_TAKEN = (
    "rows",
    *(end.option for end in (*ADDRESS_ENDPOINTS, *NETWORK_ENDPOINTS)),
    PARTNER_DOMAINS,
    *DEFAULT_PORTS,
)
"""Options of an edge that say who may reach it."""
_PLACEMENT = "placement"

Variables = Mapping[str, Any]


def edges_of(value: Any, hosts: Mapping[str, Variables]) -> Dict[str, Variables]:
    """Return the options of each edge by its name in the inventory.

    value: of the variable that names the edges; hosts: the variables of all hosts, by name. Raises OptionError.
    """
    names = [name for name in names_in(EDGES, value) if name]
    if not names:
        raise OptionError(EDGES, value, "is empty", "name the hosts of the edges")
    found: Dict[str, Variables] = {}
    for name in names:
        if name not in hosts:
            near = nearest(name, list(hosts))
            raise OptionError(EDGES, name, "is no host of the inventory", f"say {near}" if near else "name an edge")
        given = hosts[name]
        if given.get(PREFIX + _PLACEMENT, "edge") != "edge":
            raise OptionError(EDGES, name, f"has {PREFIX}{_PLACEMENT} {given[PREFIX + _PLACEMENT]}", "name an edge")
        found[name] = {option: given[PREFIX + option] for option in _TAKEN if PREFIX + option in given}
    return found


def unread_inputs(given: Variables, edges: Mapping[str, Variables]) -> List[str]:
    """Return a sentence for each option that is given for a host that takes it from its edges, and says another thing.

    given: of that host; edges: as edges_of returns them.
    """
    notes = []
    for option in _TAKEN[1:]:
        default = OPTIONS[option].get("default")
        theirs = [edge.get(option, default) for edge in edges.values()]
        if given.get(option, default) not in (None, default, *theirs):
            names = ", ".join(edges)
            notes.append(f"{option}: is not read here, since {EDGES} takes it from {names}; say it there")
    return notes
