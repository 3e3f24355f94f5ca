# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a host says of itself: rules, a verdict, or one clear sentence; never a traceback, and nothing half done."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends import choose
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.firewalld import FirewalldBackend
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.iptables import IptablesBackend
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.nftables import NftablesBackend
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.ufw import UfwBackend
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.firewall import Host
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.persistence import Persistence
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model import diff_text
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.reconcile import Safety, reconcile
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rollback.lock import HostLock
from recorded import MANAGERS, Recorded

COUNT = int(os.environ.get("XMPP_EDGE_EXAMPLES", "400"))
SEED = int(os.environ.get("XMPP_EDGE_SEED", "0"))
PROGRAMS = ("nft", "iptables", "ip6tables", "iptables-nft", "ip6tables-nft", "iptables-nft-save", "ip6tables-nft-save")
PROGRAMS += ("ipset", "ufw", "firewall-cmd", "busctl", "systemctl", "ip", "ss", "flock")
ADDRESSES = {"access_addresses": ["198.18.0.2", "2001:db8::2"], "internal_addresses": ["198.18.0.3", "2001:db8::3"]}
WANTED = (
    compile_rules(parse_options({**ADDRESSES, "partner_networks": ["198.19.7.0/24"]})),
    compile_rules(parse_options({**ADDRESSES, "partner_networks": [f"198.19.{n}.0/25" for n in range(40)]})),
    (),
)


@pytest.fixture(scope="module", autouse=True)
def programs():
    """Programs that are found, and that nobody runs."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name in PROGRAMS:
            path = Path(folder) / name
            path.write_text("#!/bin/false\n")
            path.chmod(0o755)
        patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        # Nothing of this machine's own may be looked at or touched.
        patch.setattr(Persistence, "_present", lambda _self: [])
        yield


def backend(manager, host, folder):
    if manager == "firewalld":
        return FirewalldBackend(host, True, f"{folder}/etc/firewalld")
    if manager == "ufw":
        return UfwBackend(host, True, f"{folder}/etc/ufw", f"{folder}/etc/default/ufw")
    if manager == "iptables":
        return IptablesBackend.on_this_host(host, persist=False)
    return NftablesBackend.on_this_host(host, persist=False, integrate=True)


def attempt(manager, seed, folder):
    """One run on a damaged host; what came of it, as one word."""
    dice = random.Random(seed)
    recorded = Recorded(manager, seed, folder)
    wanted, check_mode = dice.choice(WANTED), dice.random() < 0.7
    lock = HostLock(str(folder / "lock"))
    host = Host(recorded.run)
    try:
        if dice.random() < 0.3:
            choose.choose_backend(host, "auto", persist=False, integrate="auto", wanted=wanted)
        lock.acquire()
        safety = Safety(lock, home=str(folder / "home"))
        one = backend(dice.choice([manager, manager, "nftables"]), host, folder)
        others = [backend(name, host, folder) for name in MANAGERS]
        outcome = reconcile(host, one, wanted, check_mode=check_mode, others=others, safety=safety)
    except EdgeError as error:
        sentence = str(error)
        assert "\n" not in sentence
        assert sentence.isprintable(), sentence
        assert not recorded.changes or "taken back" in sentence, recorded.changes
        return "refused"
    finally:
        lock.release()
    assert not (check_mode and recorded.changes), recorded.changes
    diff_text.before(outcome.plan), diff_text.after(outcome.plan)
    return "done"


@pytest.mark.parametrize("manager", MANAGERS)
def test_hostile_hosts(manager, tmp_path):
    found = {"refused": 0, "done": 0}
    for number in range(COUNT // len(MANAGERS)):
        folder = tmp_path / "host"
        folder.mkdir()
        try:
            found[attempt(manager, SEED + number, folder)] += 1
        except BaseException:
            print(f"{manager}, seed {SEED + number}")
            raise
        shutil.rmtree(folder)
    # Damage that changes nothing, or everything, would try nothing.
    assert min(found.values()) > 0, found
