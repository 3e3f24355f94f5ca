# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend against the real iptables, of both variants, in a network namespace of each test."""

from __future__ import annotations

import shutil
import subprocess

import former
import namespace
import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.guards import Guards
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.iptables import IptablesBackend
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.persistence import IPTABLES_LOADER
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model import diff_text
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.desired import ABSENT, Desired
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.plan import Unmanaged
from ansible_collections.xmpp.edge.plugins.module_utils._edge.reconcile import observe
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from namespace import sh


def why_not():
    """Why this cannot be tried here, or None."""
    if namespace.why_not():
        return namespace.why_not()
    missing = [name for name in ("iptables-legacy", "iptables-nft", "ipset") if shutil.which(name) is None]
    return f"{', '.join(missing)} is not installed" if missing else None


pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
both = pytest.mark.parametrize("variant", ["nft", "legacy"])


@pytest.fixture(scope="module", autouse=True)
def clean_network():
    """Leave no rules to the tests of other files."""
    yield
    namespace.enter()


@pytest.fixture(autouse=True)
def own_network(tmp_path, monkeypatch):
    # The lock of the legacy variant is the machine's, of whatever network.
    monkeypatch.setenv("XTABLES_LOCKFILE", str(tmp_path / "xtables.lock"))
    namespace.enter()


def desired_for(**changes):
    """The desired state, with nothing kept on disk."""
    rules = compile_rules(parse_options({**former.OPTIONS, **changes}))
    return Desired("present", rules, persist=False)


DESIRED = desired_for()
LONG = desired_for(partner_networks=[f"198.19.{number}.0/25" for number in range(40)])


def reconciled(desired, check_mode=False, **terms):
    return namespace.reconciled(desired, "iptables", check_mode, **terms)


POLICY = """
-P INPUT DROP
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -s BANNED -j DROP
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
"""
FINAL = """
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -s BANNED -j DROP
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -j LOG --log-prefix "end "
-A INPUT -m comment --comment "the end" -j DROP
-A INPUT -p tcp -m tcp --dport 7 -j ACCEPT
"""
INNER = """
-N hosts
-N rest
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -j hosts
-A hosts -s BANNED -j DROP
-A hosts -p tcp -j rest
-A rest -p tcp -m tcp --dport 22 -j ACCEPT
-A rest -p tcp -j REJECT --reject-with tcp-reset
"""
SHARED = """
-N logdrop
-A logdrop -m limit --limit 5/min -j LOG --log-prefix "no "
-A logdrop -j DROP
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -s BANNED -j DROP
-A INPUT -p udp -m udp --dport 53 -g logdrop
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -j logdrop
"""
OUTBOUND = """
-P OUTPUT DROP
-A OUTPUT -o lo -j ACCEPT
-A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -s BANNED -j DROP
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -j DROP
"""
RULESETS = {"policy": POLICY, "final drop": FINAL, "inner chain": INNER, "shared chain": SHARED, "outbound": OUTBOUND}
rulesets = pytest.mark.parametrize("ruleset", RULESETS.values(), ids=list(RULESETS))
BANNED = {"iptables": "203.0.113.9", "ip6tables": "2001:db8:bad::/48"}


def load(variant, ruleset):
    """Load a ruleset in both families."""
    for program, banned in BANNED.items():
        # Without neighbour discovery nothing of IPv6 would pass, whatever else the rules say.
        for chain in ("INPUT", "OUTPUT"):
            sh(f"{program}-{variant} -A {chain} -p ipv6-icmp -j ACCEPT")
        for line in ruleset.replace("BANNED", banned).strip().splitlines():
            sh(f"{program}-{variant} {line}")


def listing(variant, program="iptables"):
    """The rules of one program."""
    return [line for line in sh(f"{program}-{variant}-save").splitlines() if line[0] in ":-"]


def everything():
    """All that a host has, without counters and dates."""
    programs = [f"{name}-{variant}-save" for name in BANNED for variant in ("nft", "legacy")]
    lines = [line for program in programs for line in sh(program).splitlines()]
    rules = [line.split(" [")[0] for line in lines if line[:1] in "*:-"]
    # The kernel gives a set another number of buckets when it is made anew.
    sets = [line.split(" hashsize")[0] for line in sh("ipset save").splitlines()]
    tables = [line for line in sh("nft list tables").splitlines() if "xmpp" in line]
    return [*rules, *sorted(sets), *tables]


def verdicts(outcome):
    """The verdict on each row."""
    return {row: verdict.effective for row, verdict in outcome.rows.items()}


