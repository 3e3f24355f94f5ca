# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two users of two XMPP servers who write to each other, with a real client library."""

from __future__ import annotations

import asyncio
import ssl
from typing import Optional

import slixmpp

LOGIN_SECONDS = 120.0
DELIVERY_SECONDS = 12.0
"""Seconds after which a message that is not expected to arrive has not arrived."""
PATIENT_SECONDS = 120.0
"""Limit for a message that is expected, on a busy machine."""


class User(slixmpp.ClientXMPP):
    """User of one server. received: bodies of the messages that have come."""

    def __init__(self, domain: str) -> None:
        """Make a user of a domain's server; not yet online."""
        super().__init__(f"user@{domain}", "secret")
        self.received: asyncio.Queue[str] = asyncio.Queue()
        self.add_event_handler("session_start", lambda _event: self.send_presence())
        self.add_event_handler("message", self._got)

    def get_ssl_context(self) -> ssl.SSLContext:
        """Return a context that trusts every server: the certificates here are self-signed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    def _got(self, message: slixmpp.Message) -> None:
        if message["type"] in ("chat", "normal"):
            self.received.put_nowait(message["body"])

    async def arrive(self, address: str) -> None:
        """Log in, and wait until that is done. Raises TimeoutError."""
        online: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.add_event_handler("session_start", lambda _event: online.done() or online.set_result(None))
        self.connect(address, 5222)
        await asyncio.wait_for(online, LOGIN_SECONDS)


async def exchange(addresses: dict[str, str], sender: str, recipient: str, seconds: float) -> Optional[str]:
    """Have one user write to the other; return the message that arrived, None where none did in time.

    addresses: address of each domain's server for clients; seconds: for the delivery.
    """
    users = {domain: User(domain) for domain in (sender, recipient)}
    try:
        for domain, user in users.items():
            await user.arrive(addresses[domain])
        users[sender].send_message(mto=f"user@{recipient}", mbody=f"from {sender}", mtype="chat")
        return await asyncio.wait_for(users[recipient].received.get(), seconds)
    except asyncio.TimeoutError:
        return None
    finally:
        for user in users.values():
            await user.disconnect(wait=0.5)
