# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in a process that a kill of this one, of its group or of its descendants does not reach."""

from __future__ import annotations

import json
import os
import traceback
from typing import Any, Callable, Dict, List, Sequence

from ..model.errors import EdgeError

Work = Callable[[], Sequence[str]]


def out_of_reach(work: Work) -> List[str]:
    """Have work done by a child of init, in a session of its own, and wait for what it returns. Raises EdgeError.

    The child has what this process has, locks included; what it changes in memory is lost.
    """
    reading, writing = os.pipe()

    def report() -> None:
        answer: Dict[str, Any] = {}
        try:
            answer["lines"] = list(work())
        except EdgeError as error:
            answer["error"] = str(error)
        except Exception:
            answer["crash"] = traceback.format_exc()
        with os.fdopen(writing, "w") as pipe:
            json.dump(answer, pipe)

    _fork_off(report)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    if not text:
        raise EdgeError("the process that carries out the change was killed on the way")
    answer = json.loads(text)
    if "crash" in answer:
        raise RuntimeError(answer["crash"])
    if "error" in answer:
        raise EdgeError(answer["error"])
    return list(answer["lines"])


def start(arguments: Sequence[str]) -> None:
    """Start a program as a child of init, in a session of its own, and leave it alone."""
    _fork_off(lambda: os.execv(arguments[0], list(arguments)))  # noqa: S606


def _fork_off(work: Callable[[], None]) -> None:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork() == 0:
            # Whoever reads the output of this process must not wait for the other one.
            null = os.open(os.devnull, os.O_RDWR)
            for standard in range(3):
                os.dup2(null, standard)
            work()
    finally:
        # In neither of the two may anything of the caller's run, be it an exit handler.
        os._exit(0)
