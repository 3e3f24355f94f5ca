# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers of the tests of limits: managers, floods, and what a neighbour gets through."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import edge

PORT = 5269
MANAGERS = {
    "nftables": "nft add table inet filter; nft add chain inet filter input "
    "'{ type filter hook input priority 0; policy drop; }'; "
    "nft add rule inet filter input ct state established,related accept; "
    "nft add rule inet filter input icmpv6 type '{ nd-neighbor-solicit, nd-neighbor-advert }' accept",
    "iptables": "for i in iptables ip6tables; do $i -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT; "
    "$i -A INPUT -p icmpv6 -j ACCEPT; $i -P INPUT DROP; done",
    "ufw": "ufw --force enable",
    "firewalld": "systemctl start firewalld",
}
ACCESS = edge.TOPOLOGY.addresses("edge", "external")
PARTNER = edge.TOPOLOGY.addresses("partner", "external")
OUTSIDER = edge.TOPOLOGY.addresses("outsider", "external")
ONE_NETWORK = [f"2001:db8:0:aa::{number:x}" for number in range(1, 41)]
"""Addresses of one IPv6 network of 64 bits."""

NEIGHBOURLY = "2001:db8:0:bb::1"
"""Address of the partner in another network than those of the outsider."""


@dataclass
class Flood:
    """A flood that has ended. tried, opened: connections; seconds: how long it lasted."""

    tried: int = 0
    opened: int = 0
    seconds: float = 0.0


@contextmanager
def flood(address: str, sources: list[str], vantage: str = "outsider") -> Iterator[Flood]:
    """Flood the edge from some addresses while the body runs."""
    command = ["podman", "exec", "--interactive", edge.TOPOLOGY.container(vantage), "python3", "/opt/test/flood.py"]
    running = subprocess.Popen(
        [*command, address, str(PORT), *sources], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    result = Flood()
    assert running.stdout is not None
    try:
        assert running.stdout.readline() == "flooding\n"
        yield result
    finally:
        output, _errors = running.communicate("")
    result.tried, result.opened, result.seconds = json.loads(output)


def once_a_second(tries: list[tuple[str | None, str, int]], times: int = 6) -> list[str]:
    """Return the outcomes of connections of the partner, one round a second."""
    words = []
    for _round in range(times):
        words += edge.connect("partner", tries)
        time.sleep(1)
    return words


def with_networks() -> None:
    """Give outsider and partner the addresses of further IPv6 networks, and the edge the way to them."""
    for name, own, network in (
        ("outsider", ONE_NETWORK, "2001:db8:0:aa::/64"),
        ("partner", [NEIGHBOURLY], "2001:db8:0:bb::/64"),
    ):
        commands = "; ".join(f"ip -6 address replace {one}/128 dev eth0 nodad" for one in own)
        edge.host(name).check_output(commands)
        gateway = edge.TOPOLOGY.addresses(name, "external")[1]
        edge.host().check_output(f"ip -6 route replace {network} via {gateway}")
