# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards against the real nft and the real kernel, in a network namespace of their own."""

from __future__ import annotations

import json
import re
import select
import subprocess
import time
import unittest.mock
from dataclasses import replace
from datetime import datetime, timezone

import former
import namespace
import pytest
import strategies
from ansible_collections.xmpp.edge.plugins.module_utils._edge import reconcile
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends import guards
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.guards import Guards
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.nft_table import NftTable, read_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host import firewall
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model import diff_text
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.controls import Controls
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.desired import ABSENT, Desired
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.ownership import TABLE
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.plan import Setting
from ansible_collections.xmpp.edge.plugins.module_utils._edge.reconcile import evaluate_host, observe
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rollback import changes
from hypothesis import given, settings
from hypothesis import strategies as st
from namespace import listed, nft, reconciled

pytestmark = pytest.mark.skipif(namespace.why_not() is not None, reason=str(namespace.why_not()))

UNMANAGED = """
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
NARROW = {"partner_networks": ["198.18.7.0/24", "2001:db8:7::/48"]}


@pytest.fixture(scope="module", autouse=True)
def own_network():
    namespace.enter()
    nft(UNMANAGED)
    yield
    # No rules are left to the tests of other files.
    namespace.enter()


def desired_for(**options):
    """The desired state, with nothing kept on disk."""
    return from_options({**SOUND, **options})


def from_options(options):
    parsed = parse_options(options)
    controls = Controls(parsed.limits, parsed.log_blocked)
    return Desired("present", compile_rules(parsed), persist=False, controls=controls)


def observed():
    """The rules of the managed table."""
    snapshot = Guards().observe(observe(namespace.run, ABSENT))
    return tuple(one for one in read_rules(snapshot.table, NftTable()).items if not isinstance(one, Setting))


def managed():
    """The managed table as nft lists it, without counters and ages. Its sets and chains have no order of their own."""
    text = re.sub(r" expires \w+", "", listed("-s", "table", *TABLE.split()))
    body = text.partition("{\n")[2].rpartition("}")[0]
    return sorted(block.strip() for block in body.split("\n\n"))


@settings(max_examples=25)
@given(strategies.options(), strategies.options())
def test_any_rules_after_any_others(first, second):
    for options in (first, second):
        desired = from_options(options)
        reconciled(desired)
        if desired.guarded:
            assert tuple(map(meaning, observed())) == tuple(map(meaning, desired.rules))
        else:
            assert "xmpp_edge" not in listed("tables")
        assert not reconciled(desired).change.plan.changed


def meaning(rule):
    """A rule without the names of its groups, which are the sets' names."""
    return (rule.row, rule.action, rule.direction, rule.family, rule.port, [one.networks for one in rule.groups])


@settings(max_examples=25)
@given(st.lists(strategies.networks, min_size=1, max_size=30), st.lists(strategies.networks, min_size=1, max_size=30))
def test_elements_change_without_touching_anything_else(first, second):
    # One fixed element of each family keeps both sets in both tables, so that only elements differ.
    old, new = (desired_for(partner_networks=[*some, "198.20.0.1", "2001:dba::1"]) for some in (first, second))
    reconciled(old)
    handle = table_handle()
    reconciled(new)
    assert table_handle() == handle
    assert observed() == new.rules


def table_handle():
    """Handle of the managed table: one that was deleted and added again has another."""
    return re.search(r"table inet xmpp_edge \{ # handle (\d+)", listed("-a", "table", *TABLE.split()))[1]


def test_one_network_more_sends_one_element():
    many = [f"198.19.{number // 64}.{number % 64 * 4}/31" for number in range(4000)]
    reconciled(desired_for(partner_networks=many))
    monitor = subprocess.Popen(["nft", "monitor"], stdout=subprocess.PIPE, text=True)
    try:
        # Only what comes between two tables of ours is about the change.
        while select.select([monitor.stdout], [], [], 0.2)[0] == []:
            nft("add table inet before")
            nft("delete table inet before")
        reconciled(desired_for(partner_networks=[*many, "198.18.7.9"]))
        nft("add table inet afterwards")
        seen = []
        for line in monitor.stdout:
            seen.append(line)
            if "afterwards" in line:
                break
    finally:
        monitor.kill()
        monitor.wait()
        nft("delete table inet afterwards")
    changes = [line for line in seen if not line.startswith("#") and "inet before" not in line]
    # A partner is the source of one row and the destination of another one; one set serves both.
    assert [line.split("element")[0] for line in changes[:-1]] == ["add "], changes
    assert "{ 198.18.7.9 }" in changes[0]


