# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls over the system bus by dbus-python, with a stand-in for the library. A scenario compares it with busctl."""

from __future__ import annotations

import json
import os
import sys
from types import ModuleType, SimpleNamespace

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.firewalld_bus import call
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.bus import SystemBus

READ = call("/usr/bin/busctl", "zone", "getZoneSettings2", "s", "public")


class BusError(Exception):
    """An error of the bus. name: of its kind."""

    def __init__(self, name, message):
        super().__init__(message)
        self.name, self.message = name, message

    def get_dbus_name(self):
        return self.name

    def get_dbus_message(self):
        return self.message


class Variant(str):
    """A text of an unknown type."""

    variant_level = 1


class Variants(list):
    """A list of an unknown type."""

    variant_level = 1


class Library:
    """What the library is asked. answer: of the bus, or its error; opened: how many connections; sent: messages."""

    def __init__(self, answer):
        self.answer, self.opened, self.sent = answer, [], []

    def message(self, **where):
        """Return a message."""
        values = []
        message = SimpleNamespace(where=where, values=values, auto_start=True)
        message.set_auto_start = lambda flag: setattr(message, "auto_start", flag)
        message.append = lambda *given, signature: values.append((given, signature))
        self.sent.append(message)
        return message

    def connection(self, kind):
        """Open a connection."""
        ends = []
        self.opened.append(ends)
        return SimpleNamespace(
            kind=kind, send_message_with_reply_and_block=self.send, set_exit_on_disconnect=ends.append
        )

    def send(self, message, seconds):
        """Send a message."""
        message.seconds = seconds
        if isinstance(self.answer, Exception):
            raise self.answer
        return SimpleNamespace(get_args_list=lambda: self.answer)


@pytest.fixture
def library(monkeypatch):
    """Return a stand-in for dbus-python, whose answer a test sets."""
    found = Library([])
    connection = type("BusConnection", (), {"TYPE_SYSTEM": 1, "__new__": lambda _class, kind: found.connection(kind)})
    parts = {
        "lowlevel": SimpleNamespace(MethodCallMessage=found.message),
        "exceptions": SimpleNamespace(DBusException=BusError),
        "bus": SimpleNamespace(BusConnection=connection),
    }
    package = ModuleType("dbus")
    for name, part in parts.items():
        setattr(package, name, part)
        monkeypatch.setitem(sys.modules, f"dbus.{name}", part)
    monkeypatch.setitem(sys.modules, "dbus", package)
    return found


def test_a_call_is_that_of_busctl(library):
    library.answer = [{Variant("target"): Variant("default"), "rules_str": Variants(["rule a"])}]
    done = SystemBus().call(READ)
    assert json.loads(done.stdout)["data"] == [{"target": {"data": "default"}, "rules_str": {"data": ["rule a"]}}]
    (message,) = library.sent
    assert message.where == {
        "destination": "org.fedoraproject.FirewallD1",
        "path": "/org/fedoraproject/FirewallD1",
        "interface": "org.fedoraproject.FirewallD1.zone",
        "method": "getZoneSettings2",
    }
    assert message.values == [(("public",), "s")]
    assert (message.auto_start, message.seconds) == (False, 120.0)
    # The library would end the process with its connection.
    assert library.opened == [[False]]


def test_numbers_are_numbers_and_no_result_is_no_text(library):
    done = SystemBus().call(call("busctl", "zone", "addRichRule", "ssi", "public", "rule", "0"))
    assert library.sent[0].values == [(("public", "rule", 0), "ssi")]
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (BusError("org.fedoraproject.FirewallD1.Exception", "INVALID_ZONE: x\n"), "Call failed: INVALID_ZONE: x\n"),
        (BusError("org.freedesktop.DBus.Error.AccessDenied", "Rejected send message"), "Call failed: Access denied\n"),
        (BusError("org.freedesktop.DBus.Error.NoReply", ""), "Call failed: org.freedesktop.DBus.Error.NoReply\n"),
    ],
)
def test_an_error_is_that_of_busctl(library, failure, said):
    library.answer = failure
    done = SystemBus().call(READ)
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.parametrize(
    "arguments",
    [
        call("busctl", "ipset", "setEntries", "sas", "name", "1", "198.51.100.1"),
        call("busctl", "policy", "setPolicySettings", "sa{sv}", "name", "0"),
        call("busctl", "zone", "getZoneSettings2", "s"),
        ["busctl", "call", "a", "b", "c", "d"],
        ["busctl", "--json=short", "introspect", "a", "b", "c", "d"],
        ["busctl", "--version"],
    ],
)
def test_what_is_not_understood_is_for_busctl(library, arguments):
    assert SystemBus().call(arguments) is None
    assert library.sent == []


def test_without_the_library_busctl_is_run(monkeypatch):
    monkeypatch.setitem(sys.modules, "dbus", None)
    assert SystemBus().call(READ) is None


def test_a_child_has_a_connection_of_its_own(library, monkeypatch):
    bus = SystemBus()
    bus.call(READ)
    bus.call(READ)
    assert len(library.opened) == 1
    parent = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    bus.call(READ)
    assert len(library.opened) == 2
