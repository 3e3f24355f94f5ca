# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparison of the container scenarios: the outcome of a flow does not depend on the firewall manager."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "molecule" / "shared"))

import matrix  # noqa: E402

# Scenarios with the sequence of the base configuration look at the whole matrix.
SCENARIOS = sorted(
    path.parent.name
    for path in ROOT.glob("molecule/*/molecule.yml")
    if "scenario" not in yaml.safe_load(path.read_text())
)


def observed(scenario, inputs):
    """Return what a scenario saw, by flow."""
    path = ROOT / ".cache" / "matrix" / f"{scenario}-{inputs}.json"
    if not path.exists():
        pytest.fail(f"scenario {scenario} has not left what it saw for the inputs {inputs}; run it first")
    words = json.loads(path.read_text())
    return {flow: words[flow.label] for flow in matrix.flows()}


def test_there_is_a_scenario_for_every_backend():
    assert set(SCENARIOS) == {"default", "firewalld", "ufw", "iptables", "coexist"}


@pytest.mark.parametrize("inputs", ["narrowed", "any"])
def test_verdicts_are_the_same(inputs):
    tables = {scenario: observed(scenario, inputs) for scenario in SCENARIOS}
    assert len(tables["default"]) > 90
    for scenario, table in tables.items():
        assert table == tables["default"], scenario


@pytest.mark.parametrize("inputs", ["narrowed", "any"])
def test_documented_table_is_what_was_seen(inputs):
    text = (ROOT / "docs" / "reachability.md").read_text()
    assert matrix.table(observed("default", inputs), inputs) in text
