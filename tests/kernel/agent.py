# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Agent at one end of the test network: serves some TCP ports, and tries connections that it reads as JSON lines.

A request is {"seconds": ..., "tries": [[source, destination, port], ...]}; the answer is a list of true and false,
true where a byte came back over the connection, so that packets have passed both ways.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import struct
import sys
import threading
import time

PORTS = (22, 80, 5269, 23456)
_ABORT = struct.pack("ii", 1, 0)


def listeners():
    """Return a selector of listening sockets, one for each port."""
    selector = selectors.DefaultSelector()
    for port in PORTS:
        listener = socket.socket(socket.AF_INET6)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("::", port))
        listener.listen(1024)
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ)
    return selector


def serve(selector):
    """Answer every connection with one byte, for ever."""
    while True:
        for key, _events in selector.select():
            with contextlib.suppress(OSError):
                accepted, _address = key.fileobj.accept()
                accepted.send(b"x")
                accepted.close()


def attempt(tries, seconds):
    """Try all connections at once."""
    selector = selectors.DefaultSelector()
    results = [False] * len(tries)
    open_sockets = []
    for number, (source, destination, port) in enumerate(tries):
        client = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        client.setblocking(False)
        client.bind((source, 0))
        client.connect_ex((destination, port))
        selector.register(client, selectors.EVENT_READ, number)
        open_sockets.append(client)
    deadline = time.monotonic() + seconds
    while selector.get_map() and time.monotonic() < deadline:
        for key, _events in selector.select(max(0, deadline - time.monotonic())):
            with contextlib.suppress(OSError):
                results[key.data] = key.fileobj.recv(1) == b"x"
            selector.unregister(key.fileobj)
    for client in open_sockets:
        client.close()
    return results


def main():
    """Serve, report that, and answer requests until there are no more."""
    threading.Thread(target=serve, args=(listeners(),), daemon=True).start()
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(attempt(request["tries"], request["seconds"])), flush=True)


if __name__ == "__main__":
    main()
