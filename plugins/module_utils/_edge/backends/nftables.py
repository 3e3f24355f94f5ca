# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nftables backend: accept rules in chains of the administrator's own tables that drop by default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..evaluator.placement import places_of
from ..evaluator.rebuilt import rebuilder_of
from ..evaluator.ruleset import Chain, FilterRule, Ruleset
from ..host.digests import BANNER
from ..host.facts import Facts
from ..host.persistence import ACCEPTS_FILE, LOCK, Kept
from ..host.runner import Runner, find_program
from ..model.desired import Desired
from ..model.literals import Direction
from ..model.ownership import COMMENT, TABLE, TABLE_NAME
from ..model.plan import Item, Observation, Placed, Unmanaged, make_plan
from ..model.rollback_data import RollbackData
from ..model.steps import LoadNft, Step
from .base import Backend, Change, Snapshot
from .nft_accepts import groups_in, is_plain, read_listing, read_rule, write_loader, write_rule
from .placing import ChainKey, Slot, Slots, segments, slots_by_chain, with_slots

_DIRECTIONS: Mapping[str, Direction] = {"input": "in", "output": "out"}
_FORWARDED: Mapping[str, bool] = {"input": False, "output": False, "forward": True}
_TABLE_FAMILIES = ("inet", "ip", "ip6")


@dataclass(frozen=True)
class NftablesSnapshot(Snapshot):
    """program: path of nft; texts: the rules of each unmanaged chain, with handles, as nft lists them."""

    program: str = "nft"
    texts: Mapping[ChainKey, Sequence[Tuple[int, str]]] = field(default_factory=dict)


class NftablesBackend(Backend[NftablesSnapshot]):
    """Accept rules in unmanaged chains. run: runs programs."""

    name: ClassVar[str] = "nftables"

    def __init__(self, run: Runner) -> None:
        self._run = run

    def observe(self, facts: Facts) -> NftablesSnapshot:
        """See Backend.observe."""
        program = find_program("nft") or "nft"
        texts: Mapping[ChainKey, Sequence[Tuple[int, str]]] = {}
        if any(_may_hold_accepts(facts.firewall.ruleset, key) for key in facts.firewall.ruleset.chains):
            texts = read_listing(self._run([program, "-s", "-a", "-t", "list", "ruleset"], "").stdout)
        return NftablesSnapshot(facts, program=program, texts=texts)

    def without_managed(self, _snapshot: NftablesSnapshot, ruleset: Ruleset) -> Ruleset:
        """See Backend.without_managed."""
        for key, chain in list(ruleset.chains.items()):
            if chain.table != TABLE and any(map(_is_managed, chain.rules)):
                ruleset = ruleset.with_rules(key, [rule for rule in chain.rules if not _is_managed(rule)])
        return ruleset

    def has_traces(self, snapshot: NftablesSnapshot) -> bool:
        """See Backend.has_traces."""
        return any(True for _entry in _managed_entries(snapshot.facts))

    def plan(self, snapshot: NftablesSnapshot, desired: Desired) -> Change:
        """See Backend.plan."""
        slots, warnings = _slots(snapshot, desired)
        observed = tuple(_observed(snapshot, desired, slots))
        target = tuple(
            Placed(Chain.label_of(key), rule) for key, found in slots.items() for slot in found for rule in slot.rules
        )
        plan = make_plan(Observation(observed), target)
        groups = {key: [(_text_of(snapshot, key, one.before), _rules(one)) for one in slots[key]] for key in slots}
        loader = write_loader(snapshot.program, groups) if slots else ""
        return Change(
            plan=plan,
            live=_live(snapshot, slots) if plan.changed else (),
            simulated=with_slots(snapshot.unmanaged, slots),
            kept=_kept(loader),
            rollback=_rollback(snapshot, slots),
            warnings=warnings,
        )


def _is_managed(rule: FilterRule) -> bool:
    return rule.comment.startswith(COMMENT)


def _may_hold_accepts(ruleset: Ruleset, key: ChainKey) -> bool:
    """Return whether accept rules may stand in a chain: not in those that a program manages, or iptables made."""
    family, _space, table = key[0].partition(" ")
    is_free = key[0] not in ruleset.owners and not rebuilder_of(ruleset.chains[key])
    return family in _TABLE_FAMILIES and is_free and table != TABLE_NAME


