# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds one TCP session with a listener, and talks all the time until standard input ends.

Prints "established" after the first round trip, and the number of round trips after the last one. Fails when a byte is
lost or the session breaks. Usage: talk.py ADDRESS PORT
"""

from __future__ import annotations

import select
import socket
import sys

ANSWER_TIMEOUT_SECONDS = 60
PAUSE_SECONDS = 0.01


def main(address: str, port: int) -> None:
    """Talk."""
    with socket.create_connection((address, port), ANSWER_TIMEOUT_SECONDS) as session:
        round_trip(session, 1)
        print("established", flush=True)
        trips = 1
        over = False
        while not over:
            # The last round trip comes after the end of the input.
            over = bool(select.select([sys.stdin], [], [], PAUSE_SECONDS)[0])
            trips += 1
            round_trip(session, trips)
    print(trips)


def round_trip(session: socket.socket, number: int) -> None:
    """Send a number, and wait for its echo."""
    sent = f"{number:08d}".encode()
    session.sendall(sent)
    received = b""
    while len(received) < len(sent):
        part = session.recv(len(sent) - len(received))
        if not part:
            raise SystemExit("the session was closed")
        received += part
    if received != sent:
        raise SystemExit(f"sent {sent!r}, received {received!r}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
