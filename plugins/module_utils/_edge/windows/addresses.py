# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of addresses as spans of numbers, and in the forms in which Windows takes and shows them.

Sources: the grammar of addresses in [MS-GPFAS] 2.2.2.19, INetFwRule::put_LocalAddresses, and [MS-FASP] 2.2.4.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from ..evaluator.managed import span_of_network
from ..evaluator.values import Span, merged
from ..request.address_input import FAMILIES

ANY = "*"
"""Any address. An empty list would mean the same to Windows, so that an empty one never gets there."""

Spans = Dict[str, List[Span]]
"""Addresses by family, for those families that have any."""


def _span(first: str, last: str) -> Span:
    return int(ipaddress.ip_address(first)), int(ipaddress.ip_address(last))


UNICAST: Spans = {
    # Without "this network", loopback, multicast and what is reserved, broadcast included.
    "ipv4": [_span("1.0.0.0", "126.255.255.255"), _span("128.0.0.0", "223.255.255.255")],
    # Without the unspecified address, loopback, the forms that embed an IPv4 address in ::/64, and multicast.
    "ipv6": [_span("0:0:0:1::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")],
}
"""All addresses that a connection of a Windows host can have; the rest its firewall refuses in rules."""


def spans_of(networks: Iterable[str]) -> List[Span]:
    """The addresses of canonical networks of one family, as far as a connection can have them."""
    networks = list(networks)
    if not networks:
        return []
    family = "ipv6" if ":" in networks[0] else "ipv4"
    return common(merged(span_of_network(network) for network in networks), UNICAST[family])


def common(spans: Sequence[Span], others: Sequence[Span]) -> List[Span]:
    """What both have. Both are merged."""
    found: List[Span] = []
    here = there = 0
    while here < len(spans) and there < len(others):
        first, last = max(spans[here][0], others[there][0]), min(spans[here][1], others[there][1])
        if first <= last:
            found.append((first, last))
        if spans[here][1] < others[there][1]:
            here += 1
        else:
            there += 1
    return found


def overlap(spans: Sequence[Span], others: Sequence[Span]) -> bool:
    """Whether both have something in common, in a time that grows with the shorter one. Both are merged."""
    if len(spans) > len(others):
        spans, others = others, spans
    for first, last in spans:
        # The last of the others that begins before this one ends.
        index = bisect_right(others, (last, last))
        while index < len(others) and others[index][0] <= last:
            index += 1
        if index and others[index - 1][1] >= first:
            return True
    return False


def without(spans: Sequence[Span], others: Sequence[Span]) -> List[Span]:
    """What the first have and the others have not. Both are merged."""
    left: List[Span] = []
    position = 0
    for span in spans:
        first, last = span
        while position < len(others) and others[position][1] < first:
            position += 1
        index = position
        while index < len(others) and others[index][0] <= last:
            if first < others[index][0]:
                left.append((first, others[index][0] - 1))
            first = others[index][1] + 1
            index += 1
        if first <= last:
            left.append((first, last))
    return left


def write_span(span: Span, family: str) -> str:
    """A span in the form in which Windows shows it: a host, a network with its mask or prefix length, or a range."""
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
    """Canonical networks with just these addresses."""
    return [
        str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)
        for span in spans
        for network in ipaddress.summarize_address_range(*(_address(number, family) for number in span))
    ]


def read_spans(text: str) -> Optional[Spans]:
    """Addresses of a live rule, whatever form they have; None for "any", for keywords and for what cannot be read.

    Whether it is "any" the text itself says.
    """
    found: Spans = {}
    for token in text.split(","):
        read = _read_token(token.strip())
        if read is None:
            return None
        found.setdefault(read[0], []).append(read[1])
    return {family: merged(found[family]) for family in FAMILIES if family in found}


def _read_token(token: str) -> Optional[Tuple[str, Span]]:
    first, dash, last = token.partition("-")
    try:
        if dash:
            low, high = ipaddress.ip_address(first), ipaddress.ip_address(last)
            span = int(low), int(high)
            return (f"ipv{low.version}", span) if low.version == high.version and span[0] <= span[1] else None
        # The strings of a mask and of a prefix length are both read; host bits are none of Windows' concern.
        network = ipaddress.ip_network(token, strict=False)
    except ValueError:
        return None
    return f"ipv{network.version}", (int(network.network_address), int(network.broadcast_address))


def _address(number: int, family: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.IPv4Address(number) if family == "ipv4" else ipaddress.IPv6Address(number)
