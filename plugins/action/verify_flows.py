# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller side of xmpp.edge.verify_flows: derives the flows to attempt from a host, and has them probed."""

from __future__ import annotations

import typing as t

from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.flows import Edge
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.inventory import Inventory, read_inventory
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.routers import Router
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.spec import ATTEMPTS, BEFORE, FLOWS_OPTIONS
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.tasks import probe_arguments
from ansible_collections.xmpp.edge.plugins.plugin_utils._interpreter import without_discovery_warning
from ansible_collections.xmpp.edge.plugins.plugin_utils._looks import LookAction, looked_up_here


class ActionModule(LookAction):
    """Action that has a host watch, attempt all its flows, and tell what it has seen."""

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
        looked_at = inventory.edge(name) or inventory.router(name)
        if options["phase"] == ATTEMPTS:
            if inventory.only_routes(name):
                result.update(results=[], routes={})
            elif self.is_windows:
                result.update(results=[], routes={}, not_attempted="probes run on Linux hosts only")
            else:
                arguments = probe_arguments(inventory, name, options)
                result.update(self.asked("xmpp.edge.probe", arguments, variables))
                result.update(looked_up_here(result, arguments))
            return result
        if options["phase"] == BEFORE:
            result.update(self._before(looked_at, inventory, variables))
            return result
        if looked_at is not None:
            result["rules"] = self.look(looked_at, variables)
        asked = {} if self.is_windows else inventory.to_ask_afterwards(name, options["depth"] == "service")
        if asked:
            result["information"] = self.told("xmpp.edge.connection_info", asked, variables)
        return result

    def _before(
        self, looked_at: Edge | Router | None, inventory: Inventory, variables: dict[str, t.Any]
    ) -> dict[str, t.Any]:
        """Begin to watch; where that cannot be, look at what the guards of an edge have counted.

        Those of a router are looked at in any case, since they may keep all attempts from the edges behind it.
        """
        if self.is_windows:
            return {}
        asked = {"watch_ports": inventory.ports()}
        told = {} if isinstance(looked_at, Router) else self.told("xmpp.edge.connection_info", asked, variables)
        if "watch" in told:
            return {"watch": told["watch"]}
        return {"rules": self.look(looked_at, variables)} if looked_at else {}
