# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers in other network namespaces of this host, such as those of containers.

Sources: proc_pid_net(5), network_namespaces(7), nsenter(1).
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from typing import Any, Dict, FrozenSet, Iterator, List, Mapping, Optional, Set, Tuple

from ..evaluator.other_servers import Server
from .runner import Runner, find_program

_LISTENING = "0A"
_GLOBAL_SCOPE = "00"
_LOCAL_ROUTE = "/32 host LOCAL"


def read_servers(ports: FrozenSet[int], run: Runner, proc: str = "/proc") -> Tuple[Server, ...]:
    """Return the servers of other network namespaces that listen on TCP ports. proc: where the kernel tells of them."""
    own = _namespace(proc, "self")
    found: Dict[Tuple[str, int], Server] = {}
    for pid in _one_of_each_namespace(proc, own):
        listening = {port for name in ("tcp", "tcp6") for port in _listening(f"{proc}/{pid}/net/{name}")} & ports
        if not listening:
            continue
        kinds, gateways = _kinds(pid, run), _gateways(pid, run)
        for address in (*_ipv4_addresses(f"{proc}/{pid}/net/fib_trie"), *_ipv6_addresses(f"{proc}/{pid}/net/if_inet6")):
            for port in sorted(listening):
                found[address, port] = Server(
                    address, port, _first_line(f"{proc}/{pid}/comm"), kinds.get(address, ""), gateways
                )
    return tuple(found.values())


def _kinds(pid: str, run: Runner) -> Dict[str, str]:
    """Return the kinds of the devices of a process's namespace, by address; nothing where they cannot be asked."""
    return {
        entry["local"]: str(link.get("linkinfo", {}).get("info_kind", "other"))
        for link in _ask(pid, run, "-details", "address", "show") or ()
        for entry in link.get("addr_info", ())
        if "local" in entry
    }


def _gateways(pid: str, run: Runner) -> Optional[Tuple[str, ...]]:
    """Return the routers of the default routes of a process's namespace, None where they cannot be asked."""
    found = [_ask(pid, run, family, "route", "show", "default") for family in ("-4", "-6")]
    if None in found:
        return None
    routes = [route for listed in found for route in listed or ()]
    return tuple(str(route["gateway"]) for route in routes if "gateway" in route)


def _ask(pid: str, run: Runner, *arguments: str) -> Optional[List[Mapping[str, Any]]]:
    """Return what ip tells of the namespace of a process, None where it cannot be asked."""
    nsenter, ip = find_program("nsenter"), find_program("ip")
    if not nsenter or not ip:
        return None
    done = run([nsenter, f"--net=/proc/{pid}/ns/net", ip, "-json", *arguments], "")
    if done.returncode != 0:
        return None
    try:
        return [entry for entry in json.loads(done.stdout or "[]") if isinstance(entry, dict)]
    except ValueError:
        return None


def _one_of_each_namespace(proc: str, own: str) -> Iterator[str]:
    """Yield a process of each network namespace but this one."""
    seen = {own, ""}
    for pid in sorted(filter(str.isdigit, _names(proc)), key=int):
        namespace = _namespace(proc, pid)
        if namespace not in seen:
            seen.add(namespace)
            yield pid


def _names(folder: str) -> List[str]:
    with suppress(OSError):
        return os.listdir(folder)
    return []


def _namespace(proc: str, pid: str) -> str:
    """Return the name of a process's network namespace; empty for a process that has ended."""
    with suppress(OSError):
        return os.readlink(f"{proc}/{pid}/ns/net")
    return ""


def _lines(path: str) -> List[str]:
    with suppress(OSError), open(path, encoding="ascii", errors="replace") as file:
        return file.read().splitlines()
    return []


def _first_line(path: str) -> str:
    return next(iter(_lines(path)), "")


def _listening(path: str) -> Iterator[int]:
    """Yield the ports of listening sockets that others can reach."""
    for line in _lines(path)[1:]:
        words = line.split()
        address, _colon, port = words[1].partition(":")
        if words[3] == _LISTENING and not _is_loopback(address):
            yield int(port, 16)


def _is_loopback(address: str) -> bool:
    """Return whether an address is of the loopback interface. The kernel writes words of the host's byte order."""
    return address in ("0100007F", "00000000000000000000000001000000")


def _ipv4_addresses(path: str) -> Iterator[str]:
    """Yield the addresses of a namespace out of its routes."""
    address = ""
    seen: Set[str] = set()
    for line in _lines(path):
        text = line.strip()
        if text.startswith("|-- "):
            address = text[len("|-- ") :]
        elif text == _LOCAL_ROUTE and not address.startswith("127.") and address not in seen:
            seen.add(address)
            yield address


def _ipv6_addresses(path: str) -> Iterator[str]:
    for line in _lines(path):
        digits, _index, _length, scope = line.split()[:4]
        if scope == _GLOBAL_SCOPE:
            yield socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits))
