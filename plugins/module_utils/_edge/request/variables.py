# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of a host whose names look like those of the role: a misspelt one would mean its option's default."""

from __future__ import annotations

import re
from typing import Any, Collection, Iterable, Iterator, List, Mapping, Sequence, Set

from ..model.errors import OptionError
from .nearest import candidates
from .option_spec import OPTIONS

PREFIX = "xmpp_edge_"
INSTALL, IGNORED, EDGES = f"{PREFIX}install", f"{PREFIX}ignore_variables", f"{PREFIX}of"

_ROLE_VARIABLES = frozenset((*(f"{PREFIX}{option}" for option in OPTIONS), INSTALL, IGNORED, EDGES))
_OPTIONS_OF_THE_ROLE = tuple(sorted(one[len(PREFIX) :] for one in _ROLE_VARIABLES - {EDGES}))
_MOST_CANDIDATES = 3
_OTHER_PREFIXES = (f"{PREFIX}verify_", f"{PREFIX}rehearse_")


def _slips() -> Iterator[str]:
    """Yield patterns of the prefix with one slip: another letter, one less, one twice, two swapped, or the plural."""
    yield f"{PREFIX[:-1]}s_"
    for place, letter in enumerate(PREFIX):
        before, after = PREFIX[:place], PREFIX[place + 1 :]
        yield f"{before}{letter}{letter}{after}"
        yield f"{before}[a-z]{after}"
        yield f"{before}{after[:1]}{letter}{after[1:]}"
        yield f"{before}{after}"


_LIKE_THE_PREFIX = re.compile(rf"(?:{'|'.join([PREFIX, *_slips()])})(?=[a-z])", re.IGNORECASE)

# A name without an underscore may be an ordinary word, so it counts only where a colon follows.
_LONG_NAMES = "|".join(sorted((name for name in OPTIONS if "_" in name), key=len, reverse=True))
_SHORT_NAMES = "|".join(sorted((name for name in OPTIONS if "_" not in name), key=len, reverse=True))
_QUOTED = r"\"[^\"]*\"|(?<!\w)'[^']*'"
_OPTION_NAMES = re.compile(
    rf"{_QUOTED}|(?<![\w@/.-])(?P<name>(?:{_LONG_NAMES})\b(?![-/]|\.\w)|(?:{_SHORT_NAMES})(?=:(?:\s|$)))"
)


def check_variables(variables: Mapping[str, Any], ignored: Collection[str], used: Collection[str]) -> List[str]:
    """Return a warning for each variable with the role's prefix that is none of the role's.

    Raises OptionError on a misspelt one.

    variables: of the host; ignored: names that belong to others; used: words of the task, whose variables are read.
    """
    unknown = [
        name
        for name in sorted(variables)
        if _prefix_length(name)
        and not (name in _ROLE_VARIABLES or name.startswith(_OTHER_PREFIXES) or name in ignored)
        and not _is_task_result(variables[name])
    ]
    read = _read_by(variables, [*_ROLE_VARIABLES, *used]) if unknown else set()
    warnings = []
    for name in unknown:
        if name in read or name in used:
            continue
        near = [f"{PREFIX}{one}" for one in candidates(name[_prefix_length(name) :], _OPTIONS_OF_THE_ROLE)]
        if near:
            meant = " or ".join(near[:_MOST_CANDIDATES])
            raise OptionError(
                name, None, "is no variable of the role", f"say {meant}, or list it in {IGNORED} if others need it"
            )
        if name.startswith(PREFIX):
            warnings.append(f"{name}: is no variable of the role; list it in {IGNORED} if others need it")
    return warnings


def _read_by(variables: Mapping[str, Any], names: Iterable[str]) -> Set[str]:
    """Return the variables that the values of others name, directly or through more of them."""
    found: Set[str] = set()
    left = [name for name in names if name in variables]
    while left:
        words = set(re.findall(r"\w+", str(variables[left.pop()])))
        new = {word for word in words - found if word in variables and _prefix_length(word)}
        found |= new
        left += new
    return found


def names_in(variable: str, value: Any) -> Sequence[str]:
    """Return the names in a list, or in a text with commas between them. Raises OptionError."""
    names = re.split(r"[\s,]+", value) if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise OptionError(variable, value, "is not a list of names", "list names of variables")
    return [str(name) for name in names]


def as_the_role_says(message: str) -> str:
    """Return a message with the names of options as the variables of the role."""
    return _OPTION_NAMES.sub(lambda found: f"{PREFIX}{found[0]}" if found["name"] else found[0], message)


def _prefix_length(name: str) -> int:
    """Return the length of a beginning that is the prefix, or the prefix with one slip; 0 for none."""
    found = _LIKE_THE_PREFIX.match(name)
    return found.end() if found else 0


def _is_task_result(value: Any) -> bool:
    return isinstance(value, Mapping) and "changed" in value
