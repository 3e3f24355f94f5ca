# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fresh connections to the hosts behind a router, with connection plugins of Ansible's."""

from __future__ import annotations

import socket
from importlib import import_module

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.plugins.connection import ConnectionBase

reach = import_module("ansible_collections.xmpp.edge.plugins.plugin_utils._reach")
LOCAL = {"ansible_connection": "local"}


@pytest.fixture
def closed_port():
    """Return a port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]


def over_ssh(port):
    return {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": port, "ansible_ssh_timeout": 5}


def test_a_host_that_answers_has_no_fault():
    assert reach.fault_of("edge1", LOCAL, PlayContext()) is None


def test_a_host_that_does_not_answer_has_one(closed_port):
    fault = reach.fault_of("edge1", over_ssh(closed_port), PlayContext())
    assert fault
    assert "\n" not in fault


def test_a_connection_that_ansible_does_not_know_is_a_fault():
    assert reach.fault_of("edge1", {"ansible_connection": "pigeon"}, PlayContext()) == (
        "there is no connection plugin pigeon"
    )


def test_a_change_that_cuts_an_edge_off_is_not_confirmed(closed_port):
    action = import_module("ansible_collections.xmpp.edge.plugins.action.firewall")
    options = import_module("ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options")

    class Router(action.ActionModule):
        """The action of a task, on a host that is not asked for anything."""

        def __init__(self):
            self._play_context = PlayContext()

        def _low_level_execute_command(self, *_arguments, **_options):
            raise AssertionError("the change was confirmed")

    given = {"placement": "firewall", "access_addresses": ["10.20.0.7"], "rows": ["federation_in"]}
    answer = {"changed": True, "rows": {"federation_in": {"present": True}}, "confirmation": "confirm", "diff": {}}
    done = Router()._confirmed(dict(answer), options.parse_options(given), {"edge1": over_ssh(closed_port)}, {})
    assert done["failed"] is True
    assert done["confirmed"] is False
    assert done["msg"].startswith(
        "the change was not confirmed: edge1, which this router stands before, is not reached any more ("
    )
    assert done["msg"].endswith("; the host rolls it back within 30 seconds")
    assert done["rows"]["federation_in"]["present"] is False


def test_an_edge_that_was_not_reached_before_is_not_waited_for_and_that_is_said():
    action = import_module("ansible_collections.xmpp.edge.plugins.action.firewall")
    options = import_module("ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options")

    class Router(action.ActionModule):
        """The action of a task, on a host that confirms at once."""

        def __init__(self):
            self._play_context = PlayContext()
            self._connection = type("Container", (), {"reset": ConnectionBase.reset})()

        def _low_level_execute_command(self, *_arguments, **_options):
            return {"rc": 0, "stdout": "", "stderr": ""}

    given = {"placement": "firewall", "access_addresses": ["10.20.0.7"], "rows": ["federation_in"]}
    answer = {"changed": True, "rows": {}, "confirmation": "confirm"}
    done = Router()._confirmed(dict(answer), options.parse_options(given), {}, {"edge1": "no route"})
    assert done["confirmed"] is True
    assert done["warnings"] == [
        "edge1 was not reached before the change (no route), so its confirmation does not wait for that host"
    ]
