# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By which interface this host reaches what, asked of the kernel."""

from __future__ import annotations

import json
from typing import Dict, Optional, Sequence, Tuple

from .runner import Runner, find_program


def routes_of(pairs: Sequence[Tuple[str, str]], run: Runner) -> Dict[Tuple[str, str], Optional[str]]:
    """The interface for each pair of a local and a remote address; None where there is no route.

    A pair is missing where nothing can be said: no program "ip", or one without JSON.
    """
    program = find_program("ip")
    if program is None or not pairs:
        return {}
    found: Dict[Tuple[str, str], Optional[str]] = {}
    for family in ("-4", "-6"):
        mine = [pair for pair in pairs if (":" in pair[0]) == (family == "-6")]
        if not mine:
            continue
        commands = "".join(f"route get {remote} from {local}\n" for local, remote in mine)
        done = run([program, "-json", "-force", family, "-batch", "-"], commands)
        interfaces = _interfaces(done.stdout)
        # A kernel without the family, or an address that is not (yet) on an interface, is no missing route.
        if interfaces:
            found.update({(local, remote): interfaces.get(remote) for local, remote in mine})
    return found


def _interfaces(output: str) -> Dict[str, str]:
    """Interface by destination, from one JSON list per line; destinations of this host itself are left out."""
    interfaces = {}
    for line in output.splitlines():
        try:
            routes = json.loads(line)
        except ValueError:
            continue
        for route in routes:
            if route.get("type") not in ("local", "unreachable", "prohibit", "blackhole") and "dev" in route:
                interfaces[route["dst"]] = route["dev"]
    return interfaces
