# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walk of a packet through a ruleset: every base chain of every hook that it passes, in order.

An unknown condition is followed both ways, so that the result is the set of all verdicts that the packet may get. The
verdict is accept or drop only where that set has one member.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ..model.addresses import point
from ..model.literals import Direction, Family, Outcome
from .fields import CT_STATES, value_of
from .ruleset import CONNTRACK_PRIORITY, Assign, Chain, Choice, FilterRule, Match, Ruleset, Unsupported, Verdict
from .values import ABSENT, OUTSIDE, UNKNOWN, Answer, Fields, Value

ACCEPT: Outcome = "accept"
DROP: Outcome = "drop"
UNKNOWN_VERDICT: Outcome = "unknown"
_OUTCOMES: Mapping[str, Outcome] = {ACCEPT: ACCEPT, DROP: DROP}

_HOOKS: Mapping[Direction, Tuple[str, ...]] = {
    "in": ("ingress", "prerouting", "input"),
    "out": ("output", "postrouting", "egress"),
}
_MOST_STEPS = 2_000_000
_MOST_JUMPS = 16  # NFT_JUMP_STACK_SIZE


Jump = Tuple[Chain, FilterRule]
"""Rule that sends packets to another chain, behind the chain that the rule stands in."""


@dataclass(frozen=True)
class Decision:
    """Rule of a chain that decides, or with no rule the chain's policy.

    base: the base chain whose jumps led there; way: those jumps, in their order.
    """

    chain: Chain
    rule: Optional[FilterRule]
    base: Chain
    way: Tuple[Jump, ...] = ()

    @property
    def narrow(self) -> bool:
        """Return whether a rule on the way there singles out some packets by address, port or mark."""
        rules = [rule for _chain, rule in self.way] + ([self.rule] if self.rule else [])
        return any(rule.content.narrow for rule in rules)

    @property
    def label(self) -> str:
        """Return the decision as people name it."""
        return f"{self.chain.label}: {self.rule.text if self.rule else 'policy ' + self.chain.policy}"


@dataclass(frozen=True)
class Ending:
    """Rule at which a packet may leave a chain; with no rule the chain's end.

    way: the jumps that led to the chain; certain: the rule's own conditions surely hold.
    """

    chain: Chain
    rule: Optional[FilterRule]
    way: Tuple[Jump, ...]
    certain: bool


@dataclass
class PacketVerdict:
    """Verdict on a packet: accept, drop or unknown.

    decision: what decides, None where nothing does; droppers: the sure drop in each base chain that has one;
    fields: the packet at the end of its way; drops: each base chain with all endings at which it may drop.
    """

    verdict: Outcome
    decision: Optional[Decision]
    droppers: List[Decision]
    fields: Fields
    drops: Sequence[Tuple[Chain, Sequence[Ending]]] = ()


@dataclass
class _Outcomes:
    """Everything that may become of a packet in a chain.

    verdicts: each with what gives it; drops: every ending that drops; exits: those that lead back to the caller.
    """

    verdicts: Dict[Outcome, Decision] = field(default_factory=dict)
    drops: List[Ending] = field(default_factory=list)
    exits: List[Ending] = field(default_factory=list)

    @property
    def goes_on(self) -> bool:
        """Return whether the packet may go on in the chain that led to this one."""
        return bool(self.exits)

    def may(self, verdict: Outcome, decision: Decision) -> None:
        self.verdicts.setdefault(verdict, decision)


class _TooLongError(Exception):
    """Error for more rules than an evaluation may take, by jumps within jumps."""


def evaluate_packet(ruleset: Ruleset, direction: Direction, family: Family, packet: Fields) -> PacketVerdict:
    """Return the verdict on one packet. direction: in (to this host) or out; packet: its fields on the wire."""
    fields = dict(packet)
    walk = _Walk(ruleset, fields)
    tracking = _Tracking(fields)
    interface = fields.get("meta iifname" if direction == "in" else "meta oifname", UNKNOWN)
    droppers: List[Decision] = []
    undecided: Optional[Decision] = None
    last_accept: Optional[Decision] = None
    drops: List[Tuple[Chain, Sequence[Ending]]] = []
    for base, outcomes in (
        pair
        for hook in _HOOKS[direction]
        for _priority, group in groupby(ruleset.base_chains(hook, family), lambda base: base.priority)
        for pair in _evaluate_equals(
            walk, tracking, [base for base in group if _on_device(base, interface) is not False]
        )
    ):
        verdicts = outcomes.verdicts
        if outcomes.drops:
            drops.append((base, outcomes.drops))
        if set(verdicts) == {DROP} and _on_device(base, interface):
            droppers.append(verdicts[DROP])
        elif set(verdicts) != {ACCEPT}:
            undecided = undecided or verdicts.get(DROP) or verdicts[UNKNOWN_VERDICT]
        elif verdicts[ACCEPT].rule:
            last_accept = verdicts[ACCEPT]
    if droppers:
        return PacketVerdict(DROP, droppers[0], droppers, fields, drops)
    if undecided:
        return PacketVerdict(UNKNOWN_VERDICT, undecided, [], fields, drops)
    return PacketVerdict(ACCEPT, last_accept, [], fields)


