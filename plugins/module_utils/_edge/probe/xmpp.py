# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The level xmpp: a stream between servers, secured by TLS, as far as its features.

Sources: RFC 6120 4 and 5; XEP-0368.
"""

from __future__ import annotations

from typing import Any, Dict, Optional, Sequence, Union

from .connection import PeerError, TcpConnection
from .model import Target
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

STAGE = "stage"
"""Fact of an attempt: the last stage that it has reached."""

_DIRECT_TLS = ("xmpp-server",)
_WANTS_CERTIFICATE = ("not-authorized", "policy-violation")
_Channel = Union[TcpConnection, TlsConnection]


def open_stream(target: Target, connection: TcpConnection, facts: Dict[str, Any]) -> str:
    """Open a stream with TLS, gather facts, and return the outcome. Raises PeerError."""
    features = _secured(target, connection, facts)
    facts["sasl_external"] = "EXTERNAL" in features.mechanisms
    facts["dialback"] = f"{DIALBACK_FEATURE} dialback" in features.descendants or facts["dialback"]
    facts["sasl"] = any(name.startswith(f"{SASL} ") for name in features.descendants)
    return "xmpp"


def is_want_of_certificate(target: Target, error: PeerError, facts: Dict[str, Any]) -> bool:
    """Return whether a stream ended because this host has shown no certificate, which says nothing against the port."""
    if target.certificate or facts.get("starttls") == "none":
        return False
    if error.outcome == "client_certificate_required":
        return True
    after_tls = error.outcome == "xmpp_error" and "tls" in facts
    return after_tls and error.detail.partition(":")[0] in _WANTS_CERTIFICATE


def handshake(target: Target, connection: TcpConnection, *, verified: bool) -> TlsConnection:
    """Return TLS over a new connection, whose handshake is over. Raises PeerError."""
    if not target.direct_tls:
        _ask_for_tls(target, connection, {})
    tls = _tls(target, connection, verified=verified)
    tls.handshake()
    return tls


def _secured(target: Target, connection: TcpConnection, facts: Dict[str, Any]) -> Stanza:
    """Return the features of a stream after TLS, or of one without where nothing else is demanded."""
    if not target.direct_tls:
        features = _ask_for_tls(target, connection, facts)
        if features is not None:
            return features
    tls = _tls(target, connection)
    try:
        tls.handshake()
    except PeerError as error:
        refused = error.outcome in ("tls_failed", "closed", "reset") and tls.certificate_requested
        if refused and not target.certificate:
            raise PeerError("client_certificate_required", error.detail) from None
        raise
    facts["tls"], facts[STAGE] = tls.facts, "TLS"
    features = _features(target, tls, facts)
    facts[STAGE] = "features after TLS"
    return features


def _ask_for_tls(target: Target, connection: TcpConnection, facts: Dict[str, Any]) -> Optional[Stanza]:
    """Agree on TLS in the stream; return its features where it stays without. Raises PeerError."""
    features = _features(target, connection, facts)
    facts[STAGE] = "features"
    offered = f"{TLS} starttls" in features.descendants
    facts["starttls"] = (
        "none" if not offered else "required" if f"{TLS} required" in features.descendants else "offered"
    )
    if target.tls == "none" or (target.tls == "optional" and not offered):
        return features
    if not offered:
        raise PeerError("no_starttls")
    connection.send(STARTTLS)
    reader = StreamReader()
    answer = _next_stanza(connection, reader, within=header(target.domain, target.origin))
    if answer.name != f"{TLS} proceed":
        raise PeerError("starttls_refused")
    if reader.has_more:
        raise PeerError("no_xmpp", "more unencrypted data after the agreement on TLS")
    facts[STAGE] = "proceed"
    return None


def _tls(target: Target, connection: TcpConnection, *, verified: bool = False) -> TlsConnection:
    protocols: Sequence[str] = _DIRECT_TLS if target.direct_tls else ()
    return TlsConnection(connection, target.domain, protocols, target.certificate, target.key, verified=verified)


def _features(target: Target, channel: _Channel, facts: Dict[str, Any]) -> Stanza:
    """Open a stream and read its features."""
    reader = StreamReader()
    channel.send(header(target.domain, target.origin))
    features = _next_stanza(channel, reader)
    facts["server"] = (reader.attributes or {}).get("from", "")
    facts["dialback"] = f"{DIALBACK_FEATURE} dialback" in features.descendants or DIALBACK in reader.namespaces
    if features.name != f"{STREAMS} features":
        raise PeerError("no_xmpp", f"{local_name(features.name)} in place of features")
    return features


def _next_stanza(channel: _Channel, reader: StreamReader, within: bytes = b"") -> Stanza:
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
        condition = local_name(stanza.descendants[0]) if stanza.descendants else "without a condition"
        raise PeerError("xmpp_error", f"{condition}: {stanza.text}" if stanza.text else condition)
    return stanza
