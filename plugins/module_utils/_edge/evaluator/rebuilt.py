# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains that a running program rebuilds: nothing that others write there lasts, so nothing is written there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from .ruleset import Chain


@dataclass(frozen=True)
class Rebuilder:
    """A program. tables, prefixes: how its nftables tables are called, and its chains begin; remedy: how its own
    configuration accepts a port.
    """

    program: str
    tables: Tuple[str, ...]
    prefixes: Tuple[str, ...]
    remedy: str


# Sources: the chain names in each program's own documentation and source.
_REBUILDERS = (
    Rebuilder(
        "the Proxmox VE firewall",
        ("inet proxmox-firewall", "bridge proxmox-firewall-guests"),
        ("PVEFW-",),
        'add a rule such as "IN ACCEPT -p tcp -dport PORT" to /etc/pve/nodes/NODE/host.fw',
    ),
    Rebuilder(
        "Calico",
        ("ip calico", "ip6 calico"),
        ("cali-",),
        "add a GlobalNetworkPolicy for the host endpoint of this host",
    ),
    Rebuilder("Cilium", (), ("CILIUM_", "OLD_CILIUM_"), "add a CiliumClusterwideNetworkPolicy with a nodeSelector"),
    Rebuilder(
        "kube-proxy", ("ip kube-proxy", "ip6 kube-proxy"), ("KUBE-",), "change the service or the policy that drops"
    ),
    Rebuilder(
        "Docker",
        ("ip docker-bridges", "ip6 docker-bridges"),
        ("DOCKER",),
        "publish the port, or change the network of the container",
    ),
    Rebuilder("podman", ("inet netavark",), ("NETAVARK",), "publish the port, or change the network of the container"),
    Rebuilder("LXD", ("inet lxd",), (), "add a proxy device, or change the network"),
    Rebuilder("Incus", ("inet incus",), (), "add a proxy device, or change the network"),
    Rebuilder("Tailscale", (), ("ts-",), "change the access rules of the tailnet"),
    Rebuilder(
        "NetBird", ("ip netbird", "ip6 netbird", "inet netbird"), ("NETBIRD-", "netbird-"), "add a NetBird policy"
    ),
    Rebuilder("libvirt", ("ip libvirt_network", "ip6 libvirt_network"), ("LIBVIRT_",), "change the virtual network"),
)


def rebuilder_of(chain: Chain) -> Optional[Rebuilder]:
    """Return the program that rebuilds a chain, None where no known one does."""
    return next((one for one in _REBUILDERS if chain.table in one.tables or chain.name.startswith(one.prefixes)), None)
