#!/usr/bin/env python
# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host on which the real PowerShell files run in pwsh: this machine, with a simulator of the Windows firewall."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "windows"))
sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "tests" / "controller"))

from hosts import pwsh, settings

STORE = Path(__file__).resolve().parents[2] / ".cache" / "windows" / "store" / "firewall.json"


def host_variables() -> dict[str, Any]:
    """Return the variables of the host. edge_store: path of its firewall, a JSON file, on the controller."""
    return {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_pwsh_interpreter": pwsh(),
        "edge_store": str(STORE),
        "edge_environment": settings(STORE),
        "xmpp_edge_access_addresses": ["198.18.0.2", "2001:db8::2"],
        "xmpp_edge_internal_addresses": ["198.18.1.2"],
        "xmpp_edge_partner_networks": ["198.18.7.0/24", "198.18.9.25", "2001:db8:7::/48"],
        "xmpp_edge_front_end_networks": ["198.18.1.0/24"],
    }


if __name__ == "__main__":
    print(json.dumps({"xmpp_edge": {"hosts": ["edge"]}, "_meta": {"hostvars": {"edge": host_variables()}}}))
