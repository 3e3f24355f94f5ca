# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that drop by default what they forward: accept rules stand there, and are as narrow as the table."""

from __future__ import annotations

import edge
import matrix
import pytest
from containers import INSIDE_PODMAN, observe, podman_network, podman_server

NFT_DROP = """
nft -f - << END
table inet filter {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    ip6 nexthdr icmpv6 accept
  }
}
END
"""
IPTABLES_DROP = """
for program in iptables ip6tables; do
  $program -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
  $program -A FORWARD -s 198.18.128.20 -j DROP 2> /dev/null
  $program -P FORWARD DROP
done
"""
LEGACY_DROP = IPTABLES_DROP.replace("ip6tables", "ip6tables-legacy").replace(" iptables", " iptables-legacy")
UFW = "ufw allow 22/tcp; ufw --force enable"
DROPS = {"nftables": NFT_DROP, "iptables": IPTABLES_DROP, "iptables-legacy": LEGACY_DROP, "ufw": UFW}


def open_ports(inside):
    """Return the flows that pass."""
    return {flow for flow, word in observe(inside).items() if word == "open"}


@pytest.mark.parametrize("manager", DROPS)
def test_what_is_dropped_by_default_is_accepted_as_the_table_says(host, manager):
    podman_network(host)
    podman_server(host, 6)
    host.check_output(DROPS[manager])
    assert open_ports(INSIDE_PODMAN) == set()
    done = edge.play("site")
    assert edge.changed_tasks(done) == 1, done.stdout
    assert f"edge: changed, {manager.partition('-')[0]}, effective yes, guarded yes" in done.stdout
    wanted = {
        flow
        for flow in observe(INSIDE_PODMAN)
        if flow.port != matrix.OTHER and matrix.expected(flow, "narrowed") == "open"
    }
    assert open_ports(INSIDE_PODMAN) == wanted
    assert edge.changed_tasks(edge.play("site")) == 0
    # The next container has another address, and there is no run in between.
    host.check_output("podman rm --force --time 0 server")
    podman_server(host, 77)
    assert open_ports(INSIDE_PODMAN) == wanted
    assert edge.changed_tasks(edge.play("remove")) == 1
    assert open_ports(INSIDE_PODMAN) == set()
