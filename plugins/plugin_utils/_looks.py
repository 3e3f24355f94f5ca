# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions that look at hosts and change nothing."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible.plugins.action import ActionBase
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe import name_records
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.flows import Edge
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.routers import Router
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows import controller as windows_side
from ansible_collections.xmpp.edge.plugins.plugin_utils._host_side import host_arguments

Result = dict[str, t.Any]


class LookAction(ActionBase):
    """Base of actions that have modules look at a host."""

    TRANSFERS_FILES = False
    _supports_async = False
    _supports_check_mode = True

    @property
    def is_windows(self) -> bool:
        """Whether the host is one with Windows."""
        return bool(getattr(self._connection._shell, "_IS_WINDOWS", False))

    def look(self, edge: Edge | Router, variables: Result) -> Result:
        """Return what rules an edge or a router has, compared with those of its inventory."""
        if self.is_windows:
            return self._look_at_windows(edge, variables)
        # The rules of the inventory, without what an earlier look has told of partners by domain.
        arguments = {**host_arguments(edge.options, compile_rules(edge.options)), "look": True}
        return self.told("xmpp.edge.linux_firewall", arguments, variables)

    def _look_at_windows(self, edge: Edge | Router, variables: Result) -> Result:
        """Return what a Windows edge has, by a run in check mode, whatever the mode of the task is."""
        try:
            arguments = windows_side.module_arguments(replace(edge.options, allow_absent_addresses=True), edge.rules)
        except EdgeError as error:
            return {"failed": True, "msg": str(error)}
        mode, self._task.check_mode = self._task.check_mode, True
        try:
            answer = self.told("xmpp.edge.win_firewall", {**arguments, "on_policy_override": "warn"}, variables)
        finally:
            self._task.check_mode = mode
        return answer if "found" not in answer else windows_side.look(answer, edge.rules, edge.options)

    def told(self, module: str, arguments: Result, variables: Result) -> Result:
        """Return what a module tells, without its warnings."""
        answer = self.asked(module, arguments, variables)
        return {key: value for key, value in answer.items() if key not in ("warnings", "deprecations", "exception")}

    def asked(self, module: str, arguments: Result, variables: Result) -> Result:
        """Return the whole result of a module."""
        answer: Result = self._execute_module(module_name=module, module_args=arguments, task_vars=variables)
        return answer


def looked_up_here(result: t.Mapping[str, t.Any], arguments: t.Mapping[str, t.Any]) -> Result:
    """Return the records that a host could not look up, as the resolver of the controller tells them.

    result, arguments: of xmpp.edge.probe.
    """
    if not result.get("names_not_asked") or not name_records.HAS_DNSPYTHON:
        return {}
    names = name_records.look_up(arguments["domains"], arguments["timeout"])
    return {"names": names, "names_by": "the resolver of the controller"}
