# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router on either side of the edge, each with its rows: partner - router - edge - router2 - Front End."""

from __future__ import annotations

import edge
import pytest
from perimeter import FEDERATION, GATEWAY, attempts, changed, play, wrong

ROUTERS = ("--limit", "router,router2")
HOSTS = ("server", "router", "router2", "gateway")


def routes(via):
    """Return commands by container that lead packets between gateway and edge through a host of the topology."""
    topology = edge.TOPOLOGY
    commands = {"outsider": [], "front_end": []}
    for family in ("ipv4", "ipv6"):
        outer, inner = (topology.address(via, side, family) for side in ("external", "internal"))
        gateway = topology.address("outsider", "external", family)
        commands["outsider"].append(f"ip route replace {topology.subnet('internal', family)} via {outer}")
        commands["front_end"].append(f"ip route replace {gateway} via {inner}")
    return commands


@pytest.fixture
def two_routers(monkeypatch):
    monkeypatch.setenv("XMPP_EDGE_TWO_ROUTERS", "1")
    monkeypatch.setenv("XMPP_EDGE_WITH_GATEWAY", "1")
    second = edge.host("edge_bare")
    second.check_output("echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
    for via in ("edge_bare", "edge"):
        for name, commands in routes(via).items():
            edge.host(name).check_output("; ".join(commands))
        if via == "edge_bare":
            yield second
    second.run("nft flush ruleset; rm -rf /etc/xmpp-edge")


@pytest.mark.usefixtures("router")
def test_each_router_carries_its_rows(two_routers):
    done = play("site", *ROUTERS)
    assert [changed(done, host) for host in ("router", "router2")] == [1, 1], done.stdout
    assert attempts("partner", "server", FEDERATION) == ["open", "open"]
    assert attempts("partner", "internal", FEDERATION) == ["filtered", "filtered"]
    assert attempts("gateway", "internal", GATEWAY) == ["open", "open"]
    assert attempts("gateway", "server", GATEWAY) == ["filtered", "filtered"]
    # A row that a router does not carry is neither opened nor guarded there.
    assert attempts("gateway", "server", FEDERATION) == ["open", "open"]
    assert "5269" not in two_routers.check_output("nft list table inet xmpp_edge")

    # With the edge and the Front End, the matrix is that of one host.
    done = play("site")
    assert [changed(done, host) for host in HOSTS] == [1, 0, 0, 1], done.stdout
    # The Front End's own guard is for its gateway port, wherever that leads.
    assert wrong() == {f"('gateway', None, 'other', {GATEWAY}) {family}": "refused" for family in ("ipv4", "ipv6")}
    again = play("site")
    assert [changed(again, host) for host in HOSTS] == [0, 0, 0, 0]
    removed = play("remove")
    assert [changed(removed, host) for host in HOSTS] == [1, 1, 1, 1]
