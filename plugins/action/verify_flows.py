# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of xmpp.edge.verify_flows: find out what to try from a host, and have it tried."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.flows import as_target
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.inventory import read_inventory
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.spec import FLOWS_OPTIONS


class ActionModule(ActionBase):
    """Runs one probe with everything that has to be tried from the host."""

    TRANSFERS_FILES = False
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task; every refusal is one sentence in msg."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        _result, options = self.validate_argument_spec(FLOWS_OPTIONS)
        if getattr(self._connection._shell, "_IS_WINDOWS", False):
            return {**result, "skipped": True, "msg": "probes run on Linux vantage points only"}
        try:
            inventory = read_inventory(variables)
        except EdgeError as error:
            return {**result, "failed": True, "msg": str(error)}
        name = variables["inventory_hostname"]
        flows = inventory.flows_from(name, options["depth"] == "service")
        arguments = {
            "targets": [as_target(flow) for flow in flows],
            "routes": inventory.routes_to_ask(name),
            "timeout": options["timeout"],
        }
        result.update(self._execute_module(module_name="xmpp.edge.probe", module_args=arguments, task_vars=task_vars))
        return result
