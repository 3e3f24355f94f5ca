# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge of each test, without what other tests have left."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path

import edge
import pytest
from decisions import CLEAN
from limits import with_networks

KMSG = Path("/dev/kmsg")
ALL_NAMESPACES = Path("/proc/sys/net/netfilter/nf_log_all_netns")


class KernelLog:
    """Lines of the kernel's log since the last call of clear."""

    def __init__(self):
        """Begin now."""
        self.clear()

    def clear(self):
        """Begin anew."""
        self._mark = f"xmpp tests {uuid.uuid4()}"
        KMSG.write_text(f"{self._mark}\n")

    def __call__(self, prefix):
        """Return the lines with a prefix."""
        lines = subprocess.run(["dmesg"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        assert any(self._mark in line for line in lines), "the log of the kernel is too short"
        last = max(number for number, line in enumerate(lines) if self._mark in line)
        return [line for line in lines[last:] if prefix in line]


@pytest.fixture
def kernel_log():
    """Yield the log, in which other network namespaces than the first one have no lines by default."""
    try:
        before = ALL_NAMESPACES.read_text()
        ALL_NAMESPACES.write_text("1")
    except OSError as error:
        pytest.skip(f"the log of a container's firewall was NOT TESTED: nf_log_all_netns cannot be set ({error})")
    yield KernelLog()
    ALL_NAMESPACES.write_text(before)


@pytest.fixture
def host():
    with_networks()
    yield from edge.cleaned(f"rm -f /var/lib/edge.prom; conntrack -F 2> /dev/null; {CLEAN}")
