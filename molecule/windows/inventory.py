#!/usr/bin/env python
# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host on which win_firewall.ps1 runs in pwsh: this machine, or a container of an image that has it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

STORE = Path(__file__).resolve().parents[2] / ".cache" / "windows" / "store" / "firewall.json"
CONTAINER_STORE = "/srv/edge/firewall.json"


def host_variables() -> dict[str, Any]:
    """Return the variables of the host. edge_store: path of its firewall, a JSON file, on the controller."""
    image = os.environ.get("XMPP_EDGE_PWSH_IMAGE")
    store = CONTAINER_STORE if image else str(STORE)
    where: dict[str, Any] = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_pwsh_interpreter": os.environ.get("XMPP_EDGE_PWSH"),
    }
    if image:
        where = {
            "ansible_connection": "containers.podman.podman",
            "ansible_host": "xmpp-edge-test-windows",
            "ansible_pwsh_interpreter": "/usr/bin/pwsh",
            "edge_image": image,
        }
    return {
        **where,
        "edge_store": str(STORE),
        "edge_environment": {"XMPP_EDGE_FAKE_FIREWALL": store},
        "xmpp_edge_access_addresses": ["198.18.0.2", "2001:db8::2"],
        "xmpp_edge_internal_addresses": ["198.18.1.2"],
        "xmpp_edge_partner_networks": ["198.18.7.0/24", "198.18.9.25", "2001:db8:7::/48"],
        "xmpp_edge_front_end_networks": ["198.18.1.0/24"],
    }


if __name__ == "__main__":
    print(json.dumps({"xmpp_edge": {"hosts": ["edge"]}, "_meta": {"hostvars": {"edge": host_variables()}}}))
