# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens TCP connections as fast as it can, from each of several addresses, until standard input ends.

Each is closed at once where it is opened, and given up after a while where there is no answer. Prints "flooding" after
the first round, and at the end a JSON list: connections tried, connections opened, and the seconds that all of it took.
Usage: flood.py ADDRESS PORT SOURCE ...
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import deque

from connect import begin

PENDING = 200
"""Connections under way at a time; the oldest of them is given up for a new one."""


def main(address: str, port: int, sources: list[str]) -> None:
    """Flood."""
    begun = time.monotonic()
    tried = opened = 0
    pending: deque = deque()
    over = False
    while not over:
        for source in sources:
            connecting, _error = begin(source, address, port)
            tried += 1
            pending.append(connecting)
        for connecting in select.select([], pending, [], 0)[1]:
            # What is refused is no connection.
            opened += connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
            pending.remove(connecting)
            connecting.close()
        while len(pending) > PENDING:
            pending.popleft().close()
        if tried == len(sources):
            print("flooding", flush=True)
        # A hundred rounds a second are a flood for any limit, and leave the machine to the others.
        over = bool(select.select([sys.stdin], [], [], 0.01)[0])
    print(json.dumps([tried, opened, time.monotonic() - begun]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
