# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests in managed files, which tell a file that somebody edited from one that an earlier run wrote. Pure.

A digest is no protection against somebody who forges it: whatever differs is written anew.
"""

from __future__ import annotations

import hashlib
import re

BANNER = "# Managed by the Ansible collection xmpp.edge: the next run overwrites local changes.\n"
"""Line in each managed file, after which the digest stands."""

_LINE = re.compile(r"^# Digest of the other lines: ([0-9a-f]{16})\n", re.MULTILINE)


def with_digest(text: str) -> str:
    """Return the text of a managed file with its digest."""
    return text.replace(BANNER, f"{BANNER}# Digest of the other lines: {_digest(text)}\n", 1)


def difference_of(found: str) -> str:
    """Return how a managed file came to differ from the one that a run would write, as words of a diff."""
    line = _LINE.search(found)
    if line is None:
        return "is not as a run writes it"
    return "is as an earlier run wrote it" if line[1] == _digest(_LINE.sub("", found, count=1)) else "was edited"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
