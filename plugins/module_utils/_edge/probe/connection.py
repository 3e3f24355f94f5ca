# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP connections to hostile peers. Each has a deadline, and a limit on the bytes that it reads."""

from __future__ import annotations

import errno
import socket
import struct
import time
from typing import Optional, Tuple

from .rejections import Rejection, keep_rejections, rejection_of

MAX_BYTES = 128 * 1024
"""Limit on the bytes read from one peer. A certificate chain and the features of a stream are far below it."""

_CHUNK = 16 * 1024
_FIRST_BYTES = 64
_NUMBER = struct.Struct("I")
_TOTAL_RETRANS, _RCV_OOOPACK = 100, 224
"""Offsets in struct tcp_info: packets sent again; packets received out of order (Linux 5.4 and newer)."""

_OUTCOMES = {
    errno.ECONNREFUSED: "refused",
    errno.ENETUNREACH: "no_route",
    errno.EHOSTUNREACH: "unreachable",
    errno.EACCES: "prohibited",
    errno.EPERM: "prohibited",
    errno.EADDRNOTAVAIL: "no_source",
}


class PeerError(Exception):
    """The reason why an attempt ended early. outcome: one of the documented values; detail: more, of any content."""

    def __init__(self, outcome: str, detail: str = "") -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.detail = detail
        self.source_port: Optional[int] = None
        """The port that the attempt came from, None where it never had one."""
        self.packets = 0
        """Packets that were sent for a connection that did not come about."""
        self.rejection: Optional[Rejection] = None
        """The ICMP error that ended the attempt to connect, where the kernel tells."""


class TcpConnection:
    """A TCP connection with a deadline. seconds: time for the connection and all that follows on it."""

    def __init__(self, address: str, port: int, source: Optional[str], seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._bytes_read = 0
        self._failure: Optional[PeerError] = None
        self.first_bytes = b""
        """The beginning of what the peer has sent."""
        try:
            self._socket = socket.socket(_socket_family(address), socket.SOCK_STREAM)
        except OSError as error:
            # A kernel without that family.
            raise PeerError("no_route", error.strerror or str(error)) from None
        started = time.monotonic()
        try:
            if source:
                self._socket.bind((source, 0))
            keep_rejections(self._socket)
            self._socket.settimeout(seconds)
            self._socket.connect((address, port))
        except OSError as error:
            failure = _peer_error(error, "filtered")
            if failure.outcome == "no_source" and not source:
                failure.outcome = "no_route"
            failure.source_port = _port_of(self._socket)
            failure.rejection = rejection_of(self._socket)
            if failure.rejection:
                # No host whose port is closed, and none without a route, sends itself an ICMP error.
                failure.outcome = "prohibited" if failure.rejection.forbids else "unreachable"
            failure.packets = 1 + _tcp_info(self._socket, _TOTAL_RETRANS)
            self._socket.close()
            raise failure from None
        self.latency = time.monotonic() - started
        """Seconds until the connection was established."""

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline. Raises PeerError once it has passed."""
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise PeerError("timeout")
        return seconds

    def shorten_deadline(self, seconds: float) -> None:
        """Move the deadline to so many seconds from now, unless it is sooner already."""
        self._deadline = min(self._deadline, time.monotonic() + seconds)

    def send(self, data: bytes) -> None:
        """Send all bytes. That the peer has reset the connection shows once all that it has sent is read."""
        try:
            self._socket.settimeout(self.seconds_left)
            self._socket.sendall(data)
        except OSError as error:
            self._failure = _peer_error(error, "timeout")
            if self._failure.outcome != "reset":
                raise self._failure from None

    def receive(self) -> bytes:
        """Return the next bytes, at least one; return none once the peer has closed."""
        try:
            self._socket.settimeout(self.seconds_left)
            data = self._socket.recv(_CHUNK)
        except OSError as error:
            raise _peer_error(error, "timeout") from None
        if not data and self._failure:
            raise self._failure
        self._bytes_read += len(data)
        if len(self.first_bytes) < _FIRST_BYTES:
            self.first_bytes = (self.first_bytes + data)[:_FIRST_BYTES]
        if self._bytes_read > MAX_BYTES:
            raise PeerError("too_much", f"more than {MAX_BYTES} bytes")
        return data

    @property
    def ends(self) -> Tuple[str, str, int, int]:
        """Return source and destination, and their ports."""
        here, there = self._socket.getsockname(), self._socket.getpeername()
        return str(here[0]), str(there[0]), int(here[1]), int(there[1])

    @property
    def lacks_segments(self) -> bool:
        """Return whether later segments have come without an earlier one, so that a large one was lost on the way."""
        return _tcp_info(self._socket, _RCV_OOOPACK) > 0

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def _tcp_info(connection: socket.socket, offset: int) -> int:
    """Return a number of what the kernel knows of a connection, 0 where it does not tell. Source: linux/tcp.h."""
    length = offset + _NUMBER.size
    try:
        found = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, length)
    except (AttributeError, OSError):
        return 0
    return int(_NUMBER.unpack_from(found, offset)[0]) if len(found) == length else 0


def _port_of(connection: socket.socket) -> Optional[int]:
    try:
        return int(connection.getsockname()[1]) or None
    except OSError:
        return None


def source_address_for(address: str, port: int, source: Optional[str]) -> Optional[str]:
    """Return the address from which this host would reach another; None where it has no route. Sends nothing."""
    try:
        with socket.socket(_socket_family(address), socket.SOCK_DGRAM) as unconnected:
            if source:
                unconnected.bind((source, 0))
            # For UDP, connect only chooses the route and the source address.
            unconnected.connect((address, port))
            return str(unconnected.getsockname()[0])
    except OSError:
        return None


def _socket_family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _peer_error(error: OSError, on_timeout: str) -> PeerError:
    if isinstance(error, socket.timeout):
        return PeerError(on_timeout)
    if error.errno in (errno.ECONNRESET, errno.EPIPE):
        return PeerError("reset")
    return PeerError(_OUTCOMES.get(error.errno or 0, "error"), error.strerror or str(error))
