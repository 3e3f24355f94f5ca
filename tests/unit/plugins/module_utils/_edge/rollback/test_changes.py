# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes: rolled back in time unless they are confirmed, by a shell and no other part of the collection."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import subprocess
import time
from pathlib import Path

import namespace
import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rollback_data import RollbackData, SharedFile
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rollback import OVER_STATUS, ROLLED_BACK_STATUS, changes
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rollback.lock import HostLock

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners of files are restored by root only")
ODD = "a b'c\"$(touch owned);`touch owned`\\n*"
LONG = 600
"""Seconds of a deadline that no test reaches, however busy the machine is."""
LIMIT = 120.0
"""Seconds that an event may take on a busy machine; a test goes on as soon as it sees the event."""


class Place:
    """Files, lock and changes of a host, in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.home = folder / "home"
        self.lock = HostLock(str(folder / "lock"))
        self.changes = changes.Changes(namespace.run, self.lock, str(self.home))
        self.old, self.missing, self.link = folder / f"old {ODD}", folder / "sub" / "missing", folder / "link"
        self.old.write_bytes(b"old \xff\n")
        self.old.chmod(0o640)
        self.link.symlink_to("/somewhere else")
        self.live = folder / "live"
        self.live.write_text("old rules\n")
        self.lock.acquire()

    def begin(self, seconds=0, live=None):
        commands = (f"cat rules > {self.live}",) if live is None else live
        paths = (str(self.old), str(self.missing), str(self.link))
        folders, data = (str(self.missing.parent),), {"rules": self.live.read_text()}
        rollback = RollbackData(paths, folders=folders, live=commands, data=data)
        self.change, self.seconds = self.changes.begin([rollback], seconds), seconds
        return self.change

    def make(self):
        """Carry out the change itself."""
        if self.seconds:
            self.change.wait_from_now(self.seconds)
        self.old.write_text("new")
        self.old.chmod(0o600)
        self.missing.parent.mkdir()
        self.missing.write_text("new")
        self.link.unlink()
        self.link.write_text("new")
        self.live.write_text("new rules\n")

    @property
    def is_old(self):
        return (
            self.old.read_bytes() == b"old \xff\n"
            and stat.S_IMODE(self.old.stat().st_mode) == 0o640
            and not self.missing.parent.exists()
            and os.readlink(self.link) == "/somewhere else"
            and self.live.read_text() == "old rules\n"
        )

    @property
    def is_new(self):
        return self.old.read_text() == self.missing.read_text() == "new" and self.live.read_text() == "new rules\n"

    def has_nothing_left(self):
        return not self.home.exists()

    def wait_for_rollback(self):
        """Wait until the script has rolled back, and has ended: then it has also removed its folder and the lock."""
        assert wait_until((self.home / "rolled-back").exists)
        self.wait_for_end()

    def wait_for_end(self):
        """Wait until no script of a change runs."""
        assert wait_until(lambda: not processes(str(self.home)))


@pytest.fixture
def place(tmp_path):
    found = Place(tmp_path)
    yield found
    found.lock.pause()


def sh(command):
    return subprocess.run(["/bin/sh", "-c", command], check=False, env={}).returncode


def wait_until(truth):
    deadline = time.monotonic() + LIMIT
    while not truth() and time.monotonic() < deadline:
        time.sleep(0.05)
    return truth()


def processes(text):
    """Return the folders in /proc of the processes whose command line has a text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        # It may end meanwhile.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if text.encode() in path.read_bytes():
                found.append(path.parent)
    return found


def waits_for_lock(path):
    """Return whether the script of a change waits for a lock."""
    return any(os.path.realpath(folder / "fd" / "9") == path for folder in processes("flock\x009"))


def test_it_is_rolled_back_when_nothing_confirms_it_and_the_next_run_says_so(place):
    place.begin(seconds=2)
    place.make()
    # The script cannot go on before it has the lock.
    assert place.is_new
    place.lock.release()
    place.wait_for_rollback()
    assert place.is_old
    assert not os.path.exists(place.lock.path)
    assert any("was not confirmed in time" in note for note in place.changes.recover(check_mode=True))
    (note,) = place.changes.recover(check_mode=False)
    assert re.search(r"the host rolled it back at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$", note)
    assert place.changes.recover(check_mode=False) == []
    assert place.has_nothing_left()


