# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Obstacles of a change are seen before anything is done, so that check mode and a run say the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError, MissingPackageError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.steps import (
    Command,
    Locked,
    RemoveFile,
    RepairFolder,
    WriteFile,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rollback import foreseen
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rollback.foreseen import refuse_impossible


@pytest.fixture
def disks(monkeypatch):
    """Folders that are on a disk that cannot be written."""
    found = set()
    monkeypatch.setattr(
        foreseen, "is_read_only", lambda folder: any(one in (Path(folder), *Path(folder).parents) for one in found)
    )
    return found


def steps_for(path):
    """Steps that change a path, each kind of them."""
    write = WriteFile(path, "text")
    return [write, RepairFolder(path), Locked("/run/lock", (Command(("true",)), write))]


def test_what_can_be_done_is_not_refused(tmp_path, disks):
    for step in steps_for(str(tmp_path / "new" / "file")):
        refuse_impossible([step], str(tmp_path / "home"), [], waits=True)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", range(3))
def test_a_disk_that_cannot_be_written_is_named(tmp_path, disks, number):
    path = str(tmp_path / "new" / "file")
    disks.add(tmp_path)
    with pytest.raises(EdgeError, match=f"^nothing was changed, because {path} cannot be written: {tmp_path} is read"):
        refuse_impossible([steps_for(path)[number]], "/var/lib/xmpp-edge", [], waits=False)


@pytest.mark.parametrize("home", ["home", "deep/home"])
def test_a_disk_that_the_rollback_needs_is_named(tmp_path, disks, home):
    disks.add(tmp_path)
    with pytest.raises(EdgeError, match=f"{tmp_path / home} cannot be written"):
        refuse_impossible([], str(tmp_path / home), [], waits=False)
    with pytest.raises(EdgeError, match="unit cannot be written"):
        refuse_impossible([], "/var/lib/xmpp-edge", [str(tmp_path / "unit")], waits=False)


def test_a_file_that_is_not_there_need_not_be_removed(tmp_path, disks):
    disks.add(tmp_path)
    there = tmp_path / "there"
    there.write_text("")
    refuse_impossible([RemoveFile(str(tmp_path / "gone"))], "/var/lib/xmpp-edge", [], waits=False)
    with pytest.raises(EdgeError, match="there cannot be written"):
        refuse_impossible([RemoveFile(str(there))], "/var/lib/xmpp-edge", [], waits=False)


@pytest.mark.parametrize("step", [WriteFile, RepairFolder])
def test_a_file_in_place_of_a_folder_is_named(tmp_path, step):
    (tmp_path / "file").write_text("")
    path = str(tmp_path / "file" / "below")
    made = WriteFile(path, "text") if step is WriteFile else RepairFolder(path)
    with pytest.raises(EdgeError, match=f"{tmp_path / 'file'} is no folder; remove it"):
        refuse_impossible([made], "/var/lib/xmpp-edge", [], waits=False)


def test_a_path_of_another_kind_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for step, words in (
        (RepairFolder(str(tmp_path / "file")), "file is no folder; remove it"),
        (WriteFile(str(tmp_path / "folder"), "text"), "folder is a folder; remove it"),
    ):
        with pytest.raises(EdgeError, match=words):
            refuse_impossible([step], "/var/lib/xmpp-edge", [], waits=False)
    refuse_impossible([RepairFolder(str(tmp_path / "folder"))], "/var/lib/xmpp-edge", [], waits=False)


def test_without_systemd_run_no_change_can_wait_there(tmp_path, monkeypatch):
    monkeypatch.setattr(foreseen, "find_program", lambda name: None if name == "systemd-run" else f"/bin/{name}")
    refuse_impossible([], str(tmp_path / "home"), [], waits=True)
    refuse_impossible([], str(tmp_path / "home"), [], waits=False, with_systemd=True)
    with pytest.raises(MissingPackageError, match="systemd-run is not installed on this host; install systemd"):
        refuse_impossible([], str(tmp_path / "home"), [], waits=True, with_systemd=True)


def test_a_home_into_which_others_may_look_is_refused(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    refuse_impossible([], str(home), [], waits=False)  # A run removes one that holds nothing.
    (home / "change").write_text("")
    with pytest.raises(EdgeError, match=r"mode 0700\); remove it"):
        refuse_impossible([], str(home), [], waits=False)
    home.chmod(0o700)
    refuse_impossible([], str(home), [], waits=False)


def test_without_flock_no_change_can_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(foreseen, "find_program", lambda _name: None)
    refuse_impossible([], str(tmp_path / "home"), [], waits=False)
    with pytest.raises(MissingPackageError, match="flock is not installed on this host; install util-linux"):
        refuse_impossible([], str(tmp_path / "home"), [], waits=True)


def test_a_file_that_even_root_may_not_write_is_named(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("")
    monkeypatch.setattr(foreseen, "_may", lambda place, _rights: place != str(path))
    with pytest.raises(EdgeError, match=f"{path} may not be written: "):
        refuse_impossible([WriteFile(str(path), "text")], str(tmp_path / "home"), [], waits=False)
