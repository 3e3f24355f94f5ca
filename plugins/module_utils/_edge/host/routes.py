# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces by which this host reaches addresses, asked of the kernel."""

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
    commands = "".join(f"route get {remote} from {local}\n" for local, remote in pairs)
    interfaces = _interfaces(run([program, "-json", "-force", "-batch", "-"], commands).stdout)
    # A kernel without a family, or addresses that are not (yet) on an interface, are no missing route.
    answered = {":" in remote for remote in interfaces}
    return {(local, remote): interfaces.get(remote) for local, remote in pairs if (":" in remote) in answered}


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
