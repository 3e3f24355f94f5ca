# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tries TCP connections, all at once, and prints the outcome of each.

Standard input: a JSON list of [source address or null, destination address, port]. Standard output: a JSON list of
words in the same order: open, refused, filtered (no answer in time), or the error.

Time is counted in looks of this process and not by a clock. So on a busy machine, where it seldom gets its turn, it
waits longer. The kernel repeats an unanswered packet after one second, which is within this time.
"""

from __future__ import annotations

import errno
import json
import os
import selectors
import socket
import sys
from typing import Optional

BETWEEN_LOOKS_SECONDS = 0.1
LOOKS = 25
"""Looks in a row without any answer after which the missing answers are not expected any more."""


def begin(source: Optional[str], destination: str, port: int) -> tuple[socket.socket, int]:
    """Return a socket that begins to connect, and the error number of that."""
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    connecting = socket.socket(family, socket.SOCK_STREAM)
    connecting.setblocking(False)
    try:
        if source:
            connecting.bind((source, 0))
    except OSError as error:
        return connecting, error.errno or errno.EINVAL
    return connecting, connecting.connect_ex((destination, port))


def outcome(error: int) -> str:
    """Return the word for the error number of a connection, 0 without any."""
    if error == 0:
        return "open"
    # The latter two are an answer in ICMP, "administratively prohibited", as firewalld gives it.
    if error in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EACCES):
        return "refused"
    return f"error: {os.strerror(error)}"


def main() -> None:
    """Try what standard input lists."""
    flows = json.load(sys.stdin)
    words = ["filtered"] * len(flows)
    sockets = []
    with selectors.DefaultSelector() as selector:
        for number, flow in enumerate(flows):
            connecting, error = begin(*flow)
            sockets.append(connecting)
            if error == errno.EINPROGRESS:
                selector.register(connecting, selectors.EVENT_WRITE, number)
            else:
                words[number] = outcome(error)
        quiet = 0
        while selector.get_map() and quiet < LOOKS:
            answered = selector.select(BETWEEN_LOOKS_SECONDS)
            quiet = 0 if answered else quiet + 1
            for key, _events in answered:
                words[key.data] = outcome(sockets[key.data].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
                selector.unregister(key.fileobj)
    for connecting in sockets:
        connecting.close()
    print(json.dumps(words))


if __name__ == "__main__":
    main()
