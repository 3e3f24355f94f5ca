# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control connections to other hosts than that of the task: those that a router may forward, and may cut."""

from __future__ import annotations

import contextlib
import os
import typing as t
from uuid import uuid4

from ansible import constants
from ansible.errors import AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible.plugins.connection import ConnectionBase
from ansible.plugins.loader import connection_loader

Variables = t.Mapping[str, t.Any]


def fault_of(name: str, variables: Variables, play_context: PlayContext) -> str | None:
    """Return why a host is not reached over a fresh connection, None where it is.

    name: in the inventory; variables: of that host, without templates.
    """
    try:
        connection = _connection_to(name, variables, play_context)
        if type(connection).reset is not ConnectionBase.reset:
            connection.reset()
        connection._connect()
        try:
            is_windows = bool(getattr(connection._shell, "_IS_WINDOWS", False))
            # Connections to containers start a program, and no shell.
            command = "exit 0" if is_windows else "/bin/sh -c 'exit 0'"
            status, _output, errors = connection.exec_command(command, in_data=None, sudoable=False)
        finally:
            connection.close()
    except AnsibleError as error:
        return " ".join(str(error).split())
    return None if status == 0 else " ".join(str(errors, errors="replace").split()) or f"exit status {status}"


def _connection_to(name: str, variables: Variables, play_context: PlayContext) -> ConnectionBase:
    kind = str(variables.get("ansible_connection", "ssh"))
    context = play_context.copy()
    context.remote_addr = str(variables.get("ansible_host", name))
    context.port = variables.get("ansible_port", context.port)
    context.remote_user = variables.get("ansible_user", context.remote_user)
    connection: ConnectionBase | None = None
    # Some releases of ansible-core look for an unknown name in a collection that may not be there.
    with contextlib.suppress(ImportError):
        connection = connection_loader.get(
            kind, context, new_stdin=None, task_uuid=str(uuid4()), ansible_playbook_pid=str(os.getppid())
        )
    if connection is None:
        raise AnsibleError(f"there is no connection plugin {kind}")
    known = constants.config.get_plugin_vars("connection", connection._load_name)
    given = {"inventory_hostname": name, **{one: variables[one] for one in known if one in variables}}
    # What the keywords of a play say.
    words = {"remote_user": context.remote_user, "timeout": context.timeout}
    connection.set_options(task_keys={word: value for word, value in words.items() if value}, var_options=given)
    return connection
