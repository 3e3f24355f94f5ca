# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Named rulesets, each with what the evaluator and the kernel say of connections under it.

A file of the folder cases has a comment that says what it shows, then a comment for each connection ("in" or "out", the
family, a port other than 5269 where it is about one, the verdict), then the ruleset: of nft, or of iptables-restore for
both families. The kernel has to agree with every verdict but "unknown".
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator import iptables_save, nft_json
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.connection import Connection
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.rows import Surroundings, evaluate_one
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.ruleset import Ruleset
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.devices import with_devices
from network import EDGE, INTERFACE, PEER, WAYS

CASES = sorted(Path(__file__).with_name("cases").iterdir())
PROGRAMS = ("iptables", "ip6tables")
PORT = 5269


def flows(text):
    """Yield direction, family, port and verdict of each connection of a file."""
    for line in text.splitlines()[1:]:
        if not line.startswith("# "):
            return
        direction, family, *port, verdict = line[2:].split()
        yield direction, family, int(port[0]) if port else PORT, verdict


def load(edge, path, text):
    """Load a file's ruleset. Return it as the evaluator sees it."""
    if path.suffix == ".nft":
        edge.run("nft", "-f", "-", stdin=text)
        listing = json.loads(edge.run("nft", "-j", "list", "ruleset").stdout)
        listing = with_devices(listing, edge.run("nft", "-t", "list", "ruleset").stdout)
        return replace(nft_json.read_ruleset(listing), ways=WAYS, forwards=frozenset(EDGE))
    ruleset = Ruleset(ways=WAYS, forwards=frozenset(EDGE))
    for program in PROGRAMS:
        edge.run(f"{program}-restore", stdin=text)
        ruleset.chains.update(iptables_save.read_ruleset(edge.run(f"{program}-save").stdout, program).chains)
    return ruleset


@pytest.mark.parametrize("path", CASES, ids=[path.name for path in CASES])
def test_case(network, path):
    if path.suffix == ".iptables" and shutil.which("iptables-restore") is None:
        pytest.fail("iptables-restore is not installed; install the package iptables")
    text = path.read_text()
    ruleset = load(network.edge, path, text)
    found = list(flows(text))
    assert found
    for direction, family, port, verdict in found:
        local, remote = EDGE[family][0], PEER[family][0]
        connection = Connection(direction, family, local, remote, port, INTERFACE)
        evaluated, subject = evaluate_one(ruleset, connection, [PORT], Surroundings({(local, remote): None}))
        assert evaluated.verdict == verdict, f"{subject}: {evaluated.decision}"
        # What passes is waited for. What does not would have passed long before.
        passed = network.passes([(direction, local, remote, port)], 60 if verdict == "accept" else 2)[0]
        assert verdict in ("unknown", "accept" if passed else "drop")
