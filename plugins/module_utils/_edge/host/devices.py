# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of chains at the hooks ingress and egress, which older releases of nft name in their text alone."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Tuple

_TABLE = re.compile(r"table (\S+ \S+) \{")
_CHAIN = re.compile(r"\tchain (\S+) \{")
_DEVICES = re.compile(r"\t\ttype \S+ hook \S+ devices? (.*) priority ")
_NAME = re.compile(r'[^\s"={},]+')
_HOOKS = ("ingress", "egress")


def lacks_devices(listing: Mapping[str, Any]) -> bool:
    """Return whether a chain of a device does not say of which."""
    return any(_lacks_devices(entry) for entry in listing.get("nftables", ()))


def with_devices(listing: Mapping[str, Any], text: str) -> Mapping[str, Any]:
    """Return a listing in which such chains have their devices. text: what "nft -t list ruleset" prints."""
    found = _devices(text)
    entries = []
    for entry in listing.get("nftables", ()):
        chain = entry.get("chain", {})
        key = (f"{chain.get('family')} {chain.get('table')}", chain.get("name", ""))
        entries.append({"chain": {**chain, "dev": found[key]}} if _lacks_devices(entry) and key in found else entry)
    return {"nftables": entries}


def _lacks_devices(entry: Mapping[str, Any]) -> bool:
    return entry.get("chain", {}).get("hook") in _HOOKS and "dev" not in entry["chain"]


def _devices(text: str) -> Dict[Tuple[str, str], List[str]]:
    devices: Dict[Tuple[str, str], List[str]] = {}
    table = chain = ""
    for line in text.splitlines():
        if found := _TABLE.match(line):
            table = found[1]
        elif found := _CHAIN.match(line):
            chain = found[1]
        elif found := _DEVICES.match(line):
            devices[table, chain] = _NAME.findall(found[1])
    return devices
