# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and units as a pure function of facts: what a boot loads, and what a run repairs."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host import units
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.digests import BANNER, with_digest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.files import FileState
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.loaders import UnknownLoader
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.persistence import (
    ACCEPTS_FILE,
    GUARDS_FILE,
    RULES_FOLDER,
    UNIT_FILE,
    WANTS_LINK,
    Kept,
    PersistenceFacts,
    plan_persistence,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.steps import (
    Command,
    RemoveFile,
    RemoveFolder,
    RepairFolder,
    WriteFile,
)

GUARDS = Kept("guards", {GUARDS_FILE: f"{BANNER}guards\n"}, ("nft -f guards",), ("nft delete guards",))
ACCEPTS = Kept("nftables", {ACCEPTS_FILE: f"{BANNER}accepts\n"}, ("sh accepts",), ("sh accepts unload",), ("CAP_X",))
FLUSHER = f"{RULES_FOLDER}/nftables.sh"
YES = {"guards": "yes", "accepts": "yes"}
UNIT = """[Service]
ExecStart=/usr/sbin/nft -f /etc/nftables.conf
ExecReload=/usr/sbin/nft -f /etc/nftables.conf
ExecStop=/usr/sbin/nft flush ruleset
"""
LOADERS = {units.NFTABLES: (("/usr/lib/systemd/system/nftables.service", UNIT),)}
DROP_IN = "/etc/systemd/system/nftables.service.d/xmpp-edge.conf"
ENABLE = Command(("systemctl", "--no-ask-password", "enable", "--now", units.MANAGED))
LOADED = {"LoadState": "loaded", "UnitFileState": "enabled", "ActiveState": "active", "NeedDaemonReload": "no"}
UNITS = {
    units.MANAGED: {**LOADED, "DropInPaths": ""},
    units.NFTABLES: {**LOADED, "ActiveState": "inactive", "DropInPaths": DROP_IN},
    **{
        name: {**LOADED, "LoadState": "not-found", "ActiveState": "inactive", "DropInPaths": ""}
        for name in (units.NETFILTER_PERSISTENT, units.FIREWALLD, units.IPTABLES)
    },
}
BARE = {**UNITS, units.MANAGED: {**UNITS[units.FIREWALLD]}, units.NFTABLES: {**UNITS[units.FIREWALLD]}}


def file(text):
    return FileState(text, 0o644, 0, 0)


FOLDER = FileState(None, 0o755, 0, 0, folder=True)
LINK = FileState(None, 0o777, 0, 0, link=True)
FRESH = PersistenceFacts(BARE, systemd=True, loaders=LOADERS)


def texts_of(kept):
    """The text of each file that is to be there."""
    steps = plan_persistence(FRESH, kept, persist=True).steps
    return {step.path: step.text for step in steps if isinstance(step, WriteFile)}


def sound(kept=(GUARDS, ACCEPTS)):
    """The facts of a host after a run."""
    files = {path: file(text) for path, text in texts_of(kept).items()}
    return PersistenceFacts(
        UNITS, True, {**files, WANTS_LINK: LINK, RULES_FOLDER: FOLDER, os.path.dirname(DROP_IN): FOLDER}, LOADERS
    )


def with_file(facts, path, state):
    files = {one: kept for one, kept in facts.files.items() if one != path}
    return replace(facts, files={**files, path: state} if state else files)


def with_unit(facts, unit, **properties):
    return replace(facts, units={**facts.units, unit: {**facts.units[unit], **properties}})


def test_a_fresh_host_gets_folder_files_and_unit():
    change = plan_persistence(FRESH, [GUARDS, ACCEPTS], persist=True)
    assert change.fresh
    assert change.persisted == YES
    assert change.steps[0] == RepairFolder(RULES_FOLDER)
    assert [step.path for step in change.steps[1:-1]] == [GUARDS_FILE, ACCEPTS_FILE, UNIT_FILE, FLUSHER, DROP_IN]
    assert change.steps[-1] == ENABLE


def test_a_second_run_changes_nothing():
    change = plan_persistence(sound(), [GUARDS, ACCEPTS], persist=True)
    assert (change.drift, change.steps, change.persisted, change.fresh) == ((), (), YES, False)


def test_the_unit_loads_what_closes_first_and_stops_at_no_fault_of_what_opens():
    unit = texts_of([GUARDS, ACCEPTS])[UNIT_FILE].splitlines()
    commands = [line for line in unit if line.startswith("Exec")]
    assert commands == [
        "ExecStart=nft -f guards",
        "ExecStart=-sh accepts",
        "ExecReload=nft -f guards",
        "ExecReload=-sh accepts",
        "ExecStop=-sh accepts unload",
        "ExecStop=-nft delete guards",
    ]
    assert "CapabilityBoundingSet=CAP_NET_ADMIN CAP_X" in unit
    # Nothing is waited for: what flushes the rules later has a drop-in.
    assert not any(line.startswith("After=") for line in unit)
    assert "Before=network-pre.target shutdown.target" in unit


def test_nftables_service_loads_the_guards_in_the_transaction_that_flushes_them():
    text = texts_of([GUARDS, ACCEPTS])[DROP_IN]
    script = f"if [ -r {FLUSHER} ]; then exec /bin/sh {FLUSHER} /usr/sbin/nft"
    load = f"/bin/sh -c '{script} /etc/nftables.conf; fi; exec /usr/sbin/nft -f /etc/nftables.conf'"
    assert text.splitlines()[2:] == [
        "[Service]",
        "ExecStart=",
        f"ExecStart={load}",
        "ExecReload=",
        f"ExecReload={load}",
        "ExecStop=",
        f"ExecStop=/bin/sh -c '{script}; fi; exec /usr/sbin/nft flush ruleset'",
        "ExecStartPost=-sh accepts",
        "ExecReload=-sh accepts",
    ]


@pytest.mark.parametrize(
    "texts", [(), ((LOADERS[units.NFTABLES][0][0], UNIT.replace("nft -f", "load", 1)),)], ids=["absent", "other"]
)
def test_an_nftables_service_with_other_commands_has_the_guards_loaded_afterwards(texts):
    facts = replace(FRESH, loaders={units.NFTABLES: texts} if texts else {})
    steps = plan_persistence(facts, [GUARDS, ACCEPTS], persist=True).steps
    written = {step.path: step.text for step in steps if isinstance(step, WriteFile)}
    assert FLUSHER not in written
    for hook in ("ExecStartPost", "ExecReload"):
        assert f"{hook}=-nft -f guards\n{hook}=-sh accepts\n" in written[DROP_IN]


@pytest.mark.parametrize("part", ["nftables", "iptables"])
@pytest.mark.parametrize(
    ("unit", "loads"),
    [("foomuuri", "nftables"), ("ferm", "iptables"), ("shorewall", "iptables"), ("netfilter-persistent", "iptables")],
)
@pytest.mark.parametrize("reload", [True, False])
def test_each_service_that_loads_rules_of_a_manager_has_accept_rules_loaded_again(part, unit, loads, reload):
    name = f"{unit}.service"
    text = "[Service]\nExecStart=/sbin/it\n" + ("ExecReload=/sbin/it again\n" if reload else "")
    facts = replace(
        with_unit(FRESH, name, **LOADED) if name in BARE else replace(FRESH, units={**BARE, name: LOADED}),
        loaders={name: ((f"/lib/{name}", text),)},
    )
    steps = plan_persistence(facts, [replace(ACCEPTS, part=part)], persist=True).steps
    written = {step.path: step.text for step in steps if isinstance(step, WriteFile)}
    path = f"/etc/systemd/system/{name}.d/xmpp-edge.conf"
    assert (path in written) is (part == loads)
    if part == loads:
        assert "ExecStartPost=-sh accepts\n" in written[path]
        # To make a service reloadable would keep its own rules from being loaded by reload-or-restart.
        assert ("ExecReload=" in written[path]) is reload


def test_an_alias_gets_no_drop_in_of_its_own():
    facts = replace(FRESH, units={**BARE, units.IPTABLES: {**LOADED, "Id": units.NETFILTER_PERSISTENT}})
    steps = plan_persistence(facts, [replace(ACCEPTS, part="iptables")], persist=True).steps
    assert not any("iptables.service.d" in step.path for step in steps if isinstance(step, WriteFile))


@pytest.mark.parametrize(
    ("name", "text", "promise"),
    [
        ("zz.conf", "[Service]\nExecReload=\nExecReload=/usr/sbin/nft -f /other\n", "no"),
        ("zz.conf", "[Service]\nExecStartPost=\n", "no"),
        ("zz.conf", "[Service]\nProtectHome=no\n", "yes"),
        ("override.conf", "[Service]\nExecReload=\nExecReload=/usr/sbin/nft -f /other\n", "yes"),
    ],
)
def test_a_later_drop_in_that_empties_ours_is_named(name, text, promise):
    path = f"/etc/systemd/system/nftables.service.d/{name}"
    facts = replace(FRESH, loaders={units.NFTABLES: (*LOADERS[units.NFTABLES], (path, text))})
    change = plan_persistence(facts, [GUARDS, ACCEPTS], persist=True)
    assert change.persisted == {"guards": promise, "accepts": promise}
    assert [warning for warning in change.warnings if path in warning] == list(change.warnings)
    assert bool(change.warnings) is (promise == "no")


@pytest.mark.parametrize(
    ("gone", "certain", "promises"),
    [
        ({"guards", "nftables"}, True, {"guards": "no", "accepts": "no"}),
        ({"guards", "nftables"}, False, {"guards": "unknown", "accepts": "unknown"}),
        ({"nftables"}, True, {"guards": "yes", "accepts": "no"}),
        ({"iptables"}, True, YES),
    ],
)
def test_a_loader_that_nobody_knows_is_named(gone, certain, promises):
    one = UnknownLoader("own.service", "/usr/sbin/nft -f /etc/own.nft", frozenset(gone), certain)
    change = plan_persistence(replace(FRESH, unknown=(one,)), [GUARDS, ACCEPTS], persist=True)
    assert change.persisted == promises
    assert all("own.service" in warning and "/etc/own.nft" in warning for warning in change.warnings)
    assert bool(change.warnings) is (promises != YES)


@pytest.mark.parametrize(("manager", "unit"), [("ufw", units.UFW), ("firewalld", units.FIREWALLD)])
@pytest.mark.parametrize(("state", "promise"), [("enabled", "yes"), ("disabled", "no"), ("", "no")])
def test_a_manager_that_is_not_enabled_loads_nothing_at_boot(manager, unit, state, promise):
    facts = replace(FRESH, units={**BARE, unit: {**LOADED, "UnitFileState": state}})
    change = plan_persistence(facts, [GUARDS], True, manager)
    assert change.persisted == {"guards": "yes", "accepts": promise}
    assert [unit in warning for warning in change.warnings] == ([] if promise == "yes" else [True])


@pytest.mark.parametrize("path", [GUARDS_FILE, ACCEPTS_FILE, UNIT_FILE, DROP_IN])
@pytest.mark.parametrize(
    ("state", "words"),
    [
        (None, "is missing"),
        (file("of an earlier release"), "is not as a run writes it"),
        ("edited", "was edited"),
        ("earlier", "is as an earlier run wrote it"),
        (FileState(None, 0o777, 0, 0, link=True), "is no regular file"),
        ("mode", "has mode 0666"),
        ("owner", "has owner 1000"),
    ],
)
def test_a_file_that_differs_is_written_anew(path, state, words):
    facts = sound()
    if state in ("mode", "owner"):
        odd = {"mode": 0o666} if state == "mode" else {"uid": 1000}
        state = replace(facts.files[path], **odd)
    elif state == "edited":
        state = file(facts.files[path].text + "# more\n")
    elif state == "earlier":
        state = file(with_digest(f"{BANNER}other rules\n"))
    change = plan_persistence(with_file(facts, path, state), [GUARDS, ACCEPTS], persist=True)
    assert change.drift == (f"file {path}  {words}",)
    assert change.steps[0] == WriteFile(path, texts_of([GUARDS, ACCEPTS])[path])
    # systemd reads its own files again; it need not for those that it does not read.
    assert (ENABLE in change.steps) is path.startswith("/etc/systemd")


@pytest.mark.parametrize(
    ("state", "words"),
    [(replace(FOLDER, mode=0o777), "has mode 0777"), (replace(FOLDER, uid=7), "has owner 7"), (LINK, "is no folder")],
)
def test_a_folder_that_others_may_write_to_is_repaired(state, words):
    change = plan_persistence(with_file(sound(), RULES_FOLDER, state), [GUARDS, ACCEPTS], persist=True)
    assert change.drift == (f"folder {RULES_FOLDER}  {words}",)
    assert change.steps == (RepairFolder(RULES_FOLDER),)


@pytest.mark.parametrize(
    ("unit", "properties", "words"),
    [
        (units.MANAGED, {"ActiveState": "inactive"}, f"unit {units.MANAGED}  is inactive"),
        (units.MANAGED, {"ActiveState": "failed"}, f"unit {units.MANAGED}  is failed"),
        (units.MANAGED, {"UnitFileState": "disabled"}, f"unit {units.MANAGED}  is not enabled"),
        (units.MANAGED, {"NeedDaemonReload": "yes"}, "is not loaded as it stands on disk"),
        (units.NFTABLES, {"NeedDaemonReload": "yes"}, "is not loaded as it stands on disk"),
        (units.NFTABLES, {"DropInPaths": ""}, "is not loaded as it stands on disk"),
    ],
)
def test_a_unit_that_differs_is_repaired(unit, properties, words):
    change = plan_persistence(with_unit(sound(), unit, **properties), [GUARDS, ACCEPTS], persist=True)
    assert len(change.drift) == 1
    assert change.drift[0].endswith(words)
    assert change.steps[-1] == ENABLE
    reset = Command(("systemctl", "--no-ask-password", "reset-failed", units.MANAGED))
    assert (reset in change.steps) is (properties.get("ActiveState") == "failed")


def test_a_link_that_is_gone_is_made_again():
    change = plan_persistence(with_file(sound(), WANTS_LINK, None), [GUARDS, ACCEPTS], persist=True)
    assert change.drift == (f"unit {units.MANAGED}  is not enabled",)
    assert change.steps == (ENABLE,)


@pytest.mark.parametrize(
    "path", [f"{RULES_FOLDER}/nftables.nft", f"{RULES_FOLDER}/ipsets", f"{RULES_FOLDER}/.guards.nft.x7", ACCEPTS_FILE]
)
def test_files_of_version_1_1_0_and_of_killed_runs_go(path):
    change = plan_persistence(with_file(sound([GUARDS]), path, file("x")), [GUARDS], persist=True)
    assert change.drift == (f"file {path}  is present",)
    assert RemoveFile(path) in change.steps
    assert not change.fresh


@pytest.mark.parametrize(("kept", "persist"), [((), True), ((GUARDS,), False)])
def test_nothing_to_load_means_no_file_and_no_unit(kept, persist):
    change = plan_persistence(sound(), kept, persist)
    assert {step.path for step in change.steps if isinstance(step, RemoveFile)} == {
        GUARDS_FILE,
        ACCEPTS_FILE,
        UNIT_FILE,
        FLUSHER,
        DROP_IN,
        WANTS_LINK,
    }
    assert {step.path for step in change.steps if isinstance(step, RemoveFolder)} >= {RULES_FOLDER}
    # The stop command is forgotten before the unit is stopped: the live rules may have to stay.
    systemctl = [step.arguments[2:] for step in change.steps if isinstance(step, Command)]
    assert systemctl == [("daemon-reload",), ("stop", units.MANAGED)]
    assert change.persisted == ({"guards": "no"} if kept else {})


@pytest.mark.parametrize(("kept", "persist"), [((), True), ((GUARDS,), False)])
def test_a_host_with_nothing_is_left_alone(kept, persist):
    change = plan_persistence(FRESH, kept, persist)
    assert (change.drift, change.steps, change.warnings) == ((), (), ())


def test_a_host_without_systemd_is_told_so():
    change = plan_persistence(PersistenceFacts(), [GUARDS], persist=True)
    assert (change.steps, change.persisted) == ((), {"guards": "no"})
    (warning,) = change.warnings
    assert warning.startswith("this host does not run systemd")
    assert plan_persistence(PersistenceFacts(), [GUARDS], persist=False).warnings == ()


def test_leftovers_on_a_host_without_systemd_go_without_it():
    facts = PersistenceFacts(files={UNIT_FILE: file("x"), RULES_FOLDER: FOLDER})
    change = plan_persistence(facts, (), persist=True)
    assert RemoveFile(UNIT_FILE) in change.steps
    assert not any(isinstance(step, Command) for step in change.steps)


@pytest.mark.parametrize("active", [True, False])
def test_the_rollback_names_every_file_and_the_state_of_the_unit(active):
    facts = with_unit(sound(), units.MANAGED, ActiveState="active" if active else "inactive")
    rollback = plan_persistence(facts, [GUARDS], persist=True).rollback
    assert {GUARDS_FILE, ACCEPTS_FILE, UNIT_FILE, DROP_IN, WANTS_LINK} <= set(rollback.paths)
    assert RULES_FOLDER in rollback.folders
    assert (rollback.units, rollback.active) == (True, active)


def test_a_disk_that_cannot_be_written_is_named_with_the_remedy():
    facts = replace(FRESH, read_only=("/etc/systemd/system",))
    with pytest.raises(EdgeError, match=r"^/etc/systemd/system is read-only, .*; say persist: false, or make it"):
        plan_persistence(facts, [GUARDS], persist=True)
    assert plan_persistence(facts, [GUARDS], persist=False).steps == ()
    sound_facts = replace(sound(), read_only=("/etc",))
    assert plan_persistence(sound_facts, [GUARDS, ACCEPTS], persist=True).steps == ()
    with pytest.raises(EdgeError, match=r"^/etc is read-only, .*; make it writable$"):
        plan_persistence(sound_facts, [], persist=True)
