# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two network namespaces joined by a veth pair: "edge", whose firewall is under test, and "peer"."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

EDGE = {"ipv4": ["198.18.50.1", "198.18.50.2"], "ipv6": ["2001:db8:50::1", "2001:db8:50::2"]}
PEER = {
    "ipv4": ["198.18.50.10", "198.18.50.77", "198.18.50.200"],
    "ipv6": ["2001:db8:50::10", "2001:db8:50::77", "2001:db8:50::200"],
}
INTERFACE = "edge0"
_MACS = {"edge0": "02:00:00:00:50:01", "peer0": "02:00:00:00:50:02"}


class End:
    """Namespace with an agent in it that serves and connects; set_up gives it its addresses."""

    def __init__(self, interface, addresses):
        command = ["unshare", "--net", sys.executable, str(Path(__file__).with_name("agent.py"))]
        self._agent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._agent.stdout.readline() == "ready\n"
        self._interface = interface
        self._addresses = addresses

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
        lines = ["link set lo up", f"link set {self._interface} address {_MACS[self._interface]}"]
        lines += [f"link set {self._interface} up"]
        for family, length in (("ipv4", 24), ("ipv6", 64)):
            flag = " nodad" if family == "ipv6" else ""
            lines += [f"address add {a}/{length} dev {self._interface}{flag}" for a in self._addresses[family]]
        self.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    def forget_neighbours(self):
        """Empty the neighbour caches."""
        self.run("ip", "neighbour", "flush", "dev", self._interface)

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
    """Both ends of the test network."""

    def __init__(self):
        self.edge = End("edge0", EDGE)
        self.peer = End("peer0", PEER)
        self.edge.run(
            "ip", "link", "add", "edge0", "type", "veth", "peer", "name", "peer0", "netns", str(self.peer.pid)
        )
        self.edge.set_up()
        self.peer.set_up()

    def passes(self, cases, seconds):
        """Return whether each connection comes to pass, with empty neighbour caches.

        cases: (direction seen from the edge, local, remote, port).
        """
        results = [None] * len(cases)
        for direction, end in (("in", self.peer), ("out", self.edge)):
            mine = [number for number, case in enumerate(cases) if case[0] == direction]
            tries = [(cases[n][2], cases[n][1], cases[n][3]) if direction == "in" else cases[n][1:] for n in mine]
            if tries:
                self.edge.forget_neighbours()
                self.peer.forget_neighbours()
            for number, passed in zip(mine, end.attempt(tries, seconds) if tries else []):
                results[number] = passed
        return results

    def close(self):
        """Stop both ends."""
        self.edge.close()
        self.peer.close()
