# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a host that all backends need, read once into one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Sequence

from ..evaluator.rows import Route, Routes, Surroundings
from ..model.errors import understood
from .firewall import HostFirewall, read_host_firewall
from .persistence import PersistenceFacts, read_persistence
from .routes import read_network
from .runner import Runner


@dataclass(frozen=True)
class Facts:
    """Facts of a host. firewall: all rules; persistence: units and managed files; routes: the interface by pair of a
    local and a remote address; surroundings: what else of the host's network matters to connections.
    """

    firewall: HostFirewall
    persistence: PersistenceFacts = field(default_factory=PersistenceFacts)
    routes: Routes = field(default_factory=dict)
    surroundings: Surroundings = field(default_factory=Surroundings)


def read_facts(run: Runner, pairs: Sequence[Route]) -> Facts:
    """Read the facts of this host. pairs: the addresses whose routes matter. Raises EdgeError."""
    firewall = read_host_firewall(run)
    with understood("what systemctl show prints"):
        persistence = read_persistence(run)
    with understood("what ip route get prints"):
        network = read_network(pairs, run, firewall.ruleset.translations())
    ruleset = replace(firewall.ruleset, ways=network.targets, forwards=network.forwards)
    firewall = replace(firewall, ruleset=ruleset)
    return Facts(firewall, persistence, network.routes, network.surroundings)
