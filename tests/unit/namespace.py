# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network namespace of its own for this process, so that tests use the real nft and touch nothing else."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile

from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.runner import Completed
from ansible_collections.xmpp.edge.plugins.module_utils._edge.reconcile import Safety, reconcile
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rollback.lock import HostLock

CLONE_NEWNET = 0x40000000


def why_not():
    """Why real nft cannot be used here, or None."""
    if os.geteuid() != 0:
        return "real nft needs root"
    if shutil.which("nft") is None:
        return "real nft is not installed"
    return None


def enter():
    """Leave the host's network for good; processes started from now on see the new namespace only."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    # A network without any address at all behaves in ways that no host's does.
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def run(arguments, stdin):
    """A runner for backends, without Ansible."""
    done = subprocess.run(
        arguments, input=stdin, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
    )
    return Completed(done.returncode, done.stdout, done.stderr)


def reconciled(host, backend, rules, check_mode=False, others=(), **safety):
    """The outcome of a run that keeps its lock and its change in a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        lock = HostLock(os.path.join(folder, "lock"))
        lock.acquire()
        terms = Safety(lock, home=os.path.join(folder, "changes"), **safety)
        return reconcile(host, backend, rules, check_mode=check_mode, others=others, safety=terms)
