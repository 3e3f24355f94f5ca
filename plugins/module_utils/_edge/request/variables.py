# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of a host whose names look like those of the role: a misspelt one would mean its option's default."""

from __future__ import annotations

import re
from typing import Any, Collection, List, Mapping, Optional, Sequence

from ..model.errors import OptionError
from .nearest import nearest
from .option_spec import OPTIONS

PREFIX = "xmpp_edge_"
INSTALL, IGNORED = f"{PREFIX}install", f"{PREFIX}ignore_variables"

_ROLE_VARIABLES = frozenset((*(f"{PREFIX}{option}" for option in OPTIONS), INSTALL, IGNORED, f"{PREFIX}of"))
_OTHER_PREFIXES = (f"{PREFIX}verify_", f"{PREFIX}rehearse_")
_LIKE_THE_PREFIX = re.compile(r"xmpp_?[edg]{4}s?_", re.IGNORECASE)
"""Beginnings that are the prefix, or the prefix with its letters or underscores mixed up."""

# A name without an underscore may be an ordinary word, so it counts only where a colon follows.
_LONG_NAMES = "|".join(sorted((name for name in OPTIONS if "_" in name), key=len, reverse=True))
_SHORT_NAMES = "|".join(sorted((name for name in OPTIONS if "_" not in name), key=len, reverse=True))
_OPTION_NAMES = re.compile(rf"(?<![\w@/.-])(?:(?:{_LONG_NAMES})\b(?![-./])|(?:{_SHORT_NAMES})(?=:(?:\s|$)))")


def check_variables(variables: Mapping[str, Any], ignored: Collection[str], used: Collection[str]) -> List[str]:
    """Return a warning for each variable with the role's prefix that nothing reads.

    Raises OptionError on a misspelt one.

    variables: of the host; ignored: names that belong to others; used: words of the task, whose variables are read.
    """
    warnings = []
    for name in sorted(name for name in variables if _LIKE_THE_PREFIX.match(name)):
        known = name in _ROLE_VARIABLES or name.startswith(_OTHER_PREFIXES) or name in ignored or name in used
        if known or _is_task_result(variables[name]):
            continue
        near = _nearest(name)
        if near:
            raise OptionError(
                name, None, "is a variable that nothing reads", f"say {near}, or list it in {IGNORED} if others need it"
            )
        if name.startswith(PREFIX):
            warnings.append(f"{name}: is a variable that nothing reads; list it in {IGNORED} if others need it")
    return warnings


def names_in(variable: str, value: Any) -> Sequence[str]:
    """Return the names in a list, or in a text with commas between them. Raises OptionError."""
    names = re.split(r"[\s,]+", value) if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise OptionError(variable, value, "is not a list of names", "list names of variables")
    return [str(name) for name in names]


def as_the_role_says(message: str) -> str:
    """Return a message with the names of options as the variables of the role."""
    return _OPTION_NAMES.sub(rf"{PREFIX}\g<0>", message)


def _nearest(name: str) -> Optional[str]:
    rest = name[_prefix_length(name) :].lower()
    near = nearest(rest, sorted(one[len(PREFIX) :] for one in _ROLE_VARIABLES))
    return f"{PREFIX}{near}" if near else None


def _prefix_length(name: str) -> int:
    found = _LIKE_THE_PREFIX.match(name)
    return found.end() if found else 0


def _is_task_result(value: Any) -> bool:
    return isinstance(value, Mapping) and "changed" in value
