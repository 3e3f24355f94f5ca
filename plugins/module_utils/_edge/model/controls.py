# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the managed table does besides guarding: limits on new connections, and a log of what is blocked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Tuple

from .diff_text import spelled_out
from .errors import EdgeError
from .plan import Setting
from .rules import Group, checked_name, group_from_payload

EXEMPT = "limit_exempt"
"""Name of the groups of networks that no limit holds for, without their families."""

DEFAULT_BURST = 5
"""Packets that the kernel lets pass at once where no burst is given. Source: nft_limit.c."""


@dataclass(frozen=True)
class Limits:
    """Limits on the new connections of a row, of each source: an IPv4 address, or an IPv6 network of 64 bits.

    new: connections a minute, 0 for any number; burst: those of them that may come at once; opened: connections at a
    time, 0 for any number; exempt: the networks that no limit holds for, at most one group of each family.
    """

    row: str
    new: int = 0
    burst: int = DEFAULT_BURST
    opened: int = 0
    exempt: Tuple[Group, ...] = ()

    def exempt_of(self, family: str) -> Optional[Group]:
        """Return the networks of a family that no limit holds for."""
        return next((group for group in self.exempt if group.name == f"{EXEMPT}_{family}"), None)


@dataclass(frozen=True)
class Controls:
    """limits: None where nothing is limited; log: whether what guards block is logged."""

    limits: Optional[Limits] = None
    log: bool = False

    @property
    def settings(self) -> Tuple[Setting, ...]:
        """Return them as items of a change."""
        limits = self.limits
        found = []
        if limits and limits.new:
            rate = f"{limits.new} new connections a minute, {limits.burst} at once"
            found.append(Setting(f"{limits.row}  limit {rate}, of each source"))
        if limits and limits.opened:
            found.append(Setting(f"{limits.row}  limit {limits.opened} open connections of each source"))
        if limits and limits.exempt:
            networks = [network for group in limits.exempt for network in group.networks]
            found.append(Setting(f"{limits.row}  no limit for {spelled_out(networks)}", limits.exempt))
        if self.log:
            found.append(Setting("all guards  log what they block"))
        return tuple(found)


NO_CONTROLS = Controls()


def to_payload(limits: Optional[Limits]) -> Dict[str, Any]:
    """Return limits as plain values; empty where nothing is limited."""
    if limits is None:
        return {}
    exempt = {group.name: list(group.networks) for group in limits.exempt}
    return {"row": limits.row, "new": limits.new, "burst": limits.burst, "open": limits.opened, "exempt": exempt}


def from_payload(limits: Mapping[str, Any]) -> Optional[Limits]:
    """Return limits again from what to_payload made. Raises EdgeError on anything that it cannot have made."""
    if not limits:
        return None
    for name in ("new", "burst", "open"):
        if limits[name] < 0 or (name == "burst" and not limits[name]):
            raise EdgeError(f"limits.{name}: {limits[name]} is no limit; give a number above 0, or leave the limit out")
    groups = [group_from_payload(name, networks) for name, networks in (limits["exempt"] or {}).items()]
    row = checked_name("limits.row", limits["row"])
    return Limits(row, limits["new"], limits["burst"], limits["open"], tuple(groups))
