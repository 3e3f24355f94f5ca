# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces by which this host reaches addresses, asked of the kernel."""

from __future__ import annotations

import errno
import json
import os
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..evaluator.own_addresses import OwnAddresses
from ..evaluator.rows import Route, Routes, Surroundings
from ..evaluator.translation import HERE
from ..model.addresses import BITS, Span, family_of, is_address, number_of, text_of
from ..model.literals import Family, PacketFamily
from .reverse_path import strict_devices
from .runner import Runner, find_program

_IFF_POINTOPOINT, _IFF_NOARP = 0x10, 0x80
"""Flags of interfaces without neighbours. Source: netdevice(7)."""

_LOCAL_PORTS = "/proc/sys/net/ipv4/ip_local_port_range"
_FORWARDING: Mapping[Family, str] = {
    "ipv4": "/proc/sys/net/ipv4/ip_forward",
    "ipv6": "/proc/sys/net/ipv6/conf/all/forwarding",
}
_ANY_SOURCE = "::"
_LOWER = "lower_"
_LONGEST = 256
_LESS_PREFERRED = ("secondary", "deprecated", "tentative", "dadfailed")
_NOWHERE = ("local", "unreachable", "prohibit", "blackhole")


@dataclass(frozen=True)
class Network:
    """Ways of this host to addresses. routes: the interface by pair of a local and a remote address, None where there
    is no route; a pair is missing where nothing can be said: no program "ip", or one without JSON; surroundings: what
    else matters to connections; targets: as Ruleset.ways; masquerading: as there; forwards: the families whose packets
    this host passes on; own: addresses of this host.
    """

    routes: Routes = field(default_factory=dict)
    surroundings: Surroundings = field(default_factory=Surroundings)
    targets: Mapping[Tuple[PacketFamily, int], str] = field(default_factory=dict)
    masquerading: Mapping[Tuple[PacketFamily, str], Sequence[int]] = field(default_factory=dict)
    forwards: FrozenSet[Family] = frozenset()
    own: OwnAddresses = field(default_factory=OwnAddresses)


def read_network(
    pairs: Sequence[Route],
    run: Runner,
    targets: Iterable[Tuple[PacketFamily, int]] = (),
    remotes: Sequence[str] = (),
    own: Sequence[str] = (),
    forwarded: Sequence[Route] = (),
) -> Network:
    """Return the ways for pairs of a local and a remote address.

    targets: addresses that connections are translated to; remotes: addresses to which programs may connect unbound;
    own: those that are taken for this host's own; forwarded: pairs of which the local address is another host's.
    """
    program = find_program("ip")
    answers: Sequence[Mapping[str, Any]] = ()
    wanted = set(targets)
    pairs = list(dict.fromkeys(pairs))
    if program is not None and (pairs or forwarded or remotes):
        commands = [f"route get {remote} from {local}\n" for local, remote in pairs]
        unbound = {*(text_of(number, family) for family, number in wanted), *own, *remotes}
        unbound.update(address for pair in forwarded for address in pair)
        commands += [f"route get {address}\n" for address in sorted(unbound)]
        # A router may have several ways out.
        commands += ["route show default\n"] if forwarded else []
        output = run([program, "-json", "-force", "-batch", "-"], "".join([*commands, "address show\n"])).stdout
        answers = list(_answers(output))
    found = _ways(answers)
    known = {target: way for target, way in _ways_to_targets(answers).items() if target in wanted}
    # A kernel without a family, or addresses that are not (yet) on an interface, are no missing route.
    answered = {":" in remote for _local, remote in found}
    routes = {pair: found[pair][0] if pair in found else None for pair in pairs if (":" in pair[1]) in answered}
    between = _ways_between_others(answers, forwarded)
    routes.update({pair: way[0] if way else None for pair, way in between.items()})
    gateways = {pair: way[1] for pair, way in (*found.items(), *between.items()) if way}
    interfaces = {one for one in (*routes.values(), *known.values()) if one} - {HERE}
    forwards = frozenset(family for family, path in _FORWARDING.items() if _kernel_text(path).strip() == "1")
    defaults = _defaults(answers)
    strict = frozenset(strict_devices(defaults))
    surroundings = Surroundings(gateways, _without_neighbours(interfaces), _local_ports(), defaults, strict)
    return Network(routes, surroundings, known, _masquerading(answers), forwards, _own_addresses(answers, own))


def _ways_between_others(
    answers: Sequence[Mapping[str, Any]], pairs: Sequence[Route]
) -> Dict[Route, Optional[Tuple[str, Optional[str]]]]:
    """Return interface and router by pair of addresses of others, and by the pair of each local one with itself.

    They are None where there is no route.
    """
    ways = {
        route["dst"]: (HERE if route.get("type") == "local" else route["dev"], _gateway(route))
        for route in filter(_is_unbound, answers)
        if route.get("type") == "local" or route.get("type") not in _NOWHERE
    }
    found: Dict[Route, Optional[Tuple[str, Optional[str]]]] = {}
    for local, remote in pairs:
        found[local, remote], found[local, local] = ways.get(remote), ways.get(local)
    return found


def _defaults(answers: Sequence[Mapping[str, Any]]) -> FrozenSet[str]:
    """Return the interfaces of all default routes of IPv4."""
    routes = [route for route in answers if route.get("dst") == "default"]
    hops = [hop for route in routes for hop in (route, *route.get("nexthops", ()))]
    return frozenset(hop["dev"] for hop in hops if "dev" in hop)


