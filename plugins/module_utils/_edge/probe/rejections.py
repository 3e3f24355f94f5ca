# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The box that rejected a connection by ICMP, by the error queue of its socket.

Source: ip(7) and ipv6(7), IP_RECVERR; struct sock_extended_err of linux/errqueue.h. Older kernels keep no such queue
for TCP, and tell nothing.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Mapping, Optional, Tuple

_IP_RECVERR, _IPV6_RECVERR = 11, 25
_OPTIONS: Mapping[int, Tuple[int, int]] = {
    socket.AF_INET: (socket.IPPROTO_IP, _IP_RECVERR),
    socket.AF_INET6: (socket.IPPROTO_IPV6, _IPV6_RECVERR),
}
_FROM_ICMP = (2, 3)
_ERROR = struct.Struct("=IBBBBII")
_IPV4_ADDRESS, _IPV6_ADDRESS = slice(4, 8), slice(8, 24)
_LONGEST = 512
_IPV4_FORBIDDEN = (2, 3, 9, 10, 13, 14, 15)
_IPV6_FORBIDDEN = (1, 4, 5, 6)


@dataclass(frozen=True)
class Rejection:
    """An ICMP error. sender: address of the box that sent it; kind, code: as in ICMP of that family."""

    sender: str
    kind: int
    code: int

    @property
    def forbids(self) -> bool:
        """Return whether it says that a port or a way is forbidden, and not that there is no way."""
        # RFC 792, RFC 1122 3.2.2.1 and RFC 1812 5.2.7.1; RFC 4443 3.1.
        return self.code in (_IPV6_FORBIDDEN if ":" in self.sender else _IPV4_FORBIDDEN)

    def __str__(self) -> str:
        """Return the error in words, for example "ICMP type 3 code 13 from 198.51.100.1"."""
        return f"ICMP type {self.kind} code {self.code} from {self.sender}"


def keep_rejections(connection: socket.socket) -> None:
    """Have the kernel keep ICMP errors of a socket that is not connected yet."""
    level, option = _OPTIONS[connection.family]
    try:
        connection.setsockopt(level, option, 1)
    except OSError:
        return


def rejection_of(connection: socket.socket) -> Optional[Rejection]:
    """Return the ICMP error that ended an attempt to connect, None where there was none, or the kernel keeps none."""
    try:
        # The error is there already, or there is none to wait for.
        connection.setblocking(False)
        _data, messages, _flags, _address = connection.recvmsg(_LONGEST, _LONGEST, socket.MSG_ERRQUEUE)
    except (AttributeError, OSError):
        return None
    for level, option, content in messages:
        if (level, option) == _OPTIONS[connection.family] and len(content) > _ERROR.size:
            _errno, origin, kind, code, _pad, _info, _more = _ERROR.unpack_from(content)
            sender = content[_ERROR.size :]
            part = sender[_IPV4_ADDRESS if connection.family == socket.AF_INET else _IPV6_ADDRESS]
            if origin in _FROM_ICMP and len(part) in (4, 16):
                return Rejection(socket.inet_ntop(connection.family, part), kind, code)
    return None
