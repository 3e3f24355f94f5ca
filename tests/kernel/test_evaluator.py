# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts of the evaluator, compared with what the kernel does with real connections under random rulesets."""

from __future__ import annotations

import json
import os
import random
import shutil
from dataclasses import replace

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator import iptables_save, nft_json
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.connection import Connection
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.rows import Surroundings, evaluate_one
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.ruleset import Ruleset
from network import EDGE, INNER, INNER_INTERFACE, INTERFACE, MASQUERADING, PEER, WAYS, Network
from random_iptables import Generator as IptablesGenerator
from random_nft import PORTS
from random_nft import Generator as NftGenerator

ON_LINK = Surroundings(
    {
        (local, remote): None
        for family in EDGE
        for local in (*EDGE[family], *INNER[family])
        for remote in (*PEER[family], local)
    }
)
CASES = {"nft": 2100, "iptables-nft": 600, "iptables-legacy": 600}
PER_RULESET = 30
HOST = {"ways": WAYS, "forwards": frozenset(EDGE), "masquerading": MASQUERADING}
SEED = int(os.environ.get("XMPP_EDGE_SEED", "20261122"))


def draw_cases(dice):
    """Return connections to try: both directions and families, all addresses and ports, of the edge and through it."""
    cases = []
    for _number in range(PER_RULESET):
        family = dice.choice(("ipv4", "ipv6"))
        direction = dice.choice(("in", "in", "out"))
        ends = dice.choice((EDGE, EDGE, INNER))
        cases.append((direction, dice.choice(ends[family]), dice.choice(PEER[family]), dice.choice(PORTS)))
    return cases


def connection(case):
    """Return a case as the evaluator takes it."""
    direction, local, remote, port = case
    family = "ipv6" if ":" in local else "ipv4"
    inner = INNER_INTERFACE if local in INNER[family] else None
    return Connection(direction, family, local, remote, port, INTERFACE, inner=inner)


def passes_alone(case, source, loaded, seconds):
    """Return whether a connection comes to pass as the first one of a network, which no other has changed."""
    network = Network()
    try:
        assert source.restore(network.edge, loaded)
        return network.passes([case], seconds)[0]
    finally:
        network.close()


class Nft:
    """Random rulesets of nft."""

    def __init__(self, dice):
        self._generator = NftGenerator(dice)

    def load(self, edge):
        """Load the next ruleset. Return it, or None where the tool refuses it."""
        script = self._generator.ruleset()
        return script if self.restore(edge, script) else None

    def restore(self, edge, script):
        """Load a ruleset. Return whether the tool takes it."""
        return edge.run("nft", "-f", "-", stdin=script, check=False).returncode == 0

    def read(self, edge):
        """Return the loaded ruleset as the evaluator sees it."""
        listing = json.loads(edge.run("nft", "-j", "list", "ruleset").stdout)
        return replace(nft_json.read_ruleset(listing), **HOST)


class Iptables:
    """Random rulesets of one variant of iptables, both families."""

    def __init__(self, dice, variant):
        self._programs = {
            f"{name}-{variant}": IptablesGenerator(dice, name == "ip6tables") for name in ("iptables", "ip6tables")
        }

    def load(self, edge):
        """Load the next ruleset. Return it, or None where the tool refuses it."""
        texts = [generator.ruleset() for generator in self._programs.values()]
        return "\0".join(texts) if self.restore(edge, "\0".join(texts)) else None

    def restore(self, edge, loaded):
        """Load a ruleset. Return whether the tool takes it."""
        texts = zip(self._programs, loaded.split("\0"))
        done = [edge.run(f"{program}-restore", stdin=text, check=False) for program, text in texts]
        return all(one.returncode == 0 for one in done)

    def read(self, edge):
        """Return the loaded ruleset as the evaluator sees it."""
        ruleset = Ruleset(**HOST)
        for program in self._programs:
            ruleset.chains.update(iptables_save.read_ruleset(edge.run(f"{program}-save").stdout, program).chains)
        return ruleset


def test_every_connection_passes_without_rules(network):
    assert all(network.passes(draw_cases(random.Random(SEED)), 60))


@pytest.mark.parametrize("tool", CASES)
def test_verdicts_agree_with_the_kernel(network, tool):
    if tool != "nft" and shutil.which(f"{tool}-restore") is None:
        pytest.fail(f"{tool}-restore is not installed; install the package iptables")
    dice = random.Random(SEED)
    source = Nft(dice) if tool == "nft" else Iptables(dice, tool.partition("-")[2])
    counts = {"accept": 0, "drop": 0, "unknown": 0, "translated": 0, "refused rulesets": 0}
    while counts["accept"] + counts["drop"] < CASES[tool]:
        loaded = source.load(network.edge)
        if loaded is None:
            counts["refused rulesets"] += 1
            continue
        ruleset = source.read(network.edge)
        cases = draw_cases(dice)
        verdicts = [evaluate_one(ruleset, connection(case), PORTS, ON_LINK)[0] for case in cases]
        passed = network.passes(cases, 0.3)
        # A busy machine may be late, but no connection comes to pass by itself.
        for number, verdict in enumerate(verdicts):
            counts[verdict.verdict] += 1
            counts["translated"] += bool(verdict.translation.new) and verdict.verdict != "unknown"
            # Others may have put an address into a set.
            if verdict.verdict == "accept" and not passed[number]:
                passed[number] = passes_alone(cases[number], source, loaded, 60)
            # An end may have learned a neighbour for another connection.
            if verdict.verdict == "drop" and passed[number]:
                passed[number] = passes_alone(cases[number], source, loaded, 0.5)
        for case, verdict, came_to_pass in zip(cases, verdicts, passed):
            label = verdict.decision.label if verdict.decision else "nothing"
            assert verdict.verdict in ("unknown", "accept" if came_to_pass else "drop"), f"{case}: {label}\n{loaded}"
    print(tool, counts)
    assert min(counts["accept"], counts["drop"]) > CASES[tool] / 10
    assert counts["translated"] > CASES[tool] / 100
    assert counts["unknown"] < CASES[tool] / 4
    # Newer versions of nft refuse more of what the generator puts together.
    assert counts["refused rulesets"] < CASES[tool] / PER_RULESET / 3
