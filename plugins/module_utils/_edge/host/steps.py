# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out the steps of a change on this host."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import Iterator, Sequence

from ..model.errors import EdgeError
from ..model.steps import Command, LoadNft, Locked, RemoveFile, RemoveFolder, RepairFolder, Step, WriteFile
from .files import remove_file, remove_folder_if_empty, repair_folder, write_atomically
from .runner import Completed, Runner

_NO_PRIVILEGE = ("Operation not permitted", "Permission denied", "NotAuthorized", "Access denied")
_NO_KERNEL_SUPPORT = ("Protocol not supported", "Operation not supported")
_KERNEL_LACKS_PART = "Could not process rule: No such file or directory"


def carry_out(steps: Sequence[Step], run: Runner) -> None:
    """Do the steps, one after the other. Raises EdgeError at the first that fails."""
    for step in steps:
        if isinstance(step, Command):
            _command(step, run)
        elif isinstance(step, LoadNft):
            _load(step, run)
        elif isinstance(step, WriteFile):
            write_atomically(step.path, step.text, step.mode, step.owner)
        elif isinstance(step, RemoveFile):
            remove_file(step.path)
        elif isinstance(step, RepairFolder):
            repair_folder(step.path)
        elif isinstance(step, RemoveFolder):
            remove_folder_if_empty(step.path)
        else:
            with _held(step):
                carry_out(step.steps, run)


def try_out(steps: Sequence[Step], run: Runner) -> None:
    """Have the programs say whether they would do the steps, as far as they can. Raises EdgeError where one refuses."""
    for step in steps:
        if isinstance(step, Command) and step.trial:
            _command(step, run, step.trial)
        elif isinstance(step, LoadNft):
            _load(step, run, "-c")
        elif isinstance(step, Locked):
            try_out(step.steps, run)


def nft_error(done: Completed) -> EdgeError:
    """Return the sentence for a call of nft that failed."""
    if any(words in done.stderr for words in _NO_PRIVILEGE):
        if os.geteuid() == 0:
            return EdgeError(
                "nft may not read or change the firewall even as root: give the right CAP_NET_ADMIN, or end the "
                f'program that owns the table, if "nft list ruleset" shows one ({done.complaint})'
            )
        return EdgeError("nft may not read or change the firewall: run as root (become: true)")
    if any(words in done.stderr for words in _NO_KERNEL_SUPPORT):
        return EdgeError("the kernel of this host has no nftables support: load or build its module nf_tables")
    if _KERNEL_LACKS_PART in done.stderr:
        return EdgeError(
            "the kernel of this host lacks a part of nftables: load or build nft_ct, nft_fib_inet and nft_reject_inet"
        )
    return EdgeError(f"nft refused: {done.complaint}")


def _command(step: Command, run: Runner, *options: str) -> None:
    done = run([*step.arguments, *options], step.stdin)
    if done.returncode == 0 or (step.satisfied and step.satisfied in done.stderr):
        return
    who = step.manager or step.arguments[0]
    if any(words in done.stderr for words in _NO_PRIVILEGE):
        raise EdgeError(f"{who} may not be asked or changed: run as root (become: true)")
    raise EdgeError(f"{who} refused: {done.complaint}")


def _load(step: LoadNft, run: Runner, *options: str) -> None:
    done = run([step.program, *options, "-f", "-"], step.script)
    if done.returncode != 0 and step.otherwise:
        done = run([step.program, *options, "-f", "-"], step.otherwise)
    if done.returncode != 0:
        raise nft_error(done)


@contextlib.contextmanager
def _held(step: Locked) -> Iterator[None]:
    """Hold the lock of another program, in the way in which it does."""
    try:
        descriptor = os.open(step.lock, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise EdgeError(f"{step.lock} cannot be locked: {error.strerror}") from None
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
