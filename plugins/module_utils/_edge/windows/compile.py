# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From ordered rules to the order-free rules of the Windows firewall.

Windows has no order: a rule that blocks beats every rule that allows, and what no rule names is up to the profile. So
a guard, which blocks what the allow rules before it left over, becomes rules that block just that: the addresses of the
host that no allow rule has, and for those that one has, everybody whom it does not name.
Source: Microsoft, "Windows Firewall rules", on rule precedence.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Dict, FrozenSet, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..evaluator.values import Span, merged
from ..model.errors import EdgeError
from ..model.rules import Group, Rule
from ..request.address_input import FAMILIES
from .addresses import ANY, UNICAST, common, spans_of, without, write_span

NAME_PREFIX = "xmpp.edge/"
"""What the names of our rules begin with."""

MOST_ADDRESSES = 1000
"""Addresses that one rule gets on each side. Windows names no limit; others have met one at a thousand."""

_DIGEST_LENGTH = 8


@dataclass(frozen=True)
class WindowsRule:
    """One rule of the Windows firewall for TCP, always for all profiles.

    id: unique among the rules of one host; local, remote: addresses in Windows' own forms, or "*" alone for any;
    port: of the host itself where the direction is in, of the other side where it is out.
    """

    id: str
    row: str
    action: str
    direction: str
    local: Tuple[str, ...]
    remote: Tuple[str, ...]
    port: int

    @cached_property
    def payload(self) -> Dict[str, Any]:
        """The rule as xmpp.edge.win_firewall takes it. Its name has a digest: another content is another rule."""
        content = {
            "direction": self.direction,
            "action": self.action,
            "local_addresses": list(self.local),
            "remote_addresses": list(self.remote),
            "local_ports": str(self.port) if self.direction == "in" else ANY,
            "remote_ports": str(self.port) if self.direction == "out" else ANY,
        }
        text = json.dumps({"id": self.id, **content}, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]
        return {"name": f"{NAME_PREFIX}{self.id} #{digest}", **content}


Compiled = Mapping[Rule, Sequence[WindowsRule]]
"""What stands for each of the ordered rules, in their order."""


def compile_rule(rule: Rule, rules: Sequence[Rule]) -> List[WindowsRule]:
    """What stands for one of the ordered rules, among all of them. Raises EdgeError."""
    if rule.action == "allow":
        there = None if rule.remote is None else _known(rule, rule.remote)
        parts: List[_Part] = [(rule.family, _known(rule, rule.local), there)]
    else:
        parts = [part for family in FAMILIES for part in _left_over(rule, rules, family)]
    pieces = [
        (family, here, there)
        for family, local, remote in parts
        for here in _chunks(local, family)
        for there in _chunks(remote, family)
    ]
    base = f"{rule.row}/{rule.action}/{rule.family}"
    return [
        WindowsRule(
            id=f"{base}/{number}" if len(pieces) > 1 else base,
            row=rule.row,
            action=rule.action,
            direction=rule.direction,
            local=here,
            remote=there,
            port=rule.port,
        )
        for number, (_family, here, there) in enumerate(pieces, 1)
    ]


def compile_for_windows(rules: Sequence[Rule]) -> Compiled:
    """All rules of a host. Raises EdgeError on an address that no connection of a Windows host can have."""
    return {rule: compile_rule(rule, rules) for rule in rules}


def names_of(parts: Iterable[WindowsRule]) -> FrozenSet[str]:
    """The names under which the firewall has these rules."""
    return frozenset(part.payload["name"] for part in parts)


_Part = Tuple[str, Sequence[Span], Optional[Sequence[Span]]]
"""Family, addresses of the host, and addresses of the other side; None stands for any."""


def _left_over(guard: Rule, rules: Sequence[Rule], family: str) -> Iterator[_Part]:
    """What the allow rules before a guard leave to it, by the addresses of the host."""
    everywhere = UNICAST[family]
    # Addresses of the host that are allowed the same; None stands for any on the other side.
    classes: List[Tuple[List[Span], Optional[List[Span]]]] = [(everywhere, [])]
    for rule in rules:
        if (rule.action, rule.direction, rule.port, rule.family) != ("allow", guard.direction, guard.port, family):
            continue
        here = everywhere if rule.local is None else spans_of(rule.local.networks)
        there = None if rule.remote is None else spans_of(rule.remote.networks)
        classes = [
            part
            for spans, allowed in classes
            for part in (
                (without(spans, here), allowed),
                (common(spans, here), None if allowed is None or there is None else merged([*allowed, *there])),
            )
            if part[0]
        ]
    for spans, allowed in classes:
        if allowed == []:
            yield family, spans, None
        elif allowed is not None and without(everywhere, allowed):
            yield family, spans, without(everywhere, allowed)


def _known(rule: Rule, group: Optional[Group]) -> List[Span]:
    if group is None:
        return UNICAST[rule.family]
    useless = [network for network in group.networks if not spans_of([network])]
    if useless:
        option, named = group.name.rpartition("_")[0], ", ".join(useless)
        raise EdgeError(f"{option}: {named} can be no side of a connection of a Windows host; name unicast addresses")
    return spans_of(group.networks)


def _chunks(spans: Optional[Sequence[Span]], family: str) -> List[Tuple[str, ...]]:
    """The addresses as a rule takes them, spread over as many rules as they need."""
    if spans is None:
        return [(ANY,)]
    texts = [write_span(span, family) for span in spans]
    return [tuple(texts[start : start + MOST_ADDRESSES]) for start in range(0, len(texts), MOST_ADDRESSES)]
