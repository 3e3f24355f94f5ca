# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Translation of addresses and ports (NAT), as one packet meets it on its way.

Source: the kernel's nf_nat_core.c. All chains of type nat of one hook run at one place, in the order of their
priorities, for the first packet of a connection only. Once one of them has translated, the others are skipped. What
they decided is done to every later packet at the same places, without any rule.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Dict, Mapping, Optional, Sequence, Set, Tuple

from ..model.addresses import PROTOCOLS, point
from ..model.literals import PacketFamily, Side
from .fields import FIB_TYPES
from .ruleset import Ruleset, Translate
from .values import UNKNOWN, Answer, Fields, Value

PLACES: Mapping[str, int] = {"prerouting": -100, "output": -100, "input": 100, "postrouting": 100}
"""Priority at which the chains of type nat of each hook run; their own decides their order only."""

_SOURCE: Side = "source"
_DESTINATION: Side = "destination"
SIDES: Mapping[str, Side] = {
    **dict.fromkeys(("prerouting", "output"), _DESTINATION),
    **dict.fromkeys(("input", "postrouting"), _SOURCE),
}
"""Side that is translated at each hook."""

HERE = "lo"
"""Interface of packets to this host itself."""
AS_SENT = ""
"""Way of a packet of this host whose destination nothing translates."""
ELSEWHERE = "/"
"""Way of a packet that this host passes on by an interface that is not known; no interface can have that name."""

CONSEQUENCES = ("ct status dnat", "ct status snat", "fib daddr type")
"""Fields that a translation changes besides addresses and ports."""


def names_of(side: Side, family: PacketFamily) -> Mapping[str, str]:
    """Return the names of the fields of one side's address and port, each with what it is."""
    letter = side[0]
    return {f"{PROTOCOLS[family]} {letter}addr": "address", f"tcp {letter}port": "port", f"th {letter}port": "port"}


@dataclass
class Translation:
    """Translation of one packet on its way.

    ways: where the packet may go: HERE, AS_SENT, an interface, or None for one that is not known; done: whether a chain
    of the current hook has translated it; new: the fields that were translated, on the whole way.
    """

    ruleset: Ruleset
    family: PacketFamily
    fields: Fields
    ways: Set[Optional[str]]
    done: Answer = False
    new: Dict[str, Value] = field(default_factory=dict)

    @property
    def way(self) -> Optional[str]:
        """Return where the packet goes, None where that is not known."""
        return next(iter(self.ways)) if len(self.ways) == 1 else None

    def apply(self, step: Translate, certain: bool) -> None:
        """Apply one translation. certain: whether the packet surely meets it."""
        masquerades = step.side == _SOURCE and step.to_host
        values = {"address": self._masqueraded() if masquerades else step.address, "port": step.port}
        for name, what in names_of(step.side, self.family).items():
            value, before = values[what], self.fields.get(name)
            if value is not None and before != value:
                self._assign(name, value, certain)
                self.new[name] = self.fields[name]
                self._assign(f"ct status {step.side[0]}nat", point(1) if _differ(before, value) else UNKNOWN, certain)
        if step.side == "destination" and step.address is not None:
            way = HERE if step.to_host else self._way_to(step.address)
            self.ways = {way} if certain else {*self.ways, way}
            kind = UNKNOWN if way is None else point(FIB_TYPES["local" if way == HERE else "unicast"])
            self._assign("fib daddr type", kind, certain)
        self.done = certain or None

    def _way_to(self, address: Value) -> Optional[str]:
        if self.family == "arp" or not isinstance(address, tuple):
            return None
        return self.ruleset.ways.get((self.family, address[0]))

    def _masqueraded(self) -> Value:
        """Return the address that the packet gets of the interface by which it leaves."""
        found = self.ruleset.masquerading.get((self.family, self.way or ""), ())
        return point(found[0]) if len(found) == 1 else UNKNOWN

    def copy(self) -> Translation:
        """Return this state, to come back to."""
        return replace(self, ways=set(self.ways), new=dict(self.new))

    def forget(self) -> None:
        """Make everything that was translated unknown."""
        self.fields.update(dict.fromkeys((*self.new, *CONSEQUENCES), UNKNOWN))
        self.new.update(dict.fromkeys(self.new, UNKNOWN))
        self.ways.add(None)

    def _assign(self, name: str, value: Value, certain: bool) -> None:
        """Set a field, or make it unknown where it may also be what it was."""
        if certain or self.fields.get(name) != value:
            self.fields[name] = value if certain else UNKNOWN


def translated_later(
    translation: Translation, original: Fields, *, to_server: bool
) -> Tuple[Fields, Mapping[str, Fields]]:
    """Return what a packet behind the first one has on the wire, and the fields that it gets at each hook.

    translation: of the first packet; original: that packet on the wire. An answer comes from the translated side, and
    is translated back: its destination where destinations are, its source where sources are.
    """
    new, family = translation.new, translation.family
    source, destination = (list(names_of(side, family)) for side in (_SOURCE, _DESTINATION))
    opposite = {**dict(zip(source, destination)), **dict(zip(destination, source))}
    wire: Fields = {}
    if to_server:
        later = {_SOURCE: _part(new, source), _DESTINATION: _part(new, destination)}
        if later[_DESTINATION]:
            later[_DESTINATION]["fib daddr type"] = translation.fields["fib daddr type"]
    else:
        wire = {opposite[name]: value for name, value in new.items()}
        # What the first packet got as its source is the destination of the answer.
        before = {opposite[name]: original[name] for name in new}
        later = {_SOURCE: _part(before, source), _DESTINATION: _part(before, destination)}
    return wire, {hook: later[side] for hook, side in SIDES.items()}


def _part(fields: Fields, names: Sequence[str]) -> Fields:
    return {name: fields[name] for name in names if name in fields}


def _differ(one: Optional[Value], other: Value) -> bool:
    """Return whether two values are surely not the same."""
    return isinstance(one, tuple) and isinstance(other, tuple) and (one[1] < other[0] or other[1] < one[0])
