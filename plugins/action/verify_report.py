# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""xmpp.edge.verify_report: judges on the controller what all hosts have said, and shows it."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify import evidence
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.inventory import read_inventory
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.report import as_data, table
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.spec import REPORT_OPTIONS


class ActionModule(ActionBase):
    """Contacts no host."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task; it fails where a flow is not as the table says, unless that is not wanted."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        _result, options = self.validate_argument_spec(REPORT_OPTIONS)
        try:
            inventory = read_inventory(variables)
            now = datetime.now(timezone.utc).isoformat(timespec="seconds")
            report = inventory.report(now, options["depth"] == "service")
            files = evidence.write(report, options["evidence"]) if options["evidence"] else []
        except EdgeError as error:
            return {**result, "failed": True, "msg": str(error)}
        display = Display()
        display.display("")
        for line in (*table(report).split("\n"), *(f"evidence: {path}" for path in files)):
            display.display(line)
        if report.failed and options["fail"]:
            # The table has all of it; a failed task would print it once more, in a worse form.
            return {**result, "failed": True, "msg": report.summary, "evidence": files}
        data = as_data(report)
        return {
            **result,
            "changed": False,
            "msg": report.summary,
            "passed": data["passed"],
            "flows": data["flows"],
            "not_checked": data["not_checked"],
            "evidence": files,
        }
