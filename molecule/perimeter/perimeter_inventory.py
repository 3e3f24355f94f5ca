#!/usr/bin/env python
# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dynamic inventory of a perimeter in the standing topology: its edge is a router, and its Front End an edge behind it.

partner, gateway -- external network -- router, router2 -- internal network -- server (the edge), other

The second router is there where XMPP_EDGE_TWO_ROUTERS is set: packets between the gateway and the edge pass that one.
"""

from __future__ import annotations

import json
import os
from typing import Any

from topology import FAMILIES, Topology

CONTAINERS = {
    "router": "edge",
    "server": "front_end",
    "other": "intruder",
    "partner": "partner",
    "gateway": "outsider",
    "router2": "edge_bare",
}
"""Hosts, each with the one of the topology whose container it is."""
SECOND = 11
"""Last part of the second addresses of the edge, which stand for its internal interface."""


def internal_addresses(topology: Topology) -> list[str]:
    """Return the addresses of the edge's internal interface."""
    return [f"{topology.prefix('internal', family)}{SECOND}" for family in FAMILIES]


def inventory(topology: Topology) -> dict[str, Any]:
    """Return the inventory as Ansible's script plugin takes it."""
    hosts: dict[str, dict[str, Any]] = {
        name: {
            "ansible_connection": "containers.podman.podman",
            "ansible_host": topology.container(container),
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        for name, container in CONTAINERS.items()
    }
    hosts["server"] |= {
        "xmpp_edge_access_addresses": topology.addresses("front_end", "internal"),
        "xmpp_edge_internal_addresses": internal_addresses(topology),
        "xmpp_edge_partner_networks": topology.addresses("partner", "external"),
        "xmpp_edge_front_end_networks": topology.addresses("outsider", "external"),
    }
    for name in ("partner", "gateway"):
        hosts[name]["xmpp_edge_verify_addresses"] = topology.addresses(CONTAINERS[name], "external")
    # A second edge, where a test says so, with other partners.
    hosts["other"] |= {
        "xmpp_edge_access_addresses": topology.addresses("intruder", "internal"),
        "xmpp_edge_partner_networks": topology.addresses("outsider", "external"),
        "xmpp_edge_rows": ["federation_in", "federation_out"],
    }
    hosts["router"] |= {"xmpp_edge_placement": "firewall", "xmpp_edge_of": ["server"]}
    if os.environ.get("XMPP_EDGE_WITH_GATEWAY"):
        hosts["gateway"] |= {"xmpp_edge_placement": "front_end", "xmpp_edge_of": ["server"]}
    routers = ["router"]
    if os.environ.get("XMPP_EDGE_TWO_ROUTERS"):
        routers.append("router2")
        hosts["router"]["xmpp_edge_rows"] = ["federation_in", "federation_out"]
        hosts["router2"] |= {
            "xmpp_edge_placement": "firewall",
            "xmpp_edge_of": ["server"],
            "xmpp_edge_rows": ["gateway_in"],
        }
    else:
        del hosts["router2"]
    groups = {
        "xmpp_edge": ["server"],
        "xmpp_firewall": routers,
        "xmpp_partner": ["partner"],
        "xmpp_front_end": ["gateway"],
    }
    return {
        "_meta": {"hostvars": hosts},
        "all": {"children": [*groups, "ungrouped"]},
        **{group: {"hosts": members} for group, members in groups.items()},
        "ungrouped": {"hosts": ["other"]},
    }


if __name__ == "__main__":
    print(json.dumps(inventory(Topology.from_environment()), indent=2))
