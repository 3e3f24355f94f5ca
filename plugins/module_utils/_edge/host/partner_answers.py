# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file in which a host keeps the answers of partners by domain, with the times at which they came."""

from __future__ import annotations

import json
import os
from typing import List, Tuple

from ..model.addresses import is_address
from ..model.partner_domains import OPTION, Kept
from ..model.steps import RemoveFile, RemoveFolder, RepairFolder, Step, WriteFile
from .files import read_text
from .persistence import RULES_FOLDER

ANSWERS_FILE = f"{RULES_FOLDER}/partner_domains.json"


def read_kept() -> Tuple[Kept, List[str]]:
    """Return what is kept, and what stands in the way of knowing it."""
    text = read_text(ANSWERS_FILE)
    if text is None:
        return {}, []
    try:
        found = json.loads(text)["domains"]
        return {
            str(key): {address: int(seen) for address, seen in times.items() if is_address(address)}
            for key, times in found.items()
        }, []
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return {}, [f"{OPTION}: {ANSWERS_FILE} is not as a run writes it, so no earlier answer is known"]


def steps_to_keep(kept: Kept) -> Tuple[Step, ...]:
    """Return the steps that keep answers; nothing to keep removes the file."""
    if kept:
        text = json.dumps({"version": 1, "domains": kept}, indent=1, sort_keys=True)
        folder: Tuple[Step, ...] = () if os.path.isdir(RULES_FOLDER) else (RepairFolder(RULES_FOLDER),)
        return (*folder, WriteFile(ANSWERS_FILE, f"{text}\n"))
    if os.path.lexists(ANSWERS_FILE):
        return (RemoveFile(ANSWERS_FILE), RemoveFolder(RULES_FOLDER))
    return ()
