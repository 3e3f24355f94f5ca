# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nftables backend: a table of our own, beside whatever else the host has."""

from __future__ import annotations

import re
from typing import Optional, Sequence, Tuple

from ..errors import EdgeError, MissingPackageError
from ..plan import Observation, Plan
from ..rules import Rule
from ..runner import Completed, Runner, find_program
from ..systemd import Persistence
from . import Backend
from .nft_syntax import TABLE, NftTable, read_rules, read_table, to_table, write_element_changes, write_table

OLDEST_NFT: Tuple[int, int, int] = (0, 9, 3)
"""The first release with everything that we write and read (symbolic chain priorities in the listing)."""

# Not any "No such file or directory": a loader that misses a library says that too.
_NO_SUCH_TABLE = re.compile(r"Error: (Could not process rule: )?No such file or directory")
_KERNEL_LACKS_PART = "Could not process rule: No such file or directory"
_NO_PRIVILEGE = "Operation not permitted"
_NO_KERNEL_SUPPORT = ("Protocol not supported", "Operation not supported")


class NftablesBackend(Backend):
    """Our nftables table, live and on disk.

    nft: path of the program, None where it is missing; run: runs it.
    """

    name = "nftables"

    def __init__(self, persistence: Persistence, nft: Optional[str], run: Runner) -> None:
        self._persistence = persistence
        self._nft = nft
        self._runner = run
        self._live: Optional[NftTable] = None

    @classmethod
    def on_this_host(cls, persist: bool, run: Runner) -> NftablesBackend:
        """The backend for the host that this code runs on."""
        nft = find_program("nft")
        return cls(Persistence(wanted=persist, nft=nft or "", run=run), nft, run)

    def observe(self, wanted: Sequence[Rule]) -> Observation:
        """See Backend.observe."""
        if self._nft is None and wanted:
            raise MissingPackageError("nft is not installed on this host; install the package nftables", "nftables")
        self._live = self._list_table() if self._nft else None
        target = to_table(wanted) if wanted else NftTable()
        if wanted and self._live != target:
            self._require_version()
        live = Observation() if self._live is None else read_rules(self._live, target)
        deviations = list(live.deviations)
        if self._live is not None and not wanted and not live.items and not deviations:
            deviations.append(f"table {TABLE}  is empty")
        on_disk = self._persistence.deviations(_script(wanted))
        # On a host that has nothing of ours yet, missing files are no finding of their own.
        if self._live is not None or not wanted or not self._persistence.absent:
            deviations += on_disk
        return Observation(live.items, tuple(deviations))

    def apply(self, plan: Plan, wanted: Sequence[Rule]) -> None:
        """See Backend.apply. Where only elements of sets differ, nothing else is touched, counters included."""
        if not wanted:
            if self._live is not None:
                self._load(f"delete table {TABLE}\n")
            return
        target = to_table(wanted)
        scripts = [write_table(target)]
        if self._live is not None and self._live.frame == target.frame:
            changes = write_element_changes(self._live, target)
            if not changes:
                return
            # Elements that somebody else wrote in a way that we cannot take back one by one need the whole table.
            scripts.insert(0, changes)
        self._load(*scripts)

    def persist(self, wanted: Sequence[Rule]) -> None:
        """See Backend.persist."""
        self._persistence.write(_script(wanted))

    @property
    def persisted(self) -> bool:
        """See Backend.persisted."""
        return self._persistence.possible

    @property
    def warnings(self) -> Sequence[str]:
        """See Backend.warnings."""
        return self._persistence.warnings

    def _list_table(self) -> Optional[NftTable]:
        done = self._run("list", "table", *TABLE.split())
        if done.returncode == 0:
            return read_table(done.stdout)
        if _NO_SUCH_TABLE.search(done.stderr):
            return None
        raise self._explain(done)

    def _load(self, *scripts: str) -> None:
        """Load the first script that passes nft's own check; what fails the check is not loaded."""
        for script in scripts:
            done = self._run("-c", "-f", "-", stdin=script)
            if done.returncode == 0:
                done = self._run("-f", "-", stdin=script)
                break
        if done.returncode != 0:
            raise self._explain(done)

    def _run(self, *arguments: str, stdin: str = "") -> Completed:
        return self._runner([self._nft or "nft", *arguments], stdin)

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


def _script(wanted: Sequence[Rule]) -> str:
    return write_table(to_table(wanted)) if wanted else ""
