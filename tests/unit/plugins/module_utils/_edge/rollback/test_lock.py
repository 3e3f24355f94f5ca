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
    return time.monotonic() + 0.3


def in_a_child(work):
    """A child process that runs something and then waits to be killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        work()
        os.write(writing, b".")
        time.sleep(60)
        os._exit(0)
    os.read(reading, 1)
    os.close(reading)
    os.close(writing)
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
    other.acquire(soon())
    other.release()
    assert not os.listdir(tmp_path)


def test_the_lock_of_a_killed_process_does_not_block(tmp_path):
    lock = HostLock(str(tmp_path / "lock"))
    child = in_a_child(HostLock(lock.path).acquire)
    with pytest.raises(EdgeError):
        lock.acquire(soon())
    kill(child)
    assert os.path.exists(lock.path)
    lock.acquire(soon())
    lock.release()


def test_work_that_outlives_its_run_holds_the_lock_until_it_is_done(tmp_path):
    lock, done = HostLock(str(tmp_path / "lock")), tmp_path / "done"

    def work():
        time.sleep(1)
        done.write_text("whole")
        return []

    def run():
        HostLock.acquire(held)
        os.write(ready[1], b".")
        daemon.out_of_reach(work)

    held, ready = HostLock(lock.path), os.pipe()
    child = os.fork()
    if child == 0:
        run()
        os._exit(0)
    os.read(ready[0], 1)
    time.sleep(0.3)
    kill(child)
    with pytest.raises(EdgeError):
        lock.acquire(soon())
    lock.acquire(time.monotonic() + 5)
    assert done.read_text() == "whole"
    lock.release()


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
    late.acquire(soon())
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
