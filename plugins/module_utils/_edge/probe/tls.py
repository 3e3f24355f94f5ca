# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS of a client over a connection with a deadline. Certificates are verified only where that is asked for.

Sources for how servers ask for a client certificate: RFC 8446 4.3.2 and 4.4.2.4, RFC 5246 7.4.4 and 7.4.6.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import tempfile
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, TypeVar, Union

from .connection import PeerError, TcpConnection
from .domains import in_ascii

_CERTIFICATE_REQUEST = 13
_HANDSHAKE = 22

_Done = TypeVar("_Done")


class TlsConnection:
    """A TLS session over a TCP connection.

    name: server name indication, empty for none; protocols: for ALPN; certificate, key: paths of PEM files; verified:
    whether the handshake fails unless this host trusts the chain of the peer's certificate.
    """

    def __init__(
        self,
        connection: TcpConnection,
        name: str = "",
        protocols: Sequence[str] = (),
        certificate: Optional[str] = None,
        key: Optional[str] = None,
        *,
        verified: bool = False,
    ) -> None:
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.certificate_requested = False
        """Return whether the server asked for a client certificate; known once the handshake is over."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED if verified else ssl.CERT_NONE
        if verified:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        if certificate:
            try:
                context.load_cert_chain(certificate, key)
            except (OSError, ssl.SSLError) as error:
                raise PeerError("no_certificate", f"{certificate}: {error.strerror or error}") from None
        # The standard library has no public way to see this message of the server.
        context._msg_callback = self._on_message  # type: ignore[attr-defined]
        try:
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=in_ascii(name) or None)
        except (TypeError, ValueError) as error:
            raise PeerError("bad_domain", f"{name}: {error}") from None

    def handshake(self) -> None:
        """Do the handshake. Raises PeerError, with no_tls for another protocol and tls_failed for no agreement."""
        if self._run(self._tls.do_handshake) == b"":
            raise PeerError("closed", "during the handshake")

    def send(self, data: bytes) -> None:
        """Send all bytes."""
        self._run(lambda: self._tls.write(data))

    def receive(self) -> bytes:
        """Return the next bytes, at least one; return none once the peer has closed."""
        return bytes(self._run(lambda: self._tls.read(16 * 1024)))

    @property
    def refuses_late(self) -> bool:
        """Return whether a server of this version may refuse a client's certificate once the handshake is over."""
        return self._tls.version() == "TLSv1.3"

    @property
    def facts(self) -> Dict[str, Any]:
        """Version, cipher, and the unverified content of the server's certificate."""
        der = self._tls.getpeercert(binary_form=True) or b""
        cipher = self._tls.cipher()
        facts: Dict[str, Any] = {
            "version": self._tls.version() or "",
            "cipher": cipher[0] if cipher else "",
            "sha256": hashlib.sha256(der).hexdigest(),
        }
        return {**facts, **_certificate_facts(der)}

    def _run(self, step: Callable[[], _Done]) -> Union[_Done, bytes]:
        """Repeat a step until it needs no more bytes of the peer; b"" stands for the end of the session."""
        peer_closed = False
        result = self._try(step)
        self._flush()
        while result is None:
            data = self._connection.receive()
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()
                peer_closed = True
            result = self._try(step)
            self._flush()
        if peer_closed and result[0] == b"":
            raise PeerError("closed", "without the closing message of TLS")
        return result[0]

    def _try(self, step: Callable[[], _Done]) -> Optional[Tuple[Union[_Done, bytes]]]:
        """Return the result of a step; None where it needs more bytes, b"" where the session is over."""
        try:
            return (step(),)
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return (b"",)
        except ssl.SSLCertVerificationError as error:
            self._flush()
            raise PeerError("untrusted", error.verify_message) from None
        except ssl.SSLError as error:
            self._flush()
            raise PeerError(_outcome_of(error), error.reason or "") from None

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self._connection.send(data)

    def _on_message(
        self, _connection: Any, direction: str, _version: Any, content: Any, message: Any, _data: bytes
    ) -> None:
        if direction == "read" and content == _HANDSHAKE and message == _CERTIFICATE_REQUEST:
            self.certificate_requested = True


def _outcome_of(error: ssl.SSLError) -> str:
    reason = error.reason or ""
    if "CERTIFICATE_REQUIRED" in reason:
        return "client_certificate_required"
    if any(part in reason for part in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER")):
        return "no_tls"
    return "tls_failed"


def _certificate_facts(der: bytes) -> Dict[str, Any]:
    """Return names and expiry of an unverified certificate; nothing where it cannot be read."""
    if not der:
        return {}
    handle, path = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(ssl.DER_cert_to_PEM_cert(der))
        # The standard library decodes a certificate only from a file, or once it is verified.
        decoded = ssl._ssl._test_decode_cert(path)  # type: ignore[attr-defined]
    except (AttributeError, ssl.SSLError, ValueError, OSError):
        return {}
    finally:
        os.unlink(path)
    names: List[str] = [str(value) for _kind, value in decoded.get("subjectAltName", ())]
    self_signed = decoded["subject"] == decoded["issuer"]
    return {"names": names, "expires": decoded.get("notAfter", ""), "self_signed": self_signed}
