# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listens on ports of every address of a host, and closes what it accepts as soon as the other side does.

Usage: listener.py PORT ...
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys


async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read until the other side closes."""
    while await reader.read(65536):
        pass
    writer.close()


def ready() -> None:
    """Tell systemd, where it asks for that, that every port is open."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.connect("\0" + address[1:] if address.startswith("@") else address)
            notify.send(b"READY=1")


async def main(ports: list[str]) -> None:
    """Serve until stopped."""
    servers = []
    for port in map(int, ports):
        listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        servers.append(await asyncio.start_server(hold, sock=listener))
    ready()
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
