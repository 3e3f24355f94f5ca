# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and lists as administrators write them."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence

from ..model.errors import OptionError

MAX_LIST_LENGTH = 10_000
"""Most entries that one list may have; the bench measures at this size."""


def number_of(value: Any) -> Optional[int]:
    """Return a number that is not negative, of at most five digits; None for anything else."""
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    return int(text)


def entries_of(option: str, value: Any, remedy: str) -> Sequence[Any]:
    """Return the entries of a list that is not empty, or of a text with commas between them. Raises OptionError."""
    if isinstance(value, str):
        entries = [entry.strip() for entry in value.split(",")]
        # A comma at the end is no entry, and nothing but commas is no list.
        value = [entry for entry in entries if entry] or entries
    if not isinstance(value, (list, tuple)):
        raise OptionError(option, value, "is not a list", remedy)
    if not value:
        raise OptionError(option, value, "is empty", remedy)
    return value


def texts_of(option: str, entries: Sequence[Any], kind: str = "an IP address") -> List[str]:
    """Return the entries of a list, which all have to be text. kind: what they are. Raises OptionError."""
    if len(entries) > MAX_LIST_LENGTH:
        raise OptionError(
            option, entries, f"has {len(entries)} entries", f"give at most {MAX_LIST_LENGTH}, by naming wider networks"
        )
    for entry in entries:
        if not isinstance(entry, str):
            shown = "null" if entry is None else entry
            raise OptionError(option, shown, "is not text", f"write every entry as {kind}, in quotes if need be")
    return list(map(str, entries))
