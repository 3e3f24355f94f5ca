# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A packet's way through a ruleset: every base chain of every hook that it passes, in order, with what decides.

A condition that is not known is followed both ways, so that the answer is the set of all that may become of the
packet; the answer is accept or drop only where that set has one member.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import Dict, List, Mapping, Optional, Sequence, Set, Tuple

from .fields import CT_STATES, value_of
from .ruleset import CONNTRACK_PRIORITY, Assign, Chain, Choice, FilterRule, Match, Ruleset, Unsupported, Verdict
from .values import ABSENT, OUTSIDE, UNKNOWN, Answer, Fields, Value, point

ACCEPT, DROP, UNKNOWN_VERDICT = "accept", "drop", "unknown"

_HOOKS = {"in": ("ingress", "prerouting", "input"), "out": ("output", "postrouting", "egress")}
_MOST_STEPS = 2_000_000
_MOST_JUMPS = 16  # NFT_JUMP_STACK_SIZE


@dataclass(frozen=True)
class Decision:
    """What decides: a rule of a chain, or with no rule the chain's policy.

    base: the base chain whose jumps led there; narrow: whether a rule on that way singles out ports or addresses.
    """

    chain: Chain
    rule: Optional[FilterRule]
    base: Chain
    narrow: bool = False

    @property
    def label(self) -> str:
        """The decision as people name it."""
        return f"{self.chain.label}: {self.rule.text if self.rule else 'policy ' + self.chain.policy}"


@dataclass
class PacketVerdict:
    """What becomes of a packet. verdict: accept, drop or unknown; decision: what decides, None where nothing does.

    droppers: what surely drops the packet in each base chain that does; fields: the packet after its way.
    """

    verdict: str
    decision: Optional[Decision]
    droppers: List[Decision]
    fields: Fields


@dataclass
class _Outcomes:
    """What may become of a packet in a chain: verdicts, each with what gives it, and whether it may go on."""

    verdicts: Dict[str, Decision] = field(default_factory=dict)
    goes_on: bool = True

    def may(self, verdict: str, decision: Decision) -> None:
        self.verdicts.setdefault(verdict, decision)


class _TooLongError(Exception):
    """More rules than anybody wants to wait for, by jumps within jumps."""


def evaluate_packet(ruleset: Ruleset, direction: str, family: str, packet: Fields) -> PacketVerdict:
    """What becomes of one packet. direction: in (to this host) or out (from it); packet: its fields on the wire."""
    fields = dict(packet)
    walk = _Walk(ruleset, fields)
    tracking = _Tracking(fields)
    interface = fields.get("meta iifname" if direction == "in" else "meta oifname", UNKNOWN)
    droppers: List[Decision] = []
    doubt: Optional[Decision] = None
    last_accept: Optional[Decision] = None
    for base, verdicts in (
        pair
        for hook in _HOOKS[direction]
        for _priority, group in groupby(ruleset.base_chains(hook, family), lambda base: base.priority)
        for pair in _evaluate_equals(
            walk, tracking, [base for base in group if _on_device(base, interface) is not False]
        )
    ):
        if set(verdicts) == {DROP} and _on_device(base, interface):
            droppers.append(verdicts[DROP])
        elif set(verdicts) != {ACCEPT}:
            doubt = doubt or verdicts.get(DROP) or verdicts[UNKNOWN_VERDICT]
        elif verdicts[ACCEPT].rule:
            last_accept = verdicts[ACCEPT]
    if droppers:
        return PacketVerdict(DROP, droppers[0], droppers, fields)
    if doubt:
        return PacketVerdict(UNKNOWN_VERDICT, doubt, [], fields)
    return PacketVerdict(ACCEPT, last_accept, [], fields)


def _evaluate_equals(
    walk: _Walk, tracking: _Tracking, bases: Sequence[Chain]
) -> List[Tuple[Chain, Mapping[str, Decision]]]:
    """The verdicts of base chains of one hook and one priority.

    Which of them comes first hangs on when each was made, and no listing says that. So what any of them assigns is
    not known to any of them.
    """
    forgotten: Set[str] = set()
    before = dict(walk.fields)
    while True:
        results: List[Tuple[Chain, Mapping[str, Decision]]] = []
        changed: Set[str] = set()
        for base in bases:
            if base.kind != "nat" or tracking.is_first:
                walk.fields.update({**before, **dict.fromkeys(forgotten, UNKNOWN)})
                tracking.enter(base)
                results.append((base, walk.base_chain(base).verdicts))
                tracking.leave()
                changed |= {name for name, value in walk.fields.items() if before.get(name) != value}
        if len(results) < 2:
            return results
        walk.fields.update(dict.fromkeys(changed | forgotten, UNKNOWN))
        if changed <= forgotten:
            return results
        forgotten |= changed


def _on_device(base: Chain, interface: Value) -> Answer:
    if base.devices == ():
        return True
    if base.devices is None or interface in (OUTSIDE, UNKNOWN):
        return None
    return interface in base.devices


