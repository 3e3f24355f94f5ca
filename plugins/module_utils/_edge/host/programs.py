# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of programs that a module has on its host."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import Any, Callable, Dict, List, Tuple

from .bus import SystemBus
from .runner import Completed

_IN_C = {"LC_ALL": "C"}


class HostRunner:
    """Runner of programs on this host: by the module, by the library for the system bus, or beside other work.

    run_command: that of AnsibleModule.
    """

    def __init__(self, run_command: Callable[..., Any]) -> None:
        self._run_command = run_command
        self._bus = SystemBus()
        self._started: Dict[Tuple[str, ...], subprocess.Popen[str]] = {}

    def __call__(self, arguments: List[str], stdin: str) -> Completed:
        """See Runner."""
        started = self._started.pop(tuple(arguments), None)
        if started is not None:
            text, errors = started.communicate()
            return Completed(started.returncode, text, errors)
        told = self._bus.call(arguments) if os.path.basename(arguments[0]) == "busctl" else None
        if told is not None:
            return told
        try:
            done = self._run_command(
                arguments, data=stdin, binary_data=True, environ_update=_IN_C, handle_exceptions=False
            )
        except OSError as error:
            # The module would end here, and a change would stay without its rollback.
            return Completed(127, "", f"{arguments[0]} cannot be run: {error.strerror}")
        return Completed(*done)

    def start(self, arguments: List[str]) -> None:
        """See start_early. What cannot be started fails once it is asked for."""
        pipe = subprocess.PIPE
        with contextlib.suppress(OSError):
            # run_command waits for the end of a program.
            self._started[tuple(arguments)] = subprocess.Popen(  # pylint: disable=ansible-bad-function
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=pipe,
                stderr=pipe,
                env={**os.environ, **_IN_C},
                encoding="utf-8",
                errors="surrogateescape",
            )
