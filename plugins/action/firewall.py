# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller side of xmpp.edge.firewall: validate, compile, dispatch, confirm."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model import diff_text
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.result import all_rows, rolled_back, rule_result
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import Rule, to_payload
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.host_options import HOST_OPTIONS
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import Options, parse_options
from ansible_collections.xmpp.edge.plugins.plugin_utils._confirm import confirm, refuse_own_port


class ActionModule(ActionBase):
    """Does all that can fail before a host is contacted; then contacts it once, and after a change once more."""

    TRANSFERS_FILES = False
    _supports_async = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task; every refusal is one sentence in msg."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        try:
            options = parse_options(self._task.args)
            rules = compile_rules(options)
            refuse_own_port(self._connection, options, rules)
            on_host = self._on_windows if self._is_windows else self._on_linux
            result.update(on_host(options, rules, task_vars))
        except EdgeError as error:
            return {**result, "failed": True, "msg": str(error)}
        if "rows" in result:
            result["rows"] = all_rows(result["rows"])
            result["rules"] = [rule_result(rule) for rule in rules]
        return result

    @property
    def _is_windows(self) -> bool:
        """Return whether the connection leads to a Windows shell."""
        return bool(getattr(self._connection._shell, "_IS_WINDOWS", False))

    def _on_linux(
        self, options: Options, rules: t.Sequence[Rule], task_vars: dict[str, t.Any] | None
    ) -> dict[str, t.Any]:
        host_half = {name: getattr(options, name) for name in HOST_OPTIONS}
        arguments = {**host_half, **to_payload(rules), "rollback_after": options.confirm_timeout}
        answer: dict[str, t.Any] = self._execute_module(
            module_name="xmpp.edge.linux_firewall", module_args=arguments, task_vars=task_vars
        )
        command = answer.pop("confirmation", None)
        if "rows" in answer:
            answer["confirmed"] = False
        if command:
            done = confirm(self._connection, self._low_level_execute_command, command, options.confirm_timeout)
            answer["confirmed"] = done.confirmed
            answer["warnings"] = [*answer.get("warnings", []), *done.warnings]
            if not done.confirmed:
                return rolled_back(answer, done.message)
        return answer

    def _on_windows(
        self, options: Options, rules: t.Sequence[Rule], task_vars: dict[str, t.Any] | None
    ) -> dict[str, t.Any]:
        # Imported where it is needed: each run on Linux would pay for it.
        from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows import controller as windows_half

        arguments = windows_half.module_arguments(options, rules)
        answer = self._execute_module(module_name="xmpp.edge.win_firewall", module_args=arguments, task_vars=task_vars)
        if answer.get("failed") or "found" not in answer:
            # Its own diff has other words, and what is in it was not done.
            return {key: value for key, value in answer.items() if key not in (*windows_half.ANSWERS, "diff")}
        report = windows_half.report(answer, rules)
        report["warnings"] += answer.get("warnings", [])
        report["warnings"] += diff_text.unknown_messages(report["rows"])
        dropped = diff_text.drop_message(report["rows"], self._task.check_mode)
        if dropped and options.on_ineffective == "warn":
            report["warnings"].append(dropped)
        elif dropped:
            report.update(failed=True, msg=dropped)
        return report
