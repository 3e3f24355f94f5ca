# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that is not confirmed is rolled back by the host itself: the real files, on a simulated task scheduler."""

from __future__ import annotations

import base64
import datetime
import json

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.xmpp.edge.plugins.plugin_utils import _confirm
from hosts import pwsh
from overlay import make_overlay
from test_faults import Host, arguments
from test_front_door import OPTIONS, OTHERS, unmanaged
from test_front_door import pytestmark as _needs

pytestmark = _needs

STOPPED = 0x80041315
"""SCHED_E_SERVICE_NOT_RUNNING."""


@pytest.fixture
def windows(tmp_path, server):
    return Host(tmp_path, server, OTHERS)


@pytest.fixture
def impatient(monkeypatch):
    """Have the controller try once to confirm."""
    monkeypatch.setattr(_confirm, "_BETWEEN_TRIES", 0.0)
    monkeypatch.setattr(_confirm, "_ROLLBACK_PATIENCE", -3600.0)


def rules_of(windows):
    return sorted(windows.firewall["rules"], key=json.dumps)


def data_of(windows):
    (task,) = windows.tasks
    head, _end, _shared = task["data"].partition("||")
    phase, until, *added = head.split("|")
    left = datetime.datetime.fromisoformat(until) - datetime.datetime.now(datetime.timezone.utc)
    return phase, left.total_seconds(), added


def rewrite(windows, phase=None, seconds=None):
    """Give the only task another phase, or another end."""
    was, left, added = data_of(windows)
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(
        seconds=left if seconds is None else seconds
    )
    shared = windows.tasks[0]["data"].partition("||")[2]
    data = f"{'|'.join([phase or was, end.strftime('%Y-%m-%dT%H:%M:%SZ'), *added])}||{shared}"
    windows.save(tasks=[{**windows.tasks[0], "data": data}])


def pending(windows, **changes):
    """Make a change that waits for its confirmation, and return what confirms it."""
    answer = windows.module(**arguments(**{"partner_networks": ["any"], **changes}))
    assert not answer.get("failed"), answer
    return answer["pending"]


def test_a_change_is_confirmed_over_a_fresh_connection(windows):
    first = windows.run()
    assert (first["changed"], first["confirmed"], windows.line.resets) == (True, True, 1)
    second = windows.run(partner_networks=["any"])
    assert (second["changed"], second["confirmed"], windows.line.resets) == (True, True, 2)
    assert windows.tasks == []
    assert not [rule for rule in windows.managed if "replaced" in rule["name"] or not rule["enabled"]]
    assert "pending" not in second and "confirmation" not in second
    again = windows.run(partner_networks=["any"])
    assert (again["changed"], again["confirmed"], windows.line.resets) == (False, False, 2)


def test_without_time_to_confirm_there_is_neither_a_task_nor_a_second_connection(windows):
    windows.run()
    result = windows.run(partner_networks=["any"], confirm_timeout=0)
    assert (result["changed"], result["confirmed"], windows.line.resets) == (True, False, 1)
    assert windows.tasks == []
    assert not [rule for rule in windows.managed if "replaced" in rule["name"]]


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("change", [{"partner_networks": ["any"]}, {"mode": "permit"}, {"state": "absent"}])
@pytest.mark.usefixtures("impatient")
def test_a_host_that_is_not_reached_any_more_rolls_back(windows, change, is_first):
    if not is_first:
        windows.run()
    before = rules_of(windows)
    windows.line.cut = True
    lost = windows.run(**change)
    if is_first and change == {"state": "absent"}:
        assert lost["changed"] is False  # Nothing was there.
        return
    assert lost["failed"] is True and lost["changed"] is False
    assert lost["msg"].startswith("the change was not confirmed over a fresh connection within 30 seconds (no route to")
    assert rules_of(windows) != before
    phase, left, _added = data_of(windows)
    assert phase == "made" and 0 < left <= 30
    windows.run_task()
    assert rules_of(windows) == before
    assert windows.tasks == []


