# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend against the real nft and the real kernel, in a network namespace of its own."""

from __future__ import annotations

import re
import subprocess

import namespace
import pytest
import strategies
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends import nftables
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.nftables import NftablesBackend
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.firewall import Host
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.persistence import Persistence
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.ownership import TABLE
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.plan import make_plan
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.skipif(namespace.why_not() is not None, reason=str(namespace.why_not()))

FOREIGN = """
table ip docker_like {
  chain DOCKER { ip daddr 172.17.0.2 tcp dport 80 accept; }
  chain FORWARD { type filter hook forward priority 0; policy drop; jump DOCKER; }
}
table inet f2b-table {
  set addr-set-sshd { type ipv4_addr; elements = { 198.18.9.9 }; }
  chain f2b-chain { type filter hook input priority -1; ip saddr @addr-set-sshd drop; }
}
"""
SOUND = {"access_addresses": ["198.18.0.2", "2001:db8::2"], "internal_addresses": ["198.18.1.2"]}


@pytest.fixture(scope="module", autouse=True)
def own_network():
    namespace.enter()
    nft(FOREIGN)


def nft(script):
    """Load a script with the real nft."""
    subprocess.run(["nft", "-f", "-"], input=script, text=True, check=True)


def listed(*what):
    """What the real nft lists."""
    options = [word for word in what if word.startswith("-")]
    what = [word for word in what if word not in options]
    return subprocess.run(["nft", *options, "list", *what], stdout=subprocess.PIPE, text=True, check=True).stdout


def backend():
    """The backend as on a host, but with nothing kept on disk."""
    return NftablesBackend.on_this_host(Host(namespace.run), persist=False, integrate=True)


def apply(backend, rules, check_mode):
    """Reconcile with a backend that knows the host as it is now."""
    backend._host.forget()
    return namespace.reconciled(backend._host, backend, rules, check_mode)


def rules_for(**options):
    return compile_rules(parse_options({**SOUND, **options}))


@settings(max_examples=60)
@given(strategies.options(), strategies.options())
def test_any_rules_after_any_others(first, second):
    for options in (first, second):
        rules = compile_rules(parse_options(options))
        apply(backend(), rules, check_mode=False)
        observed = backend().observe(rules)
        assert observed.items == rules
        assert not apply(backend(), rules, check_mode=False).plan.changed


@settings(max_examples=100)
@given(st.lists(strategies.networks, min_size=1, max_size=30), st.lists(strategies.networks, min_size=1, max_size=30))
def test_members_change_without_touching_anything_else(first, second):
    # One fixed member of each family keeps both sets in both tables, so that only members differ.
    old, new = (rules_for(partner_networks=[*some, "198.20.0.1", "2001:dba::1"]) for some in (first, second))
    apply(backend(), old, check_mode=False)
    handle = table_handle()
    apply(backend(), new, check_mode=False)
    assert table_handle() == handle
    assert backend().observe(new).items == new


def table_handle():
    """Handle of our table: one that was deleted and added again has another."""
    return re.search(r"table inet xmpp_edge \{ # handle (\d+)", listed("-a", "table", *TABLE.split()))[1]


def test_rules_change_by_a_new_table():
    apply(backend(), rules_for(), check_mode=False)
    handle = table_handle()
    apply(backend(), rules_for(mode="permit"), check_mode=False)
    assert table_handle() != handle


def test_members_that_nft_refuses_to_change_come_with_a_new_table(tmp_path):
    refusing = fake_nft(
        tmp_path,
        'case "$1" in list|--version) exec nft "$@";; esac; script=$(cat); case "$script" in '
        '"delete element"*|"add element"*) echo "Error: refused" >&2; exit 1;; esac; echo "$script" | nft "$@"',
    )
    apply(backend(), rules_for(partner_networks=["198.18.7.0/24"]), check_mode=False)
    wanted = rules_for(partner_networks=["198.18.8.0/24"])
    apply(refusing, wanted, check_mode=False)
    assert backend().observe(wanted).items == wanted


