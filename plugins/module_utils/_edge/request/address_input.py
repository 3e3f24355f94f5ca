# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading IP addresses and networks that an administrator typed, and saying what is wrong with them."""

from __future__ import annotations

import ipaddress
import re
from typing import Dict, Iterable, List, Optional, Tuple, Union

from ..model.addresses import FAMILIES
from ..model.errors import OptionError, shown

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
ByFamily = Dict[str, Tuple[Network, ...]]
"""Networks by family, for those families that have any."""

ANY = "any"
WHOLE_FAMILY: Dict[str, Network] = {
    "ipv4": ipaddress.IPv4Network("0.0.0.0/0"),
    "ipv6": ipaddress.IPv6Network("::/0"),
}

# 0 and 127 of IPv4 and of ::1 and mapped addresses, multicast and broadcast of IPv4, multicast of IPv6.
_FIRST_BYTES_TO_CHECK = frozenset((0, 127, *range(224, 240), 255))

_ADDRESS = "an IP address"
_NETWORK = "an IP address or CIDR network"
_EXAMPLES = {_ADDRESS: "198.51.100.7 or 2001:db8::7", _NETWORK: "198.51.100.0/24 or 2001:db8::/32"}

_HOST_NAME = re.compile(
    r"^(?!(?:0x[\da-f]+|\d+(?:\.\d+)*)\.?$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_-]+)*\.?$"
)
_WORDS_FOR_ANY = frozenset((ANY, "*", "all", "0", "everyone", "everybody", "internet", "world"))
_DECORATED = re.compile(r"^(?:\[([0-9A-Fa-f:.]+)\](?::\d+)?|([0-9.]+):\d+)$")
_MASK = re.compile(r"^([0-9.]+)\s+(255\.[0-9.]+)$")
_MOST_OF_A_RANGE = 8
"""Networks of a range that a message spells out."""

_IPV4_BROADCAST = ipaddress.IPv4Network("255.255.255.255/32")
_IPV4_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def text_of(network: Network) -> str:
    """A network as it is written everywhere in this project: a single host without its prefix length."""
    if network.prefixlen == network.max_prefixlen:
        return str(network.network_address)
    return str(network)


def parse_address(option: str, text: str) -> Network:
    """One address of the edge server, as a network that holds only it. Raises OptionError."""
    network = _parse(option, text, _ADDRESS)
    if network.prefixlen != network.max_prefixlen:
        raise OptionError(option, text, "is a network where an address is wanted", _without_prefix(text))
    _check_usable(option, text, network)
    return network


def parse_network(option: str, text: str) -> Network:
    """One address or CIDR network of the other side. Raises OptionError."""
    network = _parse(option, text, _NETWORK)
    _check_usable(option, text, network)
    return network


def by_family(networks: Iterable[Network]) -> ByFamily:
    """The networks by family, in their order; a family without any is left out."""
    sorted_out: Dict[str, List[Network]] = {family: [] for family in FAMILIES}
    for network in networks:
        sorted_out[f"ipv{network.version}"].append(network)
    return {family: tuple(members) for family, members in sorted_out.items() if members}


def distinct(networks: ByFamily) -> ByFamily:
    """The same without duplicates, in numeric order."""
    return {family: tuple(sorted(set(members))) for family, members in networks.items()}


def merge(networks: ByFamily) -> ByFamily:
    """The same addresses with no duplicate, no overlap and no needless split, in numeric order."""
    return {
        family: tuple(ipaddress.collapse_addresses(members))  # type: ignore[type-var]
        for family, members in networks.items()
    }


def _parse(option: str, text: str, expected: str) -> Network:
    if "%" in text:
        raise OptionError(option, text, "has a zone id", "give the address without the part from % on")
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise _refusal(option, text, expected) from None


def _refusal(option: str, text: str, expected: str) -> OptionError:
    """Return the refusal of a text that ipaddress does not read, with what would be right."""
    for hint in (_several, _range, _any, _decorated):
        found = hint(text, expected)
        if found:
            return OptionError(option, text, *found)
    try:
        masked = ipaddress.ip_network(text, strict=False)
    except ValueError:
        if _HOST_NAME.match(text):
            return OptionError(option, text, "is a name", f"give {expected}: a packet filter sees addresses, not names")
        return OptionError(option, text, f"is not {expected}", f"write it like {_EXAMPLES[expected]}")
    remedy = (
        _without_prefix(text)
        if expected == _ADDRESS
        else f"say {masked} for the network or {text.split('/', maxsplit=1)[0]} for the host"
    )
    return OptionError(option, text, "has host bits set", remedy)


