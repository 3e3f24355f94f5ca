# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The quick look for traces: no manager with managed rules is missed, and a bare host costs no import of a backend."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends import registry
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.iptables_lines import CHAINS
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.lines import Line
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.ufw_rules import FILES, write_entry
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.ruleset import (
    Chain,
    Content,
    FilterRule,
    Ruleset,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.facts import Facts
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.firewall import HostFirewall
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.persistence import PersistenceFacts
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.runner import Completed
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model import ownership

LINE = Line("federation_in", "in", "ipv4", "", "198.18.0.2", 5269)
NO_RULES = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Where the managers would have their files."""
    monkeypatch.setattr(registry, "_UFW_FILES", tuple(str(tmp_path / name) for name in FILES.values()))
    monkeypatch.setattr(registry, "_FIREWALLD_FOLDERS", (str(tmp_path / "policies"), str(tmp_path / "ipsets")))
    monkeypatch.setattr(registry, "find_program", lambda name: f"/sbin/{name}")
    return tmp_path


def found(saves=(), ipsets="", comment="mine", table="inet filter", units=()):
    """The managers that may have traces on a host."""

    def run(arguments, _stdin):
        return Completed(0, ipsets if "ipset" in arguments[0] else "", "")

    ruleset = Ruleset()
    ruleset.add(Chain(table, "input", ("ipv4",), [FilterRule("rule", lambda: Content(()), 1, comment)]))
    states = {unit: {"ActiveState": "active"} for unit in units}
    facts = Facts(HostFirewall(ruleset, {}, dict(enumerate(saves))), PersistenceFacts(states))
    return [one.name for one in registry.MANAGERS if one.may_have_traces(facts, run)]


def test_a_host_without_anything_managed():
    assert found(saves=[NO_RULES], ipsets="blocklist\n") == []


def test_accept_rules_of_nftables():
    assert found(comment=f"{ownership.COMMENT}gateway_in") == ["nftables"]


@pytest.mark.parametrize("chain", CHAINS)
def test_managed_chains_in_any_listing(chain):
    assert found(saves=["", f":{chain} - [0:0]\n"]) == ["iptables"]


def test_sets_of_version_1_1_0_without_their_chains():
    ipsets = "blocklist\nxmpp-edge-partner_ipv4\n"
    assert found(saves=[NO_RULES], ipsets=ipsets) == ["iptables"]
    # Without any rules of iptables nobody has made them.
    assert found(ipsets=ipsets) == []


@pytest.mark.parametrize("file", FILES.values())
def test_managed_rules_among_those_of_ufw(folders, file):
    (folders / file).write_text("### RULES ###\n" + "\n".join(write_entry(LINE)))
    assert found() == ["ufw"]


@pytest.mark.parametrize("kind", ["policies", "ipsets"])
def test_files_of_version_1_1_0_of_firewalld(folders, kind):
    (folders / kind).mkdir()
    (folders / kind / "somebody.xml").write_text("")
    assert found() == []
    (folders / kind / f"{ownership.NAME_PREFIX}in.xml").write_text("")
    assert found() == ["firewalld"]


def test_a_live_firewalld_has_to_be_asked():
    assert found(table="inet firewalld") == ["firewalld"]
    assert found(units=["firewalld.service"]) == ["firewalld"]


@pytest.mark.parametrize("one", registry.MANAGERS, ids=lambda one: one.name)
def test_each_manager_has_a_backend_of_its_name(one):
    assert one.make(None).name == one.name
    assert registry.manager(one.name) is one
