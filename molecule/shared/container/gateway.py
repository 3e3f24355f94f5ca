# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS server on the gateway port that asks for a client certificate, as the XMPP proxy of an edge server does.

Usage: gateway.py CERTIFICATE KEY required|optional|none [AUTHORITY] [ADDRESS]; without an address it listens on all of
both families, and without the certificate of an authority it trusts its own.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import sys

import ready

PORT = 23456


class Server(socketserver.ThreadingTCPServer):
    """Server whose threads do the handshake, which ends with an alert where the certificate is missing."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext, address: str) -> None:
        """Listen on an address, or on all of both families."""
        super().__init__((address, PORT), Handler, bind_and_activate=False)
        self.context = context
        self.socket.close()
        family = socket.AF_INET if "." in address else socket.AF_INET6
        self.socket = socket.create_server((address or "::", PORT), family=family, dualstack_ipv6=not address)


class Handler(socketserver.BaseRequestHandler):
    """One connection."""

    server: Server

    def handle(self) -> None:
        """Say nothing until the other side is done."""
        with contextlib.suppress(OSError, ssl.SSLError):
            channel = self.server.context.wrap_socket(self.request, server_side=True)
            while channel.recv(4096):
                pass


DEMANDS = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}


def main(certificate: str, key: str, demand: str, authority: str = "", address: str = "") -> None:
    """Serve until stopped; say nothing once TLS is up."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority or certificate)
    context.verify_mode = DEMANDS[demand]
    server = Server(context, address)
    ready.notify()
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
