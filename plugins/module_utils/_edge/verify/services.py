# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory says of the XMPP servers of hosts and partners, by the variables xmpp_edge_verify_*."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from ..model.errors import OptionError
from ..probe.model import TLS_DEMANDS
from ..request.address_input import parse_address, text_of
from ..request.nearest import nearest

PREFIX = "xmpp_edge_verify_"

VARIABLES: Tuple[str, ...] = (
    "addresses",
    "allow_unchecked",
    "ask_servers",
    "certificate",
    "depth",
    "direct_tls",
    "dns",
    "domain",
    "evidence",
    "fail",
    "key",
    "partners",
    "public_addresses",
    "timeout",
    "tls",
)
"""The variables of the role, without their prefix."""

REGISTERED: Tuple[str, ...] = ("before", "attempts", "afterwards", "result")
"""Variables in which the role registers results, without their prefix."""

_PARTNER_KEYS = ("name", "domain", "addresses", "port", "tls", "direct_tls")
_LAST_PORT = 65535


@dataclass(frozen=True)
class Service:
    """The XMPP server of a host, and how the host shows itself to others.

    domain: its XMPP domain; tls: one of probe.model.TLS_DEMANDS; direct_tls: whether its port starts with TLS;
    certificate, key: files on the host that it shows where it is asked, None for none.
    """

    domain: str
    tls: str = "required"
    direct_tls: bool = False
    certificate: Optional[str] = None
    key: Optional[str] = None


@dataclass(frozen=True)
class Partner:
    """A partner that nobody logs in to. port: of its server, None for the row's."""

    name: str
    addresses: Sequence[str]
    service: Service
    port: Optional[int] = None


def misspelt(variables: Mapping[str, Any]) -> List[Tuple[str, str]]:
    """Return each variable of a host that nothing reads, with the one of the role that it is most like."""
    found = []
    for name in sorted(variables):
        key = str(name)[len(PREFIX) :] if str(name).startswith(PREFIX) else ""
        near = nearest(key, VARIABLES) if key and key not in (*VARIABLES, *REGISTERED) else None
        if near:
            found.append((str(name), PREFIX + near))
    return found


def read_service(name: str, variables: Mapping[str, Any]) -> Service:
    """Return the server of a host; by default its domain is the host's name. Raises OptionError."""

    def given(key: str) -> Any:
        return variables.get(PREFIX + key)

    return Service(
        str(given("domain") or name),
        _tls(_option(name, "tls"), given("tls")),
        _flag(_option(name, "direct_tls"), given("direct_tls")),
        str(given("certificate")) if given("certificate") else None,
        str(given("key")) if given("key") else None,
    )


def read_addresses(name: str, key: str, variables: Mapping[str, Any]) -> Optional[List[str]]:
    """Return the addresses that a variable lists, None where it is not set. Raises OptionError."""
    given = variables.get(PREFIX + key)
    return None if given is None else _addresses(_option(name, key), given)


def read_partners(name: str, variables: Mapping[str, Any]) -> List[Partner]:
    """Return the partners of an edge that nobody logs in to. Raises OptionError."""
    option = _option(name, "partners")
    given = variables.get(f"{PREFIX}partners") or []
    if not isinstance(given, (list, tuple)):
        raise OptionError(option, given, "is no list", "list partners, each with name, domain and addresses")
    return [_partner(option, entry) for entry in given]


def _partner(option: str, entry: Any) -> Partner:
    if not isinstance(entry, Mapping):
        raise OptionError(option, entry, "is no partner", "give name, domain and addresses")
    unknown = sorted(set(entry) - set(_PARTNER_KEYS))
    if unknown:
        raise OptionError(f"{option}.{unknown[0]}", None, "is not known", f"a partner has {', '.join(_PARTNER_KEYS)}")
    domain = entry.get("domain") or entry.get("name")
    if not domain or not entry.get("addresses"):
        lacking = "addresses" if domain else "domain"
        raise OptionError(f"{option}.{lacking}", None, "is missing", "give name, domain and addresses")
    service = Service(
        str(domain), _tls(f"{option}.tls", entry.get("tls")), _flag(f"{option}.direct_tls", entry.get("direct_tls"))
    )
    addresses = _addresses(f"{option}.addresses", entry["addresses"])
    return Partner(str(entry.get("name") or domain), addresses, service, _port(f"{option}.port", entry.get("port")))


def _option(host: str, key: str) -> str:
    return f"{host}: {PREFIX}{key}"


def _addresses(option: str, given: Any) -> List[str]:
    entries: Sequence[Any] = [given] if isinstance(given, str) else given
    if not isinstance(entries, (list, tuple)):
        raise OptionError(option, given, "is no list of addresses", "list IP addresses")
    return [text_of(parse_address(option, str(entry))) for entry in entries]


def _port(option: str, given: Any) -> Optional[int]:
    if given is None:
        return None
    text = str(given)
    if not text.isdigit() or not 1 <= int(text) <= _LAST_PORT:
        raise OptionError(option, given, "is not a TCP port", f"give a number from 1 to {_LAST_PORT}")
    return int(text)


def _tls(option: str, given: Any) -> str:
    text = "required" if given is None else str(given)
    if text not in TLS_DEMANDS:
        raise OptionError(option, given, "is not known", f"say {', '.join(TLS_DEMANDS[:-1])} or {TLS_DEMANDS[-1]}")
    return text


def _flag(option: str, given: Any) -> bool:
    words = {"true": True, "yes": True, "false": False, "no": False, "none": False}
    text = str(given).lower()
    if text not in words:
        raise OptionError(option, given, "is neither true nor false", "say true or false")
    return words[text]
