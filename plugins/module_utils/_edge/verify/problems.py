# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Problems of an edge that its own host shows, whatever the flows do."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Sequence, Union

from ..model.port_table import ACCESS
from .attempted import decision
from .flows import Edge
from .passage import foreign_sources
from .routers import Router


@dataclass(frozen=True)
class Problem:
    """A finding on a whole edge, which fails.

    sentence: what is so; lines: diff lines that show it; remedy: what to do.
    """

    edge: str
    sentence: str
    lines: Sequence[str] = ()
    remedy: str = ""


def problems_of(edge: Union[Edge, Router], rules: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the problems of an edge, or of a router. rules: what its host has, empty where that is not known."""
    drift = [f"{entry['sign']}{entry['line']}" for entry in rules.get("drift") or ()]
    if drift:
        number = f"{len(drift)} line{'s' if len(drift) > 1 else ''}"
        sentence = f"the rules of {edge.name} are not those of its inventory: {number}"
        yield Problem(edge.name, sentence, drift, "run xmpp.edge.site, or correct the inventory")
    for address in rules.get("absent") or ():
        sentence = f"{edge.name} does not have the address {address} that its inventory names"
        yield Problem(edge.name, sentence, remedy="add the address, or correct the inventory")
    for row, entry in (rules.get("rows") or {}).items():
        if entry.get("effective") == "no":
            sentence = f"{edge.name} drops what {row} allows: {decision(entry)}"
            yield Problem(edge.name, sentence, remedy="correct that rule")
        if entry.get("guarded") == "no":
            sentence = f"{edge.name} lets pass what {row} forbids: {decision(entry, 'guarded_by')}"
            yield Problem(edge.name, sentence, remedy="run xmpp.edge.site, and look for what passes before our guards")


@dataclass(frozen=True)
class Told:
    """Findings on an edge from one source. notes: what does not fail."""

    problems: Sequence[Problem] = ()
    notes: Sequence[str] = ()


def source_problems(edge: Edge, result: Mapping[str, Any], information: Mapping[str, Any]) -> Told:
    """Return what is wrong with the source addresses of an edge's own connections to partners.

    result: of its probe, whose "sources" are those of connections that are bound to nothing; information: what its host
    has told of its connections.
    """
    row, own = edge.federation_row("out"), edge.addresses(ACCESS.option)
    if row is None:
        return Told()
    port = edge.options.ports[row.port_option]
    seen = [*(information.get("connected_from") or ()), *foreign_sources(information.get("packets") or (), port, own)]
    # What a host has with itself is no connection to a partner.
    used = [one for one in dict.fromkeys(seen) if one not in own and not _is_loopback(one)]
    if used:
        sentence = f"{row.id}: connections of {edge.name} to partners come from {', '.join(used)}, no access address"
        return Told([Problem(edge.name, sentence, remedy="have the server bind to an access address")])
    chosen = sorted({one for one in (result.get("sources") or {}).values() if one and one not in own})
    if not chosen:
        return Told()
    answers = [one["answered"] for one in result.get("pings") or ()]
    addresses = ", ".join(chosen)
    if False in answers and True not in answers and not any(one in own for one in seen):
        sentence = (
            f"{row.id}: the server of {edge.name} reaches no partner, and its connections would come from {addresses}"
        )
        remedy = "have the server bind to an access address, or correct the source of the route"
        return Told([Problem(edge.name, f"{sentence}, which is no access address", remedy=remedy)])
    note = f"a server on {edge.name} that binds to no address connects to partners from {addresses}"
    return Told(notes=[f"{note}, which is no access address, so that {row.id} does not hold for it; bind it to one"])


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback
