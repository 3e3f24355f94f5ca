# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The level mtls: whether TLS on a port is refused to clients without a certificate, and accepted with a given one.

In TLS 1.3 a client's handshake is over before the server has seen its certificate, so that a refusal comes later
(RFC 8446 4.4.2.4 and 6.2). In TLS 1.2 a completed handshake is an acceptance.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict

from .connection import PeerError, TcpConnection
from .model import Target
from .tls import TlsConnection
from .xmpp import STAGE

_FAILED_HANDSHAKE = ("client_certificate_required", "tls_failed", "reset", "closed")
_LATE_REFUSAL = ("client_certificate_required", "tls_failed")


def ask_for_certificate(target: Target, connection: TcpConnection, facts: Dict[str, Any]) -> str:
    """Try TLS without a certificate, then with the given one, and return the outcome. Raises PeerError."""
    without = _try(replace(target, certificate=None, key=None), connection, facts)
    if without != "client_certificate_required" or not target.certificate:
        return without
    again = TcpConnection(target.address, target.port, target.source, max(connection.seconds_left, target.timeout / 2))
    try:
        return _try(target, again, facts)
    finally:
        again.close()


def _try(target: Target, connection: TcpConnection, facts: Dict[str, Any]) -> str:
    tls = TlsConnection(connection, target.domain, (), target.certificate, target.key)
    refused = "certificate_refused" if target.certificate else "client_certificate_required"
    accepted = "complete" if target.certificate else "client_certificate_optional"
    try:
        tls.handshake()
    except PeerError as error:
        # Some servers report only a failed handshake, or close the connection, where a certificate is missing.
        if error.outcome in _FAILED_HANDSHAKE and tls.certificate_requested:
            return refused
        raise
    facts["tls"], facts[STAGE] = tls.facts, "TLS"
    if not tls.certificate_requested:
        return "no_client_certificate_request"
    if not tls.refuses_late:
        return accepted
    try:
        # A closing message after the handshake is a refusal as well; a connection that only ends proves nothing.
        return refused if tls.receive() == b"" else accepted
    except PeerError as error:
        if error.outcome == "timeout":
            return accepted
        if error.outcome in _LATE_REFUSAL:
            return refused
        raise
