# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of a change: each says what is done on the host, and prints itself."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import Tuple, Union

LONGEST_SHOWN = 400
"""Characters of a step's input that its text shows; the rest is counted."""


@dataclass(frozen=True)
class Command:
    """A program that is run. It has to succeed.

    arguments: the program and its arguments; stdin: its standard input; manager: who refuses where it fails; trial: an
    option with which the program only says whether it would succeed, empty where it has none; satisfied: a word of the
    complaint with which the program says that nothing is left to do, empty where there is none.
    """

    arguments: Tuple[str, ...]
    stdin: str = ""
    manager: str = ""
    trial: str = ""
    satisfied: str = ""

    def __str__(self) -> str:
        """Return the command line, with its input as a here-document."""
        return _with_input(" ".join(map(quote, self.arguments)), self.stdin)


@dataclass(frozen=True)
class LoadNft:
    """A script for nft, loaded in one transaction.

    program: path of nft; script: the transaction; otherwise: the one to load where nft refuses
    the first, empty for none.
    """

    program: str
    script: str
    otherwise: str = ""

    def __str__(self) -> str:
        """Return the command line, with the script as a here-document."""
        return _with_input(f"{quote(self.program)} -f -", self.script)


@dataclass(frozen=True)
class WriteFile:
    """A file that is put in place whole. owner: user and group as numbers, None for whoever runs this."""

    path: str
    text: str
    mode: int = 0o644
    owner: Union[Tuple[int, int], None] = None

    def __str__(self) -> str:
        """Return the path and the size."""
        return f"write {self.path} ({len(self.text)} characters, mode {self.mode:04o})"


@dataclass(frozen=True)
class RemoveFile:
    """A file that is removed if it is there."""

    path: str

    def __str__(self) -> str:
        """Return the step as a command line."""
        return f"rm -f {quote(self.path)}"


@dataclass(frozen=True)
class RepairFolder:
    """A managed folder that is made, with its owner and mode."""

    path: str

    def __str__(self) -> str:
        """Return the step as a command line."""
        return f"install -d -m 0755 {quote(self.path)}"


@dataclass(frozen=True)
class RemoveFolder:
    """A folder that is removed if nothing is in it."""

    path: str

    def __str__(self) -> str:
        """Return the step as a command line."""
        return f"rmdir --ignore-fail-on-non-empty {quote(self.path)}"


@dataclass(frozen=True)
class Locked:
    """Steps that are done while a lock file of another program is held, as by lockf(3)."""

    lock: str
    steps: Tuple[Step, ...]

    def __str__(self) -> str:
        """Return the lock and the steps under it."""
        return "\n".join([f"with {self.lock} locked:", *(f"  {step}" for step in self.steps)])


Step = Union[Command, LoadNft, WriteFile, RemoveFile, RepairFolder, RemoveFolder, Locked]


def _with_input(command: str, text: str) -> str:
    if not text:
        return command
    shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}... ({len(text)} characters)\n"
    return f"{command} <<'END'\n{shown}END"
