# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accept rules in unmanaged nftables chains, against the real nft, in a network namespace of each test."""

from __future__ import annotations

import json
import subprocess

import former
import namespace
import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.base import Change
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.guards import Guards
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.nftables import NftablesBackend
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.persistence import ACCEPTS_FILE
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model import diff_text
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.desired import ABSENT, Desired
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.plan import Unmanaged
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.steps import LoadNft
from ansible_collections.xmpp.edge.plugins.module_utils._edge.reconcile import observe
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from namespace import listed, nft, reconciled

pytestmark = pytest.mark.skipif(namespace.why_not() is not None, reason=str(namespace.why_not()))

NEW = {**former.OPTIONS, "partner_networks": ["198.18.16.0/23", "198.18.7.0/24", "2001:db8:7::/48"]}


@pytest.fixture(scope="module", autouse=True)
def clean_network():
    """Leave no rules to the tests of other files."""
    yield
    namespace.enter()


@pytest.fixture(autouse=True)
def own_network():
    namespace.enter()


def desired_for(**changes):
    """The desired state, with nothing kept on disk."""
    rules = compile_rules(parse_options({**former.OPTIONS, **changes}))
    return Desired("present", rules, persist=False)


DESIRED = desired_for()

POLICY = """
table inet filter {
  chain input {
    type filter hook input priority 0; policy drop;
    meta l4proto ipv6-icmp accept
    ct state established,related accept
    ct state invalid drop
    ip saddr { 203.0.113.0/24, 198.51.100.7 } drop comment "ban"
    tcp dport { 22, 80 } accept
  }
  chain output {
    type filter hook output priority 0; policy drop;
    meta l4proto ipv6-icmp accept
    ct state established accept
  }
}
"""
FINAL = """
table inet filter {
  chain input {
    type filter hook input priority 0; policy accept;
    meta l4proto ipv6-icmp accept
    iif lo accept
    ct state established,related accept
    ip saddr 203.0.113.9 drop
    tcp dport 22 accept
    log prefix "end " counter
    counter drop comment "end"
    tcp dport 7 accept
  }
}
"""
INNER = """
table inet filter {
  chain rest {
    tcp dport 22 accept
    meta l4proto tcp reject with tcp reset comment "end"
  }
  chain hosts {
    ip saddr 203.0.113.7 drop
    meta l4proto tcp jump rest
  }
  chain input {
    type filter hook input priority 0; policy accept;
    meta l4proto ipv6-icmp accept
    ct state established,related accept
    jump hosts
  }
}
"""
SHARED = """
table inet filter {
  chain logdrop {
    limit rate 5/minute log prefix "no "
    drop
  }
  chain input {
    type filter hook input priority 0; policy accept;
    meta l4proto ipv6-icmp accept
    ct state established,related accept
    ip saddr 203.0.113.9 drop
    tcp dport 22 accept
    udp dport 53 goto logdrop
    jump logdrop comment "end"
  }
}
"""
TWO = """
table inet second {
  chain in {
    type filter hook input priority 20; policy drop;
    meta l4proto ipv6-icmp accept
    ct state established,related accept
  }
}
table ip guard {
  chain in {
    type filter hook input priority 10; policy accept;
    meta l4proto ipv6-icmp accept
    ct state established,related accept
    ip saddr 203.0.113.9 drop
    drop comment "end"
  }
}
"""
RULESETS = {"policy": POLICY, "final drop": FINAL, "inner chain": INNER, "shared chain": SHARED, "two tables": TWO}


def load(ruleset):
    """Load a ruleset in place of all rules."""
    nft(f"flush ruleset\n{ruleset}")


def chain(table, name):
    """The rules of a chain as nft lists them, without counters."""
    lines = listed("-s", "chain", *table.split(), name).splitlines()[2:-2]
    return [line.strip() for line in lines if not line.strip().startswith("type ")]


def managed_before(lines):
    """The managed lines in a row, and the line behind them."""
    numbers = [number for number, line in enumerate(lines) if "xmpp_edge" in line]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    return [lines[number] for number in numbers], lines[numbers[-1] + 1] if numbers[-1] + 1 < len(lines) else ""


IN, OUT = former.IN.splitlines(), former.OUT.splitlines()