@both
@pytest.mark.parametrize(
    ("ruleset", "chain", "behind"),
    [
        (POLICY, "INPUT", None),
        # The rule that logs what gets dropped is not to see packets that pass.
        (FINAL, "INPUT", '-A INPUT -j LOG --log-prefix "end "'),
        (INNER, "rest", "-A rest -p tcp -j REJECT --reject-with tcp-reset"),
        (SHARED, "INPUT", "-A INPUT -j logdrop"),
        (OUTBOUND, "INPUT", "-A INPUT -j DROP"),
    ],
)
def test_the_jump_stands_immediately_before_what_drops_by_default(variant, ruleset, chain, behind):
    load(variant, ruleset)
    outcome = reconciled(DESIRED)
    for program in BANNED:
        rules = [line for line in listing(variant, program) if line.startswith(f"-A {chain} ")]
        assert [line for line in listing(variant, program) if line.endswith("-j XMPP-EDGE-IN")] == [
            f"-A {chain} -j XMPP-EDGE-IN"
        ]
        number = rules.index(f"-A {chain} -j XMPP-EDGE-IN")
        assert rules[number + 1 :][:1] == ([behind] if behind else [])
    assert set(verdicts(outcome).values()) == {"yes"}
    assert "table inet xmpp_edge" in everything()


@both
@rulesets
def test_a_second_run_changes_nothing_and_removal_leaves_everything_as_it_was(variant, ruleset):
    load(variant, ruleset)
    before = everything()
    check = reconciled(DESIRED, check_mode=True)
    assert everything() == before
    outcome = reconciled(DESIRED)
    assert (outcome.change.plan, outcome.change.steps) == (check.change.plan, check.change.steps)
    assert verdicts(outcome) == verdicts(check)
    assert not reconciled(DESIRED).change.plan.changed
    removed = reconciled(ABSENT).change.plan.before
    assert list(map(diff_text.line, removed)) == list(map(diff_text.line, outcome.change.plan.after))
    assert everything() == before
    assert not reconciled(ABSENT).change.plan.changed


@both
def test_nothing_is_written_where_nothing_drops(variant):
    load(variant, "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT")
    before = listing(variant) + listing(variant, "ip6tables")
    outcome = reconciled(DESIRED)
    assert set(verdicts(outcome).values()) == {"yes"}
    assert listing(variant) + listing(variant, "ip6tables") == before


@both
@rulesets
@pytest.mark.parametrize(
    "rule", ["-I INPUT 1 -s 198.18.9.9 -j DROP", "-I INPUT 1 -p tcp --dport 443 -j ACCEPT", "-I INPUT 1 -p tcp -j LOG"]
)
def test_a_rule_inserted_at_the_head_is_no_drift(variant, ruleset, rule):
    load(variant, ruleset)
    reconciled(DESIRED)
    sh(f"iptables-{variant} {rule}")
    state = everything()
    assert not reconciled(DESIRED).change.plan.changed
    assert everything() == state


@both
def test_an_explicit_denial_between_the_jump_and_the_drop_is_drift_once(variant):
    load(variant, SHARED)
    reconciled(DESIRED)
    number = sum(line.startswith("-A INPUT ") for line in listing(variant))
    sh(f"iptables-{variant} -I INPUT {number} -s 198.18.7.9 -j DROP")
    plan = reconciled(DESIRED).change.plan
    assert plan.drift == (
        f"iptables-{variant} chain INPUT  does not jump to XMPP-EDGE-IN once, before what drops by default",
    )
    rules = [line for line in listing(variant) if line.startswith("-A INPUT ")]
    assert rules[-3:] == ["-A INPUT -s 198.18.7.9/32 -j DROP", "-A INPUT -j XMPP-EDGE-IN", "-A INPUT -j logdrop"]
    assert not reconciled(DESIRED).change.plan.changed


TAMPERINGS = {
    "jump gone": "-D INPUT -j XMPP-EDGE-IN",
    "jump twice": "-I INPUT 1 -j XMPP-EDGE-IN",
    "jump from elsewhere": "-A OUTPUT -j XMPP-EDGE-IN",
    "rule added": "-A XMPP-EDGE-IN -p tcp --dport 9 -j ACCEPT",
    "rule inserted": "-I XMPP-EDGE-IN 1 -j ACCEPT",
    "rule deleted": "-D XMPP-EDGE-IN 1",
    "chain emptied": "-F XMPP-EDGE-IN",
}