def test_it_is_committed_once_it_is_confirmed(place):
    change = place.begin(seconds=LONG)
    place.make()
    change.cut(["echo cut >> " + str(place.folder / "cut")])
    place.lock.release()
    assert sh(change.command) == 0
    assert place.has_nothing_left()
    assert (place.folder / "cut").read_text() == "cut\n"
    # The script that waits for the deadline does nothing more once it has seen the confirmation.
    place.wait_for_end()
    assert place.is_new
    assert place.changes.recover(check_mode=False) == []


def test_a_confirmation_that_comes_too_late_says_so(place):
    change = place.begin(seconds=2)
    place.make()
    place.lock.release()
    place.wait_for_rollback()
    assert sh(change.command) == ROLLED_BACK_STATUS
    assert place.is_old


def test_a_rollback_waits_for_a_run_that_works(place):
    place.begin(seconds=1)
    place.make()
    assert wait_until(lambda: waits_for_lock(place.lock.path))
    assert place.is_new
    place.lock.release()
    place.wait_for_rollback()
    assert place.is_old


def test_it_is_committed_at_once(place):
    change = place.begin()
    place.make()
    assert change.commit() == []
    assert place.is_new
    assert place.has_nothing_left()


def test_it_is_rolled_back_at_once(place):
    change = place.begin()
    place.make()
    assert change.roll_back() is None
    assert place.is_old
    assert place.has_nothing_left()


def test_a_step_that_fails_is_told_and_the_rest_is_rolled_back(place):
    change = place.begin(live=("false", f"cat rules > {place.live}"))
    place.make()
    assert "live rules, step 1;" in change.roll_back()
    assert place.is_old
    (note,) = place.changes.recover(check_mode=False)
    assert "not everything could be rolled back: live rules, step 1;" in note


def test_the_change_of_an_interrupted_run_is_rolled_back_first(place):
    place.begin()
    place.make()
    assert place.changes.recover(check_mode=True) == [
        "a change of another run waits for its confirmation, and may yet be rolled back"
    ]
    assert place.is_new
    (note,) = place.changes.recover(check_mode=False)
    assert note == "a change that an interrupted run left was rolled back first"
    assert place.is_old
    assert place.has_nothing_left()


def test_a_change_of_another_boot_is_rolled_back_first_whatever_its_deadline(place):
    change = place.begin()
    place.make()
    with open(os.path.join(change.folder, "deadline"), "w", encoding="ascii") as file:
        file.write("99999999999.0 another-boot")
    assert len(place.changes.recover(check_mode=False)) == 1
    assert place.is_old


def test_another_run_waits_for_a_change_that_may_yet_be_confirmed(place, monkeypatch):
    change = place.begin(seconds=60)
    place.make()
    confirmed = []

    def sleep(_seconds):
        # Between two looks the lock is free, so that the first run can confirm.
        first_run = HostLock(place.lock.path)
        first_run.acquire(deadline=0)
        first_run.pause()
        confirmed.append(sh(change.command))

    monkeypatch.setattr(changes.time, "sleep", sleep)
    assert place.changes.recover(check_mode=False) == []
    assert confirmed == [0]
    assert place.is_new


def test_a_run_does_not_wait_longer_than_it_has_patience(place, monkeypatch):
    monkeypatch.setattr(changes, "PATIENCE", 1.0)
    change = place.begin(seconds=LONG)
    place.make()
    with pytest.raises(EdgeError, match=r"waits up to \d+ more seconds for its confirmation"):
        place.changes.recover(check_mode=False)
    change.commit()


def test_the_time_for_a_confirmation_counts_from_the_end_of_the_change(place):
    place.begin(seconds=1)
    place.lock.release()
    # However long this is, nothing is rolled back, since the change is still being made.
    time.sleep(4)
    assert not (place.home / "rolled-back").exists()
    place.lock.acquire()
    place.make()
    place.lock.release()
    place.wait_for_rollback()
    assert place.is_old


