# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller side of xmpp.edge.verify_report: evaluates and displays the results of all hosts."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.spec import REPORT_OPTIONS
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.tasks import lines_of, make_report, result_of


class ActionModule(ActionBase):
    """Action that contacts no host."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task. A refusal is one sentence in msg."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _result, options = self.validate_argument_spec(REPORT_OPTIONS)
        try:
            report, files = make_report(task_vars or {}, options)
        except EdgeError as error:
            return {**result, "failed": True, "msg": str(error)}
        display = Display()
        for line in lines_of(report, files):
            display.display(line)
        return {**result, **result_of(report, files, options["fail"])}
