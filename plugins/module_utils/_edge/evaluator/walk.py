# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walk of a packet through a ruleset: every base chain of every hook that it passes, in order.

An unknown condition is followed both ways, so that the result is the set of all verdicts that the packet may get. The
verdict is accept or drop only where that set has one member.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Dict, FrozenSet, List, Mapping, Optional, Sequence, Set, Tuple

from ..model.addresses import overlap, point
from ..model.literals import Direction, Outcome, PacketFamily
from .fields import CT_STATES, value_of
from .ruleset import (
    CONNTRACK_PRIORITY,
    Assign,
    Chain,
    Choice,
    FilterRule,
    Match,
    Ruleset,
    Run,
    Translate,
    Unsupported,
    Verdict,
)
from .translation import AS_SENT, CONSEQUENCES, ELSEWHERE, HERE, PLACES, Translation
from .values import ABSENT, OUTSIDE, UNKNOWN, Answer, Fields, Value

ACCEPT: Outcome = "accept"
DROP: Outcome = "drop"
UNKNOWN_VERDICT: Outcome = "unknown"
_OUTCOMES: Mapping[str, Outcome] = {ACCEPT: ACCEPT, DROP: DROP}

_HOOKS: Mapping[Direction, Tuple[str, ...]] = {
    "in": ("ingress", "prerouting", "input"),
    "out": ("output", "postrouting", "egress"),
}
_ROUTED_AFTER: Mapping[Direction, str] = {"in": "prerouting", "out": "output"}
_STRAIGHT: Mapping[Direction, str] = {"in": HERE, "out": AS_SENT}
"""Where a packet goes that nothing translates."""
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
    fields: the packet at the end of its way; drops: each base chain with all endings at which it may drop;
    translation: what was translated, and where the packet goes.
    """

    verdict: Outcome
    decision: Optional[Decision]
    droppers: List[Decision]
    fields: Fields
    drops: Sequence[Tuple[Chain, Sequence[Ending]]]
    translation: Translation


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


# Since Linux 5.7 chains at postrouting see the interface that a packet came by, and of messages of neighbour discovery,
# which came by none, the one that they leave by (ip6_output.c, ndisc.c).
_UNKNOWN_ORIGIN = dict.fromkeys(("meta iif", "meta iifname", "meta iifgroup", "meta iiftype"), UNKNOWN)


class _TooLongError(Exception):
    """Error for more rules than an evaluation may take, by jumps within jumps."""


def evaluate_packet(
    ruleset: Ruleset,
    direction: Direction,
    family: PacketFamily,
    packet: Fields,
    translations: Optional[Mapping[str, Fields]] = None,
    forwarded_by: Optional[str] = None,
    until_dropped_in: Optional[str] = None,
) -> PacketVerdict:
    """Return the verdict on one packet. direction: in (to this host) or out; packet: its fields on the wire.

    translations: fields that a packet behind the first one gets at each hook, from what the first one met;
    forwarded_by: the interface by which a packet behind the first one leaves this host again, None for one that stays;
    until_dropped_in: the table whose sure drop ends the walk, since what else drops the packet does not matter.
    """
    fields = dict(packet)
    interface = fields.get("meta iifname" if direction == "in" else "meta oifname", UNKNOWN)
    way = forwarded_by or (HERE if direction == "in" else AS_SENT)
    walk = _Walk(ruleset, fields, Translation(ruleset, family, fields, {way}))
    journey = _Journey(walk, _Tracking(fields), translations or {})
    hooks = list(_HOOKS[direction])
    while hooks and not journey.has_ended(until_dropped_in):
        hook = hooks.pop(0)
        if hook == "postrouting" and direction == "out" and "icmpv6 type" in fields:
            fields.update(_UNKNOWN_ORIGIN)
        journey.pass_hook(hook, ruleset.base_chains(hook, family), interface)
        marked = family in ruleset.routed_by_mark and fields.get("meta mark") != point(0)
        if marked and (hook == "output" or (hook == "prerouting" and walk.translation.way != HERE)):
            walk.translation.ways.add(None)
        if hook == _ROUTED_AFTER[direction] and walk.translation.way != _STRAIGHT[direction]:
            hooks, interface = _elsewhere(walk, direction)
    path = walk.translation.way
    if journey.droppers:
        return PacketVerdict(DROP, journey.droppers[0], journey.droppers, fields, journey.drops, walk.translation)
    if journey.undecided or path is None or (direction == "out" and path == HERE):
        decision = journey.undecided or walk.redirected_by
        return PacketVerdict(UNKNOWN_VERDICT, decision, [], fields, journey.drops, walk.translation)
    return PacketVerdict(ACCEPT, journey.last_accept, [], fields, (), walk.translation)


def _elsewhere(walk: _Walk, direction: Direction) -> Tuple[List[str], Value]:
    """Return the hooks that a packet still passes which does not go where it went untranslated, and its interface.

    There are none where that is not known, or where a packet of this host comes back to it.
    """
    translation = walk.translation
    if direction == "in" and translation.family not in translation.ruleset.forwards:
        translation.ways.add(None)
    way = translation.way
    if way is None or way == HERE:
        return [], UNKNOWN
    name: Value = OUTSIDE if way == ELSEWHERE else way
    walk.fields.update({"meta oifname": name, "meta oif": name})
    return [*(["forward"] if direction == "in" else []), "postrouting", "egress"], name


class _Journey:
    """Everything that becomes of a packet, hook by hook.

    droppers: the sure drop in each base chain that has one; drops: each base chain with all endings at which it may
    drop; undecided: the first decision that may drop the packet; last_accept: the last that accepts it.
    """

    def __init__(self, walk: _Walk, tracking: _Tracking, translations: Mapping[str, Fields]) -> None:
        self._walk = walk
        self._tracking = tracking
        self._translations = translations
        self._unsure: Set[Tuple[str, str]] = set()
        self.droppers: List[Decision] = []
        self.drops: List[Tuple[Chain, Sequence[Ending]]] = []
        self.undecided: Optional[Decision] = None
        self.last_accept: Optional[Decision] = None

    def pass_hook(self, hook: str, bases: Sequence[Chain], interface: Value) -> None:
        """Pass all chains of a hook, in the order of their priorities."""
        self._walk.translation.done = False
        lower = self._walk.translation.ruleset.lower
        self._unsure = {base.key for base in bases if _on_device(base, interface, lower) is None}
        for units in _by_priority(hook, [base for base in bases if _on_device(base, interface, lower) is not False]):
            for base, outcomes in self._evaluate_equals(units, self._translations.get(hook, {})):
                self._note(base, outcomes, _on_device(base, interface, lower))

    def has_ended(self, table: Optional[str]) -> bool:
        """Return whether a table has surely dropped the packet."""
        return table is not None and any(dropper.base.table == table for dropper in self.droppers)

    def _note(self, base: Chain, outcomes: _Outcomes, on_device: Answer) -> None:
        verdicts = outcomes.verdicts
        if outcomes.drops:
            self.drops.append((base, outcomes.drops))
        if set(verdicts) == {DROP} and on_device:
            self.droppers.append(verdicts[DROP])
        elif set(verdicts) != {ACCEPT}:
            self.undecided = self.undecided or verdicts.get(DROP) or verdicts[UNKNOWN_VERDICT]
        elif verdicts[ACCEPT].rule:
            self.last_accept = verdicts[ACCEPT]

    def _evaluate_equals(self, units: Sequence[_Unit], later: Fields) -> List[Tuple[Chain, _Outcomes]]:
        """Return the outcomes of what has one hook and one priority.

        The order depends on when each was made, which no listing says. So a field that one of them assigns is unknown
        to the others, and of two that translate a packet either may be the one that does. later: fields that a packet
        behind the first gets from translation.
        """
        if len(units) == 1:
            return self._evaluate(units[0], later)
        walk, fields, before, translation = (
            self._walk,
            self._walk.fields,
            dict(self._walk.fields),
            self._walk.translation,
        )
        found = [_Found({}, translation, []) for _unit in units]
        tracking = self._tracking.state
        while True:
            previous, found = found, []
            for number, unit in enumerate(units):
                others = [one for other, one in enumerate(previous) if other != number]
                unsure = {name for other in others for name in other.changes if name not in other.translated(unit)}
                start = {**before, **dict.fromkeys(unsure, UNKNOWN)}
                fields.update(start)
                self._tracking.state = tracking
                walk.translation = translation.copy()
                results = self._evaluate(unit, later)
                changes = {**previous[number].changes, **_changes(start, fields)}
                found.append(_Found(changes, walk.translation, results))
            if [set(one.changes) for one in found] == [set(one.changes) for one in previous]:
                break
        fields.update(before)
        for name in {name for one in found for name in one.changes}:
            values = [one.changes[name] for one in found if name in one.changes]
            fields[name] = values[0] if len(values) == 1 else UNKNOWN
        self._merge(units, found, translation)
        return [pair for one in found for pair in one.results]

    def _merge(self, units: Sequence[_Unit], found: Sequence[_Found], before: Translation) -> None:
        """Take over what was translated. A chain is skipped where another one translates the packet before it."""
        translating = [one for one in found if one.translation.done is not False]
        self._walk.translation = translating[0].translation if translating else before
        if len(translating) > 1:
            for one in translating:
                self._walk.translation.new.update(one.translation.new)
            self._walk.translation.forget()
        for unit, one in zip(units, found):
            if unit.translates and any(other is not one for other in translating):
                own = set(one.changes).difference(one.translation.new)
                self._walk.fields.update(dict.fromkeys(own, UNKNOWN))
                for base, outcomes in one.results:
                    outcomes.may(ACCEPT, Decision(base, None, base))

    def _evaluate(self, unit: _Unit, later: Fields) -> List[Tuple[Chain, _Outcomes]]:
        """Return the outcomes of a chain, or of all chains of type nat of a hook."""
        if unit.translates and not self._tracking.is_first:
            self._walk.fields.update(later)
            return []
        if unit.translates and self._walk.fields["ct state"] is UNKNOWN and self._walk.translation.done is False:
            # A packet that is not tracked is not translated.
            self._walk.translation.done = None
        if not unit.translates or len(unit.chains) == 1:
            return [(base, self._enter(base)) for base in unit.chains]
        results: List[Tuple[Chain, _Outcomes]] = []
        for _priority, group in groupby(unit.chains, lambda base: base.priority):
            if self._walk.translation.done:
                break
            results += self._evaluate_equals([_Unit([base], translates=True) for base in group], later)
        return results

    def _enter(self, base: Chain) -> _Outcomes:
        self._tracking.enter(base)
        outcomes = self._walk.base_chain(base, may_be_skipped=base.key in self._unsure)
        self._tracking.leave()
        return outcomes


@dataclass(frozen=True)
class _Found:
    """What becomes of a packet in a unit. changes: its fields that are other ones afterwards."""

    changes: Fields
    translation: Translation
    results: Sequence[Tuple[Chain, _Outcomes]]

    def translated(self, other: _Unit) -> FrozenSet[str]:
        """Return the changes that another unit does not see, since it is skipped once the packet is translated."""
        return frozenset((*self.translation.new, *CONSEQUENCES)) if other.translates else frozenset()


def _changes(before: Fields, after: Fields) -> Fields:
    return {name: value for name, value in after.items() if before.get(name) != value}


@dataclass(frozen=True)
class _Unit:
    """Chains that run one after the other. translates: they are all those of type nat of a hook."""

    chains: Sequence[Chain]
    translates: bool = False


def _by_priority(hook: str, bases: Sequence[Chain]) -> List[List[_Unit]]:
    """Return the chains of a hook in their order; those of one priority may run in any order."""
    units = [(base.priority, _Unit([base])) for base in bases if base.kind != "nat"]
    if hook in PLACES:
        # A later packet is translated there without a chain.
        units.append((PLACES[hook], _Unit([base for base in bases if base.kind == "nat"], translates=True)))
    units.sort(key=lambda pair: pair[0])
    return [[unit for _priority, unit in group] for _priority, group in groupby(units, lambda pair: pair[0])]


def _on_device(base: Chain, interface: Value, lower: Mapping[str, FrozenSet[str]]) -> Answer:
    """Return whether a packet of an interface passes a chain. lower: the devices below each interface."""
    if base.devices == ():
        return True
    if base.devices is None or interface in (OUTSIDE, UNKNOWN):
        return None
    name = str(interface)
    if any(fnmatchcase(name, device) for device in base.devices):
        return True
    # Of several devices below an interface a packet passes one.
    below = lower.get(name, ())
    return None if any(fnmatchcase(one, device) for one in below for device in base.devices) else False


class _Tracking:
    """Connection state of a packet, as each base chain sees it."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._state = fields["ct state"]
        self._seen = self._state
        self._changed = False

    @property
    def state(self) -> Tuple[Value, bool]:
        """Return what rules have seen and done so far."""
        return self._seen, self._changed

    @state.setter
    def state(self, state: Tuple[Value, bool]) -> None:
        self._seen, self._changed = state

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

    def __init__(self, ruleset: Ruleset, fields: Fields, translation: Translation) -> None:
        self._ruleset = ruleset
        self.fields = fields
        self.translation = translation
        self.redirected_by: Optional[Decision] = None
        self._steps_left = _MOST_STEPS
        self._base: Chain
        self._forked = False

    def base_chain(self, base: Chain, *, may_be_skipped: bool) -> _Outcomes:
        """Return the outcomes of a base chain, with its policy where the packet may reach the end."""
        self._base = base
        # Where an earlier chain may have translated the packet, this one may be skipped.
        may_be_skipped = may_be_skipped or (base.kind == "nat" and self.translation.done is None)
        self._forked = may_be_skipped
        try:
            outcomes = self._chain(base, ())
        except _TooLongError:
            return _Outcomes({UNKNOWN_VERDICT: Decision(base, None, base)})
        if outcomes.goes_on:
            outcomes.may(DROP if base.policy == DROP else ACCEPT, Decision(base, None, base))
            if base.policy == DROP:
                outcomes.drops += outcomes.exits
        if may_be_skipped:
            outcomes.may(ACCEPT, Decision(base, None, base))
        return outcomes

    def _chain(self, chain: Chain, way: Tuple[Jump, ...]) -> _Outcomes:
        """Return the outcomes of a chain, with an exit where the packet may reach the end, or return before it."""
        outcomes = _Outcomes()
        for run in chain.runs:
            if run.name and self._passes_by(run):
                self._steps_left -= 1
                continue
            for rule in run.rules:
                self._steps_left -= 1
                if self._steps_left < 0 or len(way) > _MOST_JUMPS:
                    raise _TooLongError
                steps = rule.content.steps
                if steps and isinstance(steps[0], Match) and steps[0].test(self.fields) is False:
                    continue  # Most of many rules end here.
                if not self._rule(_Position(chain, rule, way, outcomes)):
                    return outcomes
        outcomes.exits.append(Ending(chain, None, way, certain=True))
        return outcomes

    def _passes_by(self, run: Run) -> bool:
        """Return whether the first condition of each rule of a run is False."""
        value = value_of(run.name, self.fields)
        return value is ABSENT or (isinstance(value, tuple) and not overlap(run.spans, [value]))

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
                if step.name == "meta mark" and self.redirected_by is None:
                    self.redirected_by = Decision(position.chain, position.rule, self._base, position.way)
            elif isinstance(step, Translate):
                self.translation.apply(step, certain and not self._forked)
                if step.side == "destination":
                    self.redirected_by = Decision(position.chain, position.rule, self._base, position.way)
                return self._verdict(position, Verdict("accept"), certain) or not certain
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
