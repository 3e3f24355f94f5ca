# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fresh connections to the hosts behind a router, with connection plugins of Ansible's."""

from __future__ import annotations

import socket
from importlib import import_module

import pytest
from ansible.playbook.play_context import PlayContext

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


def test_only_hosts_that_were_reached_are_waited_for(closed_port):
    hosts = {"edge1": LOCAL, "edge2": over_ssh(closed_port)}
    assert reach.reached(hosts, hosts, PlayContext()) == ["edge1"]
