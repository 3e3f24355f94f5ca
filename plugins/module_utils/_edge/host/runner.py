# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Type of the function by which programs are run. Backends get one, so that they start none themselves."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import Callable, List, Optional

# An unprivileged PATH often lacks these, and the firewall tools live there.
_ADMIN_PATH = ("/usr/local/sbin", "/usr/sbin", "/sbin")


@dataclass(frozen=True)
class Completed:
    """Exit status and output of a program."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """Return its error message, on one line: the first line that says so, or else the first of all."""
        lines = [line.strip() for line in self.stderr.splitlines() if line.strip()]
        return next((line for line in lines if "rror" in line), lines[0] if lines else f"exit status {self.returncode}")


Runner = Callable[[List[str], str], Completed]
"""Runs a program, given as its argument list and its standard input, in the C locale and never through a shell."""


def start_early(run: Runner, arguments: List[str]) -> None:
    """Start a program that only reads, and whose output is asked for later in the same observation.

    It runs beside what is done meanwhile, where the runner can do that.
    """
    start: Optional[Callable[[List[str]], None]] = getattr(run, "start", None)
    if start is not None:
        start(arguments)


def find_program(name: str) -> Optional[str]:
    """Absolute path of a program, or None."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *_ADMIN_PATH)))
