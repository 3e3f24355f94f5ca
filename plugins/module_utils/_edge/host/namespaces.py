# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers in other network namespaces of this host, such as those of containers.

Sources: proc_pid_net(5), network_namespaces(7).
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Dict, FrozenSet, Iterator, List, Set, Tuple

from ..evaluator.other_servers import Server

_LISTENING = "0A"
_GLOBAL_SCOPE = "00"
_LOCAL_ROUTE = "/32 host LOCAL"


def read_servers(ports: FrozenSet[int], proc: str = "/proc") -> Tuple[Server, ...]:
    """Return the servers of other network namespaces that listen on TCP ports. proc: where the kernel tells of them."""
    own = _namespace(proc, "self")
    found: Dict[Tuple[str, int], Server] = {}
    for pid in _one_of_each_namespace(proc, own):
        listening = {port for name in ("tcp", "tcp6") for port in _listening(f"{proc}/{pid}/net/{name}")} & ports
        if not listening:
            continue
        for address in (*_ipv4_addresses(f"{proc}/{pid}/net/fib_trie"), *_ipv6_addresses(f"{proc}/{pid}/net/if_inet6")):
            for port in sorted(listening):
                found[address, port] = Server(address, port, _first_line(f"{proc}/{pid}/comm"))
    return tuple(found.values())


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