def test_the_task_is_that_of_the_system_and_needs_no_file(windows):
    pending(windows)
    (task,) = windows.tasks
    assert [trigger["kind"] for trigger in task["triggers"]] == [1, 8]
    assert task["when_available"] and task["on_batteries"]
    assert task["path"].endswith(r"\powershell.exe")
    # The command line of a program has at most 32,767 characters (CreateProcess).
    assert len(task["arguments"]) < 32_000
    assert ".ps" not in task["arguments"]


def test_a_task_that_ansible_has_made_is_whole(windows, tmp_path):
    """In Ansible's own PowerShell the functions are found whose text the task has."""
    windows.run()
    before = rules_of(windows)
    variables = {"ansible_connection": "local", "ansible_pwsh_interpreter": pwsh()}
    task = {"xmpp.edge.win_firewall": {**arguments(partner_networks=["any"]), "rollback_after": 30}}
    play = {"hosts": "edge", "gather_facts": False, "vars": variables, "tasks": [task]}
    done = windows.play(make_overlay(tmp_path / "overlay"), play)
    assert done.returncode == 0, done.stdout
    assert rules_of(windows) != before
    by_ansible = windows.tasks[0]["arguments"]
    windows.run_task()
    assert rules_of(windows) == before
    pending(windows)
    assert len(windows.tasks[0]["arguments"]) == len(by_ansible)


def test_the_length_of_the_command_does_not_depend_on_the_rules(windows):
    pending(windows)
    few = len(windows.tasks[0]["arguments"])
    windows.save(tasks=[], rules=OTHERS)
    pending(windows, partner_networks=[f"198.19.{n // 100}.{n % 100 * 2}" for n in range(5000)])
    assert len(windows.tasks[0]["arguments"]) == few
    windows.run_task()
    assert windows.managed == []


def test_a_confirmation_that_comes_too_late_says_so(windows, monkeypatch):
    windows.run()
    before = rules_of(windows)
    monkeypatch.setattr(_confirm, "_BETWEEN_TRIES", 0.0)

    def reset():
        if windows.tasks:
            windows.run_task()
            raise AnsibleConnectionFailure("no route to host")

    windows.line.reset = reset
    monkeypatch.setattr(type(windows.line), "reset", lambda _line: reset())
    late = windows.run(partner_networks=["any"])
    assert late["failed"] is True and late["changed"] is False
    assert late["msg"].endswith("the host has rolled the change back")
    assert rules_of(windows) == before


def test_a_confirmation_whose_answer_is_lost_is_one(windows, monkeypatch):
    windows.run()
    monkeypatch.setattr(_confirm, "_BETWEEN_TRIES", 0.0)
    module, lost = windows.module, []

    def lose(*arguments, **options):
        answer = module(*arguments, **options)
        if options.get("end") and not lost:
            lost.append(answer)
            raise AnsibleConnectionFailure("connection reset by peer")
        return answer

    monkeypatch.setattr(windows, "module", lose)
    result = windows.run(partner_networks=["any"])
    assert lost and result["confirmed"] is True and not result.get("failed")


def test_what_has_no_effect_is_rolled_back_at_once(windows):
    windows.run()
    windows.save(rules=[*windows.firewall["rules"], unmanaged("All", action="block")])
    before = rules_of(windows)
    result = windows.run(partner_networks=["any"])
    assert result["failed"] is True and result["changed"] is False
    assert "rule All" in result["msg"]
    assert rules_of(windows) == before
    assert windows.tasks == []
    stays = windows.run(partner_networks=["any"], confirm_timeout=0)
    assert stays["failed"] is True and stays["changed"] is True
    assert stays["msg"].endswith("the change stays, since confirm_timeout is 0")


