# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ufw's files and live chains: managed rules stand behind the user's, and only they come and go."""

from __future__ import annotations

import binascii
import subprocess
from dataclasses import replace

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends import ufw_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.lines import lines_of
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.ufw import UfwBackend, UfwSnapshot
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator import iptables_save
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.facts import Facts
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.files import OpenFile
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.firewall import HostFirewall
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.desired import ABSENT, Desired
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.plan import Placed, Unmanaged
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.steps import Command, Locked, WriteFile
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options

DESIRED = Desired(
    "present",
    compile_rules(parse_options({"access_addresses": ["198.18.0.2"], "internal_addresses": ["198.18.1.2"]})),
)
LINES = lines_of(DESIRED.accepts, "ipv4")
INPUT = [line for line in LINES if line.direction == "in"]
LIVE = [ufw_rules.live_rule(line) for line in LINES]
ALLOW = (
    "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in",
    "-A ufw-user-input -p tcp --dport 22 -j ACCEPT",
    "",
)
DENY = (
    "### tuple ### deny tcp 5269 0.0.0.0/0 any 198.18.9.9 in",
    "-A ufw-user-input -p tcp --dport 5269 -s 198.18.9.9 -j DROP",
    "",
)
LIVE_ALLOW = "-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT"
LIVE_DENY = "-A ufw-user-input -s 198.18.9.9/32 -p tcp -m tcp --dport 5269 -j DROP"
NOT_WRITTEN_YET = "*filter\n:ufw-user-input - [0:0]\n### RULES ###\n-A ufw-user-limit -j REJECT\nCOMMIT\n"
NO_IPV6 = "ufw has IPV6=no in /etc/default/ufw: rules for IPv6 addresses are left out"
HEAD = "*filter\n:ufw-user-input - [0:0]\n:ufw-user-output - [0:0]\n"


def file_of(*entries):
    """A file of user rules."""
    body = "".join(f"{line}\n" for entry in entries for line in entry)
    return f"{HEAD}### RULES ###\n\n{body}### END RULES ###\nCOMMIT\n"


MANAGED = [tuple(ufw_rules.write_entry(line)) for line in LINES]


def snapshot_of(text, live):
    """A host on which ufw is active for IPv4 only."""
    listing = (
        f"{HEAD}:INPUT DROP [0:0]\n-A INPUT -j ufw-user-input\n" + "".join(f"{rule}\n" for rule in live) + "COMMIT\n"
    )
    ruleset = iptables_save.read_ruleset(listing, "iptables-nft")
    backend = UfwBackend()
    snapshot = UfwSnapshot(
        Facts(HostFirewall(ruleset, {}, {"iptables-nft": listing})),
        program="/usr/sbin/ufw",
        enabled=True,
        families=("ipv4",),
        files={"ipv4": OpenFile("/etc/ufw/user.rules", text, 0o640, (0, 0))},
        paths={"iptables": "/usr/sbin/iptables"},
    )
    return replace(snapshot, unmanaged=backend.without_managed(snapshot, ruleset))


def plan_of(text, live, desired=DESIRED):
    return UfwBackend().plan(snapshot_of(text, live), desired)


def script_of(change):
    """The lines that go to iptables-restore."""
    (command,) = change.live
    assert isinstance(command, Command)
    assert command.arguments == ("/usr/sbin/iptables-restore", "--noflush", "--wait")
    lines = command.stdin.splitlines()
    assert (lines[0], lines[-1]) == ("*filter", "COMMIT")
    return lines[1:-1]


def written_by(change):
    """The text that a change gives to ufw's file."""
    (locked,) = change.permanent
    assert isinstance(locked, Locked)
    (step,) = locked.steps
    assert isinstance(step, WriteFile)
    assert (locked.lock, step.path, step.mode, step.owner) == ("/run/ufw.lock", "/etc/ufw/user.rules", 0o640, (0, 0))
    return step.text


