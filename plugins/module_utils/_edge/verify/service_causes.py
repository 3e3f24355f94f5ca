# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes of a server that accepts connections, and then is not what the table asks for: TLS and XMPP."""

from __future__ import annotations

from typing import Iterator

from .attempted import Attempted, Cause, literal

_STAGES = {
    "features": "the first features of the stream",
    "proceed": "the agreement on TLS",
    "TLS": "the handshake of TLS",
    "features after TLS": "the features after TLS",
}
_TLS = {
    "no_starttls": ("the server offers no TLS", "give it a certificate, and let it offer TLS to other servers"),
    "starttls_refused": ("the server offered TLS, and refused it", "look at its log; it may have no certificate"),
    "tls_failed": ("the handshake failed", "look at the versions, ciphers and certificates of the server"),
    "certificate_refused": (
        "the server refuses the certificate of {origin}",
        "let it trust the issuer, or set xmpp_edge_verify_certificate of {origin}",
    ),
    "client_certificate_optional": (
        "the server asks for a client certificate, and goes on without one",
        "let it require one",
    ),
    "no_client_certificate_request": ("the server does not ask for a client certificate", "let it require one"),
}
_MTU = "large packets are lost on the way, and small ones pass"
_MTU_REMEDY = "look at the MTU of the way, and let ICMP say that fragmentation is needed"
_NOT_SERVED = ("host-unknown", "host-gone", "improper-addressing")


def cause_of_service(tried: Attempted) -> Cause:
    """Return why a server that accepts a connection is not as the table says."""
    for cause in (*_of_protocol(tried), *_of_tls(tried), *_of_stream(tried), *_of_silence(tried)):
        return cause
    return tried.cause(_layer(tried), tried.observed.replace("_", " ") + _detail(tried), "look at the server's log")


def _of_protocol(tried: Attempted) -> Iterator[Cause]:
    speaks = str(tried.facts.get("speaks") or "")
    if speaks == "TLS":
        yield tried.cause(
            "TLS",
            "port {port} of {address} speaks TLS at once, and no STARTTLS",
            "let the server have STARTTLS there, or set xmpp_edge_verify_direct_tls of {target}",
        )
    if speaks == "the PROXY protocol":
        yield tried.cause(
            "XMPP",
            "port {port} of {address} expects the PROXY protocol, which only a load balancer speaks",
            "connect through the load balancer, or switch the protocol off",
        )
    if speaks:
        sentence = f"port {{port}} of {{address}} speaks {literal(speaks)}"
        yield tried.cause(_layer(tried), sentence, "look at which server listens there")


def _of_tls(tried: Attempted) -> Iterator[Cause]:
    if tried.observed in _TLS:
        sentence, remedy = _TLS[tried.observed]
        yield tried.cause("TLS", sentence + _detail(tried), remedy)
    if tried.observed == "no_certificate":
        sentence = f"the certificate of {{origin}} cannot be used{_detail(tried)}"
        yield tried.cause("TLS", sentence, "correct xmpp_edge_verify_certificate and xmpp_edge_verify_key of {origin}")
    if tried.observed == "bad_domain":
        sentence = "'{domain}' is no host name that TLS can ask for"
        yield tried.cause(_layer(tried), sentence, "set xmpp_edge_verify_domain of {target}")


def _of_stream(tried: Attempted) -> Iterator[Cause]:
    if tried.observed == "xmpp_error" and tried.detail.partition(":")[0] in _NOT_SERVED:
        sentence = f"the server does not serve '{{domain}}'{_detail(tried)}"
        yield tried.cause("XMPP", sentence, "set xmpp_edge_verify_domain of {target}")
    if tried.observed == "xmpp_error":
        yield tried.cause("XMPP", f"the server ended the stream: {literal(tried.detail)}", "look at its log")
    if tried.observed in ("closed", "reset"):
        yield tried.cause(
            _layer(tried), f"the server {tried.observed} the connection after {_after(tried)}", "look at its log"
        )


def _of_silence(tried: Attempted) -> Iterator[Cause]:
    if tried.observed != "timeout":
        return
    if tried.facts.get("lost_segments"):
        yield tried.cause(_layer(tried), f"{_MTU}: no more came after {_after(tried)}", _MTU_REMEDY)
    if tried.facts.get("stage") == "proceed":
        sentence = f"no answer to the handshake after {_after(tried)}; large packets may be lost on the way (MTU)"
        yield tried.cause("TLS", sentence, f"{_MTU_REMEDY}; if it is none of them, look at the log of the server")
    yield tried.cause(
        _layer(tried),
        f"the server did not go on in time after {_after(tried)}",
        "look at its log, or set a longer xmpp_edge_verify_timeout",
    )


def _layer(tried: Attempted) -> str:
    in_tls = tried.flow.level == "mtls" or tried.facts.get("stage") == "proceed"
    return "TLS" if in_tls else "XMPP"


def _after(tried: Attempted) -> str:
    return _STAGES.get(str(tried.facts.get("stage")), "it had accepted the connection")


def _detail(tried: Attempted) -> str:
    return f" ({literal(tried.detail)})" if tried.detail else ""
