# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of dropped and rejected packets, and of missing routes, with the kernel of this machine."""

from __future__ import annotations

import os
import subprocess
import time

import namespace
import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe.levels import attempt, attempt_all
from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe.model import Target

pytestmark = pytest.mark.skipif(namespace.why_not() is not None, reason=str(namespace.why_not()))

RULES = """
table inet t {
  chain in {
    type filter hook input priority 0;
    tcp dport 1 drop
    tcp dport 2 reject with tcp reset
    tcp dport 3 reject with icmpx type admin-prohibited
    tcp dport 4 reject with icmpx type host-unreachable
  }
}
"""


@pytest.fixture(scope="module", autouse=True)
def own_network():
    namespace.enter(addresses=())
    for address in ("198.18.0.2/32", "2001:db8::2/128"):
        subprocess.run(["ip", "address", "replace", address, "dev", "lo"], check=True)
    subprocess.run(["nft", "-f", "-"], input=RULES, text=True, check=True)


@pytest.mark.parametrize(
    ("port", "outcomes"),
    [
        (1, {"filtered"}),
        (2, {"refused"}),
        # On loopback an ICMP error may arrive while the socket is still busy, and is ignored then.
        (3, {"prohibited", "unreachable", "filtered"}),
        (4, {"unreachable", "filtered"}),
    ],
)
@pytest.mark.parametrize("address", ["198.18.0.2", "2001:db8::2"])
def test_firewalls(address, port, outcomes):
    result = attempt(Target(address, port, timeout=0.5))
    assert result.outcome in outcomes
    assert result.source in ("198.18.0.2", "2001:db8::2")
    assert result.latency is None
    # No answer is waited for once, and not again for the reason.
    assert result.outcome != "filtered" or result.seconds < 2 * 0.5


BEHIND = """
table inet t {
  chain in {
    type filter hook input priority 0;
    tcp dport 2 reject with tcp reset
    tcp dport 3 reject with icmpx type admin-prohibited
    tcp dport 4 reject with icmpx type host-unreachable
    tcp dport 5 reject
  }
}
"""


@pytest.fixture(scope="module")
def behind():
    """Have another network behind a link, whose firewall rejects."""
    with subprocess.Popen(["unshare", "--net", "sleep", "600"]) as holder:
        while os.readlink(f"/proc/{holder.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            time.sleep(0.01)
        inside = ["nsenter", "--target", str(holder.pid), "--net"]
        commands = [
            ["ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(holder.pid)],
            *(["ip", "address", "add", one, "dev", "near", *more] for one, more in ENDS["near"]),
            ["ip", "link", "set", "near", "up"],
            *([*inside, "ip", "address", "add", one, "dev", "far", *more] for one, more in ENDS["far"]),
            [*inside, "ip", "link", "set", "far", "up"],
        ]
        for command in commands:
            subprocess.run(command, check=True)
        subprocess.run([*inside, "nft", "-f", "-"], input=BEHIND, text=True, check=True)
        yield
        holder.kill()


ENDS = {
    "near": [("198.19.5.1/24", []), ("2001:db8:5::1/64", ["nodad"])],
    "far": [("198.19.5.2/24", []), ("2001:db8:5::2/64", ["nodad"])],
}


@pytest.mark.usefixtures("behind")
@pytest.mark.parametrize("address", ["198.19.5.2", "2001:db8:5::2"])
@pytest.mark.parametrize(
    ("port", "outcomes"), [(3, {"prohibited", "unreachable"}), (4, {"unreachable"}), (5, {"prohibited"})]
)
def test_the_box_that_rejects_by_icmp_is_named(address, port, outcomes):
    result = attempt(Target(address, port, timeout=30))
    assert result.outcome in outcomes
    if tuple(map(int, os.uname().release.split(".")[:2])) < (5, 18):
        pytest.skip("this kernel keeps no ICMP errors of TCP sockets")
    assert result.facts["rejected_by"] == address
    assert result.detail.startswith("ICMP type ")


@pytest.mark.usefixtures("behind")
@pytest.mark.parametrize("address", ["198.19.5.2", "2001:db8:5::2"])
@pytest.mark.parametrize("port", [2, 9])
def test_a_reset_names_no_box(address, port):
    result = attempt(Target(address, port, timeout=30))
    assert result.outcome == "refused"
    assert set(result.facts) == {"packets", "source_port"}


def test_routes():
    result = attempt(Target("198.19.0.1", 1, timeout=0.5))
    assert (result.outcome, result.source) == ("no_route", None)
    assert attempt(Target("198.18.0.2", 1, source="198.18.0.3", timeout=0.5)).outcome == "no_source"


def test_filtered_targets_time_out_in_parallel():
    started = time.monotonic()
    attempts = attempt_all([Target("198.18.0.2", 1 + number % 2, timeout=1) for number in range(200)])
    assert [entry.outcome for entry in attempts] == ["filtered", "refused"] * 100
    assert time.monotonic() - started < 50
    print(f"200 targets, half of them filtered: {time.monotonic() - started:.2f} s")
