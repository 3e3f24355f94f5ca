# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pending changes: the host rolls them back by itself, unless they are confirmed.

Before a change, its rollback data are saved on the host, with a script and, where there is time to confirm, a timer
that runs the script. Neither needs Ansible or Python.
"""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import shutil
import time
from shlex import quote
from typing import List, Literal, Optional, Sequence

from ..host.files import link_atomically, read_text, remove_file, remove_folder_if_empty, write_atomically
from ..host.persistence import SANDBOX
from ..host.runner import Runner, find_program
from ..host.units import has_systemd
from ..model.errors import EdgeError, traceback_of
from ..model.rollback_data import RollbackData, together
from ..model.steps import Step
from . import HOME, OVER_STATUS, ROLLED_BACK_STATUS, daemon, lines_of_the_script
from .foreseen import refuse_impossible
from .home import refuse_unsafe_home
from .lock import PATIENCE, HostLock
from .saved_files import saved_files
from .script import Places, change_script

RECOVERY_UNIT_FILE = "/etc/systemd/system/xmpp-edge-recovery.service"
_RECOVERY_LINK = "/etc/systemd/system/sysinit.target.wants/xmpp-edge-recovery.service"
# Temporary files of units, left by a run that was killed while it wrote them.
_UNFINISHED = ("/etc/systemd/system/.xmpp-edge*", "/etc/systemd/system/*/.xmpp-edge*")
_NOTE = "rolled-back"
# A change of version 1.1.0 has a script of that version, which leaves its note under another name.
_NOTES = (_NOTE, "taken-back")
_PENDING, _RESTORING, _ARMED, _MADE = "pending", "restoring", "armed", "made"
_MAKING = "making"
"""Last word of the deadline of a change that is not made yet."""
_MOST_SECONDS_OF_A_CHANGE = 120
"""Seconds that a change may take, with all that is read afterwards, before the host rolls it back in any case."""
_GRACE = 10.0
"""Seconds that a timer may be late before the next run rolls back in its place."""
_START_PATIENCE = 10.0
_BETWEEN_LOOKS = 0.2

# iptables needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_MODULE; files of other owners need the next three. systemctl
# needs CAP_SYS_ADMIN: systemd grants its requests to no process without it.
_CAPABILITIES = "CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_MODULE CAP_CHOWN CAP_FOWNER CAP_DAC_OVERRIDE CAP_SYS_ADMIN"
_RIGHTS = (
    *SANDBOX,
    "ProtectSystem=strict",
    "ReadWritePaths=/etc /run /var/lib",
    f"CapabilityBoundingSet={_CAPABILITIES}",
)

_RECOVERY_UNIT = """\
# Written by the Ansible collection xmpp.edge, for as long as a change waits for its confirmation.
[Unit]
Description=Roll back a change of the XMPP edge's firewall rules that was not confirmed before the reboot
DefaultDependencies=no
ConditionPathExists={script}
RequiresMountsFor={home}
After=local-fs.target
Before=xmpp-edge.service nftables.service netfilter-persistent.service ufw.service firewalld.service
Before=network-pre.target sysinit.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart=/bin/sh {script} boot
{rights}
"""


class PendingChange:
    """A change that is not over yet. A commit, a rollback or its confirmation command ends it.

    run: runs programs; folder: the folder of its files.
    """

    def __init__(self, run: Runner, folder: str) -> None:
        self._run = run
        self.folder = folder

    @property
    def script(self) -> str:
        """Path of the script that commits it or rolls it back."""
        return os.path.join(self.folder, "change")

    @property
    def command(self) -> str:
        """The shell command that confirms it.

        Its exit status is ROLLED_BACK_STATUS when it comes too late. It is OVER_STATUS when the change was confirmed
        before, or when another run has already read the note of its rollback.
        """
        path = quote(self.script)
        note = quote(os.path.join(os.path.dirname(self.folder), _NOTE))
        token = os.path.basename(self.folder).partition("-")[2]
        return (
            f"if [ -e {path} ]; then exec /bin/sh {path} confirm; "
            f"elif grep -q {token} {note} 2> /dev/null; then exit {ROLLED_BACK_STATUS}; else exit {OVER_STATUS}; fi"
        )

    def cut(self, commands: Sequence[str]) -> None:
        """Save shell commands that close connections, for the commit to run. Raises EdgeError."""
        write_atomically(os.path.join(self.folder, "cut"), "".join(f"{command}\n" for command in commands), 0o600)

    def wait_from_now(self, seconds: int) -> None:
        """Have the host wait for the confirmation from now on, since the change is made. Raises EdgeError."""
        _write_deadline(self.folder, seconds)
        write_atomically(os.path.join(self.folder, _MADE), "", 0o600)

    def commit(self) -> List[str]:
        """Commit the change, as its confirmation does. The caller has the lock.

        Returns the lines that the confirmation would print: one for each connection that could not be closed.
        """
        return self._end("commit")

    def roll_back(self) -> Optional[str]:
        """Restore the former state at once. The caller has the lock. Returns the fault, if a step failed."""
        # Also the scripts of version 1.1.0 know this word.
        return " ".join(self._end("restore")) or None

    def _end(self, how: Literal["commit", "restore"]) -> List[str]:
        def work() -> Sequence[str]:
            done = self._run(["/bin/sh", self.script, how], "")
            return [*lines_of_the_script(done.stdout), *([] if done.returncode == 0 else [done.complaint])]

        return daemon.out_of_reach(work)


class Changes:
    """All pending changes of a host. run: runs programs; lock: the host's lock; home: the folder of their folders."""

    def __init__(self, run: Runner, lock: HostLock, home: str = HOME) -> None:
        self._run = run
        self._lock = lock
        self._home = home
        # With another folder than the host's own this is a test, which must not touch the host's units.
        self._with_systemd = has_systemd() and home == HOME

    def recover(self, check_mode: bool) -> List[str]:
        """End all earlier changes, and return one line for each that was rolled back. The caller has the lock.

        Waits for a change that may yet be confirmed, and rolls back one that a dead run has left. Changes nothing in
        check mode. Raises EdgeError.
        """
        if check_mode:
            waiting = "a change of another run waits for its confirmation, and may yet be rolled back"
            return [*self._notes(), *([waiting] if self._folders() else [])]
        notes = []
        deadline = time.monotonic() + PATIENCE
        while self._folders():
            folder = self._folders()[0]
            left = _seconds_left(folder)
            if not any(os.path.exists(os.path.join(folder, state)) for state in (_PENDING, _RESTORING)):
                # It was confirmed, or it had not begun.
                self._remove(folder)
            elif left is None or left < -_GRACE:
                notes.append(self._roll_back_leftover(folder))
            elif time.monotonic() + left > deadline:
                raise EdgeError(
                    f"a change of another run waits up to {left:.0f} more seconds for its confirmation; "
                    "run again after that"
                )
            else:
                self._lock.pause()
                time.sleep(_BETWEEN_LOOKS)
                self._lock.acquire()
        notes += self._notes()
        for name in _NOTES:
            for path in (os.path.join(self._home, name), *glob.glob(os.path.join(self._home, f".{name}-*"))):
                remove_file(path)
        remove_folder_if_empty(self._home)
        return notes

    def refuse_impossible(self, steps: Sequence[Step], seconds: int, permanent: bool) -> None:
        """Refuse a change that cannot be made or rolled back, before anything is done; the arguments are as for begin.

        Raises EdgeError and MissingPackageError.
        """
        units = [RECOVERY_UNIT_FILE] if self._with_systemd and permanent else []
        paths = [self._lock.path, *units]
        refuse_impossible(steps, self._home, paths, waits=bool(seconds), with_systemd=self._with_systemd)

    def begin(self, rollback: Sequence[RollbackData], seconds: int, permanent: bool = True) -> PendingChange:
        """Save the rollback data, and arm the timer that rolls back. Raises EdgeError.

        rollback: the data of each backend; seconds: time for a confirmation once the change is made, 0 for no timer;
        permanent: whether a reboot alone would not end the change.
        """
        self._make_home()
        token = secrets.token_hex(8)
        change = PendingChange(self._run, os.path.join(self._home, f"change-{token}"))
        try:
            os.mkdir(change.folder, 0o700)
            self._save(change, together(rollback), token)
            if self._with_systemd and permanent:
                write_atomically(RECOVERY_UNIT_FILE, _recovery_unit(change.script, self._home))
                link_atomically(_RECOVERY_LINK, RECOVERY_UNIT_FILE)
            if seconds:
                self._arm(change, token, seconds)
        except (EdgeError, OSError, UnicodeError) as error:
            self._remove(change.folder)
            raise EdgeError(
                f"nothing was changed, because its rollback could not be prepared: {error}",
                "" if isinstance(error, OSError) else traceback_of(error),
            ) from None
        return change

    def _save(self, change: PendingChange, rollback: RollbackData, token: str) -> None:
        files, copies = saved_files(rollback)
        for name, text in rollback.data.items():
            write_atomically(os.path.join(change.folder, name), text, 0o600)
        for name, content in copies.items():
            write_atomically(os.path.join(change.folder, name), content, 0o600)
        recovery = RECOVERY_UNIT_FILE if self._with_systemd else ""
        places = Places(self._home, token, self._lock.path, recovery)
        text = change_script(places, rollback, files)
        write_atomically(change.script, text, 0o700)
        write_atomically(os.path.join(change.folder, _PENDING), "", 0o600)

    def _arm(self, change: PendingChange, token: str, seconds: int) -> None:
        most = seconds + _MOST_SECONDS_OF_A_CHANGE
        _write_deadline(change.folder, most, _MAKING)
        command = ["/bin/sh", change.script, "wait", str(seconds), str(most)]
        if self._with_systemd:
            program = find_program("systemd-run") or "systemd-run"
            # A service that waits, and no timer unit: systemd restarts its timers whenever it reads its units.
            options = ["--quiet", "--no-ask-password", "--collect", f"--unit=xmpp-edge-rollback-{token}"]
            options += ["--description=Roll back an unconfirmed change of the XMPP edge's firewall rules"]
            done = self._run([program, *options, *(f"--property={right}" for right in _RIGHTS), *command], "")
            if done.returncode != 0:
                raise EdgeError(f"systemd-run failed: {done.complaint}")
        else:
            daemon.start(command)
        patience = time.monotonic() + _START_PATIENCE
        while not os.path.exists(os.path.join(change.folder, _ARMED)):
            if time.monotonic() > patience:
                look = f'; see "journalctl --unit=xmpp-edge-rollback-{token}"' if self._with_systemd else ""
                raise EdgeError(f"its timer did not start within {_START_PATIENCE:.0f} seconds{look}")
            time.sleep(0.01)

    def _roll_back_leftover(self, folder: str) -> str:
        fault = PendingChange(self._run, folder).roll_back()
        if os.path.exists(folder):
            raise EdgeError(f"a change that an interrupted run left in {folder} cannot be rolled back: {fault}")
        if fault:
            return f"a change that an interrupted run left could not be rolled back in full: {fault}"
        return "a change that an interrupted run left was rolled back first"

    def _remove(self, folder: str) -> None:
        """Remove the units and the folder of a change that is over, or never began."""
        if self._with_systemd:
            remove_file(_RECOVERY_LINK)
            remove_file(RECOVERY_UNIT_FILE)
            for pattern in _UNFINISHED:
                for path in glob.glob(pattern):
                    remove_file(path)
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise EdgeError(f"{folder} cannot be removed: {error.strerror}") from None
        remove_folder_if_empty(self._home)

    def _notes(self) -> List[str]:
        """Return the notes of rollbacks that the host did by itself, as sentences."""
        texts = (read_text(os.path.join(self._home, name)) for name in _NOTES)
        return [_note(text) for text in texts if text]

    def _folders(self) -> List[str]:
        try:
            names = sorted(os.listdir(self._home))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return []
        return [os.path.join(self._home, name) for name in names if name.startswith("change-")]

    def _make_home(self) -> None:
        try:
            os.makedirs(os.path.dirname(self._home), exist_ok=True)
            if not os.path.lexists(self._home):
                os.mkdir(self._home, 0o700)
        except OSError as error:
            raise EdgeError(f"{self._home} cannot be made: {error.strerror}") from None
        refuse_unsafe_home(self._home)


