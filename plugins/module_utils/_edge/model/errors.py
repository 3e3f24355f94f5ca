# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of this package; each carries one sentence for the administrator."""

from __future__ import annotations

import contextlib
import os
import traceback
from typing import Dict, Iterator

_SHOWN_LENGTH = 80


class EdgeError(Exception):
    """Problem that the administrator has to know or solve; str() is one sentence, on one line.

    traceback: that of the Python error behind this one, which the collection's own code raised; empty for a problem of
    the host or of the input. A caller that words an error anew passes it on.
    """

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(printable(message))
        self.traceback = "\n".join(map(printable, traceback.splitlines()))


class OptionError(EdgeError):
    """Refused input.

    option: the option's name; value: the given value, None for no value; problem: what is wrong with it;
    remedy: what would be right.
    """

    def __init__(self, option: str, value: object, problem: str, remedy: str) -> None:
        subject = "" if value is None else f"{shown(value)} "
        super().__init__(f"{option}: {subject}{problem}; {remedy}")
        self.option = option
        self.problem = f"{subject}{problem}"
        self.remedy = remedy

    def about(self, host: str) -> OptionError:
        """Return the same refusal of what another host was given."""
        return OptionError(f"{self.option} of {host}", None, self.problem, self.remedy)


class MissingPackageError(EdgeError):
    """Tool that the host lacks. package: the package that has it."""

    def __init__(self, message: str, package: str) -> None:
        super().__init__(message)
        self.package = package


def failure(error: EdgeError) -> Dict[str, str]:
    """Return the arguments of fail_json for an error: msg and, where the collection's own code failed, exception.

    Ansible shows exception with -vvv only.
    """
    return {"msg": str(error), **({"exception": error.traceback} if error.traceback else {})}


def place_of(error: BaseException) -> str:
    """Return the kind of an error and the line of code that raised it, for a message."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {os.path.basename(place.filename)}:{place.lineno}"


def traceback_of(error: BaseException) -> str:
    """Return the traceback for an EdgeError that words this error anew."""
    if isinstance(error, EdgeError):
        return error.traceback
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def printable(text: str) -> str:
    """Return a text with escapes for all that a terminal might obey, since parts of it may come from a host."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


@contextlib.contextmanager
def understood(what: str) -> Iterator[None]:
    """Raise EdgeError where reading the output or a file of the host's fails, since its form is nobody's promise.

    what: the name of what is read, as people say it.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise EdgeError(
            f"{what} is not as its program makes it, or of a kind that is not known here ({place_of(error)}); "
            "look at it, and report it if it is sound",
            traceback_of(error),
        ) from None


def shown(value: object) -> str:
    """Return a value as it may stand in a message: quoted, ASCII, on one line and of bounded length."""
    text = ascii(str(value)) if isinstance(value, str) else ascii(value)
    if len(text) > _SHOWN_LENGTH:
        return text[: _SHOWN_LENGTH - 3] + "..."
    return text