@pytest.mark.parametrize(
    ("ruleset", "table", "name", "rules", "behind"),
    [
        (POLICY, "inet filter", "input", IN, ""),
        (POLICY, "inet filter", "output", OUT, ""),
        # The rule that logs what gets dropped is not to see packets that pass.
        (FINAL, "inet filter", "input", IN, 'log prefix "end " counter'),
        (INNER, "inet filter", "rest", IN, 'meta l4proto tcp reject with tcp reset comment "end"'),
        (SHARED, "inet filter", "input", IN, 'jump logdrop comment "end"'),
        (TWO, "inet second", "in", IN, ""),
        (TWO, "ip guard", "in", [IN[0], IN[2]], 'drop comment "end"'),
    ],
)
def test_rules_stand_immediately_before_what_drops_by_default(ruleset, table, name, rules, behind):
    load(ruleset)
    outcome = reconciled(DESIRED)
    assert managed_before(chain(table, name)) == (rules, behind)
    assert set(verdicts(outcome).values()) == {"yes"}


def verdicts(outcome):
    """The verdict on each row."""
    return {row: verdict.effective for row, verdict in outcome.rows.items()}


@pytest.mark.parametrize("ruleset", RULESETS.values(), ids=list(RULESETS))
def test_a_second_run_changes_nothing_and_removal_leaves_the_ruleset_as_it_was(ruleset):
    load(ruleset)
    before = listed("-s", "ruleset")
    check = reconciled(DESIRED, check_mode=True)
    assert listed("-s", "ruleset") == before
    outcome = reconciled(DESIRED)
    assert (outcome.change.plan, outcome.change.steps) == (check.change.plan, check.change.steps)
    assert verdicts(outcome) == verdicts(check)
    assert not reconciled(DESIRED).change.plan.changed
    removed = reconciled(ABSENT).change.plan.before
    assert list(map(diff_text.line, removed)) == list(map(diff_text.line, outcome.change.plan.after))
    assert listed("-s", "ruleset") == before
    assert not reconciled(ABSENT).change.plan.changed


def test_nothing_is_written_where_nothing_drops():
    load("table inet filter { chain input { type filter hook input priority 0; tcp dport 22 accept\n}\n}")
    before = listed("-s", "table", "inet", "filter")
    reconciled(DESIRED)
    assert listed("-s", "table", "inet", "filter") == before


@pytest.mark.parametrize("ruleset", RULESETS.values(), ids=list(RULESETS))
@pytest.mark.parametrize(
    "rule", ["ip saddr 198.18.9.9 drop", "tcp dport 443 accept", "tcp dport 5269 ip saddr 198.18.7.9 reject", "counter"]
)
def test_an_unmanaged_rule_in_front_is_no_drift(ruleset, rule):
    load(ruleset)
    reconciled(DESIRED)
    name = "filter input" if "inet filter" in ruleset else "second in"
    nft(f"insert rule inet {name} {rule}")
    state = listed("-s", "ruleset")
    assert not reconciled(DESIRED).change.plan.changed
    assert listed("-s", "ruleset") == state


def test_an_explicit_denial_between_the_rules_and_the_drop_is_drift_once():
    load(FINAL)
    reconciled(DESIRED)
    handle = next(
        line.rpartition(" ")[2] for line in listed("-a", "ruleset").splitlines() if 'log prefix "end "' in line
    )
    nft(f"insert rule inet filter input handle {handle} ip saddr 198.18.7.9 drop")
    outcome = reconciled(DESIRED)
    assert outcome.change.plan.changed
    lines = chain("inet filter", "input")
    assert managed_before(lines) == (IN, 'log prefix "end " counter')
    assert lines.index("ip saddr 198.18.7.9 drop") == lines.index(IN[0]) - 1
    assert not reconciled(DESIRED).change.plan.changed


def test_a_rule_behind_the_managed_ones_that_only_accepts_is_no_drift():
    load(POLICY)
    reconciled(DESIRED)
    nft("add rule inet filter input tcp dport 443 accept")
    assert not reconciled(DESIRED).change.plan.changed


@pytest.mark.parametrize("tampering", ["delete", "edit", "twice", "elsewhere"])
def test_an_edit_of_a_managed_rule_is_drift_and_repaired(tampering):
    load(POLICY)
    reconciled(DESIRED)
    sound = listed("-s", "ruleset")
    handle = next(
        line.rpartition(" ")[2]
        for line in listed("-a", "chain", "inet", "filter", "input").splitlines()
        if IN[2][:20] in line
    )
    nft(
        {
            "delete": f"delete rule inet filter input handle {handle}",
            "edit": f'replace rule inet filter input handle {handle} tcp dport 1 accept comment "xmpp_edge gateway_in"',
            "twice": f"add rule inet filter input {IN[2]}",
            "elsewhere": f"add chain inet filter more\nadd rule inet filter more {IN[2]}",
        }[tampering]
    )
    plan = reconciled(DESIRED).change.plan
    assert plan.changed
    assert any(isinstance(item, Unmanaged) for item in plan.before) is (tampering == "edit")
    if tampering == "elsewhere":
        nft("delete chain inet filter more")
    assert listed("-s", "ruleset") == sound


