# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attempts at connections, and their outcomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Tuple

LEVELS: Tuple[str, ...] = ("tcp", "xmpp", "mtls")
OUTCOMES: Mapping[str, str] = {
    "open": "the port accepts connections (level tcp)",
    "xmpp": "a stream with TLS is open (level xmpp)",
    "not_authenticated": "TLS is up, and the peer wants a certificate of this host before it goes on (level xmpp)",
    "client_certificate_required": "TLS without a client certificate is refused (level mtls)",
    "complete": "TLS with the given client certificate is accepted (level mtls)",
    "certificate_refused": "TLS with the given client certificate is refused",
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
    "xmpp": ("xmpp", "not_authenticated"),
    "mtls": ("client_certificate_required", "complete"),
}
"""The outcomes that fulfil the expectation "open", by level."""

CLOSED: Tuple[str, ...] = ("filtered", "refused", "prohibited", "unreachable", "no_route")
"""The outcomes that fulfil the expectation "closed": none of them has a connection."""

TLS_DEMANDS: Tuple[str, ...] = ("required", "optional", "none")
"""What is demanded of a stream: TLS, TLS where the peer offers it, or no attempt at TLS."""

EXPECTATIONS: Tuple[str, ...] = ("open", "closed")


@dataclass(frozen=True)
class Target:
    """A connection to attempt.

    source: address to bind to; timeout: seconds for the whole attempt; domain, origin: for the stream, as A-label or
    U-label; direct_tls: TLS before the stream; tls: whether a stream without TLS is a failure; certificate, key: paths
    of a client certificate; expect: open or closed, None for neither.
    """

    address: str
    port: int
    level: str = "tcp"
    source: Optional[str] = None
    timeout: float = 5.0
    domain: str = ""
    origin: str = ""
    direct_tls: bool = False
    tls: str = "required"
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
