# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attempts of all levels: is the port open, does it speak XMPP, does it require a client certificate."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from .connection import PeerError, TcpConnection, source_address_for
from .model import Attempt, Target
from .mtls import ask_for_certificate
from .protocols import XML, protocol_of, proxy_line
from .stream import header
from .tls import TlsConnection
from .xmpp import handshake, is_want_of_certificate, open_stream

MAX_PARALLEL = 256
"""Limit on parallel attempts of one host. Each has a thread, which mostly waits."""

_LEAST_SECONDS = 0.2
_SILENT = ("closed", "reset", "no_xmpp", "no_tls")


def attempt_all(targets: Sequence[Target]) -> List[Attempt]:
    """Attempt all targets in parallel, and return the results in the order of the targets."""
    if not targets:
        return []
    with ThreadPoolExecutor(min(len(targets), MAX_PARALLEL)) as pool:
        return list(pool.map(attempt, targets))


def attempt(target: Target) -> Attempt:
    """Attempt one target. Never raises because of the peer.

    Ends within its timeout. A connection that tells more of a peer whose answer was wrong has half of it again.
    """
    started = time.monotonic()
    source = source_address_for(target.address, target.port, target.source)
    latency: Optional[float] = None
    facts: Dict[str, Any] = {}
    detail = ""
    connection: Optional[TcpConnection] = None
    try:
        connection = TcpConnection(target.address, target.port, target.source, target.timeout)
        latency = connection.latency
        outcome = _LEVELS[target.level](target, connection, facts)
    except PeerError as error:
        outcome, detail = error.outcome, error.detail
        facts["source_port"] = error.source_port
        if connection is None:
            facts["packets"] = error.packets
            if error.rejection:
                facts["rejected_by"] = error.rejection.sender
                detail = str(error.rejection)
        elif target.level == "xmpp" and is_want_of_certificate(target, error, facts):
            outcome = "not_authenticated"
        else:
            facts.update(_more_on(target, connection, error))
    finally:
        if connection is not None:
            connection.close()
    if "tls" in facts and target.level == "xmpp":
        facts["tls"].update(_trust(target, started + target.timeout - time.monotonic()))
    return Attempt(outcome, source, latency, time.monotonic() - started, detail, facts)


def _tcp(_target: Target, _connection: TcpConnection, _facts: Dict[str, Any]) -> str:
    return "open"


_LEVELS: Mapping[str, Callable[[Target, TcpConnection, Dict[str, Any]], str]] = {
    "tcp": _tcp,
    "xmpp": open_stream,
    "mtls": ask_for_certificate,
}


def _more_on(target: Target, connection: TcpConnection, error: PeerError) -> Dict[str, Any]:
    """Return facts on a peer that has accepted a connection, and then was not what was asked for."""
    speaks = protocol_of(connection.first_bytes)
    starts_with_tls = target.level == "mtls" or target.direct_tls
    expected = "TLS" if starts_with_tls else XML
    if speaks not in ("", expected):
        return {"speaks": speaks}
    if error.outcome == "timeout":
        return {"lost_segments": True} if connection.lacks_segments else {}
    if error.outcome in _SILENT and not connection.first_bytes:
        # It has closed without a word.
        if not starts_with_tls and _answers(target, with_tls=True, proxied=False):
            return {"speaks": "TLS"}
        if _answers(target, with_tls=starts_with_tls, proxied=True):
            return {"speaks": "the PROXY protocol"}
    return {}


def _answers(target: Target, *, with_tls: bool, proxied: bool) -> bool:
    """Return whether a peer goes on with TLS at once, or after the line of a load balancer."""
    connection: Optional[TcpConnection] = None
    try:
        connection = TcpConnection(target.address, target.port, target.source, max(_LEAST_SECONDS, target.timeout / 2))
        if proxied:
            connection.send(proxy_line(*connection.ends))
        if with_tls:
            TlsConnection(connection, target.domain).handshake()
            return True
        connection.send(header(target.domain, target.origin))
        return connection.receive().lstrip().startswith(b"<")
    except PeerError:
        return False
    finally:
        if connection is not None:
            connection.close()


def _trust(target: Target, seconds: float) -> Dict[str, Any]:
    """Return whether this host trusts the chain of the peer's certificate, as one more handshake shows."""
    if seconds < _LEAST_SECONDS:
        return {}
    connection: Optional[TcpConnection] = None
    try:
        connection = TcpConnection(target.address, target.port, target.source, seconds)
        handshake(target, connection, verified=True)
    except PeerError as error:
        return {"trusted": False, "distrust": error.detail} if error.outcome == "untrusted" else {}
    finally:
        if connection is not None:
            connection.close()
    return {"trusted": True}
