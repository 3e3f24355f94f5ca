# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces by which this host reaches addresses, asked of the kernel."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, Iterable, Mapping, Optional, Sequence, Tuple

from ..evaluator.rows import Route, Routes, Surroundings
from ..model.addresses import Span
from .runner import Runner, find_program

_IFF_POINTOPOINT, _IFF_NOARP = 0x10, 0x80
"""Flags of interfaces without neighbours. Source: netdevice(7)."""

_LOCAL_PORTS = "/proc/sys/net/ipv4/ip_local_port_range"
_LONGEST = 256
_NOWHERE = ("local", "unreachable", "prohibit", "blackhole")


@dataclass(frozen=True)
class Network:
    """Ways of this host to addresses. routes: the interface by pair of a local and a remote address, None where there
    is no route; a pair is missing where nothing can be said: no program "ip", or one without JSON; surroundings: what
    else matters to connections.
    """

    routes: Routes = field(default_factory=dict)
    surroundings: Surroundings = field(default_factory=Surroundings)


def read_network(pairs: Sequence[Route], run: Runner) -> Network:
    """Return the ways for pairs of a local and a remote address."""
    program = find_program("ip")
    found: Mapping[Route, Tuple[str, Optional[str]]] = {}
    if program is not None and pairs:
        commands = "".join(f"route get {remote} from {local}\n" for local, remote in pairs)
        found = _ways(run([program, "-json", "-force", "-batch", "-"], commands).stdout)
    # A kernel without a family, or addresses that are not (yet) on an interface, are no missing route.
    answered = {":" in remote for _local, remote in found}
    routes = {pair: found[pair][0] if pair in found else None for pair in pairs if (":" in pair[1]) in answered}
    gateways = {pair: gateway for pair, (_interface, gateway) in found.items()}
    interfaces = {interface for interface, _gateway in found.values()}
    return Network(routes, Surroundings(gateways, _without_neighbours(interfaces), _local_ports()))


def _ways(output: str) -> Dict[Route, Tuple[str, Optional[str]]]:
    """Return interface and router by pair of addresses, from one JSON list per line; own addresses are left out."""
    ways: Dict[Route, Tuple[str, Optional[str]]] = {}
    for line in output.splitlines():
        try:
            routes = json.loads(line)
        except ValueError:
            continue
        for route in routes:
            if route.get("type") not in _NOWHERE and "dev" in route and "from" in route:
                gateway = route.get("gateway") or route.get("via", {}).get("host")
                ways[route["from"], route["dst"]] = route["dev"], gateway
    return ways


def _without_neighbours(interfaces: Iterable[str]) -> FrozenSet[str]:
    """Return the interfaces that need no neighbour discovery; one that does not say so needs it."""
    return frozenset(one for one in interfaces if _flags(one) & (_IFF_POINTOPOINT | _IFF_NOARP))


def _flags(interface: str) -> int:
    try:
        return int(_kernel_text(f"/sys/class/net/{interface}/flags") or "0", 16)
    except ValueError:
        return 0


def _local_ports() -> Span:
    """Return the ports that this host connects from."""
    try:
        first, last = map(int, _kernel_text(_LOCAL_PORTS).split())
    except ValueError:
        return Surroundings().local_ports
    return first, last


def _kernel_text(path: str) -> str:
    """Return the text of a file of the kernel, which may refuse to be read in large pieces; empty for none."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(_LONGEST)
    except OSError:
        return ""
