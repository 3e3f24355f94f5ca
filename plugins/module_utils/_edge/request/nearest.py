# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The known names that somebody may have meant by an unknown one."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Iterable, List, Optional, Sequence, Set, Tuple

_ALIKE, _ALIKE_FROM_THE_START, _ALIKE_AND_SHORT = 0.8, 0.78, 0.66
"""Least share of characters that two names have in common: at all, with the same beginning, and for a short one too."""

_BEGINNING, _SHORT = 3, 5
"""Characters that count as the same beginning; most characters of a short name."""

_GENERIC = {"address", "network"}
"""Words that tell no option from another where a better one stands beside them."""

_OF_OTHERS = {"domain"}
"""Words that alone are a likely name of something else, such as the domain that an edge serves."""

_MEANT = {
    **dict.fromkeys(("external", "public", "outside", "outer", "wan"), "access"),
    **dict.fromkeys(("inside", "inner", "private", "lan"), "internal"),
    **dict.fromkeys(("ip", "ips", "addr", "addrs", "adress", "adresses", "addresse"), "address"),
    **dict.fromkeys(("net", "nets", "cidr", "cidrs", "range", "ranges"), "network"),
    **dict.fromkeys(("frontend", "frontends"), "front_end"),
    **dict.fromkeys(("allowed", "allow", "my", "own", "the"), ""),
}
"""Words that people use for a word of an option. An empty one says nothing about which option is meant."""


def nearest(name: str, known: Iterable[str]) -> Optional[str]:
    """Return the known name that is most like a name; None where none is like it."""
    found = candidates(name, known)
    return found[0] if found else None


def candidates(name: str, known: Iterable[str]) -> List[str]:
    """Return the known names that a name may stand for, the likeliest first.

    They are those whose words include all words of the name. Where there are none, it is the one with the most
    characters in common, if they are many.
    """
    names = sorted(known)
    words = _words(name)
    if set(words) <= _OF_OTHERS:
        return []
    including = _with_words(set(words), names)
    if not including:
        # As in internal_networks: the one word may be meant, or the other.
        telling = _with_words(set(words) - _GENERIC, names)
        including = [*telling, *_with_words(set(words) & _GENERIC, names)] if telling else []
    if including:
        return sorted(dict.fromkeys(including), key=lambda one: -_share(words, _words(one)))
    alike = [(share, one) for one in names for share in [_share(words, _words(one))] if share >= _least(words, one)]
    return [max(alike)[1]] if alike else []


def _with_words(words: Set[str], names: Sequence[str]) -> List[str]:
    return [one for one in names if words and words <= set(_words(one))]


def _least(words: Sequence[str], other: str) -> float:
    name = "_".join(words)
    if name[:_BEGINNING] != "_".join(_words(other))[:_BEGINNING]:
        return _ALIKE
    return _ALIKE_AND_SHORT if len(name) <= _SHORT else _ALIKE_FROM_THE_START


def _share(words: Sequence[str], others: Sequence[str]) -> float:
    return SequenceMatcher(None, "_".join(words), "_".join(others)).ratio()


def _words(name: str) -> Tuple[str, ...]:
    """Return the words of a name in the singular, each as an option would say it."""
    said = "_".join(_MEANT.get(word, word) for word in name.lower().split("_"))
    return tuple(_singular(word) for word in said.split("_") if word)


def _singular(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us")) else word
