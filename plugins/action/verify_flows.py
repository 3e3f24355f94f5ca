# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller side of xmpp.edge.verify_flows: derives the flows to attempt from a host, and has them probed."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.spec import FLOWS_OPTIONS
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.tasks import probe_arguments
from ansible_collections.xmpp.edge.plugins.plugin_utils._interpreter import without_discovery_warning


class ActionModule(ActionBase):
    """Action that runs one probe with all flows of a host."""

    TRANSFERS_FILES = False
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task. A refusal is one sentence in msg."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _result, options = self.validate_argument_spec(FLOWS_OPTIONS)
        if getattr(self._connection._shell, "_IS_WINDOWS", False):
            return {**result, "skipped": True, "msg": "probes run on Linux vantage points only"}
        try:
            arguments = probe_arguments(task_vars or {}, options)
        except EdgeError as error:
            return {**result, "failed": True, "msg": str(error)}
        silent = without_discovery_warning(task_vars or {})
        result.update(self._execute_module(module_name="xmpp.edge.probe", module_args=arguments, task_vars=silent))
        return result