def after(live, script):
    """The live rules once a script was loaded."""
    chains = {}
    for rule in live:
        chains.setdefault(rule.split()[1], []).append(rule)
    for line in script:
        action, chain, *rest = line.split()
        if action == "-D":
            del chains[chain][int(rest[0]) - 1]
        else:
            chains.setdefault(chain, []).append(line)
    return [rule for chain in chains.values() for rule in chain]


def test_rules_come_behind_the_user_s_in_the_file_and_live():
    change = plan_of(file_of(ALLOW, DENY), [LIVE_ALLOW, LIVE_DENY])
    assert written_by(change) == file_of(ALLOW, DENY, *MANAGED)
    assert after([LIVE_ALLOW, LIVE_DENY], script_of(change)) == [LIVE_ALLOW, LIVE_DENY, *LIVE]
    assert change.plan.after == tuple(Placed("ufw", rule) for rule in DESIRED.accepts)
    chain = change.simulated.chains["iptables-nft filter", "ufw-user-input"]
    assert [rule.text for rule in chain.rules] == [
        LIVE_ALLOW,
        LIVE_DENY,
        'comment "federation_in"',
        'comment "gateway_in"',
    ]


def test_a_second_run_changes_nothing():
    change = plan_of(file_of(ALLOW, DENY, *MANAGED), [LIVE_ALLOW, LIVE_DENY, *LIVE])
    assert not change.plan.changed
    assert (change.live, change.permanent, change.warnings) == ((), (), (NO_IPV6,))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_rule_of_the_user_s_in_front_or_behind_that_denies_nothing_is_no_drift(place):
    more = (
        "### tuple ### allow tcp 443 0.0.0.0/0 any 0.0.0.0/0 in",
        "-A ufw-user-input -p tcp --dport 443 -j ACCEPT",
        "",
    )
    entries, live = [ALLOW, *MANAGED], [LIVE_ALLOW, *LIVE]
    entries.insert(place if place < 2 else len(entries), more)
    live.insert(place if place < 2 else len(INPUT) + 1, LIVE_ALLOW.replace("22", "443"))
    change = plan_of(file_of(*entries), live)
    assert not change.plan.changed
    # As ufw itself shows it, the file and the chain say the same.
    assert change.warnings == (NO_IPV6,)


@pytest.mark.parametrize(
    ("denial", "denied", "drift"),
    [
        (DENY, LIVE_DENY, True),
        (
            (
                "### tuple ### reject any any 0.0.0.0/0 any 198.18.9.9 in",
                "-A ufw-user-input -s 198.18.9.9 -j REJECT",
                "",
            ),
            "-A ufw-user-input -s 198.18.9.9/32 -j REJECT --reject-with icmp-port-unreachable",
            True,
        ),
        (
            (
                "### tuple ### deny tcp 5000:6000 0.0.0.0/0 any 0.0.0.0/0 in",
                "-A x -p tcp -m multiport --dports 5000:6000",
                "",
            ),
            "-A ufw-user-input -p tcp -m multiport --dports 5000:6000 -j DROP",
            True,
        ),
        (
            ("### tuple ### deny tcp 25 0.0.0.0/0 any 0.0.0.0/0 in", "-A ufw-user-input -p tcp --dport 25 -j DROP", ""),
            "-A ufw-user-input -p tcp -m tcp --dport 25 -j DROP",
            False,
        ),
        (
            (
                "### tuple ### deny udp 5269 0.0.0.0/0 any 0.0.0.0/0 in",
                "-A ufw-user-input -p udp --dport 5269 -j DROP",
                "",
            ),
            "-A ufw-user-input -p udp -m udp --dport 5269 -j DROP",
            False,
        ),
    ],
)
def test_a_denial_of_a_row_behind_the_managed_rules_is_drift_once(denial, denied, drift):
    entries, live = [ALLOW, *MANAGED, denial], [LIVE_ALLOW, *LIVE[: len(INPUT)], denied, *LIVE[len(INPUT) :]]
    change = plan_of(file_of(*entries), live)
    assert change.plan.changed is drift
    if drift:
        assert any(note.startswith("file user.rules  has managed rules before: ") for note in change.plan.drift)
        text, result = written_by(change), after(live, script_of(change))
        assert text == file_of(ALLOW, denial, *MANAGED)
        assert result == [LIVE_ALLOW, denied, *LIVE]
        assert not plan_of(text, result).plan.changed


