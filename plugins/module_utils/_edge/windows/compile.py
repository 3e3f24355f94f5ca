# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compilation of ordered rules to the order-free rules of the Windows firewall.

Windows has no order of rules: a block rule wins over every allow rule, and the profile decides where no rule matches.
A guard blocks the remainder that the allow rules before it do not match. So it becomes block rules for exactly that
remainder. These are the host's addresses without an allow rule, and for all others the remote addresses without one.
Source: Microsoft, "Windows Firewall rules", on rule precedence.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Dict, FrozenSet, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..model.addresses import FAMILIES, UNICAST, Span, common, merged, without
from ..model.errors import EdgeError
from ..model.port_table import FRONT_ENDS, PORT_TABLE
from ..model.rules import Group, Rule
from ..request.address_input import ByFamily, text_of
from ..request.narrowing import LOCAL_SUBNET, NOT_NARROWED, PROFILES, Narrowing
from .addresses import ANY, spans_of, write_span

NAME_PREFIX = "xmpp.edge/"
"""Prefix of the names of managed rules. Together with the group it is their ownership tag."""

GROUP = "XMPP Edge (xmpp.edge)"
"""Group of managed rules, the other part of their ownership tag."""

MAX_ADDRESSES = 1000
"""Limit on the addresses of one rule on each side. Windows documents none; users report one at a thousand."""

_DIGEST_LENGTH = 8

FRONT_END_ROW = next(row.id for row in PORT_TABLE if row.remote is FRONT_ENDS)
"""The row whose source Front Ends are."""


@dataclass(frozen=True)
class WindowsRule:
    """One rule of the Windows firewall for TCP.

    id: unique among the rules of one host; local, remote: addresses in the forms of Windows, or "*" alone for any;
    port: local for the direction in, remote for the direction out; profiles, program, service: what narrows it further,
    empty for all.
    """

    id: str
    row: str
    action: str
    direction: str
    local: Tuple[str, ...]
    remote: Tuple[str, ...]
    port: int
    profiles: Tuple[str, ...] = ()
    program: str = ""
    service: str = ""

    @cached_property
    def payload(self) -> Dict[str, Any]:
        """The rule as an option of xmpp.edge.win_firewall. Its name has a digest of its content."""
        content = {
            "direction": self.direction,
            "action": self.action,
            "local_addresses": list(self.local),
            "remote_addresses": list(self.remote),
            "local_ports": str(self.port) if self.direction == "in" else ANY,
            "remote_ports": str(self.port) if self.direction == "out" else ANY,
        }
        more = {"profiles": list(self.profiles), "program": self.program, "service": self.service}
        content.update({key: value for key, value in more.items() if value})
        text = json.dumps({"id": self.id, **content}, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]
        return {"name": f"{NAME_PREFIX}{self.id} #{digest}", **content}


Compiled = Mapping[Rule, Sequence[WindowsRule]]
"""The order-free rules of each ordered rule, in their order."""


def compile_rule(rule: Rule, rules: Sequence[Rule]) -> List[WindowsRule]:
    """Return the order-free rules of one of the ordered rules. Raises EdgeError."""
    if rule.action == "allow":
        remote = None if rule.remote is None else _spans_of_side(rule, rule.remote)
        parts: List[_Part] = [(rule.family, _spans_of_side(rule, rule.local), remote)]
    else:
        parts = [part for family in FAMILIES for part in _remainder(rule, rules, family)]
    pieces = [
        (local_texts, remote_texts)
        for family, local, remote in parts
        for local_texts in _chunks(local, family)
        for remote_texts in _chunks(remote, family)
    ]
    base = f"{rule.row}/{rule.action}/{rule.family}"
    return [
        WindowsRule(
            id=f"{base}/{number}" if len(pieces) > 1 else base,
            row=rule.row,
            action=rule.action,
            direction=rule.direction,
            local=local_texts,
            remote=remote_texts,
            port=rule.port,
        )
        for number, (local_texts, remote_texts) in enumerate(pieces, 1)
    ]


def compile_for_windows(rules: Sequence[Rule], narrowing: Narrowing = NOT_NARROWED) -> Compiled:
    """Compile all rules of a host. Raises EdgeError on an address that no connection of a Windows host can have."""
    return {rule: [narrowed(part, narrowing) for part in compile_rule(rule, rules)] for rule in rules}


def narrowed(part: WindowsRule, narrowing: Narrowing) -> WindowsRule:
    """Return a rule for some profiles, and where it allows what comes in, for a program or a service."""
    profiles = narrowing.profiles if narrowing.profiles != PROFILES else ()
    part = replace(part, profiles=profiles)
    if (part.action, part.direction) != ("allow", "in"):
        return part
    return replace(part, program=narrowing.program, service=narrowing.service)


def of_local_subnet(addresses: ByFamily, port: int) -> List[WindowsRule]:
    """Return the rules that allow Front Ends in the networks of the host's interfaces. addresses: internal ones."""
    return [
        WindowsRule(
            id=f"{FRONT_END_ROW}/allow/{family}/local-subnet",
            row=FRONT_END_ROW,
            action="allow",
            direction="in",
            local=tuple(write_span(span, family) for span in spans_of(map(text_of, networks))),
            remote=(LOCAL_SUBNET,),
            port=port,
        )
        for family, networks in addresses.items()
    ]


def names_of(parts: Iterable[WindowsRule]) -> FrozenSet[str]:
    """Return the names of these rules in the firewall."""
    return frozenset(part.payload["name"] for part in parts)


_Part = Tuple[str, Sequence[Span], Optional[Sequence[Span]]]
"""Family, local addresses, and remote addresses; None stands for any."""


def _remainder(guard: Rule, rules: Sequence[Rule], family: str) -> Iterator[_Part]:
    """Yield the addresses that a guard blocks, because no allow rule before it matches them."""
    everywhere = UNICAST[family]
    # Sets of local addresses, each with the remote addresses that are allowed to it; None stands for any.
    classes: List[Tuple[List[Span], Optional[List[Span]]]] = [(everywhere, [])]
    for rule in rules:
        if (rule.action, rule.direction, rule.port, rule.family) != ("allow", guard.direction, guard.port, family):
            continue
        local = everywhere if rule.local is None else spans_of(rule.local.networks)
        remote = None if rule.remote is None else spans_of(rule.remote.networks)
        classes = [
            part
            for spans, allowed in classes
            for part in (
                (without(spans, local), allowed),
                (common(spans, local), None if allowed is None or remote is None else merged([*allowed, *remote])),
            )
            if part[0]
        ]
    for spans, allowed in classes:
        if allowed == []:
            yield family, spans, None
        elif allowed is not None and without(everywhere, allowed):
            yield family, spans, without(everywhere, allowed)


def _spans_of_side(rule: Rule, group: Optional[Group]) -> List[Span]:
    if group is None:
        return UNICAST[rule.family]
    unusable = [network for network in group.networks if not spans_of([network])]
    if unusable:
        option, named = group.option, ", ".join(unusable)
        raise EdgeError(f"{option}: {named} can be no side of a connection of a Windows host; name unicast addresses")
    return spans_of(group.networks)


def _chunks(spans: Optional[Sequence[Span]], family: str) -> List[Tuple[str, ...]]:
    """Return the addresses as Windows accepts them, in chunks for as many rules as they need."""
    if spans is None:
        return [(ANY,)]
    texts = [write_span(span, family) for span in spans]
    return [tuple(texts[start : start + MAX_ADDRESSES]) for start in range(0, len(texts), MAX_ADDRESSES)]
