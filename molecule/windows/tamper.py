#!/usr/bin/env python
# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes the JSON file that replaces a Windows firewall in tests.

Usage: tamper.py STORE new|disable|policy|refuse|restore
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

UNMANAGED = {"name": "Remote Desktop", "group": "", "description": "", "enabled": True, "action": "allow"}
UNMANAGED |= {"direction": "in", "protocol": 6, "local_addresses": "*", "remote_addresses": "*", "local_ports": "3389"}
UNMANAGED |= {"remote_ports": "*", "profiles": 7, "application": "", "service": "", "interface_types": "All"}
UNMANAGED |= {"interfaces": False, "edge_traversal": False, "package": "", "owner": "", "authorized": "", "secure": 0}


def state(ignores_local_rules: bool) -> dict[str, Any]:
    """Return the firewall apart from its rules."""
    profile = {"enabled": True, "blocks_all_inbound": False, "ignores_local_rules": ignores_local_rules}
    addresses = ["198.18.0.2", "198.18.1.2", "2001:db8::2"]
    profiles = dict.fromkeys(("domain", "private", "public"), profile)
    return {"current_profiles": 4, "policy_rules": 0, "addresses": addresses, "profiles": profiles}


def main(path: Path, what: str) -> None:
    """Change one thing."""
    if what == "new":
        path.parent.mkdir(parents=True, exist_ok=True)
        store = {"calls": 0, "rules": [UNMANAGED], "state": state(False)}
    else:
        store = json.loads(path.read_text())
    managed = [rule for rule in store["rules"] if rule["group"] == "XMPP Edge (xmpp.edge)"]
    if what == "disable":
        managed[0]["enabled"] = False
    elif what == "policy":
        store["state"] = state(True)
    elif what == "refuse":
        store["refuses"] = "federation_in/allow/ipv6"
    elif what == "restore":
        store.pop("refuses", None)
        store["state"] = state(False)
    path.write_text(json.dumps(store))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
