# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields of packets under the names of nft's expressions, and constants for them as nft's JSON writes them.

Source: libnftables-json(5), and the kernel's own numbers for states, types and protocols.
"""

from __future__ import annotations

import re
import socket
from typing import Any, Callable, Dict, List, Mapping, Sequence

from ..model.addresses import BITS, Span, number_of, point
from .values import (
    ABSENT,
    UNKNOWN,
    Answer,
    Fields,
    Matcher,
    Value,
    any_of,
    name_matcher,
    number_matcher,
    opposite,
    spans_of,
)


class UnknownExpressionError(Exception):
    """Error for an unsupported expression in a listing: whatever depends on it is unknown."""


CT_STATES: Mapping[str, int] = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
_NO_CONNECTION = (point(CT_STATES["invalid"]), point(CT_STATES["untracked"]))
TCP_FLAGS: Mapping[str, int] = {
    name: 1 << bit for bit, name in enumerate(("fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"))
}
PROTOCOLS: Mapping[str, int] = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58, "icmpv6": 58, "sctp": 132}
_FAMILY_NUMBERS: Mapping[str, int] = {"ip": int(socket.AF_INET), "ip6": int(socket.AF_INET6)}
FIB_TYPES: Mapping[str, int] = {
    name: number
    for number, name in enumerate(
        ("unspec", "unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable", "prohibit")
    )
}

_NO_SUCH_NUMBER = -1
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
# Fields of these protocols are absent from the packets of the model.
OTHER_PROTOCOLS = frozenset(("udp", "udplite", "sctp", "dccp", "icmp", "igmp", "ah", "esp", "comp", "gre"))
_ICMPV6_TYPES: Mapping[str, int] = {
    "destination-unreachable": 1,
    "packet-too-big": 2,
    "time-exceeded": 3,
    "parameter-problem": 4,
    "echo-request": 128,
    "echo-reply": 129,
    "mld-listener-query": 130,
    "mld-listener-report": 131,
    "mld-listener-done": 132,
    "mld-listener-reduction": 132,
    "nd-router-solicit": 133,
    "nd-router-advert": 134,
    "nd-neighbor-solicit": 135,
    "nd-neighbor-advert": 136,
    "nd-redirect": 137,
    "router-renumbering": 138,
    "ind-neighbor-solicit": 141,
    "ind-neighbor-advert": 142,
    "mld2-listener-report": 143,
}
"""Names that nft has for numbers of ICMPv6. Source: nft(8)."""

_NAMES = frozenset(("meta iifname", "meta oifname", "meta iif", "meta oif"))


def _port(constant: Any) -> int:
    return int(constant)


def _named(numbers: Mapping[str, int], otherwise: int = _NO_SUCH_NUMBER) -> Callable[[Any], int]:
    """Return a reader of names and numbers; a name that is not in the list stands for no packet of a connection."""

    def read(constant: Any) -> int:
        if not isinstance(constant, str) or constant.isdigit():
            return int(constant)
        if not _IDENTIFIER.fullmatch(constant):
            raise UnknownExpressionError  # For example "*", or the name of a set.
        return numbers.get(constant, otherwise)

    return read


_READERS: Dict[str, Callable[[Any], int]] = {
    **{f"{protocol} {side}addr": number_of for protocol in ("ip", "ip6") for side in "sd"},
    **{f"{protocol} {side}port": _port for protocol in ("tcp", "th") for side in "sd"},
    **{f"ct original {protocol} {side}addr": number_of for protocol in ("ip", "ip6") for side in "sd"},
    **{f"ct original proto-{side}": _port for side in ("src", "dst")},
    **dict.fromkeys(("ip protocol", "ip6 nexthdr", "meta l4proto"), _named(PROTOCOLS)),
    **dict.fromkeys(("fib daddr type", "fib saddr type", "fib daddr.iif type"), _named(FIB_TYPES)),
    **dict.fromkeys(("meta mark", "ct mark", "meta secpath"), int),
    **dict.fromkeys(("ip version", "ip6 version", "ip hdrlength", "ip frag-off", "ip frag-off without flags"), int),
    "tcp option maxseg size": int,
    "tcp flags": _named(TCP_FLAGS),
    "arp operation": _named({"request": 1, "reply": 2}),
    **dict.fromkeys(("arp htype", "arp hlen", "arp plen"), int),
    **dict.fromkeys(("arp ptype", "ether type"), _named({"ip": 0x0800, "arp": 0x0806, "ip6": 0x86DD})),
    **dict.fromkeys(("arp saddr ip", "arp daddr ip"), number_of),
    "icmpv6 type": _named(_ICMPV6_TYPES),
    **dict.fromkeys(("icmpv6 code", "ip6 hoplimit"), _named({"no-route": 0})),
    "ct state": _named(CT_STATES),
    "ct direction": _named({"original": 0, "reply": 1}),
    "meta nfproto": _named({"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}),
    "meta protocol": _named({"ip": 0x0800, "arp": 0x0806, "ip6": 0x86DD}),
    "meta pkttype": _named({"host": 0, "unicast": 0, "broadcast": 1, "multicast": 2, "other": 3}),
    **dict.fromkeys(("fib saddr.iif oif", "fib saddr.mark.iif oif"), int),
    **dict.fromkeys(("fib saddr.iif oif exists", "fib saddr.mark.iif oif exists", "exthdr exists"), int),
}
_FLAG_FIELDS = frozenset(("tcp flags", "ct state"))


def field_name(expression: Any) -> str:
    """Return the name of the field that an expression reads. Raises UnknownExpressionError for anything else."""
    if not isinstance(expression, dict) or len(expression) != 1:
        raise UnknownExpressionError
    ((kind, content),) = expression.items()
    if kind == "payload" and "protocol" in content and "tunnel" not in content:
        return f"{content['protocol']} {content['field']}"
    if kind == "meta":
        return f"meta {content['key']}"
    if kind == "ct":
        # Some releases name the family of an address apart.
        words = [content.get(part) for part in ("dir", "family", "key")]
        return " ".join(["ct", *(word for word in words if word)])
    if kind == "tcp option" and set(content) == {"name", "field"}:
        return f"tcp option {content['name']} {content['field']}"
    if kind == "fib":
        flags = content["flags"]
        return f"fib {'.'.join([flags] if isinstance(flags, str) else flags)} {content['result']}"
    if kind == "exthdr" and "offset" not in content:
        # Packets of the evaluated connections have no extension header, of whatever name.
        return "exthdr field" if "field" in content else "exthdr exists"
    raise UnknownExpressionError


_GENERAL_FIELDS = frozenset(
    (
        *(f"meta {side}{part}" for side in "io" for part in ("if", "ifname", "ifgroup", "iftype", "ifkind")),
        *("meta ibrname", "meta obrname", "meta ibriport", "meta obriport", "meta sdif", "meta sdifname"),
        *("meta l4proto", "meta nfproto", "meta protocol", "meta pkttype", "ether type"),
        *("ip protocol", "ip version", "ip6 nexthdr", "ip6 version", "tcp flags"),
        *("ct state", "ct direction", "ct protocol", "ct l3proto"),
    )
)
_KINDS = {"saddr": "source", "daddr": "destination", "mark": "mark"}
_KINDS.update(dict.fromkeys(("sport", "dport", "proto-src", "proto-dst"), "port"))


SETS_MAY_CHANGE = "touched by programs"
"""Field of a packet for which the content of named sets is unknown, since programs change them at any time."""


REWRITTEN = "touched addresses"
"""Field of a packet whose addresses or ports a rule may have rewritten, without tracking."""

ZONE = "zone of tracking"
"""Field for the zone in which a packet is tracked, which rules set before it is."""


def kind_of(name: str) -> str:
    """Return which kind of thing a condition on a field names, as in Content.kinds; empty for a general one.

    Conditions on interface, protocol, family, packet type and connection state are general. TCP flags are among them,
    since rules without connection tracking know a new connection by its SYN.
    """
    protocol, _space, field = name.partition(" ")
    if name in _GENERAL_FIELDS or name.startswith("ct status"):
        return ""
    if protocol == "ether":
        return "mac"
    return next((_KINDS[word] for word in re.split("[ .]", field) if word in _KINDS), "other")


def value_of(name: str, fields: Fields) -> Value:
    """Return the value of a field in a packet, or ABSENT or UNKNOWN."""
    if name.startswith("ct ") and name != "ct state":
        # Only a packet that belongs to a connection has the fields of a connection.
        state = fields.get("ct state", UNKNOWN)
        if state is UNKNOWN or state in _NO_CONNECTION:
            return UNKNOWN if state is UNKNOWN else ABSENT
    value = fields.get(name)
    if value is not None:
        return value
    protocol = name.partition(" ")[0]
    if protocol in ("tcp", "icmpv6"):
        # The packets of the model are of these two protocols.
        return UNKNOWN if fields.get("meta l4proto") == point(PROTOCOLS[protocol]) else ABSENT
    if protocol in OTHER_PROTOCOLS or protocol == "exthdr" or (protocol == "arp" and "arp operation" not in fields):
        return ABSENT
    if protocol in _FAMILY_NUMBERS and fields.get("meta nfproto") != point(_FAMILY_NUMBERS[protocol]):
        return ABSENT
    return UNKNOWN


def has_field(name: str, fields: Fields) -> bool:
    """Return whether a packet has a field, of whichever value."""
    return value_of(name, fields) is not ABSENT


def state_after_notrack(fields: Fields) -> Value:
    """Return the connection state behind "notrack", which has no effect after connection tracking."""
    state = fields.get("ct state", UNKNOWN)
    return point(CT_STATES["untracked"]) if state in _NO_CONNECTION else state


def compare(name: str, matcher: Matcher) -> Callable[[Fields], Answer]:
    """Return a test of one field of a packet; a field that the packet does not have never matches.

    Attributes of the test: spans, the numbers that it looks for, empty where it does not say; field; decides_alone:
    nothing but the field decides.
    """

    def test(fields: Fields) -> Answer:
        value = value_of(name, fields)
        if value is ABSENT:
            return False
        return None if value is UNKNOWN else matcher(value)

    vars(test).update(spans=spans_of(matcher), field=name, decides_alone=True)
    return test


def has_status(bits: Sequence[str], *, negated: bool = False) -> Callable[[Fields], Answer]:
    """Return a test whether a connection has one of some bits of its status. No connection passes even the negation."""
    names = [f"ct status {bit}" for bit in bits]
    tests = [compare(name, number_matcher([point(1)])) for name in names]

    def test(fields: Fields) -> Answer:
        if ABSENT in [value_of(name, fields) for name in names]:
            return False
        found = any_of(one(fields) for one in tests)
        return opposite(found) if negated else found

    return test


def span_of(name: str, constant: Any) -> Span:
    """Return the numbers that a constant for a field stands for. Raises UnknownExpressionError."""
    read = _READERS.get(name)
    if read is None:
        raise UnknownExpressionError
    if isinstance(constant, bool):
        return point(int(constant))
    if isinstance(constant, dict) and "prefix" in constant:
        prefix = constant["prefix"]
        first = read(prefix["addr"])
        bits = 16 if name.endswith("port") else BITS["ipv6" if "ip6" in name.split() else "ipv4"]
        return first, first + (1 << (bits - prefix["len"])) - 1
    if isinstance(constant, dict) and "range" in constant:
        first, last = constant["range"]
        return read(first), read(last)
    flags = constant.get("|") if isinstance(constant, dict) else constant
    if isinstance(flags, list) and name in _FLAG_FIELDS:
        return point(_bits(name, flags))
    if not isinstance(constant, (str, int)):
        raise UnknownExpressionError
    return point(read(constant))


def bits_of(name: str, constant: Any) -> int:
    """Return a mask as a number. Raises UnknownExpressionError."""
    if isinstance(constant, dict) and "|" in constant:
        constant = constant["|"]
    if isinstance(constant, list):
        return _bits(name, constant)
    first, last = span_of(name, constant)
    if first != last:
        raise UnknownExpressionError
    return first


def matcher_of(name: str, constants: List[Any]) -> Matcher:
    """Return a matcher of any of the constants for a field. Raises UnknownExpressionError."""
    if name in _NAMES:
        if not all(isinstance(constant, str) for constant in constants):
            raise UnknownExpressionError
        return name_matcher(constants)
    return number_matcher(span_of(name, constant) for constant in constants)


def _bits(name: str, constants: List[Any]) -> int:
    result = 0
    for constant in constants:
        result |= bits_of(name, constant)
    return result
