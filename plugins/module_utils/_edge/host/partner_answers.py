# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file in which a host keeps the answers of partners by domain, with the times at which they came."""

from __future__ import annotations

import json
import os
from typing import List, Tuple

from ..model.addresses import is_address
from ..model.errors import EdgeError
from ..model.partner_domains import OPTION, Kept
from .files import read_text, remove_file, remove_folder_if_empty, repair_folder, write_atomically
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
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}, [f"{OPTION}: {ANSWERS_FILE} is not as a run writes it, so no earlier answer is known"]


def write_kept(kept: Kept) -> List[str]:
    """Keep answers; nothing to keep removes the file. Return what stood in the way."""
    try:
        if kept:
            if not os.path.isdir(RULES_FOLDER):
                repair_folder(RULES_FOLDER)
            write_atomically(ANSWERS_FILE, json.dumps({"version": 1, "domains": kept}, indent=1, sort_keys=True) + "\n")
        elif os.path.lexists(ANSWERS_FILE):
            remove_file(ANSWERS_FILE)
            remove_folder_if_empty(RULES_FOLDER)
    except EdgeError as error:
        return [f"{OPTION}: the answers cannot be kept ({error})"]
    return []
