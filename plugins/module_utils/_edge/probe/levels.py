# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The levels of a probe, each a question to one address: does the port answer, is it XMPP, does it ask who we are."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

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
from .tls import TlsWire
from .wire import PeerError, Wire, source_for

LEVELS: Tuple[str, ...] = ("tcp", "xmpp", "mtls")
OUTCOMES: Mapping[str, str] = {
    "open": "the port answers (level tcp)",
    "xmpp": "a stream with TLS is open (level xmpp)",
    "client_certificate_required": "TLS without a client certificate is refused (level mtls)",
    "complete": "TLS with the given client certificate is accepted (level mtls)",
    "client_certificate_optional": "a client certificate is asked for, and not required",
    "no_client_certificate_request": "TLS is open to whoever has no certificate",
    "filtered": "no answer to the attempt to connect",
    "refused": "an answer that nobody listens, or that somebody rejects",
    "prohibited": "an answer that it is forbidden",
    "unreachable": "an answer, from this host or a router, that the host cannot be reached",
    "no_route": "this host has no route there",
    "no_source": "this host has not the source address",
    "no_tls": "the peer speaks no TLS",
    "tls_failed": "the peer speaks TLS, and both could not agree",
    "no_certificate": "the given client certificate cannot be used",
    "no_xmpp": "the peer speaks no XMPP",
    "xmpp_error": "the peer ended the stream with an error",
    "no_starttls": "the stream offers no TLS",
    "starttls_refused": "the stream offered TLS, and refused it",
    "timeout": "the peer answered, and did not go on in time",
    "closed": "the peer closed the connection",
    "reset": "the peer reset the connection",
    "too_much": "the peer sent more than anybody needs",
    "error": "something else",
}
"""Every word for what became of an attempt."""

OPEN: Mapping[str, Tuple[str, ...]] = {
    "tcp": ("open",),
    "xmpp": ("xmpp",),
    "mtls": ("client_certificate_required", "complete"),
}
"""The outcomes by which a port is open to whom it should be, and does there what it should, by level."""

CLOSED: Tuple[str, ...] = ("filtered", "refused", "prohibited", "unreachable", "no_route")
"""The outcomes without any connection."""

EXPECTATIONS: Tuple[str, ...] = ("open", "closed")

MOST_AT_ONCE = 256
"""Attempts of one host at a time; each has a thread, which mostly waits."""

_ALERT_SECONDS = 1.0
_REJECTIONS = ("client_certificate_required", "tls_failed", "reset", "closed")


