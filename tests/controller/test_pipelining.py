# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a module goes in over standard input, with Ansible's own connection plugins."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from types import SimpleNamespace

import pytest
import yaml
from ansible.errors import AnsibleConnectionFailure
from ansible.playbook.play_context import PlayContext
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import become_loader, connection_loader
from nowhere import Nowhere
from plays import IN_EMPTY_NETWORK, ansible_command, environment

pipelining = import_module("ansible_collections.xmpp.edge.plugins.plugin_utils._pipelining")


class Container(Nowhere):
    """A connection whose plugin can pipeline, and has no option for it."""

    has_pipelining = True

    def get_option_and_origin(self, option, hostvars=None):
        raise KeyError(option)


def connection_to(kind, given=()):
    if kind == "a container":
        return Container(PlayContext())
    connection = connection_loader.get(kind, PlayContext(), new_stdin=None, task_uuid="1", ansible_playbook_pid="1")
    connection.set_options(var_options={"inventory_hostname": "edge1", **dict(given)})
    return connection


def action_over(connection):
    return SimpleNamespace(_connection=connection, _play_context=connection._play_context.copy())


def is_pipelined(connection, inventory=()):
    action = action_over(connection)
    pipelining.pipeline_unless_said(connection, action._play_context, dict(inventory))
    return bool(ActionBase._is_pipelining_enabled(action, "new"))


@pytest.mark.parametrize("kind", ["ssh", "local", "a container"])
def test_a_module_goes_in_over_standard_input_where_the_option_is_not_set(kind):
    assert not ActionBase._is_pipelining_enabled(action_over(connection_to(kind)), "new")
    assert is_pipelined(connection_to(kind))


@pytest.mark.parametrize("kind", ["ssh", "local", "a container"])
@pytest.mark.parametrize("said", [False, True])
def test_what_the_inventory_says_holds(kind, said):
    given = {"ansible_pipelining": said}
    connection = connection_to(kind, given)
    connection._play_context.pipelining = said  # As Ansible does for plugins without the option.
    assert is_pipelined(connection, given) is said


def test_a_task_with_privilege_escalation_is_left_alone():
    connection = connection_to("ssh")
    connection.set_become_plugin(become_loader.get("sudo"))
    assert not is_pipelined(connection)


def test_a_terminal_that_ssh_is_told_to_ask_for_stands_in_the_way():
    assert not is_pipelined(connection_to("ssh", {"ansible_ssh_extra_args": "-o RequestTTY=yes"}))


def run(tmp_path, play, *arguments, **given):
    """Run a play in check mode in an empty network, with variables of the environment."""
    path = tmp_path / "play.yml"
    path.write_text(yaml.safe_dump([play]))
    kept = {key: value for key, value in environment(tmp_path).items() if key != "ANSIBLE_PIPELINING"}
    return subprocess.run(
        [*IN_EMPTY_NETWORK, ansible_command("ansible-playbook"), "-i", "localhost,", "--check", *arguments, str(path)],
        env={**kept, **given},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=tmp_path,
    )


@pytest.mark.parametrize(("said", "commands"), [(None, 1), ("0", 5), ("1", 1)])
def test_commands_of_a_whole_task(tmp_path, said, commands):
    # A task that is refused on the host needs no root, and goes all the way there.
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable},
        "tasks": [{"xmpp.edge.firewall": {"access_addresses": ["198.51.100.7"], "rows": ["federation_in"]}}],
    }
    said_so = {"ANSIBLE_PIPELINING": said} if said else {}
    done = run(tmp_path, play, "-c", "local", "-vvv", **said_so)
    assert "is not on this host" in done.stdout
    assert done.stdout.count("> EXEC ") == commands, done.stdout


@pytest.mark.parametrize("pipelined", [True, False])
def test_a_host_that_does_not_answer(pipelined):
    action = import_module("ansible_collections.xmpp.edge.plugins.action.firewall")
    options = import_module("ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options")

    class Unreachable(action.ActionModule):
        """The action of a task, on a host that is out of reach."""

        def __init__(self):
            self._task = SimpleNamespace(check_mode=False, delegate_to=None, get_vars=dict, _parent=None)
            self._connection = connection_to("ssh", {"ansible_pipelining": pipelined})
            self._play_context = PlayContext()

        def _on_host(self, *_arguments):
            raise AnsibleConnectionFailure("port 22: refused")

    given = options.parse_options({"access_addresses": ["10.20.0.7"], "rows": ["federation_in"]})
    with pytest.raises(AnsibleConnectionFailure) as caught:
        Unreachable()._linux_firewall(given, [], {"inventory_hostname": "edge1", "hostvars": {}})
    said = str(caught.value)
    assert said.startswith("port 22: refused")
    fate = "; if the connection was made and then lost, a change that it has begun is not confirmed; "
    assert (fate in said) is pipelined
    assert ("rolls the change back by itself within 30 seconds" in said) is pipelined


@pytest.mark.parametrize("words", ["-tt", "-C -t", "-o RequestTTY=force"])
def test_an_ssh_that_asks_for_a_terminal_is_left_alone(words):
    assert not is_pipelined(connection_to("ssh", {"ansible_ssh_common_args": words}))


def test_a_word_that_begins_alike_asks_for_none():
    assert is_pipelined(connection_to("ssh", {"ansible_ssh_common_args": "-o ProxyCommand=none -4"}))


@pytest.mark.parametrize("place", ["play", "block", "task"])
def test_what_a_play_says_counts_as_said(place):
    action = import_module("ansible_collections.xmpp.edge.plugins.action.firewall")
    said = {"ansible_pipelining": False}
    # As Ansible has it: a task gives the variables of its blocks as its own.
    task = SimpleNamespace(
        delegate_to=None,
        get_vars=lambda: said if place in ("block", "task") else {},
        _parent=SimpleNamespace(_play=SimpleNamespace(get_vars=lambda: said if place == "play" else {})),
    )
    found = action.ActionModule._said_in_variables(
        SimpleNamespace(_task=task), {"inventory_hostname": "edge1", "hostvars": {"edge1": {}}}
    )
    assert found == {"ansible_pipelining"}


def test_a_host_that_is_delegated_to_need_not_be_in_the_inventory(tmp_path):
    task = {
        "xmpp.edge.firewall": {"access_addresses": ["198.51.100.7"], "rows": ["federation_in"]},
        "delegate_to": "somewhere",
        "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
    }
    done = run(tmp_path, {"hosts": "localhost", "gather_facts": False, "tasks": [task]})
    assert "access_addresses: '198.51.100.7' is not on this host" in done.stdout, done.stdout
