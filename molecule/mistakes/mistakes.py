# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers of the tests of this scenario."""

from __future__ import annotations

import re
import subprocess


def first_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a failed run says first, on one line; nothing before it may speak of anything else."""
    text = " ".join(done.stdout.split())
    found = re.search(r'fatal: \[\w+\]: FAILED! => \{.*?"msg": "(.*?)(?<!\\)"', text)
    assert found, done.stdout
    assert "A 'failed_when' expression" not in done.stdout
    assert "Traceback" not in done.stdout
    return found[1].replace("\\\\", "\\")
