# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that are reached otherwise than by a published port: the guard holds, or the result says that it does not."""

from __future__ import annotations

import edge
import pytest
from containers import CLEAN, NETWORK, PODMAN, namespace_server

ACCESS = edge.TOPOLOGY.addresses("edge", "external")


def rows():
    """Return what the module says of each row."""
    found = edge.result(on_ineffective="warn")
    assert "rows" in found, found
    return {row: (entry["guarded"], entry["guarded_by"] or "") for row, entry in found["rows"].items()}


def test_a_container_in_the_hosts_own_network_is_guarded(host):
    host.check_output(PODMAN.format(options="--network host"))
    assert {row: answer for row, (answer, _why) in rows().items()} == dict.fromkeys(rows(), "yes")
    edge.assert_matrix("narrowed")


def test_a_routed_server_without_translation_is_named(host):
    namespace_server(host, "box0")
    # What reaches it, reaches it past the guard.
    found = rows()
    for row in ("federation_in", "federation_out"):
        assert found[row][0] == "no"
        assert "a server in another network namespace (python3) listens on" in found[row][1]
        assert f"[{NETWORK['ipv6']}:6]:5269" in found[row][1] or f"{NETWORK['ipv4']}.6:5269" in found[row][1]
        assert "this host forwards packets to and from it without the guard" in found[row][1]
    assert edge.changed_tasks(edge.play("remove")) == 1
    done = edge.play("site")
    assert done.returncode != 0
    assert "this host still lets pass what the table forbids" in " ".join(done.stdout.split())
    assert "xmpp_edge" not in host.check_output("nft list ruleset")


def test_a_server_of_private_addresses_that_nothing_publishes_is_unknown(host):
    namespace_server(host, "box0")
    host.check_output("ip -netns box -6 address flush dev eth0 scope global; ip -6 address flush dev box0 scope global")
    host.check_output("ip -netns box address flush dev eth0; ip address flush dev box0")
    host.check_output("ip address add 10.99.0.1/24 dev box0; ip -netns box address add 10.99.0.6/24 dev eth0")
    host.check_output("ip -netns box route add default via 10.99.0.1")
    answer, why = rows()["federation_in"]
    assert answer == "unknown"
    assert "10.99.0.6:5269" in why


def test_a_host_that_forwards_nothing_to_it_is_guarded(host):
    namespace_server(host, "box0")
    chain = "{ type filter hook forward priority 0; policy drop; }"
    host.check_output(f"nft add table inet f; nft add chain inet f c '{chain}'")
    assert {row: answer for row, (answer, _why) in rows().items()} == dict.fromkeys(rows(), "yes")


def test_a_server_beside_the_host_is_unknown(host):
    host.check_output("ip netns add box; ip link add box1 link eth0 type macvlan && ip link set box1 netns box")
    address = ACCESS[0].rpartition(".")[0] + ".99/24"
    host.check_output(
        f"ip -netns box link set lo up; ip -netns box address add {address} dev box1; ip -netns box link set box1 up;"
        "ip netns exec box setsid python3 /opt/test/listener.py > /dev/null 2>&1 < /dev/null & sleep 1"
    )
    answer, why = rows()["federation_in"]
    assert answer == "unknown"
    assert "its packets do not pass the firewall of this host" in why


@pytest.mark.parametrize(
    "rules, program",
    [
        ("iptables -t nat -N KUBE-SERVICES; iptables -t nat -A PREROUTING -j KUBE-SERVICES", "kube-proxy"),
        ("nft add table ip kube-proxy; nft add chain ip kube-proxy services", "kube-proxy"),
        ("iptables -N CILIUM_FORWARD; iptables -A FORWARD -j CILIUM_FORWARD", "Cilium"),
    ],
)
def test_clusters_are_unknown(host, rules, program):
    host.check_output(rules)
    for answer, why in rows().values():
        assert answer == "unknown"
        assert why.startswith(f"{program} translates and forwards connections of pods")
    host.run(CLEAN)