@both
@pytest.mark.parametrize("tampering", TAMPERINGS.values(), ids=list(TAMPERINGS))
def test_drift_is_seen_and_repaired(variant, tampering):
    load(variant, FINAL)
    reconciled(DESIRED)
    sound = everything()
    sh(f"iptables-{variant} {tampering}")
    seen = reconciled(DESIRED, check_mode=True).change
    assert seen.plan.changed
    made = reconciled(DESIRED).change
    assert (made.plan, made.steps) == (seen.plan, seen.steps)
    assert everything() == sound


def test_an_edited_line_is_unmanaged():
    load("nft", FINAL)
    reconciled(DESIRED)
    sh("iptables-nft -R XMPP-EDGE-IN 1 -p tcp --dport 5269 -j ACCEPT")
    items = reconciled(DESIRED).change.plan.before
    assert Unmanaged("chain XMPP-EDGE-IN", "-A XMPP-EDGE-IN -p tcp -m tcp --dport 5269 -j ACCEPT") in items


def load_former(variant, text=former.IPTABLES):
    """Put the state of version 1.1.0 beside the rules that are there."""
    for program, rules in (("iptables", text), ("ip6tables", former.IP6TABLES)):
        subprocess.run([f"{program}-{variant}-restore", "--noflush"], input=rules, text=True, check=True)


@both
@rulesets
def test_the_state_of_version_1_1_0_is_converted_in_one_transaction_each(variant, ruleset):
    load(variant, ruleset)
    reconciled(DESIRED)
    sound = everything()
    reconciled(ABSENT)
    load_former(variant)
    change = reconciled(DESIRED).change
    restored = [step.arguments[0].rpartition("/")[2] for step in change.steps if hasattr(step, "arguments")]
    assert restored == [f"{program}-{variant}-restore" for program in sorted(BANNED)]
    assert any(isinstance(item, Unmanaged) and "guard" in item.text for item in change.plan.remove)
    assert everything() == sound
    assert not reconciled(DESIRED).change.plan.changed


@both
@pytest.mark.parametrize("ruleset", [POLICY, ""])
@pytest.mark.parametrize("backend", ["iptables", "nftables"])
def test_the_state_of_version_1_1_0_is_removed_with_its_sets(variant, ruleset, backend):
    load(variant, ruleset or "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT")
    before = everything()
    subprocess.run(["ipset", "restore"], input=former.SETS, text=True, check=True)
    load_former(variant, former.IPTABLES_WITH_SET)
    assert "xmpp-edge-partner_ipv4" in " ".join(everything())
    assert namespace.reconciled(ABSENT, backend).change.plan.changed
    assert everything() == before
    assert not namespace.reconciled(ABSENT, backend).change.plan.changed


@both
def test_sets_of_version_1_1_0_go_where_rules_come(variant):
    load(variant, POLICY)
    reconciled(LONG)
    sound = everything()
    reconciled(ABSENT)
    subprocess.run(["ipset", "restore"], input=former.SETS, text=True, check=True)
    load_former(variant, former.IPTABLES_WITH_SET)
    outcome = reconciled(LONG)
    assert everything() == sound
    assert any("40 ipv4 networks" in note for note in outcome.warnings)
    assert not reconciled(LONG).change.plan.changed


def test_chains_in_the_other_variant_are_found_and_go():
    load("legacy", POLICY)
    reconciled(DESIRED)
    assert ":XMPP-EDGE-IN" in " ".join(listing("legacy"))
    for program in BANNED:
        sh(f"{program}-legacy -P INPUT ACCEPT; {program}-legacy -F INPUT")
    load("nft", POLICY)
    reconciled(DESIRED)
    assert ":XMPP-EDGE-IN" in " ".join(listing("nft"))
    assert "XMPP" not in " ".join(listing("legacy"))
    reconciled(ABSENT)
    assert "XMPP" not in " ".join(everything())


def test_both_variants_that_drop_get_rules():
    for variant in ("nft", "legacy"):
        load(variant, POLICY)
    outcome = reconciled(DESIRED)
    assert set(verdicts(outcome).values()) == {"yes"}
    for variant in ("nft", "legacy"):
        assert "-A INPUT -j XMPP-EDGE-IN" in listing(variant)


@both
def test_check_mode_asks_iptables_and_changes_nothing(variant):
    load(variant, POLICY)
    state = everything()
    assert reconciled(DESIRED, check_mode=True).change.plan.changed
    assert everything() == state


def test_a_table_that_iptables_cannot_list_is_refused_and_nothing_changes():
    load("nft", POLICY)
    reconciled(DESIRED)
    sh("nft add rule ip filter INPUT meta mark 5 tcp option maxseg size 500 accept")
    before = sh("nft -s list ruleset")
    for desired in (DESIRED, ABSENT):
        with pytest.raises(EdgeError, match="filter INPUT has a rule that was made by nft"):
            reconciled(desired)
    assert sh("nft -s list ruleset") == before


