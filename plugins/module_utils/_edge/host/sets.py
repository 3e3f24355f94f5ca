# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the elements of unmanaged sets and maps of nftables: of those that matter, as far as they are not too large."""

from __future__ import annotations

import json
from typing import Any, Iterable, List, Mapping, Optional, Sequence

from ..evaluator.nft_json import SetName
from .runner import Runner, find_program

Elements = Mapping[SetName, Optional[Sequence[Any]]]
"""Elements of sets as nft's JSON has them, None for a set that is too large to be read."""

MOST_MEGABYTES = 280
"""Memory that nft may take to list sets; about 200,000 intervals fit in."""
MOST_SECONDS = 10
"""Time that nft may take to list sets. A million intervals take more than a minute."""
_KINDS = ("set", "map")


def read_sets(listing: Mapping[str, Any], names: Iterable[SetName], known: Elements, run: Runner) -> Elements:
    """Return the elements of sets that a terse listing has, with those that are known already."""
    kinds = {
        _name(entry[kind]): kind
        for entry in listing.get("nftables", ())
        if isinstance(entry, dict)
        for kind in _KINDS
        if kind in entry and "elem" not in entry[kind]
    }
    wanted = sorted(name for name in names if name in kinds and name not in known)
    return {**known, **{name: _elements(kinds[name], name, run) for name in wanted}}


def with_elements(listing: Mapping[str, Any], elements: Elements) -> Mapping[str, Any]:
    """Return a terse listing with the elements of those of its sets that were read."""
    if not elements:
        return listing
    return {"nftables": [_whole(entry, elements) for entry in listing.get("nftables", ())]}


def _whole(entry: Mapping[str, Any], elements: Elements) -> Mapping[str, Any]:
    for kind in _KINDS:
        found = elements.get(_name(entry[kind])) if kind in entry else None
        if found is not None:
            return {kind: {**entry[kind], "elem": found}}
    return entry


def _elements(kind: str, name: SetName, run: Runner) -> Optional[Sequence[Any]]:
    """Return the elements of one set, None where nft takes too much. It lists sets of one table only in one run."""
    program = find_program("nft")
    if program is None:
        return None
    table, own = name
    done = run([*_limits(), program, "-j", "list", kind, *table.split(" ", 1), own], "")
    if done.returncode != 0:
        return None
    (found,) = (entry[kind] for entry in json.loads(done.stdout)["nftables"] if kind in entry)
    elements: Sequence[Any] = found.get("elem", [])
    return elements


def _limits() -> List[str]:
    """Return the command that limits another one, as far as this host has the programs."""
    time, memory = find_program("timeout"), find_program("prlimit")
    limit = [memory, f"--as={MOST_MEGABYTES << 20}"] if memory else []
    return [*([time, str(MOST_SECONDS)] if time else []), *limit]


def _name(entry: Mapping[str, Any]) -> SetName:
    return f"{entry['family']} {entry['table']}", entry["name"]
