# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors of this package; each carries one sentence for the administrator."""

from __future__ import annotations

import contextlib
import os
import traceback
from typing import Iterator

_SHOWN_LENGTH = 80


class EdgeError(Exception):
    """Something that the administrator has to know or mend; str() is one sentence, on one line."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class OptionError(EdgeError):
    """A refused input.

    option: the option's name; value: what was given, None for nothing; problem: what is wrong with it;
    remedy: what would be right.
    """

    def __init__(self, option: str, value: object, problem: str, remedy: str) -> None:
        subject = "" if value is None else f"{shown(value)} "
        super().__init__(f"{option}: {subject}{problem}; {remedy}")
        self.option = option
        self.problem = f"{subject}{problem}"
        self.remedy = remedy


class MissingPackageError(EdgeError):
    """A tool that the host lacks; package is what to install."""

    def __init__(self, message: str, package: str) -> None:
        super().__init__(message)
        self.package = package


def printable(text: str) -> str:
    """A text with escapes for all that a terminal might obey, since parts of it may come from a host."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


@contextlib.contextmanager
def understood(what: str) -> Iterator[None]:
    """Raise EdgeError where reading something of a host's fails, since nobody vouches for how it is made.

    what: what is read, as people name it.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(place.filename)}:{place.lineno}"
        raise EdgeError(
            f"{what} is not as its program makes it, or of a kind that is not known here "
            f"({type(error).__name__} at {where}); look at it, and report it if it is sound"
        ) from None


def shown(value: object) -> str:
    """A value as it may stand in a message: quoted, ASCII, on one line and of bounded length."""
    text = ascii(str(value)) if isinstance(value, str) else ascii(value)
    if len(text) > _SHOWN_LENGTH:
        return text[: _SHOWN_LENGTH - 3] + "..."
    return text
