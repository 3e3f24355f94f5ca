# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a host that all backends need, read once into one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Callable, FrozenSet, Optional, Sequence

from ..evaluator.other_servers import Server
from ..evaluator.own_addresses import OwnAddresses
from ..evaluator.rows import Route, Routes, Surroundings
from ..evaluator.ruleset import Ruleset
from ..evaluator.translation import HERE
from ..model.errors import understood
from ..model.literals import PacketFamily
from .firewall import HostFirewall, Remembering, has_unread_sets, read_host_firewall, sets_marks, with_sets
from .namespaces import read_servers
from .persistence import PersistenceFacts, ask_for_units, read_persistence
from .routes import Network, families_routed_by_mark, lower_devices, read_network
from .runner import Runner

Consult = Callable[[Ruleset, Routes, Surroundings], None]


@dataclass(frozen=True)
class Facts:
    """Facts of a host. firewall: all rules; persistence: units and managed files; routes: the interface by pair of a
    local and a remote address; surroundings: what else of the host's network matters to connections; own: its
    addresses; servers: those in other network namespaces that listen on a port of the table.
    """

    firewall: HostFirewall
    persistence: PersistenceFacts = field(default_factory=PersistenceFacts)
    routes: Routes = field(default_factory=dict)
    surroundings: Surroundings = field(default_factory=Surroundings)
    own: OwnAddresses = field(default_factory=OwnAddresses)
    servers: Sequence[Server] = ()


@dataclass(frozen=True)
class Asked:
    """Addresses whose ways matter. pairs: of a local and a remote one; remotes: those to which programs connect; own:
    those that a request takes for the host's own; forwarded: pairs of which the local address is another host's;
    ports: those of the table.
    """

    pairs: Sequence[Route]
    remotes: Sequence[str] = ()
    own: Sequence[str] = ()
    forwarded: Sequence[Route] = ()
    ports: FrozenSet[int] = frozenset()


def read_facts(run: Runner, asked: Asked, consult: Consult, before: Optional[Facts] = None) -> Facts:
    """Read the facts of this host. Raises EdgeError.

    asked: the addresses whose ways matter; consult: looks up what matters in a ruleset, for the sets that it is then
    read with; before: facts of the same run, from which those sets are taken that were read already.
    """
    ask_for_units(run)
    run = Remembering(run)
    firewall = read_host_firewall(run, before.firewall.elements if before else None)
    with understood("what systemctl show prints"):
        persistence = read_persistence(run)
    with understood("what ip route get prints"):
        network = read_network(
            asked.pairs, run, firewall.ruleset.translations(), asked.remotes, asked.own, asked.forwarded
        )
    with understood("what ip rule show prints"):
        marked = families_routed_by_mark(run) if sets_marks(firewall) else frozenset()
    firewall = _on_network(firewall, network, marked)
    with understood("the firewall of this host"):
        unread = has_unread_sets(firewall)
        if unread:
            consult(firewall.ruleset, network.routes, network.surroundings)
    if unread:
        firewall = _on_network(with_sets(firewall, run), network, marked)
    servers = read_servers(asked.ports, run) if asked.ports else ()
    return Facts(firewall, persistence, network.routes, network.surroundings, network.own, servers)


def _on_network(firewall: HostFirewall, network: Network, marked: FrozenSet[PacketFamily]) -> HostFirewall:
    ruleset = replace(
        firewall.ruleset,
        ways=network.targets,
        masquerading=network.masquerading,
        forwards=network.forwards,
        routed_by_mark=marked,
    )
    if any(chain.devices != () or chain.table.startswith("bridge ") for chain in ruleset.chains.values()):
        names = {*network.routes.values(), *network.targets.values()} - {HERE}
        ruleset.lower = {name: lower_devices(name) for name in names if name}
    return replace(firewall, ruleset=ruleset)
