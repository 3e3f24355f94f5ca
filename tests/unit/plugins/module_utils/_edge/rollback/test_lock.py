# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a host: one run at a time, and none that a dead one could hold."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rollback import daemon
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rollback.lock import HostLock


def soon():
    """Return when to give up a lock that another one holds."""
    return time.monotonic() + 0.3


def in_time():
    """Return when to give up a lock that is free, or is about to be, on a machine however busy."""
    return time.monotonic() + 120


class Signal:
    """A pipe by which one process tells another that something has happened."""

    def __init__(self):
        self._reading, self._writing = os.pipe()

    def give(self):
        os.write(self._writing, b".")

    def wait(self):
        os.read(self._reading, 1)

    def close(self):
        os.close(self._reading)
        os.close(self._writing)


def in_a_child(work):
    """Start a child process that runs something and then waits to be killed; return once that has been run."""
    done = Signal()
    child = os.fork()
    if child == 0:
        work()
        done.give()
        time.sleep(600)
        os._exit(0)
    done.wait()
    done.close()
    return child


def kill(child):
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_two_at_once_are_served_one_after_the_other(tmp_path):
    path = str(tmp_path / "lock")
    one, other = HostLock(path), HostLock(path)
    one.acquire()
    with pytest.raises(EdgeError, match=r"another run of xmpp.edge has held .*lock"):
        other.acquire(soon())
    one.release()
    other.acquire(in_time())
    other.release()
    assert not os.listdir(tmp_path)


def test_the_lock_of_a_killed_process_does_not_block(tmp_path):
    lock = HostLock(str(tmp_path / "lock"))
    child = in_a_child(HostLock(lock.path).acquire)
    with pytest.raises(EdgeError):
        lock.acquire(soon())
    kill(child)
    assert os.path.exists(lock.path)
    lock.acquire(in_time())
    lock.release()


def test_work_that_outlives_its_run_holds_the_lock_until_it_is_done(tmp_path):
    lock, done = HostLock(str(tmp_path / "lock")), tmp_path / "done"
    begun, may_end = Signal(), Signal()

    def work():
        begun.give()
        may_end.wait()
        done.write_text("whole")
        return []

    def run():
        held.acquire()
        daemon.out_of_reach(work)

    held = HostLock(lock.path)
    child = os.fork()
    if child == 0:
        run()
        os._exit(0)
    begun.wait()
    kill(child)
    try:
        with pytest.raises(EdgeError):
            lock.acquire(soon())
    finally:
        may_end.give()
    lock.acquire(in_time())
    assert done.read_text() == "whole"
    lock.release()
    begun.close()
    may_end.close()


def test_the_file_is_private_and_no_link_is_followed(tmp_path):
    lock = HostLock(str(tmp_path / "lock"))
    lock.acquire()
    assert stat.S_IMODE(os.stat(lock.path).st_mode) == 0o600
    lock.release()
    (tmp_path / "target").write_text("theirs")
    (tmp_path / "lock").symlink_to(tmp_path / "target")
    with pytest.raises(EdgeError, match="lock cannot be locked"):
        lock.acquire(soon())
    assert (tmp_path / "target").read_text() == "theirs"


def test_check_mode_makes_no_file_and_respects_one(tmp_path):
    path = str(tmp_path / "lock")
    looking, changing = HostLock(path, may_create=False), HostLock(path)
    looking.acquire()
    looking.release()
    assert not os.listdir(tmp_path)
    changing.acquire()
    with pytest.raises(EdgeError):
        looking.acquire(soon())
    changing.release()


def test_a_file_that_its_holder_removes_at_the_last_moment_is_no_lock(tmp_path, monkeypatch):
    holder, late = HostLock(str(tmp_path / "lock")), HostLock(str(tmp_path / "lock"))
    holder.acquire()
    real, calls = fcntl.flock, []

    def flock(descriptor, operation):
        calls.append(descriptor)
        if len(calls) == 1:
            holder.release()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    late.acquire(in_time())
    with pytest.raises(EdgeError):
        holder.acquire(soon())
    late.release()


def test_many_processes_never_hold_it_together(tmp_path):
    (tmp_path / "count").write_text("0")
    script = f"""
        import conftest
        from ansible_collections.xmpp.edge.plugins.module_utils._edge.rollback.lock import HostLock
        lock = HostLock({str(tmp_path / "lock")!r})
        for _again in range(20):
            lock.acquire()
            with open({str(tmp_path / "count")!r}, "r+") as file:
                count = int(file.read())
                file.seek(0)
                file.write(str(count + 1))
            lock.release()
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[5])}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    runs = [subprocess.Popen(command, env=environment) for _number in range(4)]
    assert [run.wait() for run in runs] == [0] * 4
    assert (tmp_path / "count").read_text() == "80"