def test_rules_change_in_the_table_that_is_there_and_keep_counters():
    reconciled(desired_for())
    count(COUNTED)
    handle = table_handle()
    reconciled(desired_for(**NARROW))
    assert table_handle() == handle
    # The line of the allow rule is another one, and counts on for the same row and family.
    for comment in ("federation_in", "federation_in guard", "gateway_in"):
        assert f'counter packets 7 bytes 420 {"drop" if "guard" in comment else "accept"} comment "{comment}"' in (
            listed("table", *TABLE.split())
        )


def test_a_host_with_other_rows_counts_anew():
    reconciled(desired_for())
    count(COUNTED)
    reconciled(desired_for(rows=["federation_in", "federation_out"], internal_addresses=None))
    assert "packets 7" not in listed("table", *TABLE.split())


COUNTED = "counter packets 7 bytes 420"


def count(counter):
    """Give every counter of the managed table a value, as packets would."""
    text = listed("table", *TABLE.split()).replace("counter packets 0 bytes 0", counter)
    nft(f"delete table {TABLE}\n{text}")


LIMITS = {"limit_new": 60, "limit_burst": 30, "limit_open": 100, "log_blocked": True}
SOURCES = {
    "federation_in_new_ipv4": "198.18.9.9 limit rate over 60/minute burst 30 packets",
    "federation_in_new_ipv6": "2001:db8:9:: limit rate over 60/minute burst 30 packets",
    "log_ipv4": "198.18.9.9 limit rate 6/minute burst 5 packets",
}


def remember_sources():
    """Put sources into the sets of limits and log, as packets do."""
    for name, element in SOURCES.items():
        nft(f"add element {TABLE} {name} {{ {element} }}")


def remembered():
    """Return the sets that have an element."""
    return {name for name in SOURCES if "elements" in listed("set", *TABLE.split(), name)}


def test_what_packets_put_into_sets_is_no_drift_and_survives_other_changes():
    reconciled(desired_for(**LIMITS))
    remember_sources()
    again = reconciled(desired_for(**LIMITS), check_mode=True)
    assert not again.change.plan.changed
    assert again.rows["federation_in"].effective == "yes"
    reconciled(desired_for(**LIMITS, **NARROW))
    assert remembered() == set(SOURCES)
    reconciled(desired_for(**{**LIMITS, "limit_exempt": ["198.18.8.0/24"]}, **NARROW))
    assert "198.18.8.0/24" in listed("table", *TABLE.split())
    # Elements carry the former limit, so that another one begins anew.
    reconciled(desired_for(**{**LIMITS, "limit_new": 30}))
    assert remembered() == {"log_ipv4"} & remembered()
    assert not reconciled(desired_for(**{**LIMITS, "limit_new": 30})).change.plan.changed


def test_a_rollback_restores_limits_without_what_packets_put_into_sets(monkeypatch):
    reconciled(desired_for(**LIMITS))
    remember_sources()
    before = managed()

    def fail(*_arguments):
        raise EdgeError("made up")

    monkeypatch.setattr(reconcile, "evaluate_host", fail)
    with pytest.raises(EdgeError, match="made up; the change was rolled back"):
        reconciled(desired_for())
    without = re.compile(r"\t\telements = \{[^}]*limit[^}]*\}\n")
    assert managed() == [without.sub("", block) for block in before]
    assert remembered() == set()


def test_a_rollback_restores_the_files_that_a_run_writes(monkeypatch, tmp_path):
    saved = []
    begin = changes.Changes.begin

    def remember(self, data, *arguments):
        saved.extend(path for one in data for path in one.paths)
        return begin(self, data, *arguments)

    monkeypatch.setattr(changes.Changes, "begin", remember)
    reconciled(desired_for(**NARROW))
    reconciled(desired_for(), files=(str(tmp_path / "edge.prom"),))
    assert str(tmp_path / "edge.prom") in saved


