# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send a module over the standard input of the host's Python, where nothing speaks against it."""

from __future__ import annotations

import re
import typing as t

from ansible import constants

_DEFAULT = "default"
"""The origin of an option that is not set."""

_VARIABLES = ("ansible_pipelining", "ansible_ssh_pipelining")

_SSH_ARGUMENTS = ("ssh_args", "ssh_common_args", "ssh_extra_args")


def pipeline_unless_said(connection: t.Any, play_context: t.Any, said: t.Collection[str]) -> None:
    """Switch pipelining on for this task, if the user has set it neither on nor off and the task needs no become.

    said: names of the variables that the user has set, without those that Ansible adds for a task.

    Without it a module takes five commands on the host: two make a folder, one makes the copy executable, one runs it,
    one removes it. Ansible leaves it off by default because sudo may insist on a terminal (requiretty), so a task with
    privilege escalation is left alone, and so is an ssh that is told to ask for a terminal.
    Source: the documentation of the option "pipelining" of connection plugins.
    """
    if connection.become or _asks_for_a_terminal(connection):
        return
    try:
        _value, origin = connection.get_option_and_origin("pipelining")
    except KeyError:  # A connection plugin without the option goes by the global one.
        _value, origin = constants.config.get_config_value_and_origin("ANSIBLE_PIPELINING")
        if origin == _DEFAULT and not any(name in said for name in _VARIABLES):
            # Releases of ansible-core differ in which of both they read.
            play_context.pipelining = connection._play_context.pipelining = True
        return
    if origin == _DEFAULT:
        connection.set_option("pipelining", True)


def _asks_for_a_terminal(connection: t.Any) -> bool:
    """Return whether ssh is told to ask for a terminal, which ansible-core before 2.19 does not look for."""
    try:
        words = " ".join(str(connection.get_option(name)) for name in _SSH_ARGUMENTS)
    except KeyError:
        return False
    return re.search(r"(?:^|\s)-t+(?:\s|$)|requesttty", words, re.IGNORECASE) is not None
