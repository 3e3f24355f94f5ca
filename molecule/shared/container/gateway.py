# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS server on the gateway port that asks for a client certificate, as the XMPP proxy of an edge server does.

Usage: gateway.py CERTIFICATE KEY required|optional [ADDRESS]; without an address it listens on all of both families.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys

import ready

PORT = 23456


async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing until the other side is done."""
    await reader.read()
    writer.close()


async def main(certificate: str, key: str, demand: str, address: str = "") -> None:
    """Serve until stopped; say nothing once TLS is up."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED if demand == "required" else ssl.CERT_OPTIONAL
    family = socket.AF_INET if "." in address else socket.AF_INET6
    listener = socket.create_server((address or "::", PORT), family=family, dualstack_ipv6=not address)
    server = await asyncio.start_server(wait, sock=listener, ssl=context)
    ready.notify()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