@pytest.mark.parametrize("ruleset", [POLICY, FINAL, INNER, SHARED])
@pytest.mark.parametrize("desired", [DESIRED, ABSENT], ids=["present", "absent"])
def test_rules_of_version_1_1_0_at_the_head_are_moved_in_one_transaction(ruleset, desired):
    load(ruleset)
    unmanaged = listed("-s", "ruleset")
    reconciled(DESIRED)
    sound = listed("-s", "ruleset") if desired.present else unmanaged
    load(ruleset + former.TABLE)
    for rule in reversed(IN):
        nft(f"insert rule inet filter input {rule}")
    change = reconciled(desired).change
    ours = [step for step in change.steps if isinstance(step, LoadNft) and "inet filter" in step.script]
    assert len(ours) == 1
    assert ours[0].script.count("delete rule ") == 3
    assert listed("-s", "ruleset") == sound
    assert not reconciled(desired).change.plan.changed


def test_what_closes_goes_first_and_what_opens_goes_last():
    load(POLICY)
    scripts = [step.script for step in reconciled(DESIRED).change.steps]
    assert ["table inet xmpp_edge {" in script for script in scripts] == [True, False]
    scripts = [step.script for step in reconciled(ABSENT).change.steps]
    assert ["delete table inet xmpp_edge" in script for script in scripts] == [False, True]
    reconciled(DESIRED)
    scripts = [step.script for step in reconciled(desired_for(mode="permit")).change.steps]
    assert [script for script in scripts if "inet filter" not in script] == ["delete table inet xmpp_edge\n"]


BLOCKING = """
table inet meant {
  chain input {
    type filter hook input priority 5;
    iifname != "lo" tcp dport 5269 drop
  }
}
"""


@pytest.mark.parametrize("ruleset", RULESETS.values(), ids=list(RULESETS))
@pytest.mark.parametrize("before", ["nothing", "same", "other", "edited"])
def test_a_change_that_is_not_effective_is_rolled_back_in_full(ruleset, before):
    load(ruleset)
    if before != "nothing":
        reconciled(DESIRED if before == "same" else desired_for(**NEW))
    if before == "edited":
        name = "filter input" if "inet filter" in ruleset else "second in"
        nft(f'insert rule inet {name} tcp dport 1 counter accept comment "xmpp_edge strange"')
        nft(f"insert rule inet {name} tcp dport {{ 22, 25 }} ip saddr {{ 192.0.2.1, 192.0.2.128/25 }} accept")
    nft(BLOCKING)
    state = listed("-s", "ruleset")
    outcome = reconciled(desired_for(mode="permit") if before == "same" else DESIRED)
    assert outcome.rolled_back
    assert outcome.rollback_fault is None
    assert tables_of(listed("-s", "ruleset")) == tables_of(state)


def tables_of(listing):
    """The tables of a listing, in any order: one that was restored is the last."""
    return sorted(f"\n{listing.rstrip()}".split("\ntable "))


def kept_of(desired):
    """What the boot loads of a desired state, out of the backend's own change."""
    facts = observe(namespace.run, desired)
    backend, guards = NftablesBackend(namespace.run), Guards()
    snapshot = backend.observe(facts)
    unmanaged = backend.without_managed(snapshot, guards.without_managed(guards.observe(facts), facts.firewall.ruleset))
    change = backend.plan(type(snapshot)(**{**vars(snapshot), "unmanaged": unmanaged}), desired)
    assert isinstance(change, Change)
    return change.kept


@pytest.mark.parametrize("ruleset", RULESETS.values(), ids=list(RULESETS))
def test_the_loader_puts_the_rules_to_the_same_place_after_a_reload(ruleset, tmp_path):
    load(ruleset)
    reconciled(DESIRED)
    (kept,) = kept_of(DESIRED)
    script = tmp_path / "accepts.sh"
    script.write_text(kept.files[ACCEPTS_FILE])
    nft("delete table inet xmpp_edge")
    sound = listed("-s", "ruleset")
    load(ruleset)
    for _time in range(2):
        subprocess.run(["/bin/sh", str(script)], check=True)
        assert listed("-s", "ruleset") == sound
    # A chain may be gone, and another one may be there.
    nft("flush ruleset\ntable inet other { chain input { type filter hook input priority 0; policy drop;\n}\n}")
    state = listed("ruleset")
    subprocess.run(["/bin/sh", str(script)], check=True)
    assert listed("ruleset") == state


