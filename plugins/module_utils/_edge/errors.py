# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors of this package; each carries one sentence for the administrator."""

from __future__ import annotations

_SHOWN_LENGTH = 80


class EdgeError(Exception):
    """Something that the administrator has to know or mend; str() is one sentence."""


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


def shown(value: object) -> str:
    """A value as it may stand in a message: quoted, ASCII, on one line and of bounded length."""
    text = ascii(str(value)) if isinstance(value, str) else ascii(value)
    if len(text) > _SHOWN_LENGTH:
        return text[: _SHOWN_LENGTH - 3] + "..."
    return text
