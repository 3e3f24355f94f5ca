# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guards: an nftables table of the collection's own, beside whichever manager carries the accept rules."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from shlex import quote
from typing import ClassVar, List, Optional, Tuple

from ..evaluator.managed import allow_rules, block_rules, first_rule, guards_behind, guards_of_published
from ..evaluator.ruleset import Chain, Ruleset
from ..host.digests import BANNER
from ..host.facts import Facts
from ..host.loaders import GUARDS
from ..host.managed_table import without_filled
from ..host.persistence import GUARDS_FILE, Kept
from ..host.runner import find_program
from ..model.addresses import FAMILIES
from ..model.desired import Desired
from ..model.errors import EdgeError, MissingPackageError
from ..model.ownership import TABLE
from ..model.plan import Item, Observation, make_plan
from ..model.rollback_data import RollbackData
from ..model.steps import LoadNft, Step
from .base import Backend, Change, Snapshot
from .nft_table import (
    POSTROUTING,
    PREROUTING,
    PUBLISHED,
    NftTable,
    access_groups,
    behind_source_nat,
    hooks_of,
    of_the_table,
    read_rules,
    read_table,
    to_table,
    without_handles,
    write_element_changes,
    write_table,
    write_update,
)

OLDEST_NFT: Tuple[int, int, int] = (0, 9, 3)
"""The first release with everything that is written and read here (symbolic chain priorities in the listing)."""


@dataclass(frozen=True)
class GuardsSnapshot(Snapshot):
    """program: path of nft, None where it is missing; version: its release; table: the table, None where there is none;
    text: the table as nft lists it.
    """

    program: Optional[str] = None
    version: Tuple[int, ...] = OLDEST_NFT
    table: Optional[NftTable] = None
    text: str = ""


class Guards(Backend[GuardsSnapshot]):
    """The table, live and on disk. It only drops: an accept in it ends nothing but its own chain."""

    name: ClassVar[str] = "guards"

    def observe(self, facts: Facts) -> GuardsSnapshot:
        """See Backend.observe."""
        text = facts.firewall.guards
        return GuardsSnapshot(
            facts,
            program=find_program("nft"),
            version=_version(facts),
            table=read_table(text) if text else None,
            text=text,
        )

    def without_managed(self, _snapshot: GuardsSnapshot, ruleset: Ruleset) -> Ruleset:
        """See Backend.without_managed."""
        return ruleset.without_tables([TABLE])

    def has_traces(self, snapshot: GuardsSnapshot) -> bool:
        """See Backend.has_traces."""
        return snapshot.table is not None

    def plan(self, snapshot: GuardsSnapshot, desired: Desired) -> Change:
        """See Backend.plan. Where only elements of sets differ, nothing else is touched, counters included."""
        if desired.present:
            _require(snapshot)
        target = to_table(desired.rules, desired.controls) if desired.guarded else None
        observed = Observation()
        if snapshot.table is not None:
            observed = read_rules(snapshot.table, target or NftTable())
            if target is None and not observed.items and not observed.drift:
                observed = Observation((), (f"table {TABLE}  is empty",))
            elif target is None:
                # The table goes as a whole: what is in it besides rules need not be named.
                observed = Observation(observed.items, () if observed.items else observed.drift)
        goal: List[Item] = [*of_the_table(desired.rules), *desired.controls.settings] if target else []
        plan = make_plan(observed, goal)
        return Change(
            plan=plan,
            live=_live(snapshot, target) if plan.changed else (),
            simulated=_simulated(snapshot.unmanaged, desired) if target else snapshot.unmanaged,
            kept=(_kept(snapshot.program or "nft", target),) if target else (),
            rollback=_rollback(snapshot),
        )


def _live(snapshot: GuardsSnapshot, target: Optional[NftTable]) -> Tuple[Step, ...]:
    program = snapshot.program or "nft"
    if target is None:
        return (LoadNft(program, f"delete table {TABLE}\n"),)
    whole = write_table(target)
    if snapshot.table is None:
        return (LoadNft(program, whole),)
    # Elements in a form that nft cannot delete one by one need the whole table, as does what a release cannot change.
    part = write_element_changes(snapshot.table, target) or write_update(snapshot.table, target, snapshot.text)
    return (LoadNft(program, part, otherwise=whole) if part else LoadNft(program, whole),)


def _kept(program: str, target: NftTable) -> Kept:
    return Kept(
        part=GUARDS,
        files={GUARDS_FILE: f"#!{program} -f\n{BANNER}{write_table(target)}"},
        load=(f"{program} -f {GUARDS_FILE}",),
        unload=(f"{program} delete table {TABLE}",),
    )


def _rollback(snapshot: GuardsSnapshot) -> RollbackData:
    """Return what restores the table as it is listed. Where that fails, it goes: what matters is a way in."""
    program = quote(snapshot.program or "nft")
    # By a pipe, since SELinux may keep nft from files where this one stands.
    load = f"cat guards.nft | {program} -f - || {program} delete table {TABLE}"
    script = f"add table {TABLE}\ndelete table {TABLE}\n{without_filled(without_handles(snapshot.text))}"
    return RollbackData(data={"guards.nft": script}, live=(load,))


def _simulated(ruleset: Ruleset, desired: Desired) -> Ruleset:
    chains = dict(ruleset.chains)
    managed = of_the_table(desired.rules)
    for hook in hooks_of(desired.rules):
        if hook is PUBLISHED:
            rules = [line for rule in desired.rules if rule.action == "block" for line in guards_of_published(rule)]
        elif hook is POSTROUTING:
            rules = [
                line
                for guard in behind_source_nat(managed)
                for line in guards_behind(guard.source, access_groups(guard, managed), guard)
            ]
        else:
            own = [rule for rule in managed if rule.forwarded == hook.forwarded]
            rules = allow_rules(own, hook.direction, FAMILIES)
            rules += block_rules(own, hook.direction, hook is PREROUTING)
        chain = Chain(TABLE, hook.chain, FAMILIES, [first_rule(), *rules], hook.hook, priority=hook.number)
        chains[chain.key] = chain
    return replace(ruleset, chains=chains)


def _version(facts: Facts) -> Tuple[int, ...]:
    """Return the release that wrote the listing; that of the oldest supported one where it does not say."""
    for entry in (facts.firewall.listing or {}).get("nftables", ()):
        found = re.match(r"(\d+)\.(\d+)\.(\d+)", str(entry.get("metainfo", {}).get("version", "")))
        if found:
            return tuple(map(int, found.groups()))
    return OLDEST_NFT


def _require(snapshot: GuardsSnapshot) -> None:
    """See that nft can do what is needed. Raises EdgeError and MissingPackageError."""
    if snapshot.program is None:
        raise MissingPackageError("nft is not installed on this host; install the package nftables", "nftables")
    if snapshot.facts.firewall.listing is None:
        raise EdgeError(f"the firewall of this host cannot be read: {snapshot.facts.firewall.unread}")
    if snapshot.version < OLDEST_NFT:
        raise EdgeError(
            f"nft {'.'.join(map(str, snapshot.version))} is too old; "
            f"upgrade the package nftables to {'.'.join(map(str, OLDEST_NFT))} or newer"
        )
