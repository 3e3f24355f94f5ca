# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in a separate process, which survives a kill of this process, of its group and of its descendants."""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Dict, List, Sequence

from ..model.errors import EdgeError, place_of, traceback_of

Work = Callable[[], Sequence[str]]


def out_of_reach(work: Work) -> List[str]:
    """Run work in a child of init, in a session of its own, and return its result. Raises EdgeError.

    The child inherits all of this process, locks included; its changes in memory are lost.
    """
    reading, writing = os.pipe()

    def report() -> None:
        answer: Dict[str, Any] = {}
        try:
            answer["lines"] = list(work())
        except EdgeError as error:
            answer["error"] = [str(error), error.traceback]
        except Exception as error:
            sentence = f"the collection's own code failed during the change ({place_of(error)}: {error}); report it"
            answer["error"] = [sentence, traceback_of(error)]
        with os.fdopen(writing, "w") as pipe:
            json.dump(answer, pipe)

    fork_off(report)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    if not text:
        raise EdgeError("the process that makes the change was killed before its end")
    answer = json.loads(text)
    if "error" in answer:
        raise EdgeError(*answer["error"])
    return list(answer["lines"])


def start(arguments: Sequence[str]) -> None:
    """Start a program as a child of init, in a session of its own, without waiting for it."""
    fork_off(lambda: os.execv(arguments[0], list(arguments)))  # noqa: S606


def fork_off(work: Callable[[], None]) -> None:
    """Do work in a child of init, in a session of its own, without its input and output, and return at once."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork() == 0:
            # A reader of this process's output must not wait for the child to end.
            null = os.open(os.devnull, os.O_RDWR)
            for standard in range(3):
                os.dup2(null, standard)
            work()
    finally:
        # Neither child may run code of the caller, such as an exit handler.
        os._exit(0)
