# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in systemd's unit files and their drop-ins. Pure. Source: systemd.service(5), systemd.syntax(7)."""

from __future__ import annotations

import os
import re
from typing import Dict, List, Mapping, Sequence, Tuple

UnitText = Tuple[str, str]
"""Path and text of a unit file or drop-in."""

_CONTINUED = re.compile(r"\\\n(?:[ \t]*[#;][^\n]*\n)*")
_COMMAND = re.compile(r"^[ \t]*(Exec\w+)[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)


def commands_of(texts: Sequence[UnitText]) -> Dict[str, List[str]]:
    """Return the commands by key, such as ExecStart, of a unit file and its drop-ins in the order in which they apply.

    A key without a value empties its list.
    """
    found: Dict[str, List[str]] = {}
    for _path, text in texts:
        for key, command in _COMMAND.findall(_CONTINUED.sub(" ", text)):
            found[key] = [*found.get(key, ()), command] if command else []
    return found


def emptied_by(texts: Sequence[UnitText], after: str, keys: Sequence[str]) -> Mapping[str, str]:
    """Return the drop-ins that apply after one of a certain name and empty some keys: path by key.

    Drop-ins apply in the order of their names, whatever folder they are in.
    """
    return {
        key: path
        for path, text in texts
        if path.endswith(".conf") and os.path.basename(path) > after
        for key, command in _COMMAND.findall(_CONTINUED.sub(" ", text))
        if key in keys and not command
    }
