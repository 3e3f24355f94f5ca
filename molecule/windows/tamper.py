#!/usr/bin/env python
# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes the store of the simulated Windows firewall.

Usage: tamper.py STORE new|disable|policy|refuse|restore
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

UNMANAGED = {"name": "Remote Desktop", "group": "", "description": "", "enabled": True, "action": "allow"}
UNMANAGED |= {"direction": "in", "protocol": 6, "local_addresses": "*", "remote_addresses": "*", "local_ports": "3389"}
UNMANAGED |= {"remote_ports": "*", "profiles": 7, "application": "", "service": "", "interface_types": "All"}
UNMANAGED |= {"interfaces": False, "edge_traversal": False, "edge_traversal_options": 0, "package": "", "owner": ""}
UNMANAGED |= {"authorized": "", "remote_users": "", "remote_machines": "", "secure": 0}
PROFILES = {name: {"enabled": True, "blocks_all_inbound": False} for name in ("domain", "private", "public")}
PUBLIC = r"HKLM:\SOFTWARE\Policies\Microsoft\WindowsFirewall\PublicProfile"


def main(path: Path, what: str) -> None:
    """Change one thing."""
    if what == "new":
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {"current_profiles": 4, "profiles": PROFILES}
        store = {"calls": 0, "rules": [UNMANAGED], "state": state, "registry": {}}
    else:
        store = json.loads(path.read_text())
    managed = [rule for rule in store["rules"] if rule["group"] == "XMPP Edge (xmpp.edge)"]
    if what == "disable":
        managed[0]["enabled"] = False
    elif what == "policy":
        store["registry"] = {PUBLIC: {"AllowLocalPolicyMerge": 0}}
    elif what == "refuse":
        store["refuses"] = "federation_in/allow/ipv6"
    elif what == "restore":
        store.pop("refuses", None)
        store["registry"] = {}
    path.write_text(json.dumps(store))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
