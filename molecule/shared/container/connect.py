# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tries TCP connections, all at once, and prints what became of each.

Standard input: a JSON list of [source address or null, destination address, port]. Standard output: a JSON list of
words in the same order: open, refused, filtered (no answer in time), or the error.
"""

from __future__ import annotations

import asyncio
import errno
import json
import sys
from typing import Optional

TIMEOUT_SECONDS = 1.5


async def attempt(source: Optional[str], destination: str, port: int) -> str:
    """What became of one connection."""
    local = (source, 0) if source else None
    try:
        connecting = asyncio.open_connection(destination, port, local_addr=local)
        _reader, writer = await asyncio.wait_for(connecting, TIMEOUT_SECONDS)
    except asyncio.TimeoutError:
        return "filtered"
    except ConnectionRefusedError:
        return "refused"
    except OSError as error:
        # An answer in ICMP that the host is "administratively prohibited", as firewalld gives it.
        if error.errno in (errno.EHOSTUNREACH, errno.EACCES):
            return "refused"
        return f"error: {error.strerror}"
    writer.close()
    return "open"


async def main() -> None:
    """Try what standard input lists."""
    print(json.dumps(await asyncio.gather(*(attempt(*flow) for flow in json.load(sys.stdin)))))


if __name__ == "__main__":
    asyncio.run(main())
