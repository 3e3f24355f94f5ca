# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller side of xmpp.edge.rehearsal: plans containers that stand for the hosts of the inventory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import connection_loader
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rehearse.plan import CONNECTION, clashes, plan_rehearsal
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rehearse.spec import OPTIONS
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rehearse.subject import read_subject
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.variables import PREFIX

Result = dict[str, t.Any]

_OF_THE_HOST = ("ansible_connection", "ansible_shell_type")


class ActionModule(ActionBase):
    """Action that reads the inventory and this machine's addresses, and changes nothing."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """Run the task. A refusal is one sentence in msg."""
        result: Result = super().run(tmp, task_vars)
        _result, options = self.validate_argument_spec(OPTIONS)
        variables = task_vars or {}
        try:
            _refuse_without_tools()
            groups = variables["groups"]
            hosts = {host: _role_variables(host, variables["hostvars"][host]) for host in groups["all"]}
            subject = read_subject(groups, hosts)
            plan = plan_rehearsal(subject, options["name"], options["backend"], options["most"])
        except EdgeError as error:
            return {**result, "failed": True, "msg": str(error)}
        plan["notes"] += clashes(plan, _networks())
        return {**result, **plan, "changed": False}


def _role_variables(host: str, variables: t.Mapping[str, t.Any]) -> Result:
    """Return what a plan needs of a host's variables. Raises EdgeError where one cannot be read."""
    found = {}
    for name in variables:
        if name.startswith(PREFIX) or name in _OF_THE_HOST:
            try:
                found[name] = variables[name]
            except AnsibleError as error:
                reason = str(error).splitlines()[0]
                raise EdgeError(f"{host}: {name}: cannot be read without its host: {reason}") from None
    return found


def _refuse_without_tools() -> None:
    """Raise EdgeError where this machine cannot raise containers."""
    if os.geteuid() != 0:
        raise EdgeError(
            "a rehearsal needs root on the controller, since it makes links between networks; run it with sudo"
        )
    for program, package in (("podman", "podman"), ("ip", "iproute2")):
        if shutil.which(program) is None:
            raise EdgeError(f"a rehearsal needs the program {program} on the controller; install the package {package}")
    if not connection_loader.has_plugin(CONNECTION):
        install = "run ansible-galaxy collection install containers.podman"
        raise EdgeError(f"a rehearsal needs the connection plugin {CONNECTION}; {install}")


def _networks() -> list[tuple[str, str]]:
    """Return device and network of each address of this machine that others can reach."""
    ip = str(shutil.which("ip"))
    done = subprocess.run([ip, "-json", "address", "show"], check=True, stdout=subprocess.PIPE)
    return [
        (link["ifname"], f"{one['local']}/{one['prefixlen']}")
        for link in json.loads(done.stdout)
        for one in link["addr_info"]
        if one["scope"] == "global"
    ]