def _note(text: str) -> str:
    when, how, fault, *_token = [*text.splitlines(), "", "", ""]
    why = "before the host was rebooted" if how == "boot" else "in time"
    failed = f"; not everything could be rolled back:{fault}" if fault else ""
    return f"the change before this run was not confirmed {why}, and the host rolled it back at {when}{failed}"


def _write_deadline(folder: str, seconds: int, *words: str) -> None:
    ends = time.clock_gettime(time.CLOCK_BOOTTIME) + seconds
    write_atomically(os.path.join(folder, "deadline"), " ".join([f"{ends:.3f}", _boot(), *words]), 0o600)


def _seconds_left(folder: str) -> Optional[float]:
    """Return the seconds until the host rolls a change back.

    None where no timer does that, and for a change that is still being made: while another run has the lock, the run
    that made it is dead.
    """
    ends, _space, boot = (read_text(os.path.join(folder, "deadline")) or "").partition(" ")
    try:
        return float(ends) - time.clock_gettime(time.CLOCK_BOOTTIME) if boot == _boot() else None
    except ValueError:
        return None


def _boot() -> str:
    """Return the identity of this boot, since clocks begin anew at each. Source: random(4)."""
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.readline().strip()
    return ""


def _recovery_unit(script: str, home: str) -> str:
    return _RECOVERY_UNIT.format(script=script, home=home, rights="\n".join(_RIGHTS))
