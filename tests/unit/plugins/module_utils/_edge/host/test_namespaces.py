# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers in other network namespaces, out of what the kernel tells of their processes."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.other_servers import Server
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.namespaces import read_servers
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.runner import Completed

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.88.0.0
        /16 link UNICAST
     +-- 10.88.0.5/32 2 0 2
        |-- 10.88.0.5
           /32 host LOCAL
     |-- 127.0.0.1
        /32 host LOCAL
Local:
        |-- 10.88.0.5
           /32 host LOCAL
"""
IF_INET6 = """20010db80005000000000000000000 05 02 40 00 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
fe80000000000000d44fe2fffe1f2c5e 02 40 20 80     eth0
""".replace("20010db80005000000000000000000 05", "20010db8000500000000000000000005")


def socket_line(address, port, state="0A"):
    return (
        f"   0: {address}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 1 1\n"
    )


@pytest.fixture
def proc(tmp_path):
    """Return a folder like /proc, and a function that adds a process."""

    def add(pid, namespace, tcp="", tcp6=""):
        folder = tmp_path / pid
        (folder / "ns").mkdir(parents=True)
        (folder / "net").mkdir()
        os.symlink(f"net:[{namespace}]", folder / "ns" / "net")
        (folder / "net" / "tcp").write_text(HEAD + tcp)
        (folder / "net" / "tcp6").write_text(HEAD + tcp6)
        (folder / "net" / "fib_trie").write_text(TRIE)
        (folder / "net" / "if_inet6").write_text(IF_INET6)
        (folder / "comm").write_text("lua5.4\n")

    add("self", 1)
    add("1", 1, socket_line("00000000", 5269))
    return tmp_path, add


LINKS = [
    {
        "ifname": "eth0",
        "linkinfo": {"info_kind": "macvlan"},
        "addr_info": [{"local": "10.88.0.5"}, {"local": "2001:db8:5::5"}],
    }
]


def run(arguments, _stdin):
    if "address" in arguments:
        return Completed(0, json.dumps(LINKS), "")
    return Completed(0, json.dumps([{"dst": "default", "gateway": "10.88.0.1"}] if "-4" in arguments else []), "")


def servers(proc, ports=(5269, 23456)):
    return [(one.address, one.port) for one in read_servers(frozenset(ports), run, str(proc[0]))]


BOTH = [("10.88.0.5", 5269), ("2001:db8:5::5", 5269)]


@pytest.mark.parametrize(
    "tcp, tcp6, expected",
    [
        (socket_line("00000000", 5269), "", BOTH),
        ("", socket_line("0" * 32, 5269), BOTH),
        (socket_line("00000000", 5222), "", []),
        # A connection is no listener, and loopback is nobody else's.
        (socket_line("00000000", 5269, "01"), "", []),
        (socket_line("0100007F", 5269), "", []),
        ("", socket_line("00000000000000000000000001000000", 5269), []),
    ],
)
def test_a_listener_in_another_namespace(proc, tcp, tcp6, expected):
    proc[1]("77", 2, tcp, tcp6)
    assert servers(proc) == expected


def test_the_own_namespace_is_left_out_and_each_other_read_once(proc):
    assert servers(proc) == []
    proc[1]("77", 2, socket_line("00000000", 5269))
    proc[1]("78", 2, socket_line("00000000", 5269))
    assert servers(proc) == BOTH
    assert read_servers(frozenset((5269,)), run, str(proc[0]))[0] == Server(
        "10.88.0.5", 5269, "lua5.4", "macvlan", ("10.88.0.1",)
    )


@pytest.mark.parametrize("output", ["", "no such file", "[]"])
def test_a_kind_that_is_not_told_is_not_known(proc, output):
    proc[1]("77", 2, socket_line("00000000", 5269))
    found = read_servers(frozenset((5269,)), lambda *_arguments: Completed(1, output, ""), str(proc[0]))
    assert {(one.kind, one.gateways) for one in found} == {("", None)}


def test_processes_that_end_meanwhile_do_not_matter(proc):
    (proc[0] / "99").mkdir()
    assert servers(proc) == []
    assert read_servers(frozenset((5269,)), run, str(proc[0] / "missing")) == ()
