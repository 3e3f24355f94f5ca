# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller side of xmpp.edge.verify_flows: derives the flows to attempt from a host, and has them probed."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible.plugins.action import ActionBase
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import to_payload
from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe import name_records
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.host_options import HOST_OPTIONS
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.flows import Edge
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.inventory import read_inventory
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.spec import ATTEMPTS, BEFORE, FLOWS_OPTIONS
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.tasks import probe_arguments
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows import controller as windows_half
from ansible_collections.xmpp.edge.plugins.plugin_utils._interpreter import without_discovery_warning


def _looked_up_here(result: t.Mapping[str, t.Any], arguments: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the records that a host could not look up, as the resolver of the controller tells them."""
    if not result.get("names_not_asked") or not name_records.HAS_DNSPYTHON:
        return {}
    names = name_records.look_up(arguments["domains"], arguments["timeout"])
    return {"names": names, "names_by": "the resolver of the controller"}


class ActionModule(ActionBase):
    """Action that has a host watch, attempt all its flows, and tell what it has seen."""

    TRANSFERS_FILES = False
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task. A refusal is one sentence in msg."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _result, options = self.validate_argument_spec(FLOWS_OPTIONS)
        variables = without_discovery_warning(task_vars or {})
        name = variables["inventory_hostname"]
        try:
            inventory = read_inventory(variables)
        except EdgeError as error:
            return {**result, "failed": True, "msg": str(error)}
        if options["phase"] == ATTEMPTS:
            if self._is_windows:
                result.update(results=[], routes={}, not_attempted="probes run on Linux hosts only")
            else:
                arguments = probe_arguments(inventory, name, options)
                result.update(self._asked("xmpp.edge.probe", arguments, variables))
                result.update(_looked_up_here(result, arguments))
            return result
        if options["phase"] == BEFORE:
            result.update(self._before(inventory.edge(name), inventory.ports(), variables))
            return result
        edge = inventory.edge(name)
        if edge is not None:
            result["rules"] = self._look(edge, variables)
        asked = {} if self._is_windows else inventory.to_ask_afterwards(name, options["depth"] == "service")
        if asked:
            result["information"] = self._told("xmpp.edge.connection_info", asked, variables)
        return result

    @property
    def _is_windows(self) -> bool:
        return bool(getattr(self._connection._shell, "_IS_WINDOWS", False))

    def _before(self, edge: Edge | None, ports: list[int], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Begin to watch; where that cannot be, look at what the guards of an edge have counted."""
        if self._is_windows:
            return {}
        told = self._told("xmpp.edge.connection_info", {"watch_ports": ports}, variables)
        if "watch" in told:
            return {"watch": told["watch"]}
        return {"rules": self._look(edge, variables)} if edge else {}

    def _look(self, edge: Edge, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return what an edge has."""
        if self._is_windows:
            return self._look_at_windows(edge, variables)
        host_half = {name: getattr(edge.options, name) for name in HOST_OPTIONS}
        arguments = {**host_half, **to_payload(edge.rules), "own_addresses": edge.options.own_addresses, "look": True}
        return self._told("xmpp.edge.linux_firewall", arguments, variables)

    def _look_at_windows(self, edge: Edge, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return what a Windows edge has, by a run in check mode, whatever the mode of the task is."""
        try:
            arguments = windows_half.module_arguments(replace(edge.options, allow_absent_addresses=True), edge.rules)
        except EdgeError as error:
            return {"failed": True, "msg": str(error)}
        mode, self._task.check_mode = self._task.check_mode, True
        try:
            answer = self._told("xmpp.edge.win_firewall", {**arguments, "on_policy_override": "warn"}, variables)
        finally:
            self._task.check_mode = mode
        return answer if "found" not in answer else windows_half.look(answer, edge.rules)

    def _told(self, module: str, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        answer = self._asked(module, arguments, variables)
        return {key: value for key, value in answer.items() if key not in ("warnings", "deprecations", "exception")}

    def _asked(self, module: str, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        answer: dict[str, t.Any] = self._execute_module(module_name=module, module_args=arguments, task_vars=variables)
        return answer