def _several(text: str, _expected: str) -> Optional[Tuple[str, str]]:
    """Return problem and remedy for addresses in one text, as a survey or a line of shell gives them."""
    with_mask = _MASK.sub(r"\1/\2", text)
    if with_mask != text and _is_network(with_mask):
        network = ipaddress.ip_network(with_mask, strict=False)
        return "is a network with its mask", f"write {text_of(network)}"
    parts = [part for part in re.split(r"[\s,;]+", text) if part]
    if len(parts) == 1 and text != parts[0]:
        return "has blanks or commas around it", f"write {shown(parts[0])}"
    if len(parts) > 1 and all(_is_network(part) for part in parts):
        return "is several entries in one text", "give a list with each as its own entry, as text.split() makes it"
    return None


def _range(text: str, expected: str) -> Optional[Tuple[str, str]]:
    """Return problem and remedy for two addresses with a dash between them."""
    ends = [part.strip() for part in text.split("-")]
    if len(ends) == 2 and ends[1].isdigit() and "." in ends[0]:
        ends[1] = f"{ends[0].rpartition('.')[0]}.{ends[1]}"  # As in 198.51.100.7-20.
    if len(ends) != 2 or not all(map(_is_network, ends)):
        return None
    if expected == _ADDRESS:
        return "is a range where an address is wanted", "list each address"
    networks = _networks_of_range(*ends)
    if 0 < len(networks) <= _MOST_OF_A_RANGE:
        return "is a range", f"list the networks that make it up: {', '.join(networks)}"
    return "is a range", f"list the networks that make it up, written like {_EXAMPLES[expected]}"


def _networks_of_range(first: str, last: str) -> List[str]:
    try:
        spanned = ipaddress.summarize_address_range(ipaddress.ip_address(first), ipaddress.ip_address(last))
        return [text_of(ipaddress.ip_network(str(network))) for network in spanned]
    except (TypeError, ValueError):
        return []  # The last one is before the first, or of another family.


def _any(text: str, expected: str) -> Optional[Tuple[str, str]]:
    """Return problem and remedy for other words that mean any."""
    if text.lower() not in _WORDS_FOR_ANY:
        return None
    if expected == _ADDRESS:
        return "is not an address of this host", "name the host's own IP addresses"
    return f"is not {expected}", f"say {ANY}, in lower case and alone, for all addresses"


def _decorated(text: str, expected: str) -> Optional[Tuple[str, str]]:
    """Return problem and remedy for an address in brackets or with a port."""
    found = _DECORATED.match(text)
    address = (found.group(1) or found.group(2)) if found else ""
    if not _is_network(address):
        return None
    return f"is not {expected}", f"write {address} without brackets and port; the options of the ports have those"


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _without_prefix(text: str) -> str:
    return f"give the address alone, for example {text.split('/', maxsplit=1)[0]}"


def _check_usable(option: str, text: str, network: Network) -> None:
    """Refuse addresses that no federation packet can carry."""
    if network.network_address.packed[0] not in _FIRST_BYTES_TO_CHECK:
        return  # The checks below are slow, and a list may have thousands of entries.
    mapped = isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_IPV4_MAPPED)
    for applies, problem, remedy in (
        (network.is_unspecified, "is the unspecified address", "name real addresses"),
        (
            network.is_loopback,
            "is a loopback address",
            "loopback is never filtered: name addresses seen on the network",
        ),
        (network.is_multicast, "is a multicast address", "XMPP runs over TCP: name unicast addresses"),
        (network == _IPV4_BROADCAST, "is the broadcast address", "XMPP runs over TCP: name unicast addresses"),
        (mapped, "is an IPv4-mapped IPv6 address", "no packet carries it: name the IPv4 address itself"),
    ):
        if applies:
            raise OptionError(option, text, problem, remedy)
