# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers on loopback, each with a script for its connections."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading

from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe.stream import DIALBACK, SASL, STREAMS, TLS

STREAM = (
    f"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='{STREAMS}' xmlns:db='{DIALBACK}' "
    "id='1' from='edge.example' version='1.0'>"
).encode()


def features(*inside):
    """Return the features of a stream."""
    return b"<stream:features>" + b"".join(part.encode() for part in inside) + b"</stream:features>"


OFFER = f"<starttls xmlns='{TLS}'><required/></starttls>"
PROCEED = f"<proceed xmlns='{TLS}'/>".encode()
FAILURE = f"<failure xmlns='{TLS}'/>".encode()
MECHANISMS = f"<mechanisms xmlns='{SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>"
DIALBACK_OFFER = "<dialback xmlns='urn:xmpp:features:dialback'/>"


@contextlib.contextmanager
def peer(script):
    """Run a server with a script for each connection, and yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, script), daemon=True).start()
        yield listener.getsockname()[1]


def serve(listener, script):
    """Accept connections until the listener is closed."""
    while True:
        try:
            connection, _address = listener.accept()
        except OSError:
            return
        threading.Thread(target=run, args=(script, connection), daemon=True).start()


def run(script, connection):
    """Run the script. The client may close the connection in the middle of it."""
    with contextlib.suppress(OSError, ssl.SSLError), connection:
        connection.settimeout(20)
        script(connection)


def make_certificate(folder, name):
    """Return the paths of a new self-signed certificate and its key."""
    paths = [str(folder / f"{name}.{kind}") for kind in ("crt", "key")]
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName=DNS:{name}", "-out", paths[0], "-keyout", paths[1]),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return paths


def server_context(certificate, client=None, required=True, version=None):
    """Return the TLS context of a server. client: certificate of the only accepted client, None to request none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if version:
        context.minimum_version = context.maximum_version = version
    if client:
        context.load_verify_locations(client[0])
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return context