@dataclass(frozen=True)
class Target:
    """One attempt.

    source: address to bind to; timeout: seconds for all of it; domain, origin: for the stream; direct_tls: TLS before
    the stream; certificate, key: paths of a client certificate; expect: open or closed, None for neither.
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
        """Whether an outcome is what was expected; None where nothing was."""
        if self.expect is None:
            return None
        return outcome in (OPEN[self.level] if self.expect == "open" else CLOSED)


@dataclass(frozen=True)
class Attempt:
    """What became of it. outcome: one of OUTCOMES; source: address that was used; latency, seconds: None or seconds."""

    outcome: str
    source: Optional[str]
    latency: Optional[float]
    seconds: float
    detail: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def attempt_all(targets: Sequence[Target]) -> List[Attempt]:
    """All attempts, at once, in the order of the targets."""
    if not targets:
        return []
    with ThreadPoolExecutor(min(len(targets), MOST_AT_ONCE)) as pool:
        return list(pool.map(attempt, targets))


def attempt(target: Target) -> Attempt:
    """One attempt. It ends by itself, and never raises for what a peer does."""
    begun = time.monotonic()
    source = source_for(target.address, target.port, target.source)
    latency: Optional[float] = None
    facts: Dict[str, Any] = {}
    detail = ""
    wire: Optional[Wire] = None
    try:
        wire = Wire(target.address, target.port, target.source, target.timeout)
        latency = wire.latency
        outcome = _LEVELS[target.level](target, wire, facts)
    except PeerError as error:
        outcome, detail = error.outcome, error.detail
    finally:
        if wire is not None:
            wire.close()
    return Attempt(outcome, source, latency, time.monotonic() - begun, detail, facts)


def _tcp(_target: Target, _wire: Wire, _facts: Dict[str, Any]) -> str:
    return "open"


def _xmpp(target: Target, wire: Wire, facts: Dict[str, Any]) -> str:
    channel: Union[Wire, TlsWire] = wire
    if target.direct_tls:
        channel = _secured(target, wire, facts, ("xmpp-server",))
    else:
        features = _features(target, channel, facts)
        if f"{TLS} starttls" not in features.inside:
            return "no_starttls"
        facts["starttls"] = "required" if f"{TLS} required" in features.inside else "offered"
        channel.send(STARTTLS)
        reader = StreamReader()
        answer = _next_stanza(channel, reader, within=header(target.domain, target.origin))
        if answer.name != f"{TLS} proceed":
            return "starttls_refused"
        if reader.has_more:
            raise PeerError("no_xmpp", "more in the clear after it had agreed to TLS")
        channel = _secured(target, wire, facts, ())
    features = _features(target, channel, facts)
    facts["sasl_external"] = "EXTERNAL" in features.words
    facts["dialback"] = facts["dialback"] or f"{DIALBACK_FEATURE} dialback" in features.inside
    facts["sasl"] = any(name.startswith(f"{SASL} ") for name in features.inside)
    return "xmpp"


def _secured(target: Target, wire: Wire, facts: Dict[str, Any], protocols: Sequence[str]) -> TlsWire:
    tls = TlsWire(wire, target.domain, protocols, target.certificate, target.key)
    tls.handshake()
    facts["tls"] = tls.facts
    return tls


def _features(target: Target, channel: Union[Wire, TlsWire], facts: Dict[str, Any]) -> Stanza:
    """Open a stream and read its features."""
    reader = StreamReader()
    channel.send(header(target.domain, target.origin))
    features = _next_stanza(channel, reader)
    facts["server"] = (reader.attributes or {}).get("from", "")
    facts["dialback"] = DIALBACK in reader.namespaces
    if features.name != f"{STREAMS} features":
        raise PeerError("no_xmpp", f"{local_name(features.name)} in place of features")
    return features


def _next_stanza(channel: Union[Wire, TlsWire], reader: StreamReader, within: bytes = b"") -> Stanza:
    """The next stanza of a stream. within: the head of a stream that was read before."""
    reader.feed(within)
    while not reader.stanzas:
        data = channel.receive()
        if not data or reader.is_closed:
            raise PeerError("closed" if reader.attributes is not None else "no_xmpp", "closed before it said enough")
        reader.feed(data)
    stanza = reader.stanzas[0]
    if stanza.name == f"{STREAMS} error":
        raise PeerError("xmpp_error", local_name(stanza.inside[0]) if stanza.inside else "")
    return stanza


def _mtls(target: Target, wire: Wire, facts: Dict[str, Any]) -> str:
    tls = TlsWire(wire, target.domain, (), target.certificate, target.key)
    try:
        tls.handshake()
        facts["tls"] = tls.facts
        if not tls.asked_for_certificate:
            return "no_client_certificate_request"
        # With TLS 1.3 the server's complaint comes after the client's end of the handshake.
        wire.hurry(_ALERT_SECONDS)
        if tls.receive() == b"":
            return "closed"
    except PeerError as error:
        if error.outcome == "timeout" and "tls" in facts:
            return "complete" if target.certificate else "client_certificate_optional"
        # Not every server says what it misses: some only that it failed, some hang up.
        if error.outcome in _REJECTIONS and tls.asked_for_certificate and not target.certificate:
            return "client_certificate_required"
        raise
    return "complete" if target.certificate else "client_certificate_optional"


_LEVELS: Mapping[str, Callable[[Target, Wire, Dict[str, Any]], str]] = {"tcp": _tcp, "xmpp": _xmpp, "mtls": _mtls}
