# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three network namespaces: "edge", whose firewall is under test, between "peer" and "inner", to which it forwards."""

from __future__ import annotations

import json
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

EDGE = {"ipv4": ["198.18.50.1", "198.18.50.2"], "ipv6": ["2001:db8:50::1", "2001:db8:50::2"]}
PEER = {
    "ipv4": ["198.18.50.10", "198.18.50.77", "198.18.50.200"],
    "ipv6": ["2001:db8:50::10", "2001:db8:50::77", "2001:db8:50::200"],
}
INNER = {"ipv4": ["198.18.51.10", "198.18.51.77"], "ipv6": ["2001:db8:51::10", "2001:db8:51::77"]}
INNER_NETWORKS = {"ipv4": "198.18.51.0/24", "ipv6": "2001:db8:51::/64"}
BEHIND = {"ipv4": ["198.18.51.1"], "ipv6": ["2001:db8:51::1"]}
"""Addresses of the edge towards "inner", which uses it as its router."""
INTERFACE, INNER_INTERFACE = "edge0", "edge1"
MASQUERADING = {
    **{(family, INTERFACE): tuple(int(ip_address(one)) for one in EDGE[family]) for family in ("ipv6",)},
    # The second address of a network is secondary.
    ("ipv4", INTERFACE): (int(ip_address(EDGE["ipv4"][0])),),
    **{(family, INNER_INTERFACE): (int(ip_address(one)),) for family, (one,) in BEHIND.items()},
}
"""Addresses that the edge may give to what masquerades on each interface, as Ruleset.masquerading."""
WAYS = {
    (family, int(ip_address(address))): interface
    for ends, interface in ((EDGE, "lo"), (PEER, INTERFACE), (INNER, INNER_INTERFACE))
    for family, addresses in ends.items()
    for address in addresses
}
"""Interface by which the edge reaches each address, as Ruleset.ways."""
_MACS = {
    name: f"02:00:00:00:50:0{number}" for number, name in enumerate(("edge0", "peer0", "edge1", "inner0"), start=1)
}
_FORWARDING = "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"


class End:
    """Namespace with an agent in it that serves and connects. links: its addresses by interface."""

    def __init__(self, links):
        command = ["unshare", "--net", sys.executable, str(Path(__file__).with_name("agent.py"))]
        self._agent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._agent.stdout.readline() == "ready\n"
        self._links = links

    @property
    def pid(self):
        """Return the process id of the agent, which names the namespace."""
        return self._agent.pid

    def run(self, *command, stdin="", check=True):
        """Run a command in the namespace."""
        return subprocess.run(
            ["nsenter", f"--net=/proc/{self.pid}/ns/net", *command],
            input=stdin,
            capture_output=True,
            text=True,
            check=check,
        )

    def set_up(self):
        """Set addresses. Neighbours have to be discovered, as on any link."""
        lines = ["link set lo up"]
        for interface, addresses in self._links.items():
            lines += [f"link set {interface} address {_MACS[interface]}", f"link set {interface} up"]
            for family, length in (("ipv4", 24), ("ipv6", 64)):
                flag = " nodad" if family == "ipv6" else ""
                lines += [f"address add {a}/{length} dev {interface}{flag}" for a in addresses[family]]
        self.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    def forget_neighbours(self):
        """Empty the neighbour caches."""
        lines = [f"neighbour flush dev {interface}" for interface in self._links]
        self.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    def attempt(self, tries, seconds):
        """Return which connections come to pass; see agent.py."""
        self._agent.stdin.write(json.dumps({"tries": tries, "seconds": seconds}) + "\n")
        self._agent.stdin.flush()
        return json.loads(self._agent.stdout.readline())

    def close(self):
        """Stop the agent, and the namespace with it."""
        self._agent.stdin.close()
        self._agent.wait(60)


class Network:
    """All ends of the test network."""

    def __init__(self):
        self.edge = End({"edge0": EDGE, "edge1": BEHIND})
        self.peer = End({"peer0": PEER})
        self.inner = End({"inner0": INNER})
        self._ends = (self.edge, self.peer, self.inner)
        for here, there, end in (("edge0", "peer0", self.peer), ("edge1", "inner0", self.inner)):
            link = f"ip link add {here} type veth peer name {there} netns {end.pid}"
            self.edge.run(*link.split())
        for end in self._ends:
            end.set_up()
        self.edge.run("sysctl", "-q", *_FORWARDING)
        for (router,) in BEHIND.values():
            self.inner.run("ip", "route", "add", "default", "via", router)
        for family, network in INNER_NETWORKS.items():
            self.peer.run("ip", "route", "add", network, "via", EDGE[family][0])

    def passes(self, cases, seconds):
        """Return whether each connection comes to pass, with empty neighbour caches.

        cases: (direction, local, remote, port), seen from whoever has the local address, the edge or the inner end.
        """
        results = [None] * len(cases)
        for direction, locals_of, end in (
            ("in", (EDGE, INNER), self.peer),
            ("out", (EDGE,), self.edge),
            ("out", (INNER,), self.inner),
        ):
            addresses = {one for ends in locals_of for family in ends.values() for one in family}
            mine = [number for number, case in enumerate(cases) if case[0] == direction and case[1] in addresses]
            tries = [(cases[n][2], cases[n][1], cases[n][3]) if direction == "in" else cases[n][1:] for n in mine]
            if tries:
                for one in self._ends:
                    one.forget_neighbours()
            for number, passed in zip(mine, end.attempt(tries, seconds) if tries else []):
                results[number] = passed
        return results

    def close(self):
        """Stop all ends."""
        for end in self._ends:
            end.close()
