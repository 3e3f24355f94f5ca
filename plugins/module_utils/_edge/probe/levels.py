# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The levels of a probe: is the port open, does it speak XMPP, does it require a client certificate."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from .connection import PeerError, TcpConnection, source_address_for
from .stream import (
    DIALBACK,
    DIALBACK_FEATURE,
    SASL,
    STARTTLS,
    STREAMS,
    TLS,
    Stanza,
    StreamReader,
    header,
    local_name,
)
from .tls import TlsConnection

LEVELS: Tuple[str, ...] = ("tcp", "xmpp", "mtls")
OUTCOMES: Mapping[str, str] = {
    "open": "the port accepts connections (level tcp)",
    "xmpp": "a stream with TLS is open (level xmpp)",
    "client_certificate_required": "TLS without a client certificate is refused (level mtls)",
    "complete": "TLS with the given client certificate is accepted (level mtls)",
    "client_certificate_optional": "a client certificate is requested, and not required",
    "no_client_certificate_request": "TLS is open to clients without a certificate",
    "filtered": "the attempt to connect got no answer",
    "refused": "the attempt to connect was reset: no listener, or a rule that rejects with a reset",
    "prohibited": "an ICMP error or this host's firewall says that the connection is forbidden",
    "unreachable": "this host or a router says that the peer cannot be reached",
    "no_route": "this host has no route to the peer",
    "no_source": "this host does not have the source address",
    "bad_domain": "the domain is no host name that TLS can ask for",
    "no_tls": "the peer does not speak TLS",
    "tls_failed": "the peer speaks TLS, and the handshake failed",
    "no_certificate": "the given client certificate cannot be used",
    "no_xmpp": "the peer does not speak XMPP",
    "xmpp_error": "the peer ended the stream with an error",
    "no_starttls": "the stream offers no TLS",
    "starttls_refused": "the stream offered TLS, and refused it",
    "timeout": "the peer answered, and did not continue in time",
    "closed": "the peer closed the connection",
    "reset": "the peer reset the connection",
    "too_much": "the peer exceeded a limit on what is read",
    "error": "another error",
}
"""The meaning of every outcome of an attempt."""

OPEN: Mapping[str, Tuple[str, ...]] = {
    "tcp": ("open",),
    "xmpp": ("xmpp",),
    "mtls": ("client_certificate_required", "complete"),
}
"""The outcomes that fulfil the expectation "open", by level."""

CLOSED: Tuple[str, ...] = ("filtered", "refused", "prohibited", "unreachable", "no_route")
"""The outcomes that fulfil the expectation "closed": none of them has a connection."""

EXPECTATIONS: Tuple[str, ...] = ("open", "closed")

MAX_PARALLEL = 256
"""Limit on parallel attempts of one host. Each has a thread, which mostly waits."""

# With TLS 1.3 a server may object to a missing certificate only after the handshake of the client is over.
_ALERT_SECONDS = 1.0
_REJECTIONS = ("client_certificate_required", "tls_failed", "reset", "closed")


@dataclass(frozen=True)
class Target:
    """A connection to attempt.

    source: address to bind to; timeout: seconds for the whole attempt; domain, origin: for the stream; direct_tls: TLS
    before the stream; certificate, key: paths of a client certificate; expect: open or closed, None for neither.
    """

    address: str
    port: int
    level: str = "tcp"
    source: Optional[str] = None
    timeout: float = 5.0
    domain: str = ""
    origin: str = ""
    direct_tls: bool = False
    certificate: Optional[str] = None
    key: Optional[str] = None
    expect: Optional[str] = None

    def is_met_by(self, outcome: str) -> Optional[bool]:
        """Return whether an outcome fulfils the expectation; None where there is none."""
        if self.expect is None:
            return None
        return outcome in (OPEN[self.level] if self.expect == "open" else CLOSED)


@dataclass(frozen=True)
class Attempt:
    """The result of an attempt. outcome: one of OUTCOMES; source: the used address; latency, seconds: in seconds."""

    outcome: str
    source: Optional[str]
    latency: Optional[float]
    seconds: float
    detail: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def attempt_all(targets: Sequence[Target]) -> List[Attempt]:
    """Attempt all targets in parallel, and return the results in the order of the targets."""
    if not targets:
        return []
    with ThreadPoolExecutor(min(len(targets), MAX_PARALLEL)) as pool:
        return list(pool.map(attempt, targets))


