# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The known name that somebody most likely meant by an unknown one."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Iterable, Optional

_ALIKE, _ALIKE_FROM_THE_START = 0.8, 0.66
"""Least share of characters that two names have in common; misspelt names mostly begin like the right one."""


def nearest(name: str, known: Iterable[str]) -> Optional[str]:
    """Return the known name that is most like a name; None where none is like it."""
    lowered = name.lower()
    shares = {one: SequenceMatcher(None, lowered, one).ratio() for one in known}
    alike = [
        one for one, share in shares.items() if share >= (_ALIKE_FROM_THE_START if lowered[:1] == one[:1] else _ALIKE)
    ]
    return max(alike, key=lambda one: shares[one], default=None)
