# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a host that all backends need, read once into one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Sequence

from ..evaluator.rows import Route, Routes
from ..model.errors import understood
from .firewall import HostFirewall, read_host_firewall
from .persistence import PersistenceFacts, read_persistence
from .routes import routes_of
from .runner import Runner


@dataclass(frozen=True)
class Facts:
    """Facts of a host. firewall: all rules; persistence: units and managed files; routes: the interface by pair of a
    local and a remote address.
    """

    firewall: HostFirewall
    persistence: PersistenceFacts = field(default_factory=PersistenceFacts)
    routes: Routes = field(default_factory=dict)


def read_facts(run: Runner, pairs: Sequence[Route]) -> Facts:
    """Read the facts of this host. pairs: the addresses whose routes matter. Raises EdgeError."""
    firewall = read_host_firewall(run)
    with understood("what systemctl show prints"):
        persistence = read_persistence(run)
    with understood("what ip route get prints"):
        return Facts(firewall, persistence, routes_of(pairs, run))
