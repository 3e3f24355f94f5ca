# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of this collection whose module firewall treats hosts with pwsh as Windows hosts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent


def make_overlay(folder: Path) -> Path:
    """Make the copy in a folder, and return the path for ANSIBLE_COLLECTIONS_PATH.

    Its adapters to Windows are the real ones, which find the simulator in the place of Windows.
    """
    tree = folder / "ansible_collections" / "xmpp" / "edge"
    tree.mkdir(parents=True)
    subprocess.run([CHECKOUT / "tests" / "tools" / "copy-sources", tree], check=True)
    action = tree / "plugins" / "action"
    (action / "firewall.py").rename(action / "front_door.py")
    (action / "firewall.py").write_text((HERE / "overlay" / "firewall.py").read_text())
    for name in ("_EdgeFirewall.psm1", "_EdgeRollback.psm1"):
        adapter = tree / "plugins" / "module_utils" / name
        adapter.write_text((HERE / "simulator" / "simulator.ps1").read_text() + adapter.read_text())
    return folder


if __name__ == "__main__":
    make_overlay(Path(sys.argv[1]))
