# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edges that a router or a front end stands before, out of the variables of their hosts."""

from __future__ import annotations

import typing as t

from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import OptionError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.port_table import (
    ADDRESS_ENDPOINTS,
    DEFAULT_PORTS,
    NETWORK_ENDPOINTS,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.nearest import nearest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.variables import EDGES, PREFIX, names_in

_TAKEN = ("rows", *(end.option for end in (*ADDRESS_ENDPOINTS, *NETWORK_ENDPOINTS)), *DEFAULT_PORTS)
"""Options of an edge that say who may reach it."""
_PLACEMENT = "placement"

Variables = t.Mapping[str, t.Any]


def edges_of(value: t.Any, variables: Variables) -> dict[str, Variables]:
    """Return the options of each edge by its name in the inventory.

    value: of the variable that names the edges; variables: of the host that stands before them. Raises OptionError.
    """
    names = [name for name in names_in(EDGES, value) if name]
    if not names:
        raise OptionError(EDGES, value, "is empty", "name the hosts of the edges")
    hosts = variables["hostvars"]
    found: dict[str, Variables] = {}
    for name in names:
        if name not in hosts:
            near = nearest(name, list(hosts))
            raise OptionError(EDGES, name, "is no host of the inventory", f"say {near}" if near else "name an edge")
        given = hosts[name]
        if given.get(PREFIX + _PLACEMENT, "edge") != "edge":
            raise OptionError(EDGES, name, f"has {PREFIX}{_PLACEMENT} {given[PREFIX + _PLACEMENT]}", "name an edge")
        found[name] = {option: given[PREFIX + option] for option in _TAKEN if PREFIX + option in given}
    return found
