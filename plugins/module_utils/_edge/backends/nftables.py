# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nftables backend: a table of our own, beside whatever else the host has."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..evaluator.connection import first_packet
from ..evaluator.managed import allow_rules
from ..evaluator.rows import connections_of, routes_to_ask
from ..evaluator.ruleset import Chain, Ruleset
from ..host.firewall import Host
from ..host.persistence import ACCEPTS_FILE, BANNER, NFTABLES_FILE, Persistence, Service
from ..host.runner import Completed, find_program
from ..host.units import NFTABLES
from ..model.errors import EdgeError, MissingPackageError
from ..model.ownership import TABLE
from ..model.plan import Item, Observation, Placed, Plan, Unmanaged
from ..model.rollback_data import RollbackData, together
from ..model.rules import Rule
from .base import Backend
from .nft_accepts import (
    handles_of,
    may_have_ours,
    observed_accepts,
    place_of,
    wanted_accepts,
    write_accepts,
    write_loader,
    write_removals,
    write_restoration,
)
from .nft_syntax import (
    HOOKS,
    PRIORITY,
    NftTable,
    read_rules,
    read_table,
    to_table,
    write_element_changes,
    write_table,
)

FAMILIES = ("ipv4", "ipv6")
OLDEST_NFT: Tuple[int, int, int] = (0, 9, 3)
"""The first release with everything that we write and read (symbolic chain priorities in the listing)."""

# Not any "No such file or directory": a loader that misses a library says that too.
_NO_SUCH_TABLE = re.compile(r"Error: (Could not process rule: )?No such file or directory")
_KERNEL_LACKS_PART = "Could not process rule: No such file or directory"
_NO_PRIVILEGE = "Operation not permitted"
_NO_KERNEL_SUPPORT = ("Protocol not supported", "Operation not supported")