def _slots(snapshot: NftablesSnapshot, desired: Desired) -> Tuple[Dict[ChainKey, List[Slot]], Tuple[str, ...]]:
    """Return the slots that are desired, and why some that are needed cannot be had."""
    if not (desired.present and desired.integrate):
        return {}, ()
    places = places_of(snapshot.unmanaged, desired.accepts, snapshot.facts.routes)
    found = {place: rules for place, rules in places.items() if _may_hold_accepts(snapshot.unmanaged, place.chain)}
    odd = sorted({Chain.label_of(place.chain) for place in found if not all(map(is_plain, _names(place.chain)))})
    usable = {place: rules for place, rules in found.items() if all(map(is_plain, _names(place.chain)))}
    warnings = tuple(
        f"{label} drops by default, and its name cannot stand in a script: rename it, or accept the table's rows there"
        for label in odd
    )
    return slots_by_chain(usable, snapshot.unmanaged), warnings


def _names(key: ChainKey) -> Tuple[str, str]:
    return key[0].partition(" ")[2], key[1]


def _managed_entries(facts: Facts) -> Iterator[Mapping[str, Any]]:
    for entry in (facts.firewall.listing or {}).get("nftables", ()):
        rule = entry.get("rule")
        if (
            rule
            and rule.get("table") != TABLE_NAME
            and str(rule.get("comment", "")).startswith(COMMENT)
            # None is put where names are of another kind.
            and all(is_plain(rule.get(key, "")) for key in ("table", "chain"))
        ):
            yield rule


def _key(entry: Mapping[str, Any]) -> ChainKey:
    return f"{entry['family']} {entry['table']}", entry["chain"]


def _observed(snapshot: NftablesSnapshot, desired: Desired, slots: Slots) -> Iterator[Item]:
    """Yield what unmanaged chains have of accept rules, as Placed, or as Unmanaged where it is not as it should be."""
    entries = {(_key(entry), entry["handle"]): entry for entry in _managed_entries(snapshot.facts)}
    chains = snapshot.facts.firewall.ruleset.chains
    for key in sorted({key for key, _handle in entries}):
        chain = chains[key]
        _in_place, astray = segments(chain.rules, _is_managed, slots.get(key, ()))
        for rule in filter(_is_managed, chain.rules):
            entry = entries[key, rule.handle or 0]
            read = read_rule(entry, _DIRECTIONS.get(chain.hook), _FORWARDED.get(chain.hook), desired.accepts)
            if read is None or (rule in astray and key in slots):
                what = "is not as it would be written" if read is None else "does not precede what drops by default"
                yield Unmanaged(Chain.label_of(key), f'comment "{rule.comment}" {what}')
            else:
                yield Placed(Chain.label_of(key), read)


def _rules(slot: Slot) -> List[str]:
    return [write_rule(rule) for rule in slot.rules]


def _text_of(snapshot: NftablesSnapshot, key: ChainKey, rule: Optional[FilterRule]) -> str:
    """Return the text of an unmanaged rule, empty for none."""
    return "" if rule is None else dict(snapshot.texts.get(key, ())).get(rule.handle or 0, "")


def _live(snapshot: NftablesSnapshot, slots: Slots) -> Tuple[Step, ...]:
    """Return the one transaction that puts the rules in their slots, in place of all that are managed."""
    lines = [
        f"delete rule {' '.join(_key(entry))} handle {entry['handle']}\n" for entry in _managed_entries(snapshot.facts)
    ]
    for key, found in slots.items():
        for slot in found:
            where = " ".join(key)
            verb = f"add rule {where}" if slot.before is None else f"insert rule {where} handle {slot.before.handle}"
            lines += [f"{verb} {text}\n" for text in _rules(slot)]
    return (LoadNft(snapshot.program, "".join(lines)),)


def _kept(loader: str) -> Tuple[Kept, ...]:
    if not loader:
        return ()
    files = {ACCEPTS_FILE: f"#!/bin/sh\n{BANNER}{LOCK}{loader}"}
    return (Kept("nftables", files, load=(f"/bin/sh {ACCEPTS_FILE}",), unload=()),)


def _rollback(snapshot: NftablesSnapshot, slots: Slots) -> RollbackData:
    """Return what puts the accept rules of now back where they are now, in all chains that have some now or then."""
    keys = sorted({*slots, *(_key(entry) for entry in _managed_entries(snapshot.facts))})
    if not keys:
        return RollbackData()
    groups = {key: groups_in(snapshot.texts.get(key, ())) for key in keys}
    return RollbackData(data={"accepts.sh": write_loader(snapshot.program, groups)}, live=("/bin/sh accepts.sh",))