def _gateway(route: Mapping[str, Any]) -> Optional[str]:
    gateway = route.get("gateway") or route.get("via", {}).get("host")
    return None if gateway is None else str(gateway)


def _masquerading(answers: Sequence[Mapping[str, Any]]) -> Dict[Tuple[PacketFamily, str], Sequence[int]]:
    """Return the addresses of each interface of which the kernel takes one for packets that masquerade there.

    Source: inet_select_addr() in the kernel's devinet.c, and RFC 6724 for IPv6.
    """
    found: Dict[Tuple[PacketFamily, str], List[int]] = {}
    for interface in answers:
        for entry in interface.get("addr_info", ()):
            if entry.get("scope") == "global" and not any(entry.get(one) for one in _LESS_PREFERRED):
                family: PacketFamily = family_of(entry["local"])
                found.setdefault((family, interface["ifname"]), []).append(number_of(entry["local"]))
    return {key: tuple(numbers) for key, numbers in found.items()}


def _own_addresses(answers: Sequence[Mapping[str, Any]], named: Sequence[str]) -> OwnAddresses:
    """Return the addresses of this host. named: those that a request takes for its own."""
    interfaces: Dict[str, FrozenSet[str]] = {}
    networks: List[Tuple[str, str]] = []
    for interface in answers:
        for entry in interface.get("addr_info", ()):
            if "local" in entry and entry.get("scope") in ("global", "site"):
                address = entry["local"]
                interfaces[address] = interfaces.get(address, frozenset()) | {interface["ifname"]}
                network = f"{address}/{entry.get('prefixlen', BITS[family_of(address)])}"
                networks.append((interface["ifname"], network))
    unbound = list(filter(_is_unbound, answers))
    local = {route["dst"] for route in unbound if route.get("type") == "local"}
    # The kernel takes some addresses for its own that no interface has. Where it does not answer, a socket tells.
    absent = [one for one in named if one not in interfaces and one not in local and not (not answers and binds(one))]
    chosen = {
        route["dst"]: (route["dev"], route["prefsrc"])
        for route in unbound
        if route.get("type") not in _NOWHERE and "prefsrc" in route
    }
    is_known = any("ifname" in answer for answer in answers)
    return OwnAddresses(frozenset(absent), tuple(interfaces) if is_known else None, interfaces, chosen, tuple(networks))


def binds(address: str) -> bool:
    """Return whether a socket of this host can have an address, or whether that cannot be told."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError as error:
        # Any other failure (a link-local address without its interface, say) says nothing about the address.
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True


def _answers(output: str) -> Iterator[Mapping[str, Any]]:
    """Yield every route, from one JSON list per line."""
    for line in output.splitlines():
        with suppress(ValueError):
            yield from json.loads(line)


def _is_unbound(route: Mapping[str, Any]) -> bool:
    """Return whether an answer is a route for a packet without a source yet, which iproute2 may write as "::"."""
    return {"dev", "dst"} <= route.keys() and bool(route.get("from", _ANY_SOURCE) == _ANY_SOURCE)


def _ways(answers: Iterable[Mapping[str, Any]]) -> Dict[Route, Tuple[str, Optional[str]]]:
    """Return interface and router by pair of addresses; own addresses are left out."""
    ways: Dict[Route, Tuple[str, Optional[str]]] = {}
    for route in answers:
        if route.get("type") not in _NOWHERE and "dev" in route and "from" in route and not _is_unbound(route):
            ways[route["from"], route["dst"]] = route["dev"], _gateway(route)
    return ways


def _ways_to_targets(answers: Iterable[Mapping[str, Any]]) -> Dict[Tuple[PacketFamily, int], str]:
    """Return the interface by which this host reaches them, by address; HERE for an address of its own.

    Addresses of the loopback network are left out, since packets from a network may not get there.
    """
    ways: Dict[Tuple[PacketFamily, int], str] = {}
    for route in answers:
        if not _is_unbound(route) or not is_address(route["dst"]) or _is_loopback(route["dst"]):
            continue
        family = family_of(route["dst"])
        if route.get("type") == "local":
            ways[family, number_of(route["dst"])] = HERE
        elif route.get("type") not in _NOWHERE:
            ways[family, number_of(route["dst"])] = route["dev"]
    return ways


def _is_loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.")


def _without_neighbours(interfaces: Iterable[str]) -> FrozenSet[str]:
    """Return the interfaces that need no neighbour discovery; one that does not say so needs it."""
    return frozenset(one for one in interfaces if _flags(one) & (_IFF_POINTOPOINT | _IFF_NOARP))


def families_routed_by_mark(run: Runner) -> FrozenSet[PacketFamily]:
    """Return the families that have a rule of routing which looks at marks, or may have one."""
    program = find_program("ip")
    options: Mapping[PacketFamily, str] = {"ipv4": "-4", "ipv6": "-6"}
    found = set()
    for family, option in options.items():
        rules = list(_answers(run([program, option, "-json", "rule", "show"], "").stdout)) if program else []
        # A host has at least one such rule: where none is understood, any may be there.
        if not rules or any("fwmark" in rule for rule in rules):
            found.add(family)
    return frozenset(found)


def lower_devices(interface: str) -> FrozenSet[str]:
    """Return all devices below an interface: the ports of a bridge, what a bond, a VLAN or a macvlan stands on."""
    with suppress(OSError):
        names = [name[len(_LOWER) :] for name in os.listdir(f"/sys/class/net/{interface}") if name.startswith(_LOWER)]
        return frozenset(names).union(*map(lower_devices, names))
    return frozenset()


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