@pytest.mark.parametrize("live", [[], LIVE[:1], LIVE[::-1], [*LIVE, LIVE[0]]])
def test_other_live_rules_than_the_file_says_are_drift(live):
    change = plan_of(file_of(*MANAGED), live)
    assert any("does not have just the managed rules" in note for note in change.plan.drift) or live[-1:] == LIVE[:1]
    if change.plan.changed:
        assert change.permanent == ()
        assert set(after(live, script_of(change))) == set(LIVE)


def test_removal_leaves_the_user_s_rules_byte_equal():
    change = plan_of(file_of(ALLOW, *MANAGED, DENY), [LIVE_ALLOW, *LIVE[:2], LIVE_DENY, *LIVE[2:]], ABSENT)
    assert written_by(change) == file_of(ALLOW, DENY)
    assert after([LIVE_ALLOW, *LIVE[:2], LIVE_DENY, *LIVE[2:]], script_of(change)) == [LIVE_ALLOW, LIVE_DENY]
    assert not plan_of(file_of(ALLOW, DENY), [LIVE_ALLOW, LIVE_DENY], ABSENT).plan.changed


def test_a_rule_of_the_user_s_that_reads_like_a_managed_one_stays():
    same = (MANAGED[0][0].partition(" comment=")[0], *MANAGED[0][1:])
    change = plan_of(file_of(same, ALLOW, *MANAGED), [LIVE[0], LIVE_ALLOW, *LIVE], ABSENT)
    assert written_by(change) == file_of(same, ALLOW)
    assert after([LIVE[0], LIVE_ALLOW, *LIVE], script_of(change)) == [LIVE[0], LIVE_ALLOW]


def former_entry(words, rule, row):
    """An entry as version 1.1.0 wrote it."""
    comment = binascii.hexlify(f"xmpp_edge {row}".encode()).decode()
    return (f"### tuple ### {words} comment={comment}", rule, "")


FORMER = [
    *MANAGED[:2],
    former_entry(
        "deny tcp 5269 0.0.0.0/0 any 0.0.0.0/0 in",
        "-A ufw-user-input -p tcp --dport 5269 -j DROP",
        "federation_in guard",
    ),
    former_entry(
        "deny tcp 23456 0.0.0.0/0 any 0.0.0.0/0 in",
        "-A ufw-user-input -p tcp --dport 23456 -j DROP",
        "gateway_in guard",
    ),
    *MANAGED[2:],
    former_entry(
        "reject tcp 5269 0.0.0.0/0 any 0.0.0.0/0 out",
        "-A ufw-user-output -p tcp --dport 5269 -j REJECT --reject-with tcp-reset",
        "federation_out guard",
    ),
]
FORMER_LIVE = [
    *LIVE[:2],
    "-A ufw-user-input -p tcp -m tcp --dport 5269 -j DROP",
    "-A ufw-user-input -p tcp -m tcp --dport 23456 -j DROP",
    LIVE_ALLOW,
    *LIVE[2:],
    "-A ufw-user-output -p tcp -m tcp --dport 5269 -j REJECT --reject-with tcp-reset",
]