@both
def test_an_unmanaged_rule_that_leads_to_a_managed_chain_is_named(variant):
    load(variant, POLICY)
    reconciled(DESIRED)
    sh(f"iptables-{variant} -N theirs; iptables-{variant} -A theirs -p tcp -j XMPP-EDGE-IN")
    state = everything()
    with pytest.raises(EdgeError, match='"-A theirs -p tcp -j XMPP-EDGE-IN"; remove it'):
        reconciled(ABSENT)
    assert everything() == state
    sh(f"iptables-{variant} -F theirs")
    reconciled(ABSENT)
    assert "XMPP" not in " ".join(everything())


def test_check_mode_evaluates_as_the_real_run_does_where_another_backend_has_rules():
    load("nft", POLICY)
    reconciled(DESIRED)
    runs = [
        namespace.reconciled(DESIRED, "nftables", check_mode, undo_ineffective=False) for check_mode in (True, False)
    ]
    assert verdicts(runs[0]) == verdicts(runs[1])
    assert verdicts(runs[1])["federation_in"] == "no"


def kept_of(desired):
    """The script that the boot loads of a desired state, out of the backend's own change."""
    facts = observe(namespace.run, desired)
    backend, guards = IptablesBackend(namespace.run), Guards()
    snapshot = backend.observe(facts)
    unmanaged = backend.without_managed(snapshot, guards.without_managed(guards.observe(facts), facts.firewall.ruleset))
    change = backend.plan(type(snapshot)(**{**vars(snapshot), "unmanaged": unmanaged}), desired)
    (kept,) = change.kept
    return kept.files[IPTABLES_LOADER]


@both
@rulesets
def test_the_loader_puts_the_rules_to_the_same_place_after_a_reload(variant, ruleset, tmp_path):
    load(variant, ruleset)
    bare = {program: sh(f"{program}-{variant}-save") for program in BANNED}
    reconciled(DESIRED)
    loader = tmp_path / "iptables.sh"
    loader.write_text(kept_of(DESIRED))
    sound = everything()
    for _time in range(2):
        for program, text in bare.items():
            subprocess.run([f"{program}-{variant}-restore"], input=text, text=True, check=True)
        for _again in range(2):
            sh(f"/bin/sh {loader} load")
            assert everything() == sound
    sh("nft delete table inet xmpp_edge")
    for _time in range(2):
        sh(f"/bin/sh {loader} unload")
        assert "XMPP" not in " ".join(everything())
        for program, text in bare.items():
            assert listing(variant, program) == [line for line in text.splitlines() if line[0] in ":-"]


@both
def test_the_loader_says_that_it_failed(variant, tmp_path):
    load(variant, POLICY)
    reconciled(DESIRED)
    loader = tmp_path / "iptables.sh"
    loader.write_text(kept_of(DESIRED).replace("-j ACCEPT", "-j NONSENSE"))
    assert subprocess.run(["/bin/sh", loader, "load"], check=False, capture_output=True).returncode != 0


DROPPED = "-p tcp --dport 5269 -m comment --comment meant -j DROP"


@both
@pytest.mark.parametrize("ruleset", [POLICY, INNER], ids=["policy", "inner chain"])
@pytest.mark.parametrize(
    ("before", "after"),
    [(None, DESIRED), (DESIRED, LONG), (LONG, desired_for(mode="permit")), (LONG, LONG), ("former", DESIRED)],
    ids=["first", "longer", "permit", "same", "version 1.1.0"],
)
def test_a_change_that_is_not_effective_is_rolled_back_in_full(variant, ruleset, before, after):
    load(variant, ruleset)
    if before == "former":
        subprocess.run(["ipset", "restore"], input=former.SETS, text=True, check=True)
        load_former(variant, former.IPTABLES_WITH_SET)
    elif before is not None:
        reconciled(before)
    # A drop before the filter chains makes any change fail; unmanaged rules in managed chains are restored as well.
    sh(f"iptables-{variant} -t mangle -A INPUT {DROPPED}")
    if before is not None:
        sh(f"iptables-{variant} -A XMPP-EDGE-IN -s 198.18.0.66 -j ACCEPT")
    state = everything()
    outcome = reconciled(after)
    assert outcome.rolled_back
    assert outcome.rollback_fault is None
    assert "meant" in outcome.decided_by["federation_in"]
    assert everything() == state
