# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and networks: text, number, family, spans of numbers, and set algebra on spans.

This is the one place that turns the text of an address into a number and back.
"""

from __future__ import annotations

import socket
from bisect import bisect_right
from typing import Dict, Iterable, List, Sequence, Tuple

from .literals import Family

FAMILIES: Tuple[Family, ...] = ("ipv4", "ipv6")
BITS: Dict[str, int] = {"ipv4": 32, "ipv6": 128}
"""Bits of an address by family."""
PROTOCOLS: Dict[str, str] = {"ipv4": "ip", "ipv6": "ip6"}
"""Name that nft has for a family, by family."""

_SOCKET_FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}

Span = Tuple[int, int]
"""All numbers from the first to the last."""


def family_of(text: str) -> Family:
    """Return the family that the text of an address, network or range looks like."""
    return "ipv6" if ":" in text else "ipv4"


def number_of(text: str) -> int:
    """Return an address as a number. Raises OSError or ValueError for any other text."""
    return int.from_bytes(socket.inet_pton(_SOCKET_FAMILIES[family_of(text)], text), "big")


def text_of(number: int, family: str) -> str:
    """Return the canonical text of an address."""
    return socket.inet_ntop(_SOCKET_FAMILIES[family], number.to_bytes(BITS[family] // 8, "big"))


def is_address(text: str) -> bool:
    """Return whether a text is an address, of whatever family."""
    try:
        number_of(text)
    except (OSError, ValueError):
        return False
    return True


def span_of(text: str) -> Span:
    """Return the first and last number of an address, network or range. Host bits do not count.

    Raises OSError or ValueError for any other text.
    """
    first, dash, last = text.partition("-")
    if dash:
        return number_of(first), number_of(last)
    address, slash, length = text.partition("/")
    if not slash:
        return point(number_of(address))
    size = 1 << (BITS[family_of(address)] - int(length))
    start = number_of(address) // size * size
    return start, start + size - 1


def point(number: int) -> Span:
    """Return the span of one number."""
    return number, number


def canonical_network(text: str) -> str:
    """Return an address or prefix as the host's C library writes it, so that texts of equal meaning are equal.

    A range that is a prefix becomes one. What is none of these (any other range, say) is returned as it is.
    """
    first, dash, _last = text.partition("-")
    address, slash, length = first.partition("/")
    try:
        family = family_of(address)
        if dash:
            start, end = span_of(text)
            size = end - start + 1
            if slash or size < 1 or size & (size - 1) or start % size:
                return text
            slash, length = "/", str(BITS[family] - (size.bit_length() - 1))
        return text_of(number_of(address), family) + slash + length
    except (OSError, ValueError):
        return text


def network_order(text: str) -> Tuple[int, str]:
    """Return a sort key that puts networks of one family in numeric order, and other texts first."""
    try:
        return number_of(text.partition("/")[0].partition("-")[0]), text
    except (OSError, ValueError):
        return -1, text


def is_network(family: str, text: object) -> bool:
    """Return whether a text is an address of a family, or a prefix of it without host bits, and nothing else."""
    if not isinstance(text, str):
        return False
    address, slash, length = text.partition("/")
    if family_of(address) != family or not is_address(address):
        return False
    if not slash:
        return True
    if not (length.isascii() and length.isdigit() and 1 <= int(length) < BITS[family]):
        return False
    return number_of(address) % (1 << (BITS[family] - int(length))) == 0


def merged(spans: Iterable[Span]) -> List[Span]:
    """Return the same numbers in the fewest spans, in order."""
    result: List[Span] = []
    for first, last in sorted(spans):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], last))
        else:
            result.append((first, last))
    return result


def common(spans: Sequence[Span], others: Sequence[Span]) -> List[Span]:
    """Return the numbers that are in both. Both are merged."""
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
    """Return whether some number is in both, in a time that grows with the shorter one. Both are merged."""
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
    """Return the numbers of the first that are not among the others. Both are merged."""
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


UNICAST: Dict[str, List[Span]] = {
    # Without "this network", loopback, multicast and what is reserved, broadcast included.
    "ipv4": [span_of("1.0.0.0-126.255.255.255"), span_of("128.0.0.0-223.255.255.255")],
    # Without the unspecified address, loopback, the forms that embed an IPv4 address in ::/64, and multicast.
    "ipv6": [span_of("0:0:0:1::-feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")],
}
"""All addresses that the other side of a connection can have, by family."""
