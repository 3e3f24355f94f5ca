# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewall rules in the project's own terms, and the form in which they travel to a host."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Dict, Iterable, List, Optional, Tuple

from .addresses import Span, canonical_network, is_network, network_order, span_of
from .errors import EdgeError, shown
from .literals import Action, Direction, RuleFamily

CONTAINERS = "containers"
"""Name of the group of the networks of servers that ports of this host are published for."""

# The name of a group is that of an option, a number where a host has several of one option, and the family.
_NUMBER_AND_FAMILY = re.compile(r"(?:_[0-9]+)?_ipv[46]$")

DIRECTIONS: Tuple[Direction, ...] = ("in", "out")
ACTIONS: Tuple[Action, ...] = ("allow", "block")
RULE_FAMILIES: Tuple[RuleFamily, ...] = ("ipv4", "ipv6", "any")


@dataclass(frozen=True)
class Group:
    """Addresses and networks of one family under one name.

    name: such as partner_networks_ipv4; networks: canonical text, in numeric order.
    """

    name: str
    networks: Tuple[str, ...]

    @cached_property
    def spans(self) -> Tuple[Span, ...]:
        """Its networks as spans of numbers, in the same order."""
        # A list may have ten thousand networks, and is looked up once for each connection that is tried.
        return tuple(span_of(network) for network in self.networks)

    @cached_property
    def extent(self) -> Span:
        """The span from its lowest to its highest address."""
        return min(self.spans)[0], max(last for _first, last in self.spans)

    @property
    def option(self) -> str:
        """Return the option that lists the networks."""
        return _NUMBER_AND_FAMILY.sub("", self.name)

    @property
    def number(self) -> str:
        """Return the number of the edges that the group is about, with a stroke; empty where there are no others."""
        found = _NUMBER_AND_FAMILY.search(self.name)
        return found[0][: -len("_ipv4")].replace("_", "/") if found else ""


@dataclass(frozen=True)
class Inside:
    """Place of servers behind destination NAT. group: the networks they are in; ports: those that a dialled one is
    translated to, as far as they are known.
    """

    group: Group
    ports: Tuple[int, ...]


@dataclass(frozen=True)
class Rule:
    """One firewall rule for TCP.

    row: id of the port table's row that it serves; direction: seen from the edge; family: ipv4, ipv6 or any (both);
    source, destination: None stands for any address of the family; port: destination port; forwarded: whether it is
    for packets that the host passes on, rather than for its own; inside: where the host's destination NAT leads to;
    samples: addresses of this host that stand for any of its own, where the local side is not named.
    A block rule spares loopback and established connections. For forwarded packets it names the local side.
    """

    row: str
    action: Action
    direction: Direction
    family: RuleFamily
    source: Optional[Group]
    destination: Optional[Group]
    port: int
    forwarded: bool = False
    inside: Optional[Inside] = None
    samples: Tuple[str, ...] = field(default=(), compare=False)

    @property
    def id(self) -> str:
        """Unique among the rules of one host."""
        forwarded = f"/forwarded{self.local.number if self.local else ''}" if self.forwarded else ""
        return f"{self.row}/{self.action}/{self.family}{forwarded}"

    @property
    def local(self) -> Optional[Group]:
        """The side of the edge: of this host, or of one that it forwards for."""
        return self.destination if self.direction == "in" else self.source

    @property
    def remote(self) -> Optional[Group]:
        """The other side."""
        return self.source if self.direction == "in" else self.destination

    @property
    def is_inner(self) -> bool:
        """Return whether it is for packets between this host and servers behind it, which no manager is asked for."""
        return not self.forwarded and self.remote is not None and self.remote.option == CONTAINERS

    @property
    def groups(self) -> Tuple[Group, ...]:
        """The groups that the rule names, source first."""
        return tuple(group for group in (self.source, self.destination) if group is not None)


def groups_of(rules: Iterable[Rule]) -> Dict[str, Group]:
    """Every group that the rules name, by name, in order of first use."""
    return {group.name: group for rule in rules for group in rule.groups}