CONTROL_DRIFT = {
    "a limit is gone": ("federation_in limit of new connections", None),
    "a limit lets all pass": (
        ' drop comment "federation_in limit of new',
        ' accept comment "federation_in limit of new',
    ),
    "a log line has another prefix": ("xmpp-edge federation_in blocked", "nothing to see"),
    "a log line is gone": ("federation_in log", None),
    "another limit": ("over 60/minute", "over 61/minute"),
    "more open connections": ("ct count over 100", "ct count over 1000"),
}


@pytest.mark.parametrize("name", CONTROL_DRIFT)
def test_an_edited_control_is_drift_once(name):
    old, new = CONTROL_DRIFT[name]
    desired = desired_for(**LIMITS)
    reconciled(desired)
    lines = listed("table", *TABLE.split()).splitlines()
    # The first line only, so that the table does not say one other thing everywhere.
    first = next(number for number, line in enumerate(lines) if old in line)
    lines[first : first + 1] = [] if new is None else [lines[first].replace(old, new)]
    nft(f"delete table {TABLE}\n" + "\n".join(lines) + "\n")
    assert reconciled(desired).change.plan.changed
    assert not reconciled(desired).change.plan.changed
    assert reconciled(desired).rows["federation_in"].effective == "yes"


UPDATE = "update @federation_in_new_ipv4 {{ ip saddr limit rate {} }}"
NOT_HARMLESS = {
    "a drop with the comment of a limit": 'tcp dport 5269 tcp flags syn drop comment "federation_in limit of new"',
    "a rate below which it drops": f"tcp dport 5269 {UPDATE.format('60000/minute')} drop",
    "no connection at all": "tcp dport 5269 add @federation_in_open_ipv4 { ip saddr ct count over 0 } drop",
    "a verdict behind a log": 'log prefix "xmpp-edge federation_in blocked " tcp dport vmap { 5269 : drop }',
}


@pytest.mark.parametrize("name", NOT_HARMLESS)
def test_an_edited_control_is_evaluated_as_what_it_does(name):
    reconciled(desired_for(**LIMITS))
    nft(f"insert rule {TABLE} prerouting {NOT_HARMLESS[name]}")
    assert look().rows["federation_in"].effective != "yes"


def test_an_edited_log_that_lets_pass_is_no_guard():
    reconciled(desired_for(**LIMITS))
    for chain in ("prerouting", "input"):
        nft(f'insert rule {TABLE} {chain} log prefix "xmpp-edge federation_in blocked " return')
    assert look().guards["federation_in"].guarded == "no"


def look():
    """Return the verdicts on the host as it is."""
    facts = observe(namespace.run, desired_for())
    return evaluate_host(namespace.run, facts, facts.firewall.ruleset, desired_for())


def test_limits_are_no_drop_for_releases_of_nft_that_list_them_without_their_rate(monkeypatch):
    # nft before 1.0.6 leaves out of its JSON what an element is made with.
    def stripped(arguments, stdin):
        done = namespace.run(arguments, stdin)
        if arguments[1:2] != ["-j"]:
            return done
        listing = json.loads(done.stdout)
        for entry in listing["nftables"]:
            for step in entry.get("rule", {}).get("expr", ()):
                step.get("set", {}).pop("stmt", None)
        return replace(done, stdout=json.dumps(listing))

    reconciled(desired_for(**LIMITS))
    facts = observe(stripped, desired_for())
    found = evaluate_host(stripped, facts, facts.firewall.ruleset, desired_for())
    assert {verdict.effective for verdict in found.rows.values()} == {"yes"}
    assert {verdict.guarded for verdict in found.guards.values()} == {"yes"}


