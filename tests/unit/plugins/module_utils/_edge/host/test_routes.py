# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to addresses, as the program ip and the kernel say them."""

from __future__ import annotations

import json

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host import routes
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.runner import Completed

PAIRS = [
    ("198.18.0.2", "8.8.8.8"),
    ("198.18.1.2", "8.8.8.8"),
    ("198.18.0.2", "198.18.0.9"),
    ("2001:db8::2", "2001:db8::9"),
]
ANSWERS = [
    {"dst": "8.8.8.8", "from": "198.18.0.2", "gateway": "198.18.0.1", "dev": "eth0"},
    {"dst": "8.8.8.8", "from": "198.18.1.2", "gateway": "198.18.1.1", "dev": "eth1"},
    {"dst": "198.18.0.9", "from": "198.18.0.2", "dev": "eth0"},
]


@pytest.fixture
def answers(monkeypatch):
    monkeypatch.setattr(routes, "find_program", lambda name: f"/sbin/{name}")
    texts = {}
    monkeypatch.setattr(routes, "_kernel_text", lambda path: texts.get(path, ""))
    return texts


def run(_arguments, _stdin):
    return Completed(2, "".join(f"{json.dumps([answer])}\n" for answer in ANSWERS), "")


def test_two_own_addresses_reach_one_address_by_two_interfaces(answers):
    found = routes.read_network(PAIRS, run)
    assert found.routes == {PAIRS[0]: "eth0", PAIRS[1]: "eth1", PAIRS[2]: "eth0"}
    assert found.surroundings.gateways == {PAIRS[0]: "198.18.0.1", PAIRS[1]: "198.18.1.1", PAIRS[2]: None}


def test_an_address_without_a_route_is_said_to_have_none(answers):
    pairs = [*PAIRS[:3], ("198.18.0.2", "9.9.9.9")]
    assert routes.read_network(pairs, run).routes[pairs[3]] is None


@pytest.mark.parametrize(("flags", "needs"), [("0x1003\n", True), ("0x10d1\n", False), ("0x83\n", False), ("", True)])
def test_tunnels_have_no_neighbours(answers, flags, needs):
    answers["/sys/class/net/eth0/flags"] = flags
    found = routes.read_network(PAIRS, run)
    assert ("eth0" in found.surroundings.without_neighbours) is not needs


@pytest.mark.parametrize(
    ("text", "ports"), [("15000\t30000\n", (15000, 30000)), ("", (32768, 60999)), ("odd", (32768, 60999))]
)
def test_local_ports_are_the_hosts(answers, text, ports):
    answers["/proc/sys/net/ipv4/ip_local_port_range"] = text
    assert routes.read_network(PAIRS, run).surroundings.local_ports == ports


def test_the_kernels_own_file_can_be_read():
    first, last = routes.read_network([], run).surroundings.local_ports
    assert 0 < first < last < 65536


TARGETS = [
    ("ipv4", 0xC6120002),
    ("ipv4", 0x0A000005),
    ("ipv4", 0x7F000001),
    ("ipv6", 9),
    ("ipv6", 0x20010DB8000000000000000000000009),
]


def translated(_arguments, stdin):
    assert "route get 10.0.0.5\n" in stdin and "route get ::9\n" in stdin
    found = [
        {"type": "local", "dst": "198.18.0.2", "dev": "lo"},
        {"dst": "10.0.0.5", "dev": "podman0"},
        {"type": "local", "dst": "127.0.0.1", "dev": "lo"},
        {"type": "unreachable", "dst": "::9", "dev": "lo"},
        {"dst": "2001:db8::9", "from": "::", "dev": "podman0"},
    ]
    return Completed(2, "".join(f"{json.dumps([answer])}\n" for answer in found), "")


def test_ways_to_what_connections_are_translated_to(answers):
    answers["/proc/sys/net/ipv4/ip_forward"] = "1\n"
    found = routes.read_network(PAIRS, translated, TARGETS)
    assert found.targets == {TARGETS[0]: "lo", TARGETS[1]: "podman0", TARGETS[4]: "podman0"}
    assert found.forwards == {"ipv4"}
    assert found.routes == {}


def test_a_router_is_asked_for_all_its_ways_out():
    hops = [{"dev": "wan"}, {"dev": "wan2"}]
    assert routes._defaults([{"dst": "default", "nexthops": hops}, {"dst": "default", "dev": "lan"}]) == {
        "wan",
        "wan2",
        "lan",
    }
    assert routes._defaults([{"dst": "198.18.0.9", "dev": "wan"}]) == frozenset()