def test_the_loader_takes_over_from_rules_that_the_administrator_saved(tmp_path):
    load(SHARED)
    reconciled(DESIRED)
    (kept,) = kept_of(DESIRED)
    script = tmp_path / "accepts.sh"
    script.write_text(kept.files[ACCEPTS_FILE])
    sound = listed("-s", "ruleset")
    # As "nft list ruleset > /etc/nftables.conf" has it.
    saved = listed("ruleset")
    nft(f"flush ruleset\n{saved}")
    subprocess.run(["/bin/sh", str(script)], check=True)
    assert listed("-s", "ruleset") == sound


def test_networks_that_nft_merges_are_no_drift():
    load(FINAL)
    desired = desired_for(partner_networks=["198.18.8.0/24", "198.18.7.0/24", "198.18.9.1", "2001:db8:7::/48"])
    assert reconciled(desired).change.plan.changed
    assert not reconciled(desired).change.plan.changed


def test_no_accept_rules_where_the_administrator_forbids_it():
    load(POLICY)
    before = listed("-s", "table", "inet", "filter")
    desired = Desired("present", DESIRED.rules, persist=False, integrate=False)
    outcome = reconciled(desired, undo_ineffective=False)
    assert listed("-s", "table", "inet", "filter") == before
    assert outcome.rows["federation_in"].effective == "no"


def test_a_chain_whose_name_cannot_stand_in_a_script_is_left_alone_and_named():
    # Names that this nft takes in its JSON only.
    chain = {"family": "inet", "table": "filter", "name": "drop", "type": "filter", "hook": "input", "prio": 0}
    table = {"family": "inet", "name": "filter"}
    commands = [{"add": {"table": table}}, {"add": {"chain": {**chain, "policy": "drop"}}}]
    subprocess.run(["nft", "-j", "-f", "-"], input=json.dumps({"nftables": commands}), text=True, check=True)
    outcome = reconciled(DESIRED, undo_ineffective=False)
    assert outcome.rows["federation_in"].effective == "no"
    assert "xmpp_edge" not in listed("table", "inet", "filter")
    assert list(outcome.warnings) == [
        "chain inet filter drop drops by default, and its name cannot stand in a script: rename it, or accept the "
        "table's rows there"
    ]


UNDECIDED = {
    "look-up on another protocol": "udp dport @ports accept",
    "look-up on ICMPv6": "icmpv6 type . ip6 hoplimit @types accept",
    "verdict map on ICMP": "icmp type vmap { echo-request : accept, echo-reply : drop }",
    "MAC address": "ether saddr 02:00:00:00:00:09 accept",
    "IPsec": "meta secpath exists accept",
    "rate": "ct state new limit rate 10/second accept",
    "interface group": "iifgroup 7 accept",
    "loopback by its type": "meta iiftype loopback accept",
    "quota": "quota until 1 mbytes accept",
    "meter": "ct state new meter m { ip saddr limit rate 1/second } accept",
    "routing header": "rt type 0 accept",
    "socket": "socket transparent 1 accept",
    "fragment": "ip frag-off & 0x1fff != 0 accept",
    "random choice": "numgen random mod 2 == 1 accept",
}


@pytest.mark.parametrize("rule", UNDECIDED.values(), ids=list(UNDECIDED))
def test_a_chain_that_may_drop_gets_accept_rules(rule):
    load(f"""
    table inet filter {{
      set ports {{ type inet_service; elements = {{ 53 }}
      }}
      set types {{ typeof icmpv6 type . ip6 hoplimit; elements = {{ nd-router-advert . 255 }}
      }}
      chain input {{
        type filter hook input priority 0; policy drop;
        meta l4proto ipv6-icmp accept
        ct state established,related accept
        {rule}
      }}
    }}
    """)
    outcome = reconciled(DESIRED)
    assert managed_before(chain("inet filter", "input")) == (IN, "")
    # The accept rules decide, whatever the rule before them does.
    assert set(verdicts(outcome).values()) == {"yes"}
    assert not reconciled(DESIRED).change.plan.changed
