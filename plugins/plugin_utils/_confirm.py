# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of a confirmation: a change is committed once a fresh connection has reached the host after it."""

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
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rollback import (
    OVER_STATUS,
    ROLLED_BACK_STATUS,
    lines_of_the_script,
)

_BETWEEN_TRIES = 1.0
_ROLLBACK_PATIENCE = 15.0
"""Seconds that the host has for the rollback, once the time for the confirmation is over."""

Execute = t.Callable[[t.Any], t.Mapping[str, t.Any]]
"""Function that runs on the host what confirms, such as a shell command, and returns at least rc, stdout and stderr."""


@dataclass(frozen=True)
class Confirmation:
    """Result of a confirmation.

    confirmed: whether the change is committed; message: the reason if it is not; warnings: lines for the administrator.
    """

    confirmed: bool
    message: str = ""
    warnings: t.Sequence[str] = ()


def confirm(connection: ConnectionBase, execute: Execute, command: t.Any, seconds: int) -> Confirmation:
    """Confirm a change over fresh connections, until one succeeds or the host has rolled the change back.

    command: what confirms, for execute; seconds: how long the host waits for it.
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
                return Confirmation(True, warnings=lines_of_the_script(done["stdout"]))
            if done["rc"] == ROLLED_BACK_STATUS:
                return Confirmation(False, _message(seconds, fault, "the host has rolled the change back"))
            if done["rc"] == OVER_STATUS:
                # After a fault this means that an earlier try has confirmed it, and that its answer was lost.
                unknown = "it has ended, and it is unknown how: another run may have rolled it back"
                return Confirmation(True) if fault else Confirmation(False, _message(seconds, fault, unknown))
            fault = " ".join((done["stderr"] or done["stdout"] or f"exit status {done['rc']}").split())
        if time.monotonic() > begun + seconds + _ROLLBACK_PATIENCE:
            return Confirmation(False, _message(seconds, fault, _unobserved(seconds)))
        time.sleep(_BETWEEN_TRIES)


def refuse_own_port(connection: ConnectionBase, options: Options, rules: t.Sequence[Rule]) -> None:
    """Refuse rules whose guards would shut the port of the control connection. Raises OptionError.

    The port is the one that the controller dials. Commit-confirm covers a redirect on the way.
    """
    port = _option(connection, "port") or _usual_port(connection)
    address = _option(connection, "host") or _option(connection, "remote_addr") or ""
    if port is None or address == "localhost" or _is_loopback(str(address)):
        return
    for rule in rules:
        if rule.action == "block" and rule.direction == "in" and not rule.forwarded and rule.port == int(port):
            option = next(name for name, number in options.ports.items() if number == rule.port)
            raise OptionError(
                option,
                rule.port,
                "is the port of the control connection itself, which a guard would shut",
                "reach the host on another port, or say mode: permit",
            )


def _usual_port(connection: ConnectionBase) -> int | None:
    """Return the port of a connection for which none is said, as far as its plugin has one of its own."""
    kind = str(getattr(connection, "transport", "")).rpartition(".")[2]
    if kind == "psrp":
        return 5985 if _option(connection, "protocol") == "http" else 5986
    return 22 if kind in ("ssh", "paramiko", "paramiko_ssh", "libssh") else None


def lost_message(seconds: int, fault: str) -> str:
    """Return the message about a connection that was lost before the host has answered. seconds: 0 for no rollback."""
    return f"the connection was lost before the host has answered ({' '.join(fault.split())}); {_fate(seconds)}"


def unreachable_message(seconds: int, fault: str) -> str:
    """Return the message about a host that has not answered at all, perhaps since its connection was lost at work.

    seconds: time that the host waits for a confirmation, 0 for no rollback.
    """
    return f"{' '.join(fault.split())}; if the connection was made and then lost, {_fate(seconds)}"


def _fate(seconds: int) -> str:
    if not seconds:
        return "a change that it has begun stays, since confirm_timeout is 0; run again to see"
    return f"a change that it has begun is not confirmed; {_unobserved(seconds)}"


def _unobserved(seconds: int) -> str:
    return (
        f"unless the host has got the confirmation, it rolls the change back by itself within {seconds} seconds of its "
        "end; which of both cannot be observed while it is out of reach"
    )


def _message(seconds: int, fault: str, state: str) -> str:
    why = f" ({fault})" if fault else ""
    return f"the change was not confirmed over a fresh connection within {seconds} seconds{why}; {state}"


def _forget_connection(connection: ConnectionBase) -> None:
    """Make the next command open a new connection.

    Connection plugins without a reset (those to containers, for example) open one for every command.
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