@pytest.mark.parametrize("method", ["Connect", "RegisterTaskDefinition"])
def test_nothing_is_changed_where_no_rollback_can_be_prepared(windows, method):
    windows.run()
    before = rules_of(windows)
    windows.save(fails={method: STOPPED})
    refused = windows.run(partner_networks=["any"])
    assert refused["failed"] is True and refused["changed"] is False
    assert refused["msg"].endswith(": see whether the service Schedule runs, or say confirm_timeout: 0")
    assert rules_of(windows) == before
    checked = windows.run("--check", partner_networks=["any"])
    assert not checked.get("failed") and checked["changed"] is True
    without = windows.run(partner_networks=["any"], confirm_timeout=0)
    assert not without.get("failed") and without["changed"] is True
    assert method != "Connect" or any("whether a change of another run waits" in text for text in without["warnings"])


@pytest.mark.parametrize(
    "other",
    [
        {"user": "EXAMPLE\\user", "data": "making|2020-01-01T00:00:00Z|NAMES||"},
        {"user": "EXAMPLE\\user", "data": "made|2099-01-01T00:00:00Z|NAMES||"},
        {"user": "", "data": "x"},
        {"name": "xmpp.edge rollback of another", "data": "x"},
        {"name": "another", "data": "making|2020-01-01T00:00:00Z|NAMES||"},
    ],
)
def test_a_task_of_another_account_is_unmanaged(windows, other):
    windows.run()
    names = "|".join(rule["name"] for rule in windows.managed)
    task = {"name": f"xmpp.edge rollback {'0' * 32}", **other, "data": other["data"].replace("NAMES", names)}
    windows.save(tasks=[task])
    before = rules_of(windows)
    result = windows.run()
    assert result["changed"] is False and not result.get("failed") and not result.get("warnings")
    assert rules_of(windows) == before and windows.tasks == [task]


def test_a_repair_that_was_rolled_back_is_not_confirmed_by_its_names(windows):
    windows.run()
    rules = windows.firewall["rules"]
    edited = [{**rule, "enabled": False} if "federation_in/block" in rule["name"] else rule for rule in rules]
    windows.save(rules=edited)
    change = pending(windows, **OPTIONS)
    windows.run_task()
    late = windows.module(**arguments(), end={"change": change, "how": "commit"})
    assert late["committed"] is False
    assert rules_of(windows) == sorted(edited, key=json.dumps)


@pytest.mark.usefixtures("impatient")
def test_a_row_without_effect_whose_host_is_lost_on_the_way_back_is_told(windows, monkeypatch):
    windows.run()
    windows.save(rules=[*windows.firewall["rules"], unmanaged("All", action="block")])
    before = rules_of(windows)
    module = windows.module

    def lose(*given, **options):
        if options.get("end"):
            raise AnsibleConnectionFailure("no route to host")
        return module(*given, **options)

    monkeypatch.setattr(windows, "module", lose)
    result = windows.run(partner_networks=["any"])
    assert result["failed"] is True and "rule All" in result["msg"]
    assert result["msg"].endswith("no route to host, so the host rolls it back within 30 seconds")
    windows.run_task()
    assert rules_of(windows) == before


def test_a_lock_that_another_program_holds_does_not_keep_the_host_from_rolling_back(windows):
    windows.run()
    before = rules_of(windows)
    pending(windows)
    (task,) = windows.tasks
    script = base64.b64decode(task["arguments"].rpartition(" ")[2]).decode("utf-16-le")
    held = script.replace("$entered = $mutex.WaitOne([int]($Seconds * 1000))", "$entered = $false")
    assert held != script
    assert windows.run_script(held) == {}
    assert rules_of(windows) == before


def test_a_change_of_another_run_is_waited_for(windows):
    windows.run()
    pending(windows)
    before = rules_of(windows)
    rewrite(windows, seconds=900)
    refused = windows.run()
    assert refused["msg"].startswith("a change of another run waits up to ")
    checked = windows.run("--check")
    assert any(text.startswith("a change of another run waits for its confirmation") for text in checked["warnings"])
    assert rules_of(windows) == before and len(windows.tasks) == 1


@pytest.mark.parametrize(("phase", "seconds"), [("making", 150), ("made", -60)])
def test_a_change_of_a_dead_run_is_rolled_back_first(windows, phase, seconds):
    windows.run()
    before = rules_of(windows)
    pending(windows)
    rewrite(windows, phase, seconds)
    result = windows.run()
    assert "a change that an interrupted run left was rolled back first" in result["warnings"]
    assert result["changed"] is False
    assert rules_of(windows) == before and windows.tasks == []


