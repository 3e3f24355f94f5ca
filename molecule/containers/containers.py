# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers of the tests with containers: servers behind published ports, and who reaches whom."""

from __future__ import annotations

import connections
import edge
import matrix

NETWORK = {"ipv4": "198.19.5", "ipv6": "2001:db8:0:f5:"}
PORTS = (matrix.FEDERATION, matrix.GATEWAY, matrix.OTHER)
CLEAN = """
export PODMAN_IGNORE_CGROUPSV1_WARNING=1
podman rm --force --all > /dev/null 2>&1
podman network rm --force servers > /dev/null 2>&1
for name in $(ip netns list | cut -d' ' -f1); do
  ip netns pids "$name" | xargs --no-run-if-empty kill
  ip netns delete "$name"
done
pkill -f "[l]istener.py"
for link in docker0 box0; do ip link delete $link 2> /dev/null; done
systemctl stop xmpp-edge 2> /dev/null
ufw --force disable > /dev/null
rm -rf /etc/xmpp-edge; find /etc/systemd -name '*xmpp-edge*' -delete; systemctl daemon-reload
nft flush ruleset
for program in iptables-legacy ip6tables-legacy; do
  for chain in INPUT OUTPUT FORWARD; do $program -P $chain ACCEPT; done
  for table in filter mangle nat raw; do $program -t $table -F; $program -t $table -X; done
done
true
"""
FOREIGN = "nft list ruleset | sed '/^table inet xmpp_edge/,/^}/d; s/counter packets [0-9]* bytes [0-9]*/counter/'"
PODMAN = (
    "PODMAN_IGNORE_CGROUPSV1_WARNING=1 podman run --detach --name server --privileged --cgroupns=host "
    "--volume /sys/fs/cgroup:/sys/fs/cgroup --volume /opt/test:/opt/test:ro {options} --rootfs /srv/root "
    "python3 /opt/test/listener.py"
)
INSIDE_PODMAN = "podman exec --interactive server"
INSIDE_NAMESPACE = "ip netns exec box"


def podman_network(host, name="servers"):
    """Make a network of podman's, of both families."""
    subnets = f"--subnet {NETWORK['ipv4']}.0/24 --ipv6 --subnet {NETWORK['ipv6']}:/64"
    host.check_output(f"PODMAN_IGNORE_CGROUPSV1_WARNING=1 podman network create --disable-dns {subnets} {name}")


def podman_server(host, number, publish=PORTS):
    """Start a server in a container, with the last part of its addresses; it publishes ports of the host."""
    published = " ".join(f"--publish {port}:{port}" for port in publish)
    address = f"--network servers:ip={NETWORK['ipv4']}.{number},ip6={NETWORK['ipv6']}:{number}"
    host.check_output(PODMAN.format(options=f"{published} {address}"))
    host.check_output(_WAIT.format(inside=INSIDE_PODMAN))


_WAIT = "timeout 600 sh -c 'until {inside} ss -Hltn sport = 5222 | grep -q .; do sleep 0.1; done'"


def namespace_server(host, bridge, number=6):
    """Start a server in a namespace at a bridge, as container engines do. Every address is of NETWORK."""
    host.check_output(
        f"""ip link add {bridge} type bridge
        ip address add {NETWORK["ipv4"]}.1/24 dev {bridge}
        ip -6 address add {NETWORK["ipv6"]}:1/64 dev {bridge} nodad
        ip link set {bridge} up
        ip netns add box
        ip link add box1 type veth peer name eth0 netns box
        ip link set box1 master {bridge} up
        ip -netns box link set lo up
        ip -netns box address add {NETWORK["ipv4"]}.{number}/24 dev eth0
        ip -netns box -6 address add {NETWORK["ipv6"]}:{number}/64 dev eth0 nodad
        ip -netns box link set eth0 up
        ip -netns box route add default via {NETWORK["ipv4"]}.1
        ip -netns box -6 route add default via {NETWORK["ipv6"]}:1
        ip netns exec box setsid python3 /opt/test/listener.py > /dev/null 2>&1 < /dev/null &"""
    )
    host.check_output(_WAIT.format(inside=INSIDE_NAMESPACE))


def flows():
    """Yield the flows of the matrix that a server in a container has.

    NAT gives it the address of the side that it connects to, and podman does not lead its packets back to it.
    """
    return (
        flow
        for flow in matrix.flows()
        if flow.host != "edge" or (flow.target != "edge" and flow.source_side == flow.target_side)
    )


def observe(inside):
    """Return the outcome of every flow. inside: the command that runs another one where the server is."""

    def try_of(flow):
        own = None if flow.host == "edge" else edge.TOPOLOGY.address(flow.host, flow.source_side, flow.family)
        return own, edge.TOPOLOGY.address(flow.target, flow.target_side, flow.family), flow.port

    def attempt(name, tries):
        return connections.attempt(edge.TOPOLOGY.container(name), tries, *(inside.split() if name == "edge" else ()))

    return connections.observe(flows(), lambda flow: flow.host, try_of, attempt)


def wrong(inside, inputs):
    """Return the flows that are not as they are without containers."""
    return {
        flow.label: word for flow, word in observe(inside).items() if not matrix.agrees(word, _expected(flow, inputs))
    }


def _expected(flow, inputs):
    """Return what is expected. Behind source NAT nothing can be rejected, so that a guard there drops."""
    word = matrix.expected(flow, inputs)
    return "shut" if word == "refused" else word