def test_a_change_that_ends_while_the_script_waits_for_the_lock_has_its_time(place, monkeypatch):
    monkeypatch.setattr(changes, "_MOST_SECONDS_OF_A_CHANGE", 0)
    change = place.begin(seconds=1)
    assert wait_until(lambda: waits_for_lock(place.lock.path))
    change.wait_from_now(LONG)
    place.lock.release()
    # It takes the lock, sees that the change is made, and gives it back.
    assert wait_until(lambda: not os.path.exists(os.path.join(change.folder, "made")))
    assert wait_until(lambda: not os.path.exists(place.lock.path))
    assert sh(change.command) == 0
    place.wait_for_end()
    assert not (place.home / "rolled-back").exists()


def test_a_change_whose_run_died_is_rolled_back_by_the_next_run_at_once(place):
    place.begin(seconds=LONG)
    place.live.write_text("half of the new rules\n")
    (note,) = place.changes.recover(check_mode=False)
    assert note == "a change that an interrupted run left was rolled back first"
    assert place.is_old
    place.lock.release()
    place.wait_for_end()


def test_files_are_private_and_names_are_random(place):
    change = place.begin(seconds=LONG)
    assert re.fullmatch(r"change-[0-9a-f]{16}", os.path.basename(change.folder))
    for path in (place.home, change.folder):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
    modes = {
        name: stat.S_IMODE(os.stat(os.path.join(change.folder, name)).st_mode) for name in os.listdir(change.folder)
    }
    assert modes.pop("change") == 0o700
    assert set(modes.values()) == {0o600}
    change.commit()


@pytest.mark.parametrize("kind", ["link", "open", "file"])
def test_a_folder_that_others_could_write_to_is_refused(place, kind):
    if kind == "link":
        (place.folder / "elsewhere").mkdir(0o700)
        place.home.symlink_to(place.folder / "elsewhere")
    elif kind == "open":
        place.home.mkdir()
        place.home.chmod(0o755)
    else:
        place.home.write_text("")
    with pytest.raises(EdgeError, match="mode 0700"):
        place.begin()
    assert not (place.folder / "elsewhere").exists() or not os.listdir(place.folder / "elsewhere")


def test_a_folder_in_the_place_of_a_file_stops_the_change_before_it_begins(place):
    place.missing.mkdir(parents=True)
    with pytest.raises(EdgeError, match=r"nothing was changed, .* is neither a file nor a link; remove it"):
        place.begin()
    assert place.has_nothing_left()


def test_a_rollback_that_was_killed_half_way_is_finished_by_the_next_script_or_run(place):
    change = place.begin(seconds=2)
    place.make()
    # As the script does it first.
    os.rename(os.path.join(change.folder, "pending"), os.path.join(change.folder, "restoring"))
    place.lock.release()
    place.wait_for_rollback()
    assert place.is_old
    assert sh(change.command) == ROLLED_BACK_STATUS


def test_a_boot_restores_files_and_leaves_live_rules_to_their_loaders(place):
    change = place.begin()
    place.make()
    place.lock.release()
    subprocess.run(["/bin/sh", change.script, "boot"], check=True)
    assert place.live.read_text() == "new rules\n"
    place.live.write_text("old rules\n")
    assert place.is_old
    assert "before the host was rebooted" in place.changes.recover(check_mode=False)[0]


def test_a_confirmation_whose_answer_is_lost_is_known_to_be_over(place):
    change = place.begin(seconds=LONG)
    place.make()
    place.lock.release()
    assert [sh(change.command), sh(change.command)] == [0, OVER_STATUS]
    assert place.is_new


def test_a_step_that_fails_at_first_is_tried_again(place):
    once = f"[ -e {place.folder}/tried ] || {{ : > {place.folder}/tried; false; }}"
    change = place.begin(live=(once, f"cat rules > {place.live}"))
    place.make()
    assert change.roll_back() is None
    assert place.is_old


