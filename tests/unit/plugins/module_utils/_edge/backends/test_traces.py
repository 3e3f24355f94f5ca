# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The quick look for what an earlier run left: it may say yes for nothing, and never no for something."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends import traces
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.firewalld_config import POLICIES
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.iptables_lines import CHAINS
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.lines import Line, set_name
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.ufw_rules import FILES, write_entry
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.ruleset import Ruleset
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.firewall import Host, HostFirewall
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.runner import Completed
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model import ownership
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import Group

BACKENDS = ("nftables", "firewalld", "ufw", "iptables")
FOREIGN = '{"nftables": [{"table": {"family": "inet", "name": "f2b-table"}}]}'
LINE = Line("federation_in", "allow", "in", "ipv4", "", "198.18.0.2", 5269)


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Where the managers would have their files."""
    monkeypatch.setattr(traces, "_UFW_FILES", tuple(str(tmp_path / name) for name in FILES.values()))
    monkeypatch.setattr(traces, "_FIREWALLD_FOLDERS", (str(tmp_path / "policies"), str(tmp_path / "ipsets")))
    monkeypatch.setattr(traces, "find_program", lambda name: f"/sbin/{name}")
    return tmp_path


def found(listing=FOREIGN, saves=(), ipsets=""):
    """The backends that may have something on a host with these listings."""
    host = Host(lambda arguments, _stdin: Completed(0, ipsets if "ipset" in arguments[0] else "", ""))
    host._firewall = HostFirewall(Ruleset(), {}, dict(enumerate(saves)), listing_text=listing)
    return [backend for backend in BACKENDS if traces.may_have_traces(backend, host)]


def test_a_host_without_anything_of_ours():
    assert found(saves=["*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"], ipsets="blocklist\n") == []


def test_our_table_and_our_accept_rules():
    family, name = ownership.TABLE.split()
    assert found(f'{{"table": {{"family": "{family}", "name": "{name}"}}}}') == ["nftables"]
    assert found(f'{{"rule": {{"comment": "{ownership.COMMENT}gateway_in"}}}}') == ["nftables"]


@pytest.mark.parametrize("chain", CHAINS.values())
def test_our_chains_in_any_listing(chain):
    assert found(f'{{"chain": {{"name": "{chain}"}}}}') == ["iptables"]
    assert found(saves=["", f":{chain} - [0:0]\n"]) == ["iptables"]


def test_our_sets_without_their_chains():
    assert found(ipsets=f"blocklist\n{set_name(Group('partner_networks_ipv4', ()))}\n") == ["iptables"]


@pytest.mark.parametrize("file", FILES.values())
def test_our_rules_among_ufw_s(folders, file):
    (folders / file).write_text("### RULES ###\n" + "\n".join(write_entry(LINE)))
    assert found() == ["ufw"]


@pytest.mark.parametrize("kind", ["policies", "ipsets"])
def test_our_files_of_firewalld(folders, kind):
    (folders / kind).mkdir()
    (folders / kind / "somebody.xml").write_text("")
    assert found() == []
    (folders / kind / f"{POLICIES['in']}.xml").write_text("")
    assert found() == ["firewalld"]


def test_our_policies_live():
    assert "firewalld" in found(f'{{"chain": {{"name": "filter_IN_policy_{POLICIES["in"]}_pre"}}}}')
