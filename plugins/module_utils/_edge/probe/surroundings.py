# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host itself can tell of connections: who listens, who is connected, and which way packets take.

Sources: ss(8), ip-route(8).
"""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

from ..model.addresses import family_of

Run = Callable[[Sequence[str]], str]
"""A function that runs a program and returns what it prints: nothing where the program fails or is missing."""

_PROCESS = re.compile(r'\(\("([^"]+)"')
_LOCAL_END, _FAR_END = 3, 4
"""Columns of a listing of several states; of one state, ss leaves out the first column."""


def listeners(run: Run, ports: Sequence[int]) -> Optional[List[Dict[str, Any]]]:
    """Return the TCP listeners of some ports: address, port, and process, empty where it is not known.

    None where the host does not tell.
    """
    text = run(["ss", "-Hltnp"])
    # A host on which nobody listens on any port at all is one without ss.
    return [found for found in _sockets(text) if found["port"] in ports] if text else None


def sources_in_use(run: Run, port: int) -> List[str]:
    """Return the local addresses of this host's connections to a port, whoever made them."""
    text = run(["ss", "-Htnp", "state", "established", "state", "syn-sent", "dport", "=", f":{port}"])
    return sorted({str(found["address"]) for found in _sockets(text)})


def peers_at(run: Run, port: int) -> List[str]:
    """Return the addresses of those that are connected to a port of this host."""
    text = run(["ss", "-Htn", "state", "established", "state", "close-wait", "sport", "=", f":{port}"])
    return sorted({str(found["address"]) for found in _sockets(text, _FAR_END)})


def paths(run: Run, addresses: Sequence[str], sources: Sequence[str]) -> Dict[str, Dict[str, Any]]:
    """Return the ways to each address, empty where the host has none or does not tell.

    source, device: of a connection that is bound to nothing; from: the device for each own address of that family.
    """
    return {
        address: {
            **_path(run, address),
            "from": {
                source: _path(run, address, source).get("device")
                for source in sources
                if family_of(source) == family_of(address)
            },
        }
        for address in addresses
    }


def devices_of(run: Run, sources: Sequence[str]) -> Dict[str, str]:
    """Return the device that carries each own address."""
    found = {
        entry["local"]: link["ifname"]
        for link in _read(run(["ip", "-json", "address"]))
        for entry in link.get("addr_info", ())
        if "local" in entry
    }
    return {source: found[source] for source in sources if source in found}


def _path(run: Run, address: str, source: str = "") -> Dict[str, Any]:
    family = "-6" if family_of(address) == "ipv6" else "-4"
    found = _read(run(["ip", family, "-json", "route", "get", address, *(["from", source] if source else [])]))
    if not found or "dev" not in found[0]:
        return {}
    return {"device": found[0]["dev"], "source": found[0].get("prefsrc")}


def _read(text: str) -> List[Mapping[str, Any]]:
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _sockets(text: str, end: int = _LOCAL_END) -> Iterator[Dict[str, Any]]:
    """Yield one of the ends of a listing of ss in several states."""
    for line in text.splitlines():
        words = line.split()
        if len(words) <= end:
            continue
        address, _colon, port = words[end].rpartition(":")
        process = _PROCESS.search(line)
        if port.isdigit():
            bare = address.strip("[]").partition("%")[0]
            # An IPv4 address of a socket of both families.
            bare = bare[len("::ffff:") :] if bare.startswith("::ffff:") else bare
            yield {"address": bare, "port": int(port), "process": process[1] if process else ""}
