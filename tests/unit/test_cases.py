# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded hosts, each with options and the change that they come to; see tests/cases and CONTRIBUTING.md.

With XMPP_EDGE_RECORD=1 the expectations are written anew: read what git says of them.
"""

from __future__ import annotations

import os

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.choose import choose_backend
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model import steps
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.desired import Desired
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.result import diff_of
from ansible_collections.xmpp.edge.plugins.module_utils._edge.reconcile import observe, plan_host
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from recorded_host import CASES, PATHS, RecordedHost, read_case, write_case

RECORD = bool(os.environ.get("XMPP_EDGE_RECORD"))
MANAGERS = ("nftables", "iptables", "ufw", "firewalld")


def desired_of(options):
    """The desired state of some options."""
    return Desired(options.state, compile_rules(options), options.persist, options.integrate == "auto")


def outcome(case, folder, monkeypatch):
    """All that a run would do, as plain values."""
    # A whole script is to be seen, not its beginning.
    monkeypatch.setattr(steps, "LONGEST_SHOWN", 10**9)
    host = RecordedHost(case["host"], folder)
    options = parse_options(case["options"])
    desired = desired_of(options)
    try:
        with host.as_this_machine():
            facts = observe(host.run, desired)
            choice = choose_backend(facts, host.run, options.backend, desired)
            change = plan_host(facts, choice, desired)
    except EdgeError as error:
        return {"error": str(error)}
    return {
        "backend": choice.backend.name,
        "backend_reason": choice.reason,
        "diff": diff_of(change.plan),
        "steps": list(map(str, change.steps)),
        "files": dict(files_of(change.steps)),
        "simulated": changed_chains(facts.firewall.ruleset, change.simulated),
        "rollback": rollback_of(change.rollback),
        "persisted": change.persisted,
        "warnings": list(change.warnings),
    }


def files_of(all_steps):
    """Path and text of each file that is written."""
    for step in all_steps:
        if isinstance(step, steps.Locked):
            yield from files_of(step.steps)
        elif isinstance(step, steps.WriteFile):
            yield step.path, step.text


def changed_chains(before, after):
    """The rules of each chain that would not be as it was; None for one that would be gone."""
    found = {}
    for key in sorted({*before.chains, *after.chains}):
        old, new = (ruleset.chains.get(key) for ruleset in (before, after))
        texts = [chain and [rule.text for rule in chain.rules] for chain in (old, new)]
        if texts[0] != texts[1]:
            found[" ".join(key)] = texts[1]
    return found


def rollback_of(data):
    """What restores the current state."""
    return {
        "paths": list(data.paths),
        "shared_files": {path: vars(shared) for path, shared in data.shared_files.items()},
        "folders": list(data.folders),
        "live": list(data.live),
        "data": dict(data.data),
        "units": data.units,
        "active": data.active,
    }


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(CASES).with_suffix("")))
def test_case(path, tmp_path, monkeypatch):
    case = read_case(path)
    found = outcome(case, tmp_path, monkeypatch)
    if RECORD:
        write_case(path, {**case, "expected": found})
        return
    expected = case["expected"]
    # One after the other: a difference is then about one thing.
    for key in expected:
        assert found.get(key) == expected[key]
    assert list(found) == list(expected)


@pytest.mark.parametrize("manager", MANAGERS)
def test_each_manager_has_cases(manager):
    names = {path.stem for path in PATHS if path.parent.name == manager}
    assert {"fresh", "second-run", "absent", "version-1.1.0"} <= names
    case = read_case(CASES / manager / "second-run.json")
    assert case["expected"]["steps"] == []
    assert case["expected"]["diff"]["before"] == case["expected"]["diff"]["after"] != ""
