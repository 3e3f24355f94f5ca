#!/usr/bin/env python
# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dynamic inventory of the standing topology, with narrowed inputs: one partner and one Front End."""

from __future__ import annotations

import json
from typing import Any

from topology import EDGES, GROUPS, HOSTS, PLACES, SIDES, Topology


def host_variables(topology: Topology, host: str) -> dict[str, Any]:
    """Return the variables of one host."""
    variables: dict[str, Any] = {
        "ansible_connection": "containers.podman.podman",
        "ansible_host": topology.container(host),
        "ansible_python_interpreter": "/usr/bin/python3",
        "topology_image": " ".join(topology.image(host)),
        "topology_boots": topology.boots(host),
        "topology_boots_listener": topology.boots_listener(host),
        "topology_attachments": topology.attachments(host),
        "topology_routes": topology.routes(host),
    }
    if topology.boots(host):
        # Where there is an XMPP server, it has the host's name.
        variables["xmpp_edge_verify_domain"] = f"{host}.example"
        variables["topology_external"] = topology.addresses(host, "external")
    if host not in EDGES:
        (side,) = PLACES[host]
        variables["xmpp_edge_verify_addresses"] = topology.addresses(host, side)
    if host in EDGES:
        options = {
            "access_addresses": topology.addresses(host, "external"),
            "internal_addresses": topology.addresses(host, "internal"),
            "partner_networks": topology.addresses("partner", "external"),
            "front_end_networks": topology.addresses("front_end", "internal"),
        }
        # For the role, and for tasks that use the module.
        variables |= {f"xmpp_edge_{name}": value for name, value in options.items()}
        variables["edge_options"] = options
    return variables


def inventory(topology: Topology) -> dict[str, Any]:
    """Return the inventory as Ansible's script plugin takes it."""
    networks = [
        {
            "name": topology.network(side),
            "ipv4": {"subnet": topology.subnet(side, "ipv4"), "gateway": topology.prefix(side, "ipv4") + "1"},
            "ipv6": {"subnet": topology.subnet(side, "ipv6"), "gateway": topology.prefix(side, "ipv6") + "1"},
        }
        for side in SIDES
    ]
    return {
        "_meta": {"hostvars": {host: host_variables(topology, host) for host in HOSTS}},
        "all": {"children": list(GROUPS), "vars": {"topology_networks": networks}},
        **{group: {"hosts": list(hosts)} for group, hosts in GROUPS.items()},
    }


if __name__ == "__main__":
    print(json.dumps(inventory(Topology.from_environment()), indent=2))