def test_neighbouring_members_stay_apart():
    rules = rules_for(access_addresses=["198.18.0.2", "198.18.0.3", "198.18.0.4"])
    apply(backend(), rules, check_mode=False)
    assert backend().observe(rules).items == rules


TAMPERINGS = {
    "rule deleted": "flush chain inet xmpp_edge output",
    "rule added": "add rule inet xmpp_edge input tcp dport 22 drop",
    "rule inserted": "insert rule inet xmpp_edge input accept",
    "member added": "add element inet xmpp_edge partner_networks_ipv4 { 198.19.1.1 }",
    "member deleted": "delete element inet xmpp_edge partner_networks_ipv4 { 198.18.7.0/24 }",
    "members gone": "flush set inet xmpp_edge partner_networks_ipv4",
    "range added": "add element inet xmpp_edge partner_networks_ipv4 { 198.19.1.1-198.19.1.6 }",
    "member with a comment": 'add element inet xmpp_edge partner_networks_ipv4 { 198.19.1.1 comment "a, b" }',
    "policy changed": "add chain inet xmpp_edge input { policy drop; }",
    "chain added": "add chain inet xmpp_edge more",
    "set added": "add set inet xmpp_edge more { type ipv4_addr; }",
    "counter object added": "add counter inet xmpp_edge more",
    "table gone": "delete table inet xmpp_edge",
    "table emptied": "delete table inet xmpp_edge; add table inet xmpp_edge",
    "priority changed": (
        "flush chain inet xmpp_edge output; delete chain inet xmpp_edge output;"
        "add chain inet xmpp_edge output { type filter hook output priority 5; }"
    ),
}


@pytest.mark.parametrize("tampering", TAMPERINGS.values(), ids=list(TAMPERINGS))
def test_drift_is_seen_and_repaired(tampering):
    rules = rules_for(partner_networks=["198.18.7.0/24"])
    apply(backend(), rules, check_mode=False)
    sound = listed("table", *TABLE.split())
    nft(tampering)
    seen = apply(backend(), rules, check_mode=True).plan
    assert seen.changed
    assert apply(backend(), rules, check_mode=False).plan == seen
    assert listed("table", *TABLE.split()) == sound
    assert not make_plan(backend().observe(rules), rules).changed


def test_check_mode_changes_nothing():
    apply(backend(), (), check_mode=False)
    before = listed("ruleset")
    assert apply(backend(), rules_for(), check_mode=True).plan.changed
    assert listed("ruleset") == before


def test_absent_leaves_no_table_and_does_so_once():
    rules = rules_for()
    apply(backend(), rules, check_mode=False)
    removal = apply(backend(), (), check_mode=False).plan
    assert removal.remove == rules
    assert removal.deviations == ()
    assert "xmpp_edge" not in listed("tables")
    assert not apply(backend(), (), check_mode=False).plan.changed


def test_absent_removes_an_empty_table_too():
    nft("add table inet xmpp_edge")
    assert apply(backend(), (), check_mode=False).plan.changed
    assert "xmpp_edge" not in listed("tables")


def test_foreign_tables_are_byte_equal_through_it_all():
    def foreign():
        return listed("table", "ip", "docker_like") + listed("table", "inet", "f2b-table")

    before = foreign()
    for rules in (rules_for(), rules_for(partner_networks=["198.18.7.0/24"]), ()):
        apply(backend(), rules, check_mode=False)
    assert foreign() == before


