# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of a confirmation, against hosts that answer, hang, and answer too late."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase
from nowhere import Nowhere

_EDGE = "ansible_collections.xmpp.edge.plugins.module_utils._edge"
_confirm = import_module("ansible_collections.xmpp.edge.plugins.plugin_utils._confirm")
options = import_module(f"{_EDGE}.request.options")
compiler = import_module(f"{_EDGE}.request.compile")
errors = import_module(f"{_EDGE}.model.errors")
rollback = import_module(f"{_EDGE}.rollback")

SOUND = {"access_addresses": ["198.51.100.7"], "internal_addresses": ["10.20.0.7"]}


class Connection(Nowhere):
    """A connection that counts its resets, with options of its own."""

    def __init__(self, **given: Any) -> None:
        self.given = given
        self.resets = 0

    def get_option(self, option: str, *_hostvars: Any) -> Any:
        return self.given[option]

    def reset(self) -> None:
        self.resets += 1


class Container(Connection):
    """A connection to a container: its plugin opens one for every command, and cannot reset it."""

    reset = ConnectionBase.reset


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(_confirm, "time", Clock())
    return _confirm.time


def answer(rc, stdout="", stderr=""):
    return {"rc": rc, "stdout": stdout, "stderr": stderr}


def test_every_try_has_a_connection_of_its_own():
    connection, resets = Connection(), []

    def execute(command):
        assert command == "confirm it"
        resets.append(connection.resets)
        if len(resets) < 3:
            raise AnsibleConnectionFailure("timed out")
        # What sudo and a login banner print has no mark.
        return answer(0, "\nWelcome\nxmpp-edge: a line\n[sudo] password for admin: \n")

    done = _confirm.confirm(connection, execute, "confirm it", 30)
    assert done.confirmed
    assert done.warnings == ["a line"]
    assert resets == [1, 2, 3]


def test_a_connection_that_cannot_be_reset_is_used_as_it_is(capsys):
    assert _confirm.confirm(Container(), lambda _command: answer(0), "confirm it", 30).confirmed
    assert "not implemented" not in "".join(capsys.readouterr())


def test_a_rollback_by_the_host_ends_the_tries(clock):
    def execute(_command):
        if clock.now < 7:
            raise AnsibleConnectionFailure("Connection timed\nout")
        return answer(rollback.ROLLED_BACK_STATUS)

    done = _confirm.confirm(Connection(), execute, "confirm it", 5)
    assert not done.confirmed
    assert done.message == (
        "the change was not confirmed over a fresh connection within 5 seconds (Connection timed out); "
        "the host has rolled the change back"
    )


def test_an_answer_that_is_lost_is_no_failure():
    answers = iter([AnsibleConnectionFailure("broken pipe"), answer(rollback.OVER_STATUS)])

    def execute(_command):
        given = next(answers)
        if isinstance(given, Exception):
            raise given
        return given

    assert _confirm.confirm(Connection(), execute, "confirm it", 30).confirmed
    done = _confirm.confirm(Connection(), lambda _command: answer(rollback.OVER_STATUS), "confirm it", 30)
    assert not done.confirmed
    assert "unknown how" in done.message


def test_the_tries_end_where_the_host_stays_out_of_reach(clock):
    def execute(_command):
        raise AnsibleConnectionFailure("no route")

    done = _confirm.confirm(Connection(), execute, "confirm it", 5)
    assert not done.confirmed
    assert "not confirmed over a fresh connection within 5 seconds (no route)" in done.message
    assert "unless the host has got the confirmation, it rolls the change back by itself within 5 s" in done.message
    assert 20 <= clock.now < 25


def test_a_failure_on_the_host_is_named():
    done = _confirm.confirm(Connection(), lambda _command: answer(1, "", "sudo: a password is required\n"), "x", 5)
    assert "(sudo: a password is required)" in done.message


@pytest.mark.parametrize(("port", "option"), [(5269, "federation_port"), ("23456", "gateway_port")])
def test_guards_that_would_shut_the_way_in_are_refused(port, option):
    for extra in ({}, {"host": "198.51.100.7"}, {"host": "127.0.0.1.example"}):
        with pytest.raises(errors.OptionError, match=rf"{option}: {port} is the port of the control connection itself"):
            refuse(Connection(port=port, **extra))


@pytest.mark.parametrize(
    ("transport", "given", "port"),
    [
        ("psrp", {"protocol": "https"}, 5986),
        ("ansible.builtin.psrp", {}, 5986),
        ("psrp", {"protocol": "http"}, 5985),
        ("ssh", {}, 22),
        ("paramiko_ssh", {}, 22),
    ],
)
def test_the_port_of_a_connection_that_does_not_say_it(transport, given, port):
    connection = Connection(host="198.51.100.7", port=None, **given)
    connection.transport = transport
    with pytest.raises(errors.OptionError, match=rf"federation_port: {port} is the port of the control connection"):
        refuse(connection, federation_port=port)
    refuse(connection)


def test_a_way_in_that_no_guard_shuts_is_not_refused():
    refuse(Connection(port=22, host="198.51.100.7"))
    refuse(Connection(port=None))
    refuse(Connection())
    refuse(Connection(port=5269, host="198.51.100.7"), mode="permit")
    refuse(Connection(port=5269, host="127.0.0.1"))
    refuse(Connection(port=5269, host="::1"))
    refuse(Connection(port=5269, host="localhost"))


def refuse(connection, **changes):
    given = options.parse_options({**SOUND, **changes})
    _confirm.refuse_own_port(connection, given, compiler.compile_rules(given))
