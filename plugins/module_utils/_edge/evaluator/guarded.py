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
from .connection import Connection, first_packet, until_guard
from .rows import ANYWHERE, NO, UNKNOWN, YES, neighbour_of
from .ruleset import Ruleset
from .translation import HERE
from .walk import ACCEPT, DROP, Decision, PacketVerdict

# An address of the host that the table does not name, of the space for documentation (RFC 5737, RFC 3849).
_ANOTHER: Mapping[Family, str] = {"ipv4": "198.51.100.1", "ipv6": "2001:db8:ffff::1"}
_FORWARDED = (
    "connections of containers that it forwards do not pass the guard, and it forwards to one: a rule translates the "
    "destination of port {port}"
)


@dataclass(frozen=True)
class GuardVerdict:
    """Verdict on the guard of a row. guarded: yes where all that has to be closed is, no where something is open;
    decision: what decides that; subject: what it is about; reason: why it is unknown, where no rule decides that.
    """

    guarded: Effective
    decision: Optional[Decision]
    subject: str
    reason: str = ""


def evaluate_guards(ruleset: Ruleset, rules: Sequence[Rule]) -> Dict[str, GuardVerdict]:
    """Return the verdict on each row that has a guard, by row id. rules: all that are desired.

    Tried are remote addresses that the row does not list, addresses of the host that it does not name, and the family
    that it has no address of.
    """
    verdicts: Dict[str, GuardVerdict] = {}
    for guard in rules:
        if guard.action == "block":
            verdicts[guard.row] = _evaluate(ruleset, guard, [rule for rule in rules if rule.action == "allow"])
    return verdicts


def _evaluate(ruleset: Ruleset, guard: Rule, allows: Sequence[Rule]) -> GuardVerdict:
    closed: Optional[GuardVerdict] = None
    unsure: Optional[GuardVerdict] = None
    for connection in _forbidden(guard, allows):
        verdict = until_guard(ruleset, connection)
        if verdict.verdict == ACCEPT:
            return GuardVerdict(NO, verdict.decision, str(connection))
        if verdict.verdict == DROP:
            closed = closed or GuardVerdict(YES, _own(verdict), str(connection))
        else:
            unsure = unsure or GuardVerdict(UNKNOWN, verdict.decision, str(connection))
    if unsure is None and guard.direction == "out" and _is_published(ruleset, guard.port, allows):
        return GuardVerdict(UNKNOWN, None, "", _FORWARDED.format(port=guard.port))
    return unsure or closed or GuardVerdict(YES, None, "")


def _own(verdict: PacketVerdict) -> Optional[Decision]:
    """Return the guard among what drops a packet, or else whatever does first."""
    return next((one for one in verdict.droppers if one.chain.table == TABLE), verdict.decision)


def _forbidden(guard: Rule, allows: Sequence[Rule]) -> Iterator[Connection]:
    """Yield connections that the guard of a row has to keep from coming to pass."""
    direction: Direction = "in" if guard.direction == "in" else "out"
    for family in FAMILIES:
        of_row = [rule for rule in allows if rule.row == guard.row and rule.family == family]
        own = {address for rule in of_row for address in _addresses(rule.local)}
        named = {address for rule in allows if rule.family == family for address in _addresses(rule.local)}
        for local in (*sorted(named - own), _ANOTHER[family]):
            for remote in (*ANYWHERE[family], neighbour_of(local)):
                yield Connection(direction, family, local, remote, guard.port)
        for rule in of_row:
            for local in _addresses(rule.local):
                for remote in _outside(rule.remote, local):
                    yield Connection(direction, family, local, remote, guard.port)


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


def _is_published(ruleset: Ruleset, port: int, allows: Sequence[Rule]) -> bool:
    """Return whether a rule translates the destination of inbound connections to a port to that of another host."""
    without = ruleset.without_tables([TABLE])
    for rule in allows:
        for local in _addresses(rule.local):
            family = family_of(local)
            for remote in ANYWHERE[family]:
                if first_packet(without, Connection("in", family, local, remote, port)).translation.way != HERE:
                    return True
    return False
