# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds one TCP session with a listener, talking all the time, until standard input ends; then prints the round trips.

Fails when a byte is lost or the session breaks. Usage: talk.py ADDRESS PORT
"""

from __future__ import annotations

import select
import socket
import sys

ANSWER_TIMEOUT_SECONDS = 10


def main(address: str, port: int) -> None:
    """Talk."""
    trips = 0
    with socket.create_connection((address, port), ANSWER_TIMEOUT_SECONDS) as session:
        while not select.select([sys.stdin], [], [], 0.01)[0]:
            sent = f"{trips:08d}".encode()
            session.sendall(sent)
            received = b""
            while len(received) < len(sent):
                part = session.recv(len(sent) - len(received))
                if not part:
                    raise SystemExit("the session was closed")
                received += part
            if received != sent:
                raise SystemExit(f"sent {sent!r}, received {received!r}")
            trips += 1
    print(trips)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