class NftablesBackend(Backend):
    """Our nftables table, live and on disk, and our accept rules in chains of others that would drop.

    host: the host's firewall; nft: path of the program, None where it is missing; integrate: whether others' chains
    may get our accept rules.
    """

    name = "nftables"

    def __init__(self, host: Host, persistence: Persistence, nft: Optional[str], integrate: bool = True) -> None:
        self._host = host
        self._persistence = persistence
        self._nft = nft
        self._integrate = integrate
        self._live: Optional[NftTable] = None
        self._accepts: List[Placed] = []

    @classmethod
    def on_this_host(cls, host: Host, persist: bool, integrate: bool) -> NftablesBackend:
        """The backend for the host that this code runs on."""
        return cls(host, Persistence(persist, host), find_program("nft"), integrate)

    def observe(self, wanted: Sequence[Rule]) -> Observation:
        """See Backend.observe."""
        if self._nft is None and wanted:
            raise MissingPackageError("nft is not installed on this host; install the package nftables", "nftables")
        self._live = self._list_table() if self._nft else None
        self._accepts = self._wanted_accepts(wanted)
        target = to_table(wanted) if wanted else NftTable()
        if wanted and self._live != target:
            self._require_version()
        live = Observation() if self._live is None else read_rules(self._live, target)
        items = [*live.items, *self._observed_accepts(wanted)]
        deviations = list(live.deviations)
        if self._live is not None and not wanted and not live.items and not deviations:
            deviations.append(f"table {TABLE}  is empty")
        on_disk = self._persistence.deviations(self._service(wanted))
        # On a host that has nothing of ours yet, missing files are no finding of their own.
        if self._live is not None or not wanted or not self._persistence.absent:
            deviations += on_disk
        return Observation(tuple(items), tuple(deviations))

    def target(self, wanted: Sequence[Rule]) -> Sequence[Item]:
        """See Backend.target."""
        return (*wanted, *self._accepts)

    def restoration(self, wanted: Sequence[Rule]) -> RollbackData:
        """See Backend.restoration."""
        table = self._run("list", "table", *TABLE.split()).stdout if self._live is not None else ""
        places = {accept.place for accept in self._accepts}
        places |= {place_of(key) for key, _handle in handles_of(self._host.firewall.listing or {})}
        listings = {place: self._run("list", *place.split()).stdout for place in sorted(places)}
        data, live = write_restoration(self._nft or "nft", table, listings)
        return together([self._persistence.restoration(), RollbackData(live=live, data=data)])

    def apply(self, plan: Plan, wanted: Sequence[Rule]) -> Sequence[str]:
        """See Backend.apply. Where only elements of sets differ, nothing else is touched, counters included."""
        accepts = self._accept_changes(plan)
        if not wanted:
            self._load((f"delete table {TABLE}\n" if self._live is not None else "") + accepts)
            return ()
        target = to_table(wanted)
        scripts = [write_table(target) + accepts]
        if self._live is not None and self._live.frame == target.frame:
            # Elements that somebody else wrote in a way that we cannot take back one by one need the whole table.
            scripts.insert(0, write_element_changes(self._live, target) + accepts)
        self._load(*scripts)
        return ()

    def persist(self, wanted: Sequence[Rule]) -> None:
        """See Backend.persist."""
        self._persistence.write(self._service(wanted))

    def placed(self, ruleset: Ruleset, wanted: Sequence[Rule]) -> Ruleset:
        """See Backend.placed."""
        ruleset = self._with_accepts(self.without_ours(ruleset), self._accepts)
        for direction, hook in HOOKS.items():
            rules = allow_rules(wanted, direction, FAMILIES)
            chain = Chain(TABLE, hook, FAMILIES, rules, hook, priority=PRIORITY)
            ruleset = Ruleset({**ruleset.chains, chain.key: chain}, ruleset.owners)
        return ruleset

    @property
    def has_traces(self) -> bool:
        """See Backend.has_traces."""
        firewall = self._host.firewall
        listing = firewall.listing or {}
        return TABLE in firewall.ruleset.tables() or bool(list(handles_of(listing))) or _has_table(listing)

    @property
    def persisted(self) -> bool:
        """See Backend.persisted."""
        return self._persistence.possible

    @property
    def warnings(self) -> Sequence[str]:
        """See Backend.warnings."""
        return self._persistence.warnings

    def _wanted_accepts(self, wanted: Sequence[Rule]) -> List[Placed]:
        """The accept rules without which chains of others would drop what the wanted rules allow."""
        if not (wanted and self._integrate):
            return []
        ruleset = self.without_ours(self._host.firewall.ruleset)
        chains: Dict[Tuple[str, str], None] = {}
        for connection in connections_of(wanted, self._host.routes(routes_to_ask(wanted))):
            for decision in first_packet(ruleset, connection).droppers:
                if may_have_ours(ruleset, decision):
                    chains[decision.base.key] = None
        return wanted_accepts(ruleset, sorted(chains), wanted)

    def _observed_accepts(self, wanted: Sequence[Rule]) -> List[Item]:
        found = observed_accepts(self._host.firewall.listing or {}, wanted)
        return [item for key in sorted(found) for item in found[key]]

    def _accept_changes(self, plan: Plan) -> str:
        """Script lines for the accept rules, none where they are as they should be."""
        strangers = [item for item in plan.remove if isinstance(item, Unmanaged) and item.text.startswith("comment ")]
        if not strangers and not any(isinstance(item, Placed) for item in (*plan.add, *plan.remove)):
            return ""
        return write_removals(self._host.firewall.listing or {}) + write_accepts(self._accepts)

    def without_ours(self, ruleset: Ruleset) -> Ruleset:
        """See Backend.without_ours."""
        ours = set(handles_of(self._host.firewall.listing or {}))
        result = ruleset.without_tables([TABLE])
        for key in {key for key, _handle in ours}:
            if key in result.chains:
                rules = [rule for rule in result.chains[key].rules if (key, rule.handle) not in ours]
                result = result.with_rules(key, rules)
        return result

    @staticmethod
    def _with_accepts(ruleset: Ruleset, accepts: Sequence[Placed]) -> Ruleset:
        """The ruleset with our accept rules at the heads of chains."""
        for key, chain in list(ruleset.chains.items()):
            rules = [accept.rule for accept in accepts if accept.place == chain.label]
            if rules:
                ours = [*allow_rules(rules, "in", chain.families), *allow_rules(rules, "out", chain.families)]
                ruleset = ruleset.with_rules(key, [*ours, *chain.rules])
        return ruleset

    def _service(self, wanted: Sequence[Rule]) -> Optional[Service]:
        if not wanted or self._nft is None:
            return None
        files = {NFTABLES_FILE: f"#!{self._nft} -f\n{BANNER}{write_table(to_table(wanted))}"}
        load = [f"{self._nft} -f {NFTABLES_FILE}"]
        if self._accepts:
            files[ACCEPTS_FILE] = f"#!/bin/sh\n{BANNER}{write_loader(self._accepts, self._nft)}"
            load.append(f"/bin/sh {ACCEPTS_FILE}")
        unload = [f"{self._nft} delete table {TABLE}"]
        return Service("nftables", "nft(8)", files, NFTABLES, load, unload)

    def _list_table(self) -> Optional[NftTable]:
        done = self._run("list", "table", *TABLE.split())
        if done.returncode == 0:
            return read_table(done.stdout)
        if _NO_SUCH_TABLE.search(done.stderr):
            return None
        raise self._explain(done)

    def _load(self, *scripts: str) -> None:
        """Load the first script that passes nft's own check; what fails the check is not loaded."""
        if not scripts[0]:
            return
        for script in scripts:
            done = self._run("-c", "-f", "-", stdin=script)
            if done.returncode == 0:
                done = self._run("-f", "-", stdin=script)
                break
        if done.returncode != 0:
            raise self._explain(done)

    def _run(self, *arguments: str, stdin: str = "") -> Completed:
        return self._host.run([self._nft or "nft", *arguments], stdin)

    def _explain(self, done: Completed) -> EdgeError:
        if _NO_PRIVILEGE in done.stderr:
            return EdgeError(
                "nft may not read or change the firewall: run as root (become: true), or give the right CAP_NET_ADMIN"
            )
        if any(words in done.stderr for words in _NO_KERNEL_SUPPORT):
            return EdgeError("the kernel of this host has no nftables support: load or build its module nf_tables")
        if _KERNEL_LACKS_PART in done.stderr:
            return EdgeError(
                "the kernel of this host lacks a part of nftables: load or build nft_ct and nft_reject_inet"
            )
        return EdgeError(f"nft refused: {done.complaint}")

    def _require_version(self) -> None:
        found = re.search(r"v(\d+)\.(\d+)\.(\d+)", self._run("--version").stdout)
        version = tuple(map(int, found.groups())) if found else OLDEST_NFT
        if version < OLDEST_NFT:
            raise EdgeError(
                f"nft {'.'.join(map(str, version))} is too old; "
                f"upgrade the package nftables to {'.'.join(map(str, OLDEST_NFT))} or newer"
            )


def _has_table(listing: Mapping[str, Any]) -> bool:
    """Whether our table is there, be it without any chain."""
    tables = (entry["table"] for entry in listing.get("nftables", ()) if "table" in entry)
    return any(f"{table['family']} {table['name']}" == TABLE for table in tables)
