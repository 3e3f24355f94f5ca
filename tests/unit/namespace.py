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

from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.choose import choose_backend
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.runner import Completed
from ansible_collections.xmpp.edge.plugins.module_utils._edge.reconcile import Terms, observe, reconcile
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rollback.lock import HostLock

CLONE_NEWNET = 0x40000000
OWN_ADDRESSES = ("198.18.0.2", "198.18.0.3", "198.18.1.2", "2001:db8::2")
"""Addresses that tests take for those of the host."""
LIMIT = 300.0
"""Seconds that a program may take on a busy machine; one that takes longer waits for something that never comes."""


def why_not():
    """Why real nft cannot be used here, or None."""
    if os.geteuid() != 0:
        return "real nft needs root"
    if shutil.which("nft") is None:
        return "real nft is not installed"
    return None


def enter(addresses=OWN_ADDRESSES):
    """Leave the host's network for good; processes started from now on see the new namespace only.

    addresses: those of the new network.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    # A network without any address at all behaves in ways that no host's does. Without "nodad" the kernel looks for
    # others that have an IPv6 address, here too, and it cannot be used at once.
    commands = ["link set lo up", *(f"address add {address} dev lo nodad" for address in addresses)]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)


def run(arguments, stdin):
    """A runner for backends, without Ansible."""
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(
        arguments, input=stdin, capture_output=True, text=True, check=False, env=environment, timeout=LIMIT
    )
    return Completed(done.returncode, done.stdout, done.stderr)


def sh(command):
    """Run a shell command; return what it prints."""
    return subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True, timeout=LIMIT).stdout


def nft(script):
    """Load a script with the real nft."""
    subprocess.run(["nft", "-f", "-"], input=script, text=True, check=True)


def listed(*what):
    """Return what the real nft lists."""
    options = [word for word in what if word.startswith("-")]
    what = [word for word in what if word not in options]
    return subprocess.run(["nft", *options, "list", *what], stdout=subprocess.PIPE, text=True, check=True).stdout


def reconciled(desired, backend="nftables", check_mode=False, **terms):
    """Return the outcome of a run that keeps its lock and its change in a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        lock = HostLock(os.path.join(folder, "lock"))
        lock.acquire()
        try:
            facts = observe(run, desired)
            choice = choose_backend(facts, run, backend, desired)
            kept = Terms(lock, home=os.path.join(folder, "changes"), **terms)
            return reconcile(run, facts, choice, desired, check_mode=check_mode, terms=kept)
        finally:
            lock.pause()
