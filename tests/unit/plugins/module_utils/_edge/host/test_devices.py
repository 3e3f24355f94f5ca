# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of chains, as releases of nft name them in their text."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.devices import lacks_devices, with_devices

CHAIN = {"family": "netdev", "table": "f", "name": "c", "handle": 1, "hook": "ingress", "prio": 0, "policy": "drop"}
TEXT = """table netdev f { # handle 2
@chain c { # handle 1
@@type filter hook ingress WORDS priority filter; policy drop;
@}
}
""".replace("@", "\t")


@pytest.mark.parametrize(
    ("words", "devices"),
    [
        ('device "eth0"', ["eth0"]),
        ("device eth0", ["eth0"]),
        ('devices = { "eth0", "eth1" }', ["eth0", "eth1"]),
        ("devices = { eth0, wg-a }", ["eth0", "wg-a"]),
        ('device "eth*"', ["eth*"]),
    ],
)
def test_devices_of_a_chain(words, devices):
    listing = {"nftables": [{"chain": CHAIN}]}
    assert lacks_devices(listing)
    found = with_devices(listing, TEXT.replace("WORDS", words))
    assert found["nftables"][0]["chain"]["dev"] == devices
    assert not lacks_devices(found)


def test_a_chain_that_the_text_does_not_have_stays_as_it_is():
    listing = {"nftables": [{"chain": CHAIN}, {"rule": {}}]}
    assert with_devices(listing, "") == listing