def own_addresses_of(rules: Iterable[Rule]) -> Dict[str, List[str]]:
    """Return the addresses that rules take for the host's own, by the option that lists them."""
    found: Dict[str, Dict[str, None]] = {}
    for rule in rules:
        if rule.local and not rule.forwarded:
            found.setdefault(rule.local.option, {}).update(dict.fromkeys(rule.local.networks))
    return {option: list(addresses) for option, addresses in found.items()}


def make_group(name: str, networks: Iterable[str]) -> Group:
    """A group whose networks are canonical, without duplicates and in order."""
    return Group(name, tuple(sorted({canonical_network(text) for text in networks}, key=network_order)))


def to_payload(rules: Iterable[Rule]) -> Dict[str, Any]:
    """The rules as plain lists and dictionaries; each group stands there once, however many rules name it."""
    listed = list(rules)
    return {
        "rules": [
            {
                "row": rule.row,
                "action": rule.action,
                "direction": rule.direction,
                "family": rule.family,
                "source": rule.source.name if rule.source else None,
                "destination": rule.destination.name if rule.destination else None,
                "port": rule.port,
                **({"forwarded": True} if rule.forwarded else {}),
            }
            for rule in listed
        ],
        "groups": {name: list(group.networks) for name, group in groups_of(listed).items()},
    }


def from_payload(rules: List[Dict[str, Any]], groups: Dict[str, List[str]]) -> Tuple[Rule, ...]:
    """The rules again from what to_payload made. Raises EdgeError on anything that it cannot have made.

    Inbound rules come first, in whatever order of directions they are given.
    """
    known = {name: group_from_payload(name, networks) for name, networks in groups.items()}

    def group(name: Optional[str]) -> Optional[Group]:
        if name is None:
            return None
        if name not in known:
            raise EdgeError(f"rules: {shown(name)} is not among the groups; name one of {sorted(known)}")
        return known[name]

    return tuple(
        _checked_rule(
            row=checked_name("rules.row", entry["row"]),
            action=entry["action"],
            direction=entry["direction"],
            family=entry["family"],
            source=group(entry.get("source")),
            destination=group(entry.get("destination")),
            port=_checked_port(entry["port"]),
            forwarded=bool(entry.get("forwarded")),
        )
        for entry in sorted(rules, key=lambda entry: DIRECTIONS.index(entry["direction"]))
    )


def _checked_rule(**fields: Any) -> Rule:
    rule = Rule(**fields)
    if rule.action == "block" and rule.forwarded and (not rule.local or rule.remote):
        raise EdgeError(f"rules: {rule.id} blocks what others send; a block rule for forwarded packets names the edges")
    if rule.action == "block" and not rule.forwarded and (rule.family != "any" or rule.groups):
        raise EdgeError(f"rules: {rule.id} blocks only some addresses; a block rule has family any and no groups")
    if rule.action == "allow" and not rule.groups:
        raise EdgeError(f"rules: {rule.id} allows any address on both sides; name a group in source or destination")
    if any(not group.name.endswith(f"_{rule.family}") for group in rule.groups):
        raise EdgeError(f"rules: {rule.id} names a group of another family; name groups that end in _{rule.family}")
    return rule


def checked_name(option: str, name: str) -> str:
    """Return a name that may stand in the rules of any manager. Raises EdgeError."""
    if not (name.isascii() and name.isidentifier()):
        raise EdgeError(f"{option}: {shown(name)} is not a name; use letters, digits and underscores")
    return name


def _checked_port(port: int) -> int:
    if not 1 <= port <= 65535:
        raise EdgeError(f"rules.port: {port} is not a TCP port; give a number from 1 to 65535")
    return port


def group_from_payload(name: str, networks: Any) -> Group:
    """Return a group. Raises EdgeError where its name has no family or its networks are not of that family."""
    checked_name("groups", name)
    family = name.rpartition("_")[2]
    if family not in ("ipv4", "ipv6"):
        raise EdgeError(f"groups: {shown(name)} does not end in its family; end it in _ipv4 or _ipv6")
    if not isinstance(networks, list) or not networks:
        raise EdgeError(f"groups.{name}: {shown(networks)} is no list with an entry; list addresses and networks")
    for text in networks:
        if not is_network(family, text):
            raise EdgeError(
                f"groups.{name}: {shown(text)} is not an address or network of its family; "
                "write a host without prefix length, and a network with one and without host bits"
            )
    return make_group(name, networks)