def _evaluate_equals(walk: _Walk, tracking: _Tracking, bases: Sequence[Chain]) -> List[Tuple[Chain, _Outcomes]]:
    """Return the outcomes of base chains of one hook and one priority.

    Their order depends on when each was made, which no listing says. So a field that any of them assigns is unknown to
    all of them.
    """
    forgotten: Set[str] = set()
    before = dict(walk.fields)
    while True:
        results: List[Tuple[Chain, _Outcomes]] = []
        changed: Set[str] = set()
        for base in bases:
            if base.kind != "nat" or tracking.is_first:
                walk.fields.update({**before, **dict.fromkeys(forgotten, UNKNOWN)})
                tracking.enter(base)
                results.append((base, walk.base_chain(base)))
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
    """Connection state of a packet, as each base chain sees it."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._state = fields["ct state"]
        self._seen = self._state
        self._changed = False

    @property
    def is_first(self) -> bool:
        """Return whether the packet begins a tracked connection, so that it passes through chains of type nat."""
        return self._state == point(CT_STATES["new"]) and self._fields["ct state"] != point(CT_STATES["untracked"])

    def enter(self, base: Chain) -> None:
        """Set the state as rules of this chain see it, unless a rule has set it for good (notrack)."""
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
        """Note whether the chain's rules changed the state."""
        self._changed = self._changed or self._fields["ct state"] != self._seen
        if not self._changed:
            self._fields["ct state"] = self._state


@dataclass(frozen=True)
class _Position:
    """Position of a packet: a rule of a chain, the jumps that led there, and the outcomes in this chain so far."""

    chain: Chain
    rule: FilterRule
    way: Tuple[Jump, ...]
    outcomes: _Outcomes

    def ending(self, certain: bool) -> Ending:
        """Return the packet's ending at this rule."""
        return Ending(self.chain, self.rule, self.way, certain)


class _Walk:
    """Walk of one packet through the chains of one ruleset."""

    def __init__(self, ruleset: Ruleset, fields: Fields) -> None:
        self._ruleset = ruleset
        self.fields = fields
        self._steps_left = _MOST_STEPS
        self._base: Chain
        self._forked = False

    def base_chain(self, base: Chain) -> _Outcomes:
        """Return the outcomes of a base chain, with its policy where the packet may reach the end."""
        self._base = base
        self._forked = False
        try:
            outcomes = self._chain(base, ())
        except _TooLongError:
            return _Outcomes({UNKNOWN_VERDICT: Decision(base, None, base)})
        if outcomes.goes_on:
            outcomes.may(DROP if base.policy == DROP else ACCEPT, Decision(base, None, base))
            if base.policy == DROP:
                outcomes.drops += outcomes.exits
        return outcomes

    def _chain(self, chain: Chain, way: Tuple[Jump, ...]) -> _Outcomes:
        """Return the outcomes of a chain, with an exit where the packet may reach the end, or return before it."""
        outcomes = _Outcomes()
        for rule in chain.rules:
            self._steps_left -= 1
            if self._steps_left < 0 or len(way) > _MOST_JUMPS:
                raise _TooLongError
            if not self._rule(_Position(chain, rule, way, outcomes)):
                return outcomes
        outcomes.exits.append(Ending(chain, None, way, certain=True))
        return outcomes

    def _rule(self, position: _Position) -> bool:
        """Apply one rule. Return whether the packet may go on to the next."""
        certain = True
        for step in position.rule.content.steps:
            if isinstance(step, Match):
                answer = step.test(self.fields)
                if answer is False:
                    return True
                certain = certain and answer is True
            elif isinstance(step, Assign):
                self._assign(step, certain)
            elif isinstance(step, Unsupported):
                certain = False
                self._verdict(position, Verdict("other"), certain)
            elif isinstance(step, Verdict):
                return self._verdict(position, step, certain) or not certain
            else:
                return self._choice(position, step, certain) or not certain
        return True

    def _assign(self, step: Assign, certain: bool) -> None:
        """Assign a value, or make the field unknown where the packet may have gone another way."""
        fields, name = self.fields, step.name
        if name.startswith("ct ") and name != "ct state" and value_of(name, fields) is ABSENT:
            return  # There is no connection to hold it.
        value = step.value(fields)
        if (certain and not self._forked) or name.startswith("touched "):
            fields[name] = value
        elif fields.get(name) != value:
            fields[name] = UNKNOWN

    def _choice(self, position: _Position, step: Choice, certain: bool) -> bool:
        """Apply a verdict map. Return whether the packet may go on, as one does that is not in the map."""
        goes_on = False
        for sure, verdict in step.options(self.fields):
            if sure is not False:
                certain = certain and sure is True
                goes_on = self._verdict(position, verdict, certain) or goes_on
            if sure is True:
                return goes_on
        return True

    def _verdict(self, position: _Position, verdict: Verdict, certain: bool) -> bool:
        """Apply one verdict. Return whether the packet may go on to the next rule of this chain."""
        # From here on an assignment holds for one of two ways only.
        self._forked = self._forked or not certain
        outcomes = position.outcomes
        target = self._ruleset.chains.get((position.chain.table, verdict.target))
        if verdict.kind in ("jump", "goto") and target is not None:
            inner = self._chain(target, (*position.way, (position.chain, position.rule)))
            for kind, decision in inner.verdicts.items():
                outcomes.may(kind, decision)
            outcomes.drops += inner.drops
            if verdict.kind == "jump":
                return inner.goes_on
            outcomes.exits += inner.exits
        elif verdict.kind == "return":
            outcomes.exits.append(position.ending(certain))
        elif verdict.kind != "continue":
            kind = _OUTCOMES.get(verdict.kind, UNKNOWN_VERDICT)
            outcomes.may(kind, Decision(position.chain, position.rule, self._base, position.way))
            if kind == DROP:
                outcomes.drops.append(position.ending(certain))
        return verdict.kind == "continue"
