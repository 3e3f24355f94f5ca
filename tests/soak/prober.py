# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens 200 connections a second until its standard input ends, and counts those that were not as expected.

Usage: prober.py open|closed SOURCE TARGET PORT

An open flow counts as changed where a packet of it was lost, which its socket knows; so no limit of time decides.
Prints one JSON object.
"""

from __future__ import annotations

import contextlib
import errno
import json
import select
import socket
import struct
import sys
import time

INTERVAL = 0.005
PATIENCE = {"open": 20.0, "closed": 0.5}
# Byte of struct tcp_info that counts unanswered retransmissions, and the offset of the total.
TOTAL_RETRANSMITS = 100


def begin(source, target, port):
    """Return a socket that is connecting; None where that failed at once."""
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM)
    one.setblocking(False)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.bind((source, 0))
    code = one.connect_ex((target, port))
    if code not in (0, errno.EINPROGRESS):
        one.close()
        return None
    return one


def retransmits(one):
    """Return how many segments were sent again."""
    info = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return struct.unpack_from("I", info, TOTAL_RETRANSMITS)[0]


def main(expected, source, target, port):
    counts = {"tried": 0, "changed": 0}
    pending = {}
    ended = False
    due = time.monotonic()
    while not ended or pending:
        now = time.monotonic()
        if not ended and now >= due:
            due = max(due + INTERVAL, now)
            counts["tried"] += 1
            one = begin(source, target, int(port))
            if one is None:
                counts["changed"] += expected == "open"
            else:
                pending[one] = now
        wait = max(0.0, min(due - time.monotonic(), 0.05)) if not ended else 0.05
        reading = [] if ended else [sys.stdin]
        readable, writable, _errors = select.select(reading, list(pending), [], wait)
        ended = ended or bool(readable and not sys.stdin.read(1))
        for one in writable:
            failed = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
            lost = not failed and retransmits(one) > 0
            counts["changed"] += (failed or lost) if expected == "open" else not failed
            del pending[one]
            one.close()
        for one, begun in list(pending.items()):
            if now - begun > PATIENCE[expected]:
                counts["changed"] += expected == "open"
                del pending[one]
                with contextlib.suppress(OSError):
                    one.close()
    print(json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
