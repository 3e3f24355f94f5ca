# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on what the table forbids: connections that must not come to pass, walked like those that must."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..model.addresses import FAMILIES, UNICAST, common, family_of, merged, number_of, point, text_of
from ..model.literals import Direction, Effective, Family
from ..model.ownership import TABLE
from ..model.rules import Group, Rule
from .connection import Connection, until_guard
from .published import is_unclear
from .rows import ANYWHERE, NO, UNKNOWN, WEIGHT, YES, Routes, locals_of, neighbour_of
from .ruleset import Ruleset
from .translation import ELSEWHERE, HERE
from .walk import ACCEPT, DROP, Decision, PacketVerdict

# An address of the host that the table does not name, of the space for documentation (RFC 5737, RFC 3849).
_ANOTHER: Mapping[Family, str] = {"ipv4": "198.51.100.1", "ipv6": "2001:db8:ffff::1"}
_UNCLEAR = "port {port} is translated to a place that is not known, so what is forwarded from there may pass the guard"


@dataclass(frozen=True)
class GuardVerdict:
    """Verdict on the guard of a row. guarded: yes where all that has to be closed is, no where something is open;
    decision: what decides that; subject: what it is about; reason: why it is unknown, where no rule decides that.
    """

    guarded: Effective
    decision: Optional[Decision]
    subject: str
    reason: str = ""


def evaluate_guards(
    ruleset: Ruleset, rules: Sequence[Rule], routes: Optional[Routes] = None
) -> Dict[str, GuardVerdict]:
    """Return the verdict on each row that has a guard, by row id. rules: all that are desired; routes: as facts have.

    Tried are remote addresses that the row does not list, addresses of the host that it does not name, and the family
    that it has no address of.
    """
    verdicts: Dict[str, GuardVerdict] = {}
    allows = [rule for rule in rules if rule.action == "allow"]
    for guard in rules:
        if guard.action == "block":
            verdict = _evaluate(ruleset, guard, allows, routes or {})
            known = verdicts.get(guard.row)
            if known is None or WEIGHT[verdict.guarded] > WEIGHT[known.guarded]:
                verdicts[guard.row] = verdict
    return verdicts


def _evaluate(ruleset: Ruleset, guard: Rule, allows: Sequence[Rule], routes: Routes) -> GuardVerdict:
    closed: Optional[GuardVerdict] = None
    unsure: Optional[GuardVerdict] = None
    if guard.forwarded and guard.family not in ruleset.forwards:
        return GuardVerdict(YES, None, "")  # Nothing of that family passes this host.
    if guard.inside and not guard.inside.ports:
        return GuardVerdict(UNKNOWN, None, "", _UNCLEAR.format(port=guard.port))
    forbidden = _forwarded(guard, allows, routes) if guard.forwarded else _forbidden(guard, allows)
    for connection in forbidden:
        verdict = until_guard(ruleset, connection)
        if verdict.verdict == ACCEPT:
            return GuardVerdict(NO, verdict.decision, str(connection))
        if verdict.verdict == DROP:
            closed = closed or GuardVerdict(YES, _own(verdict), str(connection))
        else:
            unsure = unsure or GuardVerdict(UNKNOWN, verdict.decision, str(connection))
    of_this_host = guard.direction == "out" and not guard.forwarded
    if unsure is None and of_this_host and is_unclear(ruleset, guard.port, allows, routes):
        return GuardVerdict(UNKNOWN, None, "", _UNCLEAR.format(port=guard.port))
    return unsure or closed or GuardVerdict(YES, None, "")


def _own(verdict: PacketVerdict) -> Optional[Decision]:
    """Return the guard among what drops a packet, or else whatever does first."""
    return next((one for one in verdict.droppers if one.chain.table == TABLE), verdict.decision)


def _forbidden(guard: Rule, allows: Sequence[Rule]) -> Iterator[Connection]:
    """Yield connections that the guard of a row has to keep from coming to pass."""
    direction: Direction = "in" if guard.direction == "in" else "out"
    for family in FAMILIES:
        inner = [rule.remote for rule in allows if rule.is_inner and (rule.row, rule.family) == (guard.row, family)]
        own_allows = [rule for rule in allows if rule.family == family and not rule.forwarded]
        of_row = [rule for rule in own_allows if rule.row == guard.row]
        own = {address for rule in of_row for address in _addresses(rule.local)}
        named = {address for rule in own_allows for address in _addresses(rule.local)}
        for local in (*sorted(named - own), _ANOTHER[family]):
            for remote in (*ANYWHERE[family], neighbour_of(local)):
                yield Connection(direction, family, local, remote, guard.port)
        for rule in of_row:
            for local in _addresses(rule.local):
                # What this host's own servers send it is not guarded.
                for remote in (one for one in _outside(rule.remote, local) if not any(_holds(g, one) for g in inner)):
                    yield Connection(direction, family, local, remote, guard.port)


def _forwarded(guard: Rule, allows: Sequence[Rule], routes: Routes) -> Iterator[Connection]:
    """Yield connections of the hosts that this one forwards for, which the guard of a row has to keep from passing."""
    of_row = [
        rule
        for rule in allows
        if rule.forwarded and rule.inside is None and (rule.row, rule.family) == (guard.row, guard.family)
    ]
    family = family_of(guard.local.networks[0]) if guard.local else "ipv4"
    outward = next(
        (way for (one, other), way in routes.items() if one != other and way and family_of(one) == family), None
    )
    for local in locals_of(guard):
        # A server behind a published port may be reached by that alone.
        allowed = [rule for rule in of_row if _holds(rule.local, local)] if guard.inside is None else []
        remotes = _outside(allowed[0].remote, local) if allowed else ANYWHERE[family]
        for remote in (one for one in remotes if not _holds(guard.local, one)):
            way = routes.get((local, remote)) or outward
            inner = routes.get((local, local)) or ELSEWHERE
            if HERE not in (inner, way):
                direction: Direction = "in" if guard.direction == "in" else "out"
                for port in guard.inside.ports if guard.inside else (guard.port,):
                    yield Connection(direction, family, local, remote, port, way, inner=inner)


def _holds(group: Optional[Group], address: str) -> bool:
    return group is not None and bool(common([point(number_of(address))], merged(group.spans)))


def _addresses(group: Optional[Group]) -> Tuple[str, ...]:
    return group.networks if group else ()


def _outside(group: Optional[Group], local: str) -> List[str]:
    """Return addresses that a list does not have: some of anywhere, and those next to its networks."""
    if group is None:
        return []
    family = family_of(local)
    listed = merged(group.spans)
    beside = [number for first, last in listed[:_MOST_BESIDE] for number in (first - 1, last + 1)]
    numbers = [*(number_of(one) for one in (*ANYWHERE[family], neighbour_of(local))), *beside]
    usable = [number for number in numbers if common([point(number)], UNICAST[family])]
    return [text_of(number, family) for number in dict.fromkeys(usable) if not common([point(number)], listed)]


_MOST_BESIDE = 4