def test_a_long_list_of_exceptions_changes():
    many = [f"198.18.{number}.0/24" for number in range(8, 48, 2)]
    reconciled(desired_for(**LIMITS, limit_exempt=many[:10]))
    desired = desired_for(**LIMITS, limit_exempt=many[10:])
    plan = reconciled(desired).change.plan
    assert "limit_exempt_ipv4  198.18.28.0/24" in diff_text.after(plan)
    assert "198.18.8.0/24" not in listed("table", *TABLE.split())
    assert not reconciled(desired).change.plan.changed
    nft(f"delete element {TABLE} limit_exempt_ipv4 {{ 198.18.32.0/24 }}")
    assert reconciled(desired).change.plan.changed
    assert "198.18.32.0/24" in listed("table", *TABLE.split())


def test_counters_of_a_family_that_goes_are_not_lost():
    both = desired_for(access_addresses=["198.18.0.2", "2001:db8::2"])
    reconciled(both)
    count(COUNTED)
    one = desired_for(access_addresses=["198.18.0.2"])
    assert reconciled(one).packets["federation_in"]["allowed"] == 14
    assert reconciled(both).packets["federation_in"]["allowed"] == 14


def test_counters_begin_anew_where_what_they_counted_is_gone():
    reconciled(desired_for(**LIMITS))
    count(COUNTED)
    assert reconciled(desired_for()).packets["federation_in"] == {
        "allowed": 0,
        "blocked": 0,
        "limited": 0,
        "since": unittest.mock.ANY,
    }


def test_each_set_of_sources_lives_as_long_as_its_own_limit():
    reconciled(desired_for(**LIMITS))
    remember_sources()
    reconciled(desired_for(**{**LIMITS, "limit_open": 50, "limit_exempt": ["198.18.8.0/24", "2001:db8:8::/48"]}))
    assert remembered() == set(SOURCES)
    # A line that was edited has made sources with its own rate.
    text = listed("table", *TABLE.split()).replace("ip saddr limit rate over 60/", "ip saddr limit rate over 6000/")
    nft(f"delete table {TABLE}\n{text}")
    reconciled(desired_for(**LIMITS))
    assert "federation_in_new_ipv4" not in remembered()


