# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A watch over the packets that open connections, as they cross the devices of this host.

Those that arrive are seen before any filter of the host, and those that leave are seen behind all.

It runs in a process of its own until it is asked for what it has seen, or its time is over. It leaves no file.
Sources: packet(7), unix(7), bpf of linux/filter.h.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import socket
import struct
import time
from dataclasses import asdict, dataclass
from typing import Any, Dict, FrozenSet, List, Optional, Sequence, Tuple

from ..rollback.daemon import fork_off

SYN, SYN_ACK, RST = "SYN", "SYN-ACK", "RST"

_ETH_P_ALL = 3
_OTHERHOST, _OUTGOING = 3, 4
_TCP = 6
_SO_ATTACH_FILTER = 26
_MOST = 20_000
"""Limit on what is kept, of a host that is flooded meanwhile."""
_LONGEST = 128
_SECONDS_TO_ANSWER = 10.0

_Instruction = Tuple[int, int, int, int]


@dataclass(frozen=True)
class Packet:
    """A packet that opens, answers or resets a connection. device: that it crossed; sent: whether it left this host."""

    kind: str
    sent: bool
    device: str
    source: str
    source_port: int
    destination: str
    port: int


def start(ports: Sequence[int], seconds: float) -> str:
    """Watch the packets of these ports for so many seconds at most, and return the name to ask by. Raises OSError."""
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
    _attach(packets, _program())
    name = f"xmpp-edge-watch-{os.urandom(16).hex()}"
    # An abstract name is no file, and ends with the process.
    answering = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    answering.bind(f"\0{name}")
    answering.listen(1)
    fork_off(lambda: _watch(packets, answering, frozenset(ports), time.monotonic() + seconds))
    return name


def end(name: str) -> List[Dict[str, Any]]:
    """Return what a watch has seen, and end it. Raises OSError and ValueError where it has ended before."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_SECONDS_TO_ANSWER)
        asking.connect(f"\0{name}")
        answer = b""
        while True:
            data = asking.recv(1 << 16)
            if not data:
                return list(json.loads(answer))
            answer += data


def _watch(packets: socket.socket, answering: socket.socket, ports: FrozenSet[int], deadline: float) -> None:
    seen: Dict[Packet, None] = {}
    while time.monotonic() < deadline:
        ready, _w, _x = select.select([packets, answering], [], [], max(0.0, deadline - time.monotonic()))
        if packets in ready:
            content, origin = packets.recvfrom(_LONGEST)
            packet = read_packet(content, str(origin[0]), sent=origin[2] == _OUTGOING)
            # A bridge may hand over what is for other hosts.
            if packet and origin[2] != _OTHERHOST and ports & {packet.port, packet.source_port} and packet not in seen:
                if len(seen) >= _MOST:
                    # What was not kept would seem not to have come.
                    return
                seen[packet] = None
        elif answering in ready:
            asking, _address = answering.accept()
            # Only root may watch, and only root may know.
            if struct.unpack("3i", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1] == os.geteuid():
                asking.sendall(json.dumps([asdict(packet) for packet in seen]).encode())
                return
            asking.close()


def read_packet(content: bytes, device: str, *, sent: bool) -> Optional[Packet]:
    """Return what a packet says, from its network header on; None for one that does not open, answer or reset."""
    six = content[:1] and content[0] >> 4 == 6
    header = 40 if six else (content[0] & 15) * 4 if content else 0
    if len(content) < header + 14 or content[6 if six else 9] != _TCP:
        return None
    family, addresses = (socket.AF_INET6, content[8:40]) if six else (socket.AF_INET, content[12:20])
    half = len(addresses) // 2
    source_port, port = struct.unpack_from("!HH", content, header)
    kind = {2: SYN, 18: SYN_ACK, 4: RST, 20: RST}.get(content[header + 13] & 0x16)
    if kind is None:
        return None
    ends = socket.inet_ntop(family, addresses[:half]), socket.inet_ntop(family, addresses[half:])
    return Packet(kind, sent, device, ends[0], source_port, ends[1], port)


def _program() -> List[_Instruction]:
    """Return the filter of the kernel for TCP packets with SYN or RST, so that no others wake this process."""
    load, jump_equal, jump_set, give = 0x30, 0x15, 0x45, 0x06
    return [
        (load, 0, 0, 0),
        (0x54, 0, 0, 0xF0),  # The version of IP.
        (jump_equal, 5, 0, 0x60),
        (load, 0, 0, 9),
        (jump_equal, 0, 8, _TCP),
        (0xB1, 0, 0, 0),  # The length of IPv4's header.
        (0x50, 0, 0, 13),
        (0x05, 0, 0, 3),
        (load, 0, 0, 6),
        (jump_equal, 0, 3, _TCP),
        (load, 0, 0, 53),
        (jump_set, 0, 1, 0x06),
        (give, 0, 0, _LONGEST),
        (give, 0, 0, 0),
    ]


def _attach(packets: socket.socket, program: Sequence[_Instruction]) -> None:
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    option = struct.pack("HL", len(program), ctypes.addressof(buffer))
    packets.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)
