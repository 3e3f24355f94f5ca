# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS as a client sees it, over a wire with a deadline. Certificates are looked at, and not believed.

Source for what a server that wants a client certificate does: RFC 8446 4.3.2 and 4.4.2.4, RFC 5246 7.4.4 and 7.4.6.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import tempfile
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .wire import PeerError, Wire

_CERTIFICATE_REQUEST = 13
_HANDSHAKE = 22


class TlsWire:
    """A TLS session over a wire.

    name: what the server is asked for by, empty for nothing; protocols: for ALPN; certificate, key: paths of PEM files.
    """

    def __init__(
        self,
        wire: Wire,
        name: str = "",
        protocols: Sequence[str] = (),
        certificate: Optional[str] = None,
        key: Optional[str] = None,
    ) -> None:
        self._wire = wire
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.asked_for_certificate = False
        """Whether the server asked for one, once the handshake is over."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if protocols:
            context.set_alpn_protocols(list(protocols))
        if certificate:
            try:
                context.load_cert_chain(certificate, key)
            except (OSError, ssl.SSLError) as error:
                raise PeerError("no_certificate", f"{certificate}: {error.strerror or error}") from None
        # The standard library has no public way to see this message of the server.
        context._msg_callback = self._message  # type: ignore[attr-defined]
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name or None)

    def handshake(self) -> None:
        """Do it. Raises PeerError: no_tls where the peer speaks something else, tls_failed where they do not agree."""
        if self._until_done(self._tls.do_handshake) == b"":
            raise PeerError("closed", "during the handshake")

    def send(self, data: bytes) -> None:
        """Send everything."""
        self._until_done(lambda: self._tls.write(data))

    def receive(self) -> bytes:
        """What has come, at least one byte; empty once the peer has closed."""
        return bytes(self._until_done(lambda: self._tls.read(16 * 1024)))

    @property
    def facts(self) -> Dict[str, Any]:
        """Version, cipher, and what the server's certificate says of itself."""
        der = self._tls.getpeercert(binary_form=True) or b""
        cipher = self._tls.cipher()
        facts: Dict[str, Any] = {
            "version": self._tls.version() or "",
            "cipher": cipher[0] if cipher else "",
            "sha256": hashlib.sha256(der).hexdigest(),
        }
        return {**facts, **_decoded(der)}

    def _until_done(self, step: Any) -> Any:
        waiting, hung_up = True, False
        done = None
        while waiting:
            waiting, done = self._try(step)
            self._flush()
            if waiting:
                data = self._wire.receive()
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
                    hung_up = True
        if hung_up and done == b"":
            raise PeerError("closed", "without saying so in TLS")
        return done

    def _try(self, step: Any) -> Tuple[bool, Any]:
        """Whether the step waits for the peer, and what came of it; b"" where the peer took its leave."""
        try:
            return False, step()
        except ssl.SSLWantReadError:
            return True, None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return False, b""
        except ssl.SSLError as error:
            self._flush()
            raise PeerError(_outcome_of(error), error.reason or "") from None

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self._wire.send(data)

    def _message(self, _connection: Any, direction: str, _version: Any, kind: Any, message: Any, _data: bytes) -> None:
        if direction == "read" and kind == _HANDSHAKE and message == _CERTIFICATE_REQUEST:
            self.asked_for_certificate = True


def _outcome_of(error: ssl.SSLError) -> str:
    reason = error.reason or ""
    if "CERTIFICATE_REQUIRED" in reason:
        return "client_certificate_required"
    if any(words in reason for words in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER")):
        return "no_tls"
    return "tls_failed"


def _decoded(der: bytes) -> Dict[str, Any]:
    """Names and expiry of a certificate that nobody vouches for; nothing where it cannot be read."""
    if not der:
        return {}
    handle, path = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(ssl.DER_cert_to_PEM_cert(der))
        found = ssl._ssl._test_decode_cert(path)  # type: ignore[attr-defined]
    except (AttributeError, ssl.SSLError, ValueError, OSError):
        return {}
    finally:
        os.unlink(path)
    names: List[str] = [str(value) for _kind, value in found.get("subjectAltName", ())]
    return {"names": names, "expires": found.get("notAfter", ""), "self_signed": found["subject"] == found["issuer"]}