@pytest.mark.parametrize("desired", [DESIRED, ABSENT], ids=["present", "absent"])
def test_entries_of_version_1_1_0_are_converted(desired):
    change = plan_of(file_of(*FORMER, ALLOW), FORMER_LIVE, desired)
    assert sum(isinstance(item, Unmanaged) for item in change.plan.remove) == 3
    kept = MANAGED if desired.present else []
    assert written_by(change) == file_of(ALLOW, *kept)
    result = after(FORMER_LIVE, script_of(change))
    assert result == [LIVE_ALLOW, *(LIVE if desired.present else [])]
    assert not plan_of(written_by(change), result, desired).plan.changed


def test_a_file_that_ufw_has_not_written_yet_takes_the_rules_and_gives_them_back():
    written = ufw_rules.read_user_rules(NOT_WRITTEN_YET).with_managed(LINES).text
    again = ufw_rules.read_user_rules(written)
    assert ufw_rules.found_lines(again, "ipv4") == LINES
    assert "tuple" not in again.with_managed([]).text
    assert "-A ufw-user-limit -j REJECT" in again.with_managed([]).text


def test_live_rules_that_the_file_does_not_say_are_a_warning():
    stale = "-A ufw-user-input -s 198.19.1.1/32 -p tcp -m tcp --dport 5269 -j ACCEPT"
    assert any('"ufw reload" makes them equal' in text for text in plan_of(NOT_WRITTEN_YET, [stale]).warnings)
    assert plan_of(NOT_WRITTEN_YET, []).warnings == (NO_IPV6,)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"program": None}, "ufw is not installed on this host; install it and open your own way in first"),
        ({"enabled": False}, "ufw is not active on this host"),
        ({"files": {}}, "/etc/ufw/user.rules is not as ufw writes it"),
        ({"families": ()}, "IPV6=no"),
    ],
)
def test_what_stands_in_the_way_is_one_sentence(changes, words):
    with pytest.raises(EdgeError, match=words):
        UfwBackend().plan(replace(snapshot_of(file_of(), []), **changes), DESIRED)


def test_ufw_cannot_hold_rules_for_the_runtime_only():
    with pytest.raises(EdgeError, match="persist: False is not possible with the backend ufw"):
        plan_of(file_of(), [], replace(DESIRED, persist=False))


USER_S_SINCE = [DENY, ALLOW]


@pytest.mark.parametrize("place", ["head", "end"])
@pytest.mark.parametrize(("before", "now"), [(LINES, LINES[:2]), (LINES[:2], LINES), ([], LINES), (LINES, [])])
def test_the_managed_part_is_restored_among_rules_that_a_user_made_since(tmp_path, place, before, now):
    """awk does what UserRules.with_managed does."""
    entries = [tuple(ufw_rules.write_entry(line)) for line in before]
    since = ufw_rules.read_user_rules(file_of(*USER_S_SINCE)).with_managed(now).text
    (tmp_path / "merge.awk").write_text(ufw_rules.MERGE)
    (tmp_path / "managed").write_text("".join(f"{line}\n" for entry in entries for line in entry))
    command = ["awk", "-v", "managed=managed", "-v", f"place={place}", "-f", "merge.awk"]
    done = subprocess.run(command, input=since, stdout=subprocess.PIPE, text=True, check=True, cwd=tmp_path)
    assert done.stdout == file_of(*([*entries, *USER_S_SINCE] if place == "head" else [*USER_S_SINCE, *entries]))
    if place == "end":
        assert done.stdout == ufw_rules.read_user_rules(since).with_managed(before).text


def test_the_rollback_names_where_the_managed_rules_stood():
    for entries, place in (([*FORMER, ALLOW], "head"), ([ALLOW, *MANAGED], "end"), ([], "end")):
        rollback = plan_of(file_of(*entries), []).rollback
        assert f"place={place} " in rollback.shared_files["/etc/ufw/user.rules"].merge
        assert rollback.data["managed-ipv4"].count("### tuple ###") == len(
            [one for one in entries if "comment=" in one[0]]
        )
        assert rollback.live == ("/usr/sbin/iptables-restore --noflush --wait < /etc/ufw/user.rules",)