def test_counters_tell_since_when_they_count():
    began = time.time()
    assert reconciled(desired_for(mode="permit")).packets == {}
    reconciled(desired_for())
    first = reconciled(desired_for()).packets["federation_in"]
    assert set(first) == {"allowed", "blocked", "limited", "since"}
    since = datetime.strptime(first["since"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()
    assert began - 2 <= since <= time.time()
    count(COUNTED)  # It loads the table with the age that it had.
    assert reconciled(desired_for(**NARROW)).packets["federation_in"] == {
        "allowed": 14,  # One counter for each family, of the chain that sees packets first.
        "blocked": 14,  # Two chains have a guard.
        "limited": 0,
        "since": unittest.mock.ANY,
    }
    nft(f"delete element {TABLE} counted_since {{ 1 }}")
    assert reconciled(desired_for(**NARROW)).packets["federation_in"]["since"] is None


def test_mode_permit_has_no_table():
    reconciled(desired_for())
    permit = reconciled(desired_for(mode="permit")).change.plan
    assert len(permit.remove) == len(desired_for().rules)
    assert "xmpp_edge" not in listed("tables")
    assert not reconciled(desired_for(mode="permit")).change.plan.changed


def test_elements_that_nft_refuses_to_change_come_with_a_new_table(fake_nft):
    reconciled(desired_for(**NARROW))
    handle = table_handle()
    fake_nft(
        'case "$*" in *list*) exec REAL "$@";; esac; script=$(cat); case "$script" in '
        '"delete element"*|"add element"*) echo "Error: refused" >&2; exit 1;; esac; echo "$script" | REAL "$@"'
    )
    desired = desired_for(partner_networks=["198.18.8.0/24", "2001:db8:7::/48"])
    reconciled(desired)
    assert observed() == desired.rules
    assert table_handle() != handle


def test_neighbouring_elements_stay_apart():
    desired = desired_for(access_addresses=["198.18.0.2", "198.18.0.3", "198.18.0.4"])
    reconciled(desired)
    assert observed() == desired.rules


TAMPERINGS = {
    "rule deleted": "flush chain inet xmpp_edge output",
    "rule before destination NAT deleted": "flush chain inet xmpp_edge prerouting",
    "rule before destination NAT added": "insert rule inet xmpp_edge prerouting accept",
    "chain before destination NAT gone": (
        "flush chain inet xmpp_edge prerouting; delete chain inet xmpp_edge prerouting"
    ),
    "chain before destination NAT elsewhere": (
        "flush chain inet xmpp_edge prerouting; delete chain inet xmpp_edge prerouting;"
        "add chain inet xmpp_edge prerouting { type filter hook prerouting priority -150; }"
    ),
    "rule added": "add rule inet xmpp_edge input tcp dport 22 drop",
    "rule inserted": "insert rule inet xmpp_edge input accept",
    "element added": "add element inet xmpp_edge partner_networks_ipv4 { 198.19.1.1 }",
    "element deleted": "delete element inet xmpp_edge partner_networks_ipv4 { 198.18.7.0/24 }",
    "elements gone": "flush set inet xmpp_edge partner_networks_ipv4",
    "range added": "add element inet xmpp_edge partner_networks_ipv4 { 198.19.1.1-198.19.1.6 }",
    "element with a comment": 'add element inet xmpp_edge partner_networks_ipv4 { 198.19.1.1 comment "a, b" }',
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
    desired = desired_for(partner_networks=["198.18.7.0/24"])
    reconciled(desired)
    sound = managed()
    nft(tampering)
    seen = reconciled(desired, check_mode=True).change
    assert seen.plan.changed
    made = reconciled(desired).change
    assert (made.plan, made.steps) == (seen.plan, seen.steps)
    assert managed() == sound
    assert not reconciled(desired).change.plan.changed


def test_check_mode_changes_nothing():
    reconciled(ABSENT)
    before = listed("ruleset")
    assert reconciled(desired_for(), check_mode=True).change.plan.changed
    assert listed("ruleset") == before


def test_absent_leaves_no_table_and_does_so_once():
    desired = desired_for()
    reconciled(desired)
    removal = reconciled(ABSENT).change.plan
    assert removal.remove == desired.rules
    assert removal.drift == ()
    assert "xmpp_edge" not in listed("tables")
    assert not reconciled(ABSENT).change.plan.changed


@pytest.mark.parametrize("text", ["", "chain more { }", "set more { type ipv4_addr; }"])
def test_absent_removes_a_table_without_rules_too(text):
    nft(f"table inet xmpp_edge {{\n{text}\n}}")
    removal = reconciled(ABSENT).change.plan
    assert removal.changed
    assert not removal.before
    assert "xmpp_edge" not in listed("tables")


@pytest.mark.parametrize("desired", [from_options(former.OPTIONS), ABSENT], ids=["present", "absent"])
def test_the_table_of_version_1_1_0_is_converted_in_one_transaction(desired):
    reconciled(ABSENT)
    nft(former.TABLE)
    change = reconciled(desired, check_mode=True).change
    assert change.plan.before == from_options(former.OPTIONS).rules
    assert len(change.steps) == 1
    assert reconciled(desired).change.steps == change.steps
    assert ("chain prerouting" in listed("ruleset")) is desired.present
    assert not reconciled(desired).change.plan.changed


def test_unmanaged_tables_are_byte_equal_through_it_all():
    def unmanaged():
        return listed("table", "ip", "docker_like") + listed("table", "inet", "f2b-table")

    before = unmanaged()
    for desired in (desired_for(), desired_for(partner_networks=["198.18.7.0/24"]), ABSENT):
        reconciled(desired)
    assert unmanaged() == before


@pytest.fixture
def fake_nft(tmp_path, monkeypatch):
    """A function that puts a shell script in place of nft; REAL in it stands for the real one."""
    real = firewall.find_program("nft")

    def install(script):
        path = tmp_path / "nft"
        path.write_text("#!/bin/sh\n" + script.replace("REAL", real) + "\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin")

    return install


def test_check_mode_asks_nft_and_changes_nothing(fake_nft):
    before = listed("ruleset")
    assert reconciled(desired_for(), check_mode=True).change.plan.changed
    assert listed("ruleset") == before
    fake_nft('case "$*" in *list*) exec REAL "$@";; esac; echo "Error: Operation not supported" >&2; exit 1')
    with pytest.raises(EdgeError, match="the kernel of this host has no nftables support"):
        reconciled(desired_for(), check_mode=True)


EMPTY = "*list*) echo '{\"nftables\": []}';;"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            'case "$*" in *list*) echo \'{"nftables": [{"metainfo": {"version": "0.8.2"}}]}\';; esac',
            "nft 0.8.2 is too old; upgrade the package nftables to 0.9.3",
        ),
        (
            'echo "nft: error while loading shared libraries: libmnl.so.0: cannot open shared object file: '
            'No such file or directory" >&2; exit 127',
            "cannot be read: nft -j list ruleset failed: nft: error while loading shared libraries",
        ),
        # The next two are what nft 1.1.3 says without CAP_NET_ADMIN and without the kernel's nf_tables.
        (
            'echo "netlink: Error: cache initialization failed: Operation not permitted" >&2; exit 1',
            r"run as root \(become: true\), or give the right CAP_NET_ADMIN",
        ),
        (
            f'case "$*" in {EMPTY} *) echo "netlink.c:59: Unable to initialize Netlink socket: Protocol not supported" '
            ">&2; exit 3;; esac",
            "no nftables support: load or build its module nf_tables",
        ),
        (
            f'case "$*" in {EMPTY} *) echo "Error: something new" >&2; exit 1;; esac',
            "nft refused: Error: something new",
        ),
        ("echo nonsense", "cannot be read: nft -j list ruleset prints no JSON"),
    ],
)
def test_each_failure_of_nft_is_one_sentence(fake_nft, script, words):
    fake_nft(script)
    with pytest.raises(EdgeError, match=words) as failure:
        reconciled(desired_for())
    assert "\n" not in str(failure.value)


