# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls over the system bus in this process, by the library dbus-python, in place of a busctl for each.

A host with firewalld has the library for the Python of its distribution. Where this process has another Python, busctl
is run, which answers alike. Source: busctl(1); the documentation of dbus-python and of its module dbus.lowlevel.
"""

from __future__ import annotations

import json
import os
from importlib import import_module
from typing import Any, Dict, List, Optional

from .runner import Completed

_DENIED = "org.freedesktop.DBus.Error.AccessDenied"


class SystemBus:
    """The system bus, connected to with the first call. A forked child opens a connection of its own."""

    def __init__(self) -> None:
        self._connections: Dict[int, Any] = {}

    def call(self, arguments: List[str]) -> Optional[Completed]:
        """Do what "busctl --json=short call" does; None where it is to be done by that program.

        arguments: of busctl, with its path.
        """
        options = [one for one in arguments[1:] if one.startswith("--")]
        rest = arguments[1 + len(options) :]
        if "--json=short" not in options or len(rest) < 5 or rest[0] != "call":
            return None
        values = _values(rest[5] if len(rest) > 5 else "", rest[6:])
        if values is None:
            return None
        try:
            lowlevel, failure = import_module("dbus.lowlevel"), import_module("dbus.exceptions").DBusException
        except ImportError:
            return None
        service, path, interface, method = rest[1:5]
        seconds = next((one.partition("=")[2] for one in options if one.startswith("--timeout=")), "25")
        try:
            message = lowlevel.MethodCallMessage(destination=service, path=path, interface=interface, method=method)
            message.set_auto_start("--auto-start=no" not in options)
            if values:
                message.append(*values, signature=rest[5])
            reply = self._connection().send_message_with_reply_and_block(message, float(seconds))
        except failure as error:
            name = error.get_dbus_name()
            said = "Access denied" if name == _DENIED else error.get_dbus_message() or name
            return Completed(1, "", f"Call failed: {said.rstrip()}\n")
        data = [_shown(value) for value in reply.get_args_list()]
        return Completed(0, f"{json.dumps({'data': data})}\n" if data else "", "")

    def _connection(self) -> Any:
        process = os.getpid()
        if process not in self._connections:
            kind = import_module("dbus.bus").BusConnection
            connection = kind(kind.TYPE_SYSTEM)
            # By default the library ends the process with the connection.
            connection.set_exit_on_disconnect(False)
            self._connections = {process: connection}
        return self._connections[process]


def _values(signature: str, arguments: List[str]) -> Optional[List[Any]]:
    """Return the values of a method's arguments; None for kinds that are not converted here."""
    if set(signature) - set("si") or len(signature) != len(arguments):
        return None
    return [int(text) if kind == "i" else text for kind, text in zip(signature, arguments)]


def _shown(value: Any) -> Any:
    """Return a value of the library as busctl shows it in JSON. A variant is an object with its data."""
    if getattr(value, "variant_level", 0):
        return {"data": _bare(value)}
    return _bare(value)


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _shown(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shown(one) for one in value]
    if isinstance(value, str):
        return str(value)
    if type(value).__name__ == "Boolean":
        return bool(value)
    return int(value) if isinstance(value, int) else float(value)
