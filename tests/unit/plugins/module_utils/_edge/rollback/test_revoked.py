# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which connections a change revokes, and that just these are closed."""

from __future__ import annotations

import socket
import subprocess

import namespace
import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.runner import Completed
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rollback.revoked import (
    Socket,
    closing_commands,
    established,
    revoked,
)

ACCESS, INTERNAL, PARTNER, OUTSIDER = "198.18.0.2", "198.18.1.2", "198.18.7.9", "198.18.8.9"
SOUND = {"access_addresses": [ACCESS, "2001:db8::2"], "internal_addresses": [INTERNAL]}


def rules(**changes):
    return compile_rules(parse_options({**SOUND, **changes}))


OPEN, NARROW = rules(), rules(partner_networks=["198.18.7.0/24", "2001:db8:7::/64"])
SOCKETS = {
    "kept in": Socket(ACCESS, 5269, PARTNER, 40000),
    "cut in": Socket(ACCESS, 5269, OUTSIDER, 40000),
    "cut in, on a socket for both families": Socket(f"::ffff:{ACCESS}", 5269, f"::ffff:{OUTSIDER}", 40000),
    "kept in, on a socket for both families": Socket(f"::ffff:{ACCESS}", 5269, f"::ffff:{PARTNER}", 40000),
    "cut in, IPv6": Socket("2001:db8::2", 5269, "2001:db8:8::9", 40000),
    "kept in, IPv6": Socket("2001:db8::2", 5269, "2001:db8:7::9", 40000),
    "cut out": Socket(ACCESS, 40000, OUTSIDER, 5269),
    "kept out": Socket(ACCESS, 40000, PARTNER, 5269),
    "kept, another row": Socket(INTERNAL, 23456, OUTSIDER, 40000),
    "kept, another port": Socket(ACCESS, 5222, OUTSIDER, 40000),
    "kept, never allowed": Socket(INTERNAL, 5269, OUTSIDER, 40000),
    "kept, loopback": Socket("127.0.0.1", 5269, "127.0.0.1", 40000),
}


def cut(before, after):
    found = revoked(before, after, list(SOCKETS.values()))
    return [name for name, one in SOCKETS.items() if one in found]


def test_just_what_is_no_longer_allowed_is_revoked():
    assert cut(OPEN, NARROW) == [name for name in SOCKETS if name.startswith("cut")]


def test_a_connection_of_the_host_with_itself_is_spared():
    both_ends = [Socket(ACCESS, 5269, ACCESS, 40000), Socket(ACCESS, 40000, ACCESS, 5269)]
    assert revoked(OPEN, NARROW, both_ends) == []


def test_addresses_on_a_device_are_read():
    listing = (
        "0 0 198.18.0.2%eth0:5269 198.18.8.9:40000\n0 0 [2001:db8::2]%eth0:5269 [2001:db8:8::9%eth0]:40000\nnoise\n"
    )
    found = established(lambda _arguments, _stdin: Completed(0, listing, ""))
    assert found == [Socket(ACCESS, 5269, OUTSIDER, 40000), Socket("2001:db8::2", 5269, "2001:db8:8::9", 40000)]


def test_nothing_is_revoked_where_nothing_is_taken_away():
    assert cut(NARROW, OPEN) == []
    assert cut(OPEN, OPEN) == []
    assert cut((), NARROW) == []


def test_nothing_is_revoked_where_nothing_guards():
    assert cut(OPEN, rules(partner_networks=["198.18.7.0/24"], mode="permit")) == []
    assert cut(OPEN, ()) == []


def test_commands_say_what_could_not_be_closed():
    (command,) = closing_commands([Socket("127.0.0.1", 1, "127.0.0.1", 2)])
    assert "--kill" in command
    assert closing_commands([]) == []


@pytest.mark.skipif(namespace.why_not() is not None, reason=str(namespace.why_not()))
@pytest.mark.parametrize("family", ["ipv4", "ipv6", "mapped"])
def test_real_connections_are_closed_and_their_neighbours_are_not(family):
    namespace.enter()
    subprocess.run(["ip", "address", "replace", "2001:db8::2", "dev", "lo"], check=True)
    address = "2001:db8::2" if family == "ipv6" else "127.0.0.1"
    listener = socket.socket(socket.AF_INET if family == "ipv4" else socket.AF_INET6)
    listener.bind(("0.0.0.0" if family == "ipv4" else "::", 5269))
    listener.listen()
    clients = [socket.create_connection((address, 5269)) for _number in range(2)]
    servers = [listener.accept()[0] for _client in clients]
    found = [one for one in established(namespace.run) if one.local_port == 5269]
    assert len(found) == 2
    victim = next(one for one in found if one.remote_port == clients[0].getsockname()[1])
    (command,) = closing_commands([victim])
    said = subprocess.run(["/bin/sh", "-c", command], check=True, stdout=subprocess.PIPE).stdout
    assert said == b""
    with pytest.raises(ConnectionResetError):
        clients[0].recv(1)
    servers[1].send(b"x")
    assert clients[1].recv(1) == b"x"