class _Tracking:
    """What a packet's connection state looks like from each base chain."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._state = fields["ct state"]
        self._seen = self._state
        self._changed = False

    @property
    def is_first(self) -> bool:
        """Whether the packet begins a connection that is tracked, so that it passes through chains of type nat."""
        return self._state == point(CT_STATES["new"]) and self._fields["ct state"] != point(CT_STATES["untracked"])

    def enter(self, base: Chain) -> None:
        """Set the state as rules of this chain see it; what a rule said of it (notrack) stays said."""
        if self._changed:
            return
        if base.hook == "ingress" or (base.hook in ("prerouting", "output") and base.priority < CONNTRACK_PRIORITY):
            self._seen = point(CT_STATES["invalid"])
        elif base.hook in ("prerouting", "output") and base.priority == CONNTRACK_PRIORITY:
            self._seen = UNKNOWN
        else:
            self._seen = self._state
        self._fields["ct state"] = self._seen

    def leave(self) -> None:
        """Notice what the chain's rules did to the state."""
        self._changed = self._changed or self._fields["ct state"] != self._seen
        if not self._changed:
            self._fields["ct state"] = self._state


@dataclass(frozen=True)
class _Place:
    """Where a packet is: at a rule of a chain, as deep in jumps as this, with what may become of it in this chain."""

    chain: Chain
    rule: FilterRule
    depth: int
    narrow: bool
    outcomes: _Outcomes


class _Walk:
    """Walks the chains of one ruleset for one packet."""

    def __init__(self, ruleset: Ruleset, fields: Fields) -> None:
        self._ruleset = ruleset
        self.fields = fields
        self._steps_left = _MOST_STEPS
        self._base: Chain
        self._forked = False

    def base_chain(self, base: Chain) -> _Outcomes:
        """All that may become of a packet in a base chain; where it may reach the end, the policy is among it."""
        self._base = base
        self._forked = False
        try:
            outcomes = self._chain(base, 0, narrow=False)
        except _TooLongError:
            return _Outcomes({UNKNOWN_VERDICT: Decision(base, None, base)})
        if outcomes.goes_on:
            outcomes.may(base.policy, Decision(base, None, base))
        return outcomes

    def _chain(self, chain: Chain, depth: int, narrow: bool) -> _Outcomes:
        """All that may become of a packet in a chain; it goes on where it may reach the end, or return before it."""
        outcomes = _Outcomes(goes_on=False)
        for rule in chain.rules:
            self._steps_left -= 1
            if self._steps_left < 0 or depth > _MOST_JUMPS:
                raise _TooLongError
            if not self._rule(_Place(chain, rule, depth, narrow, outcomes)):
                return outcomes
        outcomes.goes_on = True
        return outcomes

    def _rule(self, place: _Place) -> bool:
        """Carry out one rule; whether the packet may go on to the next."""
        certain = True
        for step in place.rule.content.steps:
            if isinstance(step, Match):
                answer = step.test(self.fields)
                if answer is False:
                    return True
                certain = certain and answer is True
            elif isinstance(step, Assign):
                self._assign(step, certain)
            elif isinstance(step, Unsupported):
                certain = False
                self._verdict(place, Verdict("other"), certain)
            elif isinstance(step, Verdict):
                return self._verdict(place, step, certain) or not certain
            else:
                return self._choice(place, step, certain) or not certain
        return True

    def _assign(self, step: Assign, certain: bool) -> None:
        """Assign, or where the packet may have gone another way, forget what the field was."""
        fields, name = self.fields, step.name
        if name.startswith("ct ") and name != "ct state" and value_of(name, fields) is ABSENT:
            return  # There is no connection to hold it.
        value = step.value(fields)
        if (certain and not self._forked) or name.startswith("touched "):
            fields[name] = value
        elif fields.get(name) != value:
            fields[name] = UNKNOWN

    def _choice(self, place: _Place, step: Choice, certain: bool) -> bool:
        """Carry out a verdict map; whether the packet may go on, as one does that is not in the map."""
        goes_on = False
        for sure, verdict in step.options(self.fields):
            if sure is not False:
                certain = certain and sure is True
                goes_on = self._verdict(place, verdict, certain) or goes_on
            if sure is True:
                return goes_on
        return True

    def _verdict(self, place: _Place, verdict: Verdict, certain: bool) -> bool:
        """Carry out one verdict; whether the packet may go on to the next rule of this chain."""
        # Whatever is assigned from here on holds for one of two ways only.
        self._forked = self._forked or not certain
        narrow = place.narrow or place.rule.content.narrow
        target = self._ruleset.chains.get((place.chain.table, verdict.target))
        if verdict.kind in ("jump", "goto") and target is not None:
            inner = self._chain(target, place.depth + 1, narrow)
            for kind, decision in inner.verdicts.items():
                place.outcomes.may(kind, decision)
            if verdict.kind == "jump":
                return inner.goes_on
            place.outcomes.goes_on = place.outcomes.goes_on or inner.goes_on
        elif verdict.kind == "return":
            place.outcomes.goes_on = True
        elif verdict.kind != "continue":
            kind = verdict.kind if verdict.kind in (ACCEPT, DROP) else UNKNOWN_VERDICT
            place.outcomes.may(kind, Decision(place.chain, place.rule, self._base, narrow))
        return verdict.kind == "continue"
