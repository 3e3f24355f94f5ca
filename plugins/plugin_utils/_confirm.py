# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of a confirmation: a change stands once a fresh connection reached the host after it."""

from __future__ import annotations

import ipaddress
import time
import typing as t
from dataclasses import dataclass

from ansible.errors import AnsibleError
from ansible.plugins.connection import ConnectionBase
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import OptionError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import Rule
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import Options
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rollback import OVER_STATUS, TAKEN_BACK_STATUS

_BETWEEN_TRIES = 1.0
_UNDO_PATIENCE = 15.0
"""Seconds that the host has for undoing a change, once the time for its confirmation is over."""

Execute = t.Callable[[str], t.Mapping[str, t.Any]]
"""Runs a shell command on the host, and returns at least its rc, stdout and stderr."""


@dataclass(frozen=True)
class Confirmation:
    """confirmed: whether the change stands; message: why not; warnings: what else there is to be said."""

    confirmed: bool
    message: str = ""
    warnings: t.Sequence[str] = ()


def confirm(connection: ConnectionBase, execute: Execute, command: str, seconds: int) -> Confirmation:
    """Confirm a change over fresh connections, until it succeeds or the host has undone the change.

    command: the shell command that confirms; seconds: how long the host waits for it.
    """
    begun = time.monotonic()
    fault = ""
    while True:
        try:
            _forget_connection(connection)
            done = execute(command)
        except AnsibleError as error:
            fault = " ".join(str(error).split())
        else:
            if done["rc"] == 0:
                return Confirmation(True, warnings=done["stdout"].splitlines())
            if done["rc"] == TAKEN_BACK_STATUS:
                return Confirmation(False, _message(seconds, fault, "the host has taken the change back"))
            if done["rc"] == OVER_STATUS:
                # An earlier try has confirmed it, and its answer was lost on the way.
                unknown = "it is over, and not known how: another run may have undone it"
                return Confirmation(True) if fault else Confirmation(False, _message(seconds, fault, unknown))
            fault = " ".join((done["stderr"] or done["stdout"] or f"exit status {done['rc']}").split())
        if time.monotonic() > begun + seconds + _UNDO_PATIENCE:
            state = "the host cannot be reached still, so that it is not known whether it has taken the change back"
            return Confirmation(False, _message(seconds, fault, state))
        time.sleep(_BETWEEN_TRIES)


def refuse_own_port(connection: ConnectionBase, options: Options, rules: t.Sequence[Rule]) -> None:
    """Refuse rules whose guards would shut the port by which the host is reached. Raises OptionError.

    The port is the one that this side knows of: a redirect on the way is what commit-confirm is for.
    """
    port = _option(connection, "port")
    address = _option(connection, "host") or _option(connection, "remote_addr") or ""
    if port is None or address == "localhost" or _is_loopback(str(address)):
        return
    for rule in rules:
        if rule.action == "block" and rule.direction == "in" and rule.port == int(port):
            option = next(name for name, number in options.ports.items() if number == rule.port)
            raise OptionError(
                option,
                rule.port,
                "is the port of the control connection itself, which a guard would shut",
                "reach the host on another port, or say mode: permit",
            )


def _message(seconds: int, fault: str, state: str) -> str:
    why = f" ({fault})" if fault else ""
    return f"the change was not confirmed over a fresh connection within {seconds} seconds{why}; {state}"


def _forget_connection(connection: ConnectionBase) -> None:
    """See that the next command opens a connection of its own.

    Connections without a reset of their own (to containers, for example) do so for every command.
    """
    if type(connection).reset is not ConnectionBase.reset:
        connection.reset()


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _option(connection: ConnectionBase, name: str) -> t.Any:
    try:
        return connection.get_option(name)
    except KeyError:
        return None
