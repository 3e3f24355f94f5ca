# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol of a peer that speaks another one than was asked for, by the first bytes that it sends."""

from __future__ import annotations

from typing import Tuple

XML = "XML without TLS"

_BEGINNINGS: Tuple[Tuple[bytes, str], ...] = (
    (b"\x15\x03", "TLS"),  # An alert.
    (b"\x16\x03", "TLS"),  # A handshake.
    (b"HTTP/", "HTTP"),
    (b"<html", "HTTP"),
    (b"<!DOCTYPE html", "HTTP"),
    (b"SSH-", "SSH"),
    (b"220", "SMTP or FTP"),
    (b"* OK", "IMAP"),
    (b"+OK", "POP3"),
    (b"<?xml", XML),
    (b"<stream", XML),
)


def protocol_of(first: bytes) -> str:
    """Return the protocol that begins so, empty for one that is not known here."""
    return next((name for beginning, name in _BEGINNINGS if first.startswith(beginning)), "")


def proxy_line(source: str, destination: str, source_port: int, port: int) -> bytes:
    """Return the line that a load balancer sends first. Source: the PROXY protocol, version 1."""
    family = "TCP6" if ":" in destination else "TCP4"
    return f"PROXY {family} {source} {destination} {source_port} {port}\r\n".encode()