@pytest.mark.parametrize("text, families", [("1\n", {"ipv4"}), ("0\n", set())])
def test_a_host_is_asked_whether_it_forwards(answers, text, families):
    answers["/proc/sys/net/ipv4/ip_forward"] = text
    assert routes.read_network(PAIRS, run).forwards == families


def test_devices_below_an_interface(monkeypatch):
    folders = {
        "br0": ["lower_bond0", "lower_veth1", "mtu"],
        "bond0": ["lower_eth0", "lower_eth1"],
        "eth0": ["upper_br0"],
    }

    def listed(path):
        if path.rpartition("/")[2] not in folders:
            raise FileNotFoundError(path)
        return folders[path.rpartition("/")[2]]

    monkeypatch.setattr(routes.os, "listdir", listed)
    assert routes.lower_devices("br0") == {"bond0", "veth1", "eth0", "eth1"}
    assert routes.lower_devices("eth0") == routes.lower_devices("gone") == frozenset()


def test_families_with_a_rule_about_marks(answers):
    def listed(arguments, _stdin):
        rules = [{"priority": 0, "src": "all", "table": "local"}]
        rules += [{"priority": 100, "src": "all", "fwmark": "0x1", "table": "7"}] if "-6" in arguments else []
        return Completed(0, json.dumps(rules), "")

    assert routes.families_routed_by_mark(listed) == {"ipv6"}
    assert routes.families_routed_by_mark(lambda *_given: Completed(255, "", "no")) == {"ipv4", "ipv6"}


OWN = [
    {"dst": "12.4.18.33", "gateway": "198.18.1.1", "dev": "eth1", "prefsrc": "198.18.1.2"},
    {"type": "local", "dst": "198.18.0.2", "dev": "lo", "prefsrc": "198.18.0.2"},
    {"type": "local", "dst": "198.18.0.3", "dev": "lo", "prefsrc": "198.18.0.3"},
    {"dst": "198.18.0.4", "dev": "eth0", "prefsrc": "198.18.0.2"},
    {"type": "unreachable", "dst": "2600:1f18:4e2::21", "dev": "lo"},
    # As iproute2 writes routes of IPv6 for packets without a source yet.
    {"dst": "2001:db8:7::1", "from": "::", "dev": "eth0", "prefsrc": "2001:db8::2"},
    {"type": "local", "dst": "2001:db8::2", "from": "::", "dev": "lo", "prefsrc": "2001:db8::2"},
]
LINKS = [
    {"ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1", "scope": "host"}]},
    {"ifname": "eth0", "addr_info": [{"family": "inet", "local": "198.18.0.2", "scope": "global"}]},
    {"ifname": "eth1", "addr_info": [{"family": "inet6", "local": "fe80::1", "scope": "link"}]},
]


def test_own_addresses_are_those_of_interfaces_and_those_that_the_kernel_takes(answers):
    def tell(_arguments, stdin):
        assert "address show\n" in stdin
        assert all(f"route get {address}\n" in stdin for address in ("198.18.0.2", "198.18.0.4", "12.4.18.33"))
        return Completed(2, "".join(f"{json.dumps(one)}\n" for one in (*([route] for route in OWN), LINKS)), "")

    pairs = [*((f"198.18.0.{number}", "12.4.18.33") for number in (2, 3, 4)), ("2001:db8::2", "2001:db8:7::1")]
    named = [*(f"198.18.0.{number}" for number in (2, 3, 4)), "2001:db8::2"]
    found = routes.read_network(pairs, tell, remotes=["12.4.18.33"], own=named)
    # 198.18.0.3 is on no interface, but in the table of local routes.
    assert found.own.absent == {"198.18.0.4"}
    assert found.own.carried == ("198.18.0.2",)
    assert found.own.interfaces == {"198.18.0.2": {"eth0"}}
    assert found.own.chosen == {
        "12.4.18.33": ("eth1", "198.18.1.2"),
        "198.18.0.4": ("eth0", "198.18.0.2"),
        "2001:db8:7::1": ("eth0", "2001:db8::2"),
    }
    assert found.targets == {}


def test_without_the_program_ip_a_socket_tells(monkeypatch):
    monkeypatch.setattr(routes, "find_program", lambda _name: None)
    found = routes.read_network(PAIRS, run, own=["127.0.0.1", "198.19.255.1"])
    assert found.own.absent == {"198.19.255.1"}
    assert found.own.carried is None