def states(windows, work):
    """Return each state of the rules that some work makes, and the first."""
    windows.save(forms={"trace": True})
    first = windows.firewall["rules"]
    windows.trace()
    work()
    found = [first, *windows.trace()]
    windows.save(forms={})
    return found


def test_a_run_or_a_rollback_that_is_killed_at_any_instant_is_rolled_back(windows):
    windows.run()
    rules = windows.firewall["rules"]
    # Some of them were edited, disabled and doubled.
    managed = [rule for rule in rules if rule not in OTHERS]
    rules += [managed[0], {**managed[1], "enabled": False}]
    rules[rules.index(managed[2])] = {**managed[2], "description": "mine"}
    windows.save(rules=rules)
    before = rules_of(windows)
    made = states(windows, lambda: pending(windows))
    tasks = windows.tasks
    assert len(made) > 20
    for state in made:
        windows.save(rules=state, tasks=tasks)
        undone = states(windows, windows.run_task)
        assert rules_of(windows) == before
    assert len(undone) > 20
    for state in undone:
        windows.save(rules=state, tasks=tasks)
        windows.run_task()
        assert rules_of(windows) == before


def test_a_rollback_of_a_firewall_that_does_not_list_its_rules_is_not_over(windows):
    windows.run()
    pending(windows)
    windows.save(fails={"Rules": 1})
    with pytest.raises(AssertionError, match="does not list its rules"):
        windows.run_task()
    assert len(windows.tasks) == 1


def test_both_ends_are_asked_for_by_a_direct_caller(windows):
    windows.run()
    before = rules_of(windows)
    change = pending(windows)
    desired = arguments(partner_networks=["any"])
    back = windows.module(**desired, end={"change": change, "how": "roll_back"})
    assert back["committed"] is False and rules_of(windows) == before
    assert windows.module(**desired, end={"change": change, "how": "commit"})["committed"] is False
    change = pending(windows)
    assert windows.module(**desired, end={"change": change, "how": "commit"})["committed"] is True
    assert windows.module(**desired, end={"change": change, "how": "commit"})["committed"] is True


def test_disabled_rules_that_a_commit_cannot_remove_are_removed_by_the_next_run(windows):
    windows.run()
    windows.save(fails={"Remove": 0x80070005})
    result = windows.run(partner_networks=["any"])
    assert result["confirmed"] is True
    assert any(text.startswith("disabled rules from before the change are left") for text in result["warnings"])
    windows.save(fails={})
    assert windows.run(partner_networks=["any"])["changed"] is True
    assert not [rule for rule in windows.managed if "replaced" in rule["name"]]


@pytest.mark.parametrize("owner", ["S-1-5-32-544"])
def test_what_windows_itself_puts_into_a_rule_is_said_once(windows, owner):
    windows.save(forms={"owner": owner})
    result = windows.run()
    assert not result.get("failed")
    said = [text for text in result["warnings"] if text.startswith("Windows shows the rule xmpp.edge/")]
    assert said and all(text.endswith(f"otherwise than it was given: owner '{owner}'") for text in said)
    again = windows.run()
    assert again["changed"] is False and again["diff"]["before"] == again["diff"]["after"]
    assert not again.get("warnings")
    # Another owner is an edit.
    rules = [{**rule, "owner": "S-1-5-21-7"} if rule not in OTHERS else rule for rule in windows.firewall["rules"]]
    windows.save(rules=rules, forms={})
    assert windows.run()["changed"] is True
    assert all(rule["owner"] == "" for rule in windows.managed)


@pytest.mark.parametrize("forms", [{"widened": True}])
def test_a_store_that_widens_a_rule_is_not_taken_for_what_was_asked(windows, forms):
    windows.save(forms=forms)
    for _number in range(2):
        failed = windows.run()
        assert failed["failed"] is True and "the host still differs after the change" in failed["msg"]
        assert windows.managed == [] and windows.tasks == []