def test_a_step_that_fails_for_good_is_left_to_the_next_run(place):
    change = place.begin(seconds=1, live=(f"[ -e {place.folder}/sound ]", f"cat rules > {place.live}"))
    place.make()
    place.lock.release()
    place.wait_for_rollback()
    assert not os.path.exists(place.lock.path)
    assert os.path.exists(change.script)
    (place.folder / "sound").touch()
    place.lock.acquire()
    os.unlink(os.path.join(change.folder, "deadline"))
    notes = place.changes.recover(check_mode=False)
    assert notes[0] == "a change that an interrupted run left was rolled back first"
    assert "not everything could be rolled back: live rules, step 1;" in notes[1]
    assert place.has_nothing_left()


def test_a_host_that_cannot_be_written_to_is_no_endless_loop(place, monkeypatch):
    change = place.begin()
    monkeypatch.setattr(changes.PendingChange, "roll_back", lambda _self: "Read-only file system")
    with pytest.raises(EdgeError, match=r"cannot be rolled back: Read-only file system$"):
        place.changes.recover(check_mode=False)
    monkeypatch.undo()
    change.commit()


@pytest.fixture
def change_of_1_1_0(place):
    """A pending change of version 1.1.0: its folder, with the script of that version, after the change was made."""
    folder = place.home / "change-0123456789abcdef"
    folder.mkdir(parents=True)
    for path in (place.home, folder):
        path.chmod(0o700)
    script = Path(__file__).with_name("change_1_1_0.txt").read_text()
    (folder / "change").write_text(script.replace("@FOLDER@", str(place.folder)))
    (folder / "pending").touch()
    (folder / "file-0").write_text("old")
    (folder / "rules").write_text("old rules\n")
    for path in (place.folder / "old", place.folder / "missing"):
        path.write_text("new")
    place.live.write_text("new rules\n")
    return folder


def has_rolled_back_1_1_0(place):
    found = (place.folder / "old").read_text(), place.live.read_text(), (place.folder / "missing").exists()
    return found == ("old", "old rules\n", False)


def test_the_note_of_a_change_of_version_1_1_0_is_read(place, change_of_1_1_0):
    place.lock.release()
    subprocess.run(["/bin/sh", change_of_1_1_0 / "change", "wait", "0"], check=True)
    assert (place.home / "taken-back").exists()
    assert has_rolled_back_1_1_0(place)
    place.lock.acquire()
    (note,) = place.changes.recover(check_mode=False)
    assert re.search(r"was not confirmed in time, and the host rolled it back at \d{4}-", note)
    assert place.has_nothing_left()


@pytest.mark.parametrize("state", ["pending", "restoring"])
def test_a_change_that_version_1_1_0_left_is_recovered(place, change_of_1_1_0, state):
    (change_of_1_1_0 / "pending").rename(change_of_1_1_0 / state)
    notes = place.changes.recover(check_mode=False)
    assert notes == ["a change that an interrupted run left was rolled back first"]
    assert has_rolled_back_1_1_0(place)
    assert place.has_nothing_left()


def test_a_lock_that_cannot_be_acquired_does_not_stop_the_rollback(place):
    change = place.begin()
    place.make()
    place.lock.release()
    os.mkdir(place.lock.path)
    subprocess.run(["/bin/sh", change.script, "wait", "0", "0"], check=True)
    assert place.is_old
    os.rmdir(place.lock.path)


def test_of_a_shared_file_only_the_managed_part_is_restored(place):
    shared = place.folder / "shared"
    former, made = "managed: old\nunmanaged\n", "managed: new\nunmanaged\n"
    merge = "grep -v managed: ; echo managed: old"
    for found, expected in ((former, former), (made, former), (made + "more\n", "unmanaged\nmore\nmanaged: old\n")):
        shared.write_text(former)
        change = place.changes.begin([RollbackData((str(shared),), {str(shared): SharedFile(made, merge)})], 0)
        shared.write_text(found)
        assert change.roll_back() is None
        assert shared.read_text() == expected


def test_a_disk_that_is_full_stops_the_change_before_it_begins(place, monkeypatch):
    real = os.mkdir

    def mkdir(path, *arguments):
        if "change-" in str(path):
            raise OSError(28, "No space left on device")
        real(path, *arguments)

    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(EdgeError, match=r"^nothing was changed, .*No space left on device"):
        place.begin()
    assert place.has_nothing_left()
