# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend against the real iptables, of both variants, in a network namespace of its own."""

from __future__ import annotations

import shutil
import subprocess

import namespace
import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.iptables import IptablesBackend
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.nftables import NftablesBackend
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.firewall import Host
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options


def why_not():
    """Why this cannot be tried here, or None."""
    if namespace.why_not():
        return namespace.why_not()
    missing = [name for name in ("iptables-legacy", "iptables-nft", "ipset") if shutil.which(name) is None]
    return f"{', '.join(missing)} is not installed" if missing else None


pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
SOUND = {"access_addresses": ["198.18.0.2", "2001:db8::2"], "internal_addresses": ["198.18.1.2"]}
FOREIGN = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"


@pytest.fixture(autouse=True)
def own_network():
    namespace.enter()


def rules_for(**changes):
    return compile_rules(parse_options({**SOUND, **changes}))


def apply(rules, check_mode=False):
    host = Host(namespace.run)
    others = [NftablesBackend.on_this_host(host, persist=False, integrate=True)]
    return namespace.reconciled(host, IptablesBackend.on_this_host(host, persist=False), rules, check_mode, others)


def sh(command):
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout  # noqa: S602


def everything():
    programs = [f"{name}-{variant}-save" for name in ("iptables", "ip6tables") for variant in ("nft", "legacy")]
    return "".join(sh(program) for program in programs) + sh("nft list ruleset")


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_rules_come_and_go_in_the_variant_that_has_rules(variant):
    sh(f"iptables-{variant} {FOREIGN}; ip6tables-{variant} {FOREIGN}")
    assert apply(rules_for(), check_mode=True).plan.changed
    assert "XMPP" not in everything()
    outcome = apply(rules_for())
    assert outcome.plan.add == rules_for()
    assert {verdict.effective for verdict in outcome.rows.values()} == {"yes"}
    saved = sh(f"iptables-{variant}-save")
    assert saved.count("-A INPUT -j XMPP-EDGE-IN") == 1
    assert saved.index("-A INPUT -j XMPP-EDGE-IN") < saved.index(FOREIGN)
    assert not apply(rules_for()).plan.changed
    assert len(apply(()).plan.remove) == len(rules_for())
    assert "XMPP" not in everything()
    assert FOREIGN in sh(f"iptables-{variant}-save")
    assert not apply(()).plan.changed


def test_chains_in_the_other_variant_are_found_and_go():
    sh(f"iptables-legacy {FOREIGN}")
    apply(rules_for())
    assert "XMPP-EDGE-IN" in sh("iptables-legacy-save")
    sh(f"iptables-legacy -D INPUT -p tcp --dport 22 -j ACCEPT; iptables-nft {FOREIGN}")
    apply(rules_for(partner_networks=["198.18.7.0/24", "2001:db8:7::/48"]))
    assert "XMPP-EDGE-IN" in sh("iptables-nft-save")
    assert "XMPP" not in sh("iptables-legacy-save")
    apply(())
    assert "XMPP" not in everything()


def test_a_table_that_iptables_cannot_list_is_refused_and_nothing_changes():
    apply(rules_for())
    sh("nft add rule ip filter INPUT meta mark 5 tcp option maxseg size 500 accept")
    before = sh("nft -s list ruleset")
    for rules in (rules_for(), ()):
        with pytest.raises(EdgeError, match="iptables cannot list its table filter"):
            apply(rules)
    assert sh("nft -s list ruleset") == before


def test_a_rule_of_somebody_else_that_leads_to_our_chain_is_named():
    apply(rules_for())
    sh("iptables -N theirs; iptables -A theirs -j XMPP-EDGE-IN")
    with pytest.raises(EdgeError, match='"-A theirs -j XMPP-EDGE-IN"; remove it'):
        apply(())
    assert "XMPP-EDGE-IN" in sh("iptables-save")
    sh("iptables -F theirs")
    apply(())
    assert "XMPP" not in everything()


def test_check_mode_judges_as_the_real_run_does_where_another_backend_has_rules():
    apply(rules_for())
    sh("iptables -P INPUT DROP; ip6tables -P INPUT DROP")

    def with_nftables(check_mode):
        host = Host(namespace.run)
        backend = NftablesBackend.on_this_host(host, persist=False, integrate=True)
        others = [IptablesBackend.on_this_host(host, persist=False)]
        outcome = namespace.reconciled(host, backend, rules_for(), check_mode, others)
        return {row: one.effective for row, one in outcome.rows.items()}

    assert with_nftables(check_mode=True) == with_nftables(check_mode=False)
    assert with_nftables(check_mode=False)["federation_in"] == "no"


LONG = {"partner_networks": [f"198.19.{number}.0/25" for number in range(40)]}
DROPPED = "-p tcp --dport 5269 -m comment --comment meant -j DROP"


@pytest.mark.parametrize("variant", ["nft", "legacy"])
@pytest.mark.parametrize(("before", "after"), [(None, {}), ({}, LONG), (LONG, {"mode": "permit"}), (LONG, LONG)])
def test_a_change_that_does_not_work_is_undone_in_full(variant, before, after):
    sh(f"iptables-{variant} {FOREIGN}; ip6tables-{variant} {FOREIGN}")
    if before is not None:
        apply(rules_for(**before))
    # What somebody else drops beforehand makes any change fail; what he put into ours is put back as well.
    sh(f"iptables-{variant} -t mangle -A INPUT {DROPPED}")
    if before is not None:
        sh(f"ip6tables-{variant} -A XMPP-EDGE-IN -s 2001:db8::66 -j ACCEPT")
    # The kernel gives a set another number of buckets when it is made anew.
    state = comparable()
    outcome = apply(rules_for(**after))
    assert outcome.undone
    assert outcome.undo_fault is None
    assert "meant" in outcome.decided_by["federation_in"]
    assert comparable() == state


def comparable():
    """All rules and sets, without counters, empty tables and what the kernel chooses by itself."""
    lines = [line for line in everything().splitlines() if line.startswith("-A")]
    sets = [line.split(" hashsize")[0] for line in sh("ipset save").splitlines()]
    return lines + sorted(sets)