def test_a_host_that_ignores_the_change_is_a_failure(fake_nft):
    fake_nft(f'case "$*" in {EMPTY} esac')
    with pytest.raises(EdgeError, match="still differs after the change, in: federation_in  allow in tcp any"):
        reconciled(desired_for())


def test_missing_nft_names_the_package(monkeypatch):
    for module in (guards, firewall):
        monkeypatch.setattr(module, "find_program", lambda name: None)
    with pytest.raises(EdgeError, match="install the package nftables") as failure:
        reconciled(desired_for())
    assert failure.value.package == "nftables"


BLOCKING = """
table inet meant {
  chain input { type filter hook input priority 5; iifname != "lo" tcp dport 5269 drop; }
}
"""


@pytest.mark.parametrize(("before", "after"), [(None, {}), ({}, NARROW), (NARROW, {}), (NARROW, {"mode": "permit"})])
def test_a_change_that_is_not_effective_is_rolled_back_in_full(before, after):
    nft(f"flush ruleset\n{UNMANAGED}")
    if before is not None:
        reconciled(desired_for(**before))
        # An unmanaged rule in the managed table is restored as well.
        nft("add rule inet xmpp_edge input ip saddr 198.18.9.9 accept")
    nft(BLOCKING)
    state = listed("-s", "ruleset")
    outcome = reconciled(desired_for(**after))
    assert outcome.rolled_back
    assert outcome.rollback_fault is None
    assert "tcp dport 5269 drop" in outcome.decided_by["federation_in"]
    assert sorted(listed("-s", "ruleset").splitlines()) == sorted(state.splitlines())
    nft(f"flush ruleset\n{UNMANAGED}")


@pytest.mark.parametrize("before", [{}, NARROW])
def test_a_removal_that_fails_is_rolled_back_in_full(before, monkeypatch):
    reconciled(desired_for(**before))
    state = listed("-s", "ruleset")

    def fail(_run, _desired, _before):
        raise EdgeError("disk full")

    # The host is read once more after the change.
    monkeypatch.setattr(reconcile, "observe", fail)
    with pytest.raises(EdgeError, match=r"^disk full; the change was rolled back$"):
        reconciled(ABSENT)
    assert listed("-s", "ruleset") == state
