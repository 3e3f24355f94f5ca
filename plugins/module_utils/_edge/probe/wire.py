# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that end: each has a deadline and a limit to what it reads, whatever the peer does."""

from __future__ import annotations

import errno
import socket
import time
from typing import Optional

MOST_BYTES = 128 * 1024
"""What is read from one peer at most. A certificate chain and the features of a stream are far below it."""

_CHUNK = 16 * 1024

_OUTCOMES = {
    errno.ECONNREFUSED: "refused",
    errno.ENETUNREACH: "no_route",
    errno.EHOSTUNREACH: "unreachable",
    errno.EACCES: "prohibited",
    errno.EPERM: "prohibited",
    errno.EADDRNOTAVAIL: "no_source",
}


class PeerError(Exception):
    """Why a probe ended early. outcome: one of the documented words; detail: more, of whatever content."""

    def __init__(self, outcome: str, detail: str = "") -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.detail = detail


class Wire:
    """A TCP connection with a deadline. seconds: until which all has to be over."""

    def __init__(self, address: str, port: int, source: Optional[str], seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._read = 0
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        begun = time.monotonic()
        try:
            if source:
                self._socket.bind((source, 0))
            self._socket.settimeout(seconds)
            self._socket.connect((address, port))
        except OSError as error:
            self._socket.close()
            raise _explained(error, "filtered") from None
        self.latency = time.monotonic() - begun
        """Seconds until the peer had answered."""

    @property
    def left(self) -> float:
        """Seconds until the deadline. Raises PeerError once it has passed."""
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise PeerError("timeout")
        return seconds

    def hurry(self, seconds: float) -> None:
        """Bring the deadline forward."""
        self._until = min(self._until, time.monotonic() + seconds)

    def send(self, data: bytes) -> None:
        """Send everything."""
        try:
            self._socket.settimeout(self.left)
            self._socket.sendall(data)
        except OSError as error:
            raise _explained(error, "timeout") from None

    def receive(self) -> bytes:
        """What has come, at least one byte; empty once the peer has closed."""
        try:
            self._socket.settimeout(self.left)
            data = self._socket.recv(_CHUNK)
        except OSError as error:
            raise _explained(error, "timeout") from None
        self._read += len(data)
        if self._read > MOST_BYTES:
            raise PeerError("too_much", f"more than {MOST_BYTES} bytes")
        return data

    def close(self) -> None:
        """Be done with it."""
        self._socket.close()


def source_for(address: str, port: int, source: Optional[str]) -> Optional[str]:
    """The address from which this host would reach another; None where it has no route. Sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            if source:
                asking.bind((source, 0))
            asking.connect((address, port))
            return str(asking.getsockname()[0])
    except OSError:
        return None


def _explained(error: OSError, when_late: str) -> PeerError:
    if isinstance(error, socket.timeout):
        return PeerError(when_late)
    if error.errno in (errno.ECONNRESET, errno.EPIPE):
        return PeerError("reset")
    return PeerError(_OUTCOMES.get(error.errno or 0, "error"), error.strerror or str(error))
