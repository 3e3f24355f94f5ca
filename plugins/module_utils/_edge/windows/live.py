# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of a Windows host, as xmpp.edge.win_firewall returns them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Mapping, Optional, Sequence, Tuple

from ..model.addresses import Span
from .addresses import ANY, Spans, read_spans

TCP, ANY_PROTOCOL = 6, 256
"""Values of INetFwRule::Protocol. The value for any protocol is specific to that API."""

PROFILES: Mapping[str, int] = {"domain": 1, "private": 2, "public": 4}
"""Bits of INetFwRule::Profiles."""

ALL_PROFILES = 7

EITHER = "either"
"""Direction of a rule whose own cannot be read."""

_CONDITIONS = {
    "interfaces": "some interfaces",
    "package": "one app package",
    "owner": "rules of one user",
    "authorized": "some users or machines",
    "secure": "authenticated connections",
}


@dataclass(frozen=True)
class LiveRule:
    """A rule of the firewall.

    local, remote: its addresses as text, "*" for any; local_ports, remote_ports: the same, such as "80,5000-5010";
    profiles: bits; conditions: diff text for everything else that narrows it (a program, a service, interfaces).
    """

    name: str
    enabled: bool
    action: str
    direction: str
    protocol: int
    local: str
    remote: str
    local_ports: str
    remote_ports: str
    profiles: int
    conditions: Tuple[str, ...]
    is_authenticated: bool

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> LiveRule:
        """Return the rule from the answer of the module."""
        conditions = [f"{key} {facts[key]}" for key in ("application", "service") if facts.get(key)]
        if (facts.get("interface_types") or "All").lower() != "all":
            conditions.append(f"interface types {facts['interface_types']}")
        local_ports, remote_ports = facts.get("local_ports") or ANY, facts.get("remote_ports") or ANY
        side, ports = ("remote", remote_ports) if facts["direction"] == "in" else ("local", local_ports)
        if facts["protocol"] == TCP and ports != ANY:
            conditions.append(f"{side} port {ports}")
        conditions += [text for key, text in _CONDITIONS.items() if facts.get(key)]
        unreadable = facts.get("unreadable") or ""
        if unreadable:
            # What cannot be read may be anything, so that the rule may block whatever it may match.
            conditions.append(f"something that cannot be read ({unreadable})")
        return cls(
            name=facts["name"],
            enabled=facts["enabled"] or "Enabled" in unreadable,
            action="block" if "Action" in unreadable else facts["action"],
            direction=EITHER if "Direction" in unreadable else facts["direction"],
            protocol=ANY_PROTOCOL if "Protocol" in unreadable else facts["protocol"],
            local=facts.get("local_addresses") or ANY,
            remote=facts.get("remote_addresses") or ANY,
            local_ports=local_ports,
            remote_ports=remote_ports,
            # Windows writes all profiles either as these bits, or with all 31 bits set.
            profiles=ALL_PROFILES if "Profiles" in unreadable else facts["profiles"] & ALL_PROFILES,
            conditions=tuple(conditions),
            is_authenticated=bool(facts.get("secure")),
        )

    @property
    def port(self) -> Optional[int]:
        """The single service port, as managed rules have it; None for other ports."""
        service, client = self.local_ports, self.remote_ports
        if self.direction == "out":
            service, client = client, service
        return int(service) if client == ANY and _is_number(service) else None

    def has_port(self, port: int) -> bool:
        """Return whether it matches TCP connections to this port, local for inbound and remote for outbound ones."""
        if self.protocol not in (TCP, ANY_PROTOCOL):
            return False
        text = self.local_ports if self.direction == "in" else self.remote_ports
        return self.protocol == ANY_PROTOCOL or text == ANY or any(_contains(part, port) for part in text.split(","))

    def remote_spans(self, family: str) -> Optional[Sequence[Span]]:
        """Return the remote addresses in one family; None where the rule alone does not define them."""
        return _of_family(self.remote, family)

    def local_spans(self, family: str) -> Optional[Sequence[Span]]:
        """Return the local addresses in one family; None where the rule alone does not define them."""
        return _of_family(self.local, family)


def _contains(part: str, port: int) -> bool:
    first, _dash, last = part.strip().partition("-")
    return _is_number(first) and _is_number(last or first) and int(first) <= port <= int(last or first)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


@lru_cache(maxsize=None)
def _of_family(text: str, family: str) -> Optional[Sequence[Span]]:
    if text == ANY:
        return [(0, (1 << (32 if family == "ipv4" else 128)) - 1)]
    spans: Optional[Spans] = read_spans(text)
    return None if spans is None else spans.get(family, [])
