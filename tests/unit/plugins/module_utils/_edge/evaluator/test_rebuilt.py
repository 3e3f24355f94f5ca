# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains that running programs rebuild are known by their tables and names."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.rebuilt import rebuilder_of
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.ruleset import Chain


@pytest.mark.parametrize(
    "table, name, program",
    [
        ("iptables-legacy filter", "DOCKER-USER", "Docker"),
        ("ip docker-bridges", "filter-forward-in__docker0", "Docker"),
        ("inet netavark", "FORWARD", "podman"),
        ("iptables-nft filter", "NETAVARK_FORWARD", "podman"),
        ("iptables-nft filter", "KUBE-FORWARD", "kube-proxy"),
        ("inet incus", "fwd.incusbr0", "Incus"),
    ],
)
def test_programs(table, name, program):
    assert rebuilder_of(Chain(table, name, ())).program == program


@pytest.mark.parametrize("table, name", [("iptables-nft filter", "FORWARD"), ("inet filter", "forward")])
def test_chains_of_administrators(table, name):
    assert rebuilder_of(Chain(table, name, ())) is None
