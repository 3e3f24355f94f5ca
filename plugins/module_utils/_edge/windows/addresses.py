# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of addresses in the forms in which Windows accepts and shows them.

Sources: the grammar of addresses in [MS-GPFAS] 2.2.2.19, INetFwRule::put_LocalAddresses, and [MS-FASP] 2.2.4.
"""

from __future__ import annotations

import ipaddress
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from ..model.addresses import FAMILIES, UNICAST, Span, common, merged, span_of

ANY = "*"
"""Any address. Windows takes an empty list for any address too, so an empty list is never sent."""

Spans = Dict[str, List[Span]]
"""Addresses by family. A family without addresses has no entry."""


def spans_of(networks: Iterable[str]) -> List[Span]:
    """Return the addresses of canonical networks of one family that a connection can have."""
    networks = list(networks)
    if not networks:
        return []
    family = "ipv6" if ":" in networks[0] else "ipv4"
    return common(merged(span_of(network) for network in networks), UNICAST[family])


def write_span(span: Span, family: str) -> str:
    """Return a span as Windows shows it: a host, a network with its mask or prefix length, or a range."""
    first, last = (_address(number, family) for number in span)
    size = span[1] - span[0] + 1
    if size & (size - 1) or span[0] % size:
        return f"{first}-{last}"
    bits = 32 if family == "ipv4" else 128
    length = bits - size.bit_length() + 1
    if family == "ipv6":
        return str(first) if length == bits else f"{first}/{length}"
    return f"{first}/{ipaddress.IPv4Address((1 << bits) - size)}"


def write_networks(spans: Sequence[Span], family: str) -> List[str]:
    """Return canonical networks with exactly these addresses."""
    return [
        str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)
        for span in spans
        for network in ipaddress.summarize_address_range(*(_address(number, family) for number in span))
    ]


def read_spans(text: str) -> Optional[Spans]:
    """Return the addresses of a live rule, in any form of Windows; None for "*", for keywords and for other text."""
    found: Dict[str, List[Span]] = {}
    for token in text.split(","):
        parsed = _read_token(token.strip())
        if parsed is None:
            return None
        family, span = parsed
        found.setdefault(family, []).append(span)
    return {family: merged(found[family]) for family in FAMILIES if family in found}


def _read_token(token: str) -> Optional[Tuple[str, Span]]:
    first, dash, last = token.partition("-")
    try:
        if dash:
            low, high = ipaddress.ip_address(first), ipaddress.ip_address(last)
            span = int(low), int(high)
            return (f"ipv{low.version}", span) if low.version == high.version and span[0] <= span[1] else None
        # Accepts a mask and a prefix length. Windows ignores host bits.
        network = ipaddress.ip_network(token, strict=False)
    except ValueError:
        return None
    return f"ipv{network.version}", (int(network.network_address), int(network.broadcast_address))


def _address(number: int, family: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.IPv4Address(number) if family == "ipv4" else ipaddress.IPv6Address(number)
