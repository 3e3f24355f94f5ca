# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that a textfile collector reads."""

from __future__ import annotations

import os
from typing import Any, List, Mapping

from ..model.desired import Desired
from ..model.errors import EdgeError, OptionError
from ..model.metrics import BANNER, text_of
from .files import read_text, remove_file, write_atomically


def refuse_unusable(path: str) -> None:
    """See that a file can be written, before anything is changed. Raises EdgeError."""
    if not os.path.isdir(os.path.dirname(path)):
        raise OptionError("metrics_file", path, "is in no folder of this host", "make that folder first")
    if os.path.isdir(path):
        raise OptionError("metrics_file", path, "is a folder of this host", "name a file in it")
    if os.path.lexists(path) and not is_managed(path):
        raise OptionError("metrics_file", path, "is no file of this collection", "name one that is not there yet")


def is_managed(path: str) -> bool:
    """Return whether a file is one that a run has written."""
    return (read_text(path) or "").startswith(BANNER)


def write_figures(path: str, result: Mapping[str, Any], desired: Desired, now: float) -> List[str]:
    """Write the figures of a run, or remove the file with the rules. Return what stood in the way.

    result: serialised; now: in seconds since the epoch.
    """
    try:
        if desired.present:
            groups = [group for rule in desired.rules for group in rule.groups]
            write_atomically(path, text_of(result, groups, now))
        else:
            remove_file(path)
    except EdgeError as error:
        return [f"metrics_file: {error}"]
    return []
