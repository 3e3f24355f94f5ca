# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that lie: rules, a verdict, or one clear sentence come of it; never a traceback, and nothing half done."""

from __future__ import annotations

import os
import random
import shutil

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.choose import choose_backend
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.desired import Desired
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.result import diff_of
from ansible_collections.xmpp.edge.plugins.module_utils._edge.reconcile import Terms, observe, reconcile
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rollback.lock import HostLock
from recorded import MANAGERS, DamagedHost
from recorded_host import PATHS

COUNT = int(os.environ.get("XMPP_EDGE_EXAMPLES", "400"))
SEED = int(os.environ.get("XMPP_EDGE_SEED", "0"))


def desired_of(dice, options):
    """The options of the case, or their end."""
    parsed = parse_options(dice.choice([options, options, {"state": "absent"}]))
    return Desired(parsed.state, compile_rules(parsed), dice.random() < 0.7, dice.random() < 0.9)


def attempt(path, seed, folder):
    """One run on a damaged host; its end as one word."""
    dice = random.Random(seed)
    host = DamagedHost(path, seed, folder)
    check_mode = dice.random() < 0.7
    lock = HostLock(str(folder / "lock"))
    try:
        desired = desired_of(dice, host.options)
        name = dice.choice(["auto", path.parent.name, path.parent.name, *MANAGERS])
        lock.acquire()
        with host.as_this_machine():
            facts = observe(host.run, desired)
            choice = choose_backend(facts, host.run, name, desired)
            terms = Terms(lock, home=str(folder / "home"))
            outcome = reconcile(host.run, facts, choice, desired, check_mode=check_mode, terms=terms)
    except EdgeError as error:
        sentence = str(error)
        assert "\n" not in sentence
        assert sentence.isprintable(), sentence
        assert not host.changes or "rolled back" in sentence, (sentence, host.changes)
        return "refused"
    finally:
        lock.release()
    assert not (check_mode and host.changes), host.changes
    assert all(map(str, outcome.change.steps))
    diff_of(outcome.change.plan)
    return "done"


@pytest.mark.parametrize("manager", MANAGERS)
def test_hostile_hosts(manager, tmp_path):
    found = {"refused": 0, "done": 0}
    paths = [path for path in PATHS if path.parent.name == manager]
    for number in range(COUNT // len(MANAGERS)):
        folder = tmp_path / "host"
        folder.mkdir()
        seed = SEED + number
        path = paths[seed % len(paths)]
        try:
            found[attempt(path, seed, folder)] += 1
        except BaseException:
            print(f"{path}, seed {seed}")
            raise
        shutil.rmtree(folder)
    # Damage that changes nothing, or everything, would try nothing.
    assert min(found.values()) > 0, found