def attempt(target: Target) -> Attempt:
    """Attempt one target. Ends within its timeout, and never raises because of the peer."""
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
        if connection is None:
            facts["packets"] = error.packets
            if error.rejection:
                facts["rejected_by"] = error.rejection.sender
                detail = str(error.rejection)
    finally:
        if connection is not None:
            connection.close()
    return Attempt(outcome, source, latency, time.monotonic() - started, detail, facts)


def _tcp(_target: Target, _connection: TcpConnection, _facts: Dict[str, Any]) -> str:
    return "open"


def _xmpp(target: Target, connection: TcpConnection, facts: Dict[str, Any]) -> str:
    channel: Union[TcpConnection, TlsConnection] = connection
    if target.direct_tls:
        channel = _start_tls(target, connection, facts, ("xmpp-server",))
    else:
        features = _features(target, channel, facts)
        if f"{TLS} starttls" not in features.descendants:
            return "no_starttls"
        facts["starttls"] = "required" if f"{TLS} required" in features.descendants else "offered"
        channel.send(STARTTLS)
        reader = StreamReader()
        answer = _next_stanza(channel, reader, within=header(target.domain, target.origin))
        if answer.name != f"{TLS} proceed":
            return "starttls_refused"
        if reader.has_more:
            raise PeerError("no_xmpp", "more unencrypted data after the agreement on TLS")
        channel = _start_tls(target, connection, facts, ())
    features = _features(target, channel, facts)
    facts["sasl_external"] = "EXTERNAL" in features.mechanisms
    facts["dialback"] = facts["dialback"] or f"{DIALBACK_FEATURE} dialback" in features.descendants
    facts["sasl"] = any(name.startswith(f"{SASL} ") for name in features.descendants)
    return "xmpp"


def _start_tls(
    target: Target, connection: TcpConnection, facts: Dict[str, Any], protocols: Sequence[str]
) -> TlsConnection:
    tls = TlsConnection(connection, target.domain, protocols, target.certificate, target.key)
    tls.handshake()
    facts["tls"] = tls.facts
    return tls


def _features(target: Target, channel: Union[TcpConnection, TlsConnection], facts: Dict[str, Any]) -> Stanza:
    """Open a stream and read its features."""
    reader = StreamReader()
    channel.send(header(target.domain, target.origin))
    features = _next_stanza(channel, reader)
    facts["server"] = (reader.attributes or {}).get("from", "")
    facts["dialback"] = DIALBACK in reader.namespaces
    if features.name != f"{STREAMS} features":
        raise PeerError("no_xmpp", f"{local_name(features.name)} in place of features")
    return features


def _next_stanza(channel: Union[TcpConnection, TlsConnection], reader: StreamReader, within: bytes = b"") -> Stanza:
    """Return the next stanza of a stream. within: the header of a stream that was opened before."""
    reader.feed(within)
    while not reader.stanzas:
        data = channel.receive()
        if not data or reader.is_closed:
            outcome = "closed" if reader.attributes is not None else "no_xmpp"
            raise PeerError(outcome, "closed before the stream was negotiated")
        reader.feed(data)
    stanza = reader.stanzas[0]
    if stanza.name == f"{STREAMS} error":
        raise PeerError("xmpp_error", local_name(stanza.descendants[0]) if stanza.descendants else "")
    return stanza


def _mtls(target: Target, connection: TcpConnection, facts: Dict[str, Any]) -> str:
    tls = TlsConnection(connection, target.domain, (), target.certificate, target.key)
    try:
        tls.handshake()
        facts["tls"] = tls.facts
        if not tls.certificate_requested:
            return "no_client_certificate_request"
        connection.shorten_deadline(_ALERT_SECONDS)
        if tls.receive() == b"":
            return "closed"
    except PeerError as error:
        if error.outcome == "timeout" and "tls" in facts:
            return "complete" if target.certificate else "client_certificate_optional"
        # Some servers report only a failed handshake, or close the connection, where a certificate is missing.
        if error.outcome in _REJECTIONS and tls.certificate_requested and not target.certificate:
            return "client_certificate_required"
        raise
    return "complete" if target.certificate else "client_certificate_optional"


_LEVELS: Mapping[str, Callable[[Target, TcpConnection, Dict[str, Any]], str]] = {
    "tcp": _tcp,
    "xmpp": _xmpp,
    "mtls": _mtls,
}
