# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watch over packets, beside a firewall that drops, with the kernel of this machine."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import ExitStack

import namespace
import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe import watch
from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe.levels import attempt_all
from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe.model import Target

pytestmark = pytest.mark.skipif(namespace.why_not() is not None, reason=str(namespace.why_not()))
ADDRESSES = ("198.18.0.2", "2001:db8::2")
RULES = """
table inet t {
  chain in { type filter hook input priority 0; tcp dport 1 drop; }
  chain out { type filter hook output priority 0; tcp sport 5 drop; tcp dport 6 drop; }
}
"""


@pytest.fixture(scope="module", autouse=True)
def own_network():
    namespace.enter(addresses=())
    for address in ("198.18.0.2/32", "2001:db8::2/128"):
        subprocess.run(["ip", "address", "replace", address, "dev", "lo", "nodad"], check=True)
    subprocess.run(["nft", "-f", "-"], input=RULES, text=True, check=True)


def seen(found, port, *, sent, kind="SYN"):
    """Return the addresses that a kind of packet was seen to go to, or to come from as an answer."""
    end, address = ("port", "destination") if kind == "SYN" else ("source_port", "source")
    return {one[address] for one in found if (one[end], one["sent"], one["kind"]) == (port, sent, kind)}


def test_packets_are_seen_before_the_filters_of_their_destination_and_behind_those_of_their_source():
    with ExitStack() as stack:
        for address in ADDRESSES:
            for port in (4, 5):
                listener = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET))
                listener.bind((address, port))
                listener.listen()
        both = set(ADDRESSES)
        # On a busy machine an attempt may be over before its packet was sent. Only then a longer one is needed.
        for seconds in (0.5, 5.0, 30.0):
            name = watch.start([1, 2, 4, 5, 6], 600)
            targets = [Target(address, port, timeout=seconds) for address in ADDRESSES for port in (1, 2, 3, 4, 5, 6)]
            attempt_all(targets)
            found = watch.end(name)
            if seen(found, 1, sent=False) == seen(found, 5, sent=False) == seen(found, 4, sent=False) == both:
                break
    # Dropped on arrival: it has arrived, and there is no answer.
    assert seen(found, 1, sent=False) == both
    assert seen(found, 1, sent=True, kind="SYN-ACK") == set()
    # Nobody listens: reset.
    assert seen(found, 2, sent=True, kind="RST") == both
    # Nobody watches it.
    assert seen(found, 3, sent=False) == set()
    assert seen(found, 4, sent=True, kind="SYN-ACK") == seen(found, 4, sent=False, kind="SYN-ACK") == both
    # The answer is dropped on its way out.
    assert seen(found, 5, sent=False) == both
    assert seen(found, 5, sent=True, kind="SYN-ACK") == set()
    # Dropped before it leaves.
    assert seen(found, 6, sent=True) == set()
    assert {one["device"] for one in found} == {"lo"}


def test_a_watch_ends_once_and_by_itself():
    name = watch.start([1], 60)
    assert watch.end(name) == []
    with pytest.raises((OSError, ValueError)):
        watch.end(name)
    name = watch.start([1], 0.2)
    deadline = time.monotonic() + namespace.LIMIT
    while time.monotonic() < deadline:
        listed = subprocess.run(["ss", "-Hlx"], capture_output=True, text=True, check=True).stdout
        if name not in listed:
            return
        time.sleep(0.05)
    pytest.fail("the watch goes on")


@pytest.mark.parametrize(
    "content", [b"", b"\x45", b"\x60" * 50, b"\x45" + b"\x00" * 40, b"\xff" * 128, bytes(range(60))]
)
def test_what_is_no_packet_is_passed_by(content):
    assert watch.read_packet(content, "lo", sent=False) is None