def fake_nft(tmp_path, script):
    """A backend whose nft is a shell script."""
    path = tmp_path / "nft"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    host = Host(namespace.run)
    return NftablesBackend(host, Persistence(False, host), str(path))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            'case "$*" in --version) echo "nftables v0.8.2";; '
            '*) echo "Error: No such file or directory" >&2; exit 1;; esac',
            "nft 0.8.2 is too old; upgrade the package nftables to 0.9.3",
        ),
        # The next two are what nft 1.1.3 says without CAP_NET_ADMIN and without the kernel's nf_tables.
        (
            'echo "nft: error while loading shared libraries: libmnl.so.0: cannot open shared object file: '
            'No such file or directory" >&2; exit 127',
            "nft refused: nft: error while loading shared libraries",
        ),
        (
            'echo "netlink: Error: cache initialization failed: Operation not permitted" >&2; exit 1',
            r"run as root \(become: true\), or give the right CAP_NET_ADMIN",
        ),
        (
            'echo "netlink.c:59: Unable to initialize Netlink socket: Protocol not supported" >&2; exit 3',
            "no nftables support: load or build its module nf_tables",
        ),
        (
            'case "$*" in --version) echo "nftables v1.0.6";; *) echo "Error: something new" >&2; exit 1;; esac',
            "nft refused: Error: something new",
        ),
    ],
)
def test_each_failure_of_nft_is_one_sentence(tmp_path, script, words):
    with pytest.raises(EdgeError, match=words) as failure:
        fake_nft(tmp_path, script).observe(rules_for())
    assert "\n" not in str(failure.value)


def test_what_fails_the_check_is_not_loaded(tmp_path):
    loaded = tmp_path / "loaded"
    refusing = fake_nft(
        tmp_path,
        'case "$1" in list) echo "Error: No such file or directory" >&2; exit 1;; --version) echo "nftables v1.0.6";; '
        f'-c) echo "Error: refused" >&2; exit 1;; -f) cat >> {loaded};; esac',
    )
    with pytest.raises(EdgeError, match="nft refused: Error: refused"):
        apply(refusing, rules_for(), check_mode=False)
    # Nothing but what puts back the nothing that was there.
    assert loaded.read_text() == f"add table {TABLE}\ndelete table {TABLE}\n"


def test_a_host_that_ignores_the_change_is_a_failure(tmp_path):
    lazy = fake_nft(tmp_path, 'case "$1" in list) echo "Error: No such file or directory" >&2; exit 1;; esac')
    with pytest.raises(EdgeError, match="still differs after the change, in: federation_in  allow in tcp any"):
        apply(lazy, rules_for(), check_mode=False)


def test_missing_nft_names_the_package(monkeypatch):
    monkeypatch.setattr(nftables, "find_program", lambda name: None)
    with pytest.raises(EdgeError, match="install the package nftables") as failure:
        NftablesBackend.on_this_host(Host(namespace.run), persist=True, integrate=True).observe(rules_for())
    assert failure.value.package == "nftables"


DROPPING = """
table inet theirs {
  chain input { type filter hook input priority 0; policy drop; ct state established accept; }
  chain output { type filter hook output priority 0; policy drop; ct state established accept; }
}
"""
MEANT = """
table inet meant {
  chain input { type filter hook input priority 5; iifname != "lo" tcp dport 5269 drop; }
}
"""
NARROW = {"partner_networks": ["198.18.7.0/24", "2001:db8:7::/48"]}


@pytest.mark.parametrize(
    ("before", "after"), [(None, {}), ({}, NARROW), (NARROW, {}), (NARROW, {"mode": "permit"}), (NARROW, None)]
)
def test_a_change_that_does_not_work_is_undone_in_full(before, after):
    nft("flush ruleset")
    nft(FOREIGN + DROPPING)
    if before is not None:
        apply(backend(), rules_for(**before), check_mode=False)
        # What somebody else put into ours is put back as well.
        nft("add rule inet xmpp_edge input ip saddr 198.18.9.9 accept")
        nft('add rule inet theirs input tcp dport 1 counter accept comment "xmpp_edge strange"')
    nft(MEANT)
    state = listed("-s", "ruleset")
    one = backend()
    if after is None:
        # Nothing can be ineffective where there are no rules, so that the change has to fail by itself.
        one.persist = refuse
        with pytest.raises(EdgeError, match=r"^disk full; the change was taken back$"):
            apply(one, (), check_mode=False)
    else:
        outcome = apply(one, rules_for(**after), check_mode=False)
        assert outcome.undone
        assert outcome.undo_fault is None
        assert "tcp dport 5269 drop" in outcome.decided_by["federation_in"]
    assert sorted(listed("-s", "ruleset").splitlines()) == sorted(state.splitlines())
    nft(f"flush ruleset\n{FOREIGN}")


def refuse(_wanted):
    raise EdgeError("disk full")
