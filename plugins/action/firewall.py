# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller side of xmpp.edge.firewall: validate, compile, dispatch, confirm."""

from __future__ import annotations

import re
import typing as t

from ansible import constants, context
from ansible.errors import AnsibleAuthenticationFailure, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model import diff_text
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError, OptionError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.partner_domains import (
    Answer,
    by_group,
    with_addresses,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.result import (
    after_installation,
    all_rows,
    before_installation,
    closing_line,
    rolled_back,
    rule_result,
    with_headers,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import Rule
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.narrowing import refuse_on_linux
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import (
    FIREWALL,
    FRONT_END,
    Options,
    family_warnings,
    parse_options,
    read_flag,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.variables import (
    EDGES,
    IGNORED,
    INSTALL,
    as_the_role_says,
    check_variables,
    names_in,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rollback import (
    ROLLED_BACK_STATUS,
    line_of_the_script,
)
from ansible_collections.xmpp.edge.plugins.plugin_utils._confirm import (
    Execute,
    confirm,
    lost_message,
    refuse_own_port,
    unreachable_message,
)
from ansible_collections.xmpp.edge.plugins.plugin_utils._host_side import host_arguments
from ansible_collections.xmpp.edge.plugins.plugin_utils._interpreter import without_discovery_warning
from ansible_collections.xmpp.edge.plugins.plugin_utils._pipelining import pipeline_unless_said

_ROLE = "xmpp.edge.xmpp_edge"
_WINDOWS_MODULE = "xmpp.edge.win_firewall"
_RESTRICTS_NOTHING = (
    "mode: permit restricts nothing here, since Windows allows outbound connections by default; say exclusive to block "
    "the gateway port elsewhere"
)
_FOR_PROGRAMS = ("json", "jsonl", "minimal", "oneline", "null")
"""Callbacks whose output programs read."""

display = Display()

Variables = t.Mapping[str, t.Any]


class ActionModule(ActionBase):
    """Does all that can fail before a host is contacted; then contacts it once, and after a change once more."""

    TRANSFERS_FILES = False
    _supports_async = False
    _supports_check_mode = True
    _supports_diff = True

    _answers: t.Sequence[Answer] = ()
    _said_of_partners: t.Sequence[str] = ()
    """What DNS has told of partners by domain, and what is to be said of it."""

    _was_reached = False
    """True once a command has come to its end on the host, so that a later fault is a lost connection."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task; every refusal is one sentence in msg."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables: Variables = task_vars or {}
        try:
            warnings = self._check_variables(variables)
            edges = self._edges(variables)
            options = parse_options(self._task.args, edges)
            warnings += self._unread(edges)
            rules = compile_rules(options)
            refuse_own_port(self._connection, options, rules)
            on_host = self._on_windows if self._is_windows else self._on_linux
            answer = on_host(options, rules, variables)
            rules = with_addresses(rules, answer.pop("partner_addresses", None) or by_group(self._answers))
            answer["warnings"] = [*warnings, *family_warnings(options), *answer.get("warnings", [])]
        except EdgeError as error:
            answer = {"failed": True, "msg": str(error)}
        result.update(self._in_words_of_the_task(answer))
        if self._task.check_mode:
            result["predicted"] = True
        if "rows" in result:
            result["rows"] = all_rows(result["rows"])
            result["rules"] = [rule_result(rule) for rule in rules]
            host = str(self._task.delegate_to or variables.get("inventory_hostname", ""))
            result = with_headers(result, host)
            if not result.get("failed") and not self._task.no_log and _is_read_by_people():
                display.display(closing_line(result, host))
        return result

    def cleanup(self, force: bool = False) -> None:
        """Remove temporary files; a connection that is lost by now must not hide the result."""
        try:
            super().cleanup(force)
        except AnsibleConnectionFailure as error:
            display.vvv(f"temporary files could not be removed: {error}")

    @property
    def _is_windows(self) -> bool:
        """Return whether the connection leads to a Windows shell."""
        return bool(getattr(self._connection._shell, "_IS_WINDOWS", False))

    @property
    def _is_of_the_role(self) -> bool:
        role = self._task._role
        return role is not None and role.get_name() == _ROLE

    def _in_words_of_the_task(self, answer: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return an answer whose sentences name options as the administrator wrote them."""
        if not self._is_of_the_role:
            return answer
        warnings = [as_the_role_says(text) if isinstance(text, str) else text for text in answer.get("warnings", [])]
        told = {**answer, "warnings": warnings}
        if "msg" in told:
            told["msg"] = as_the_role_says(str(told["msg"]))
            # Since ansible-core 2.19 the error that is displayed is made of this, which has the former words.
            traceback = _traceback_in(told.pop("exception", None))
            told.update({"exception": traceback} if traceback else {})
        return told

    def _check_variables(self, variables: Variables) -> list[str]:
        """Return warnings about variables that nobody reads. Raises OptionError on a misspelt one."""
        if self._task.args.get("state") == "absent":
            return []  # Removal reads none of them, and a mistake must not stand in its way.
        read_flag(INSTALL, self._templar.template(variables.get(INSTALL, False)))
        ignored = self._templar.template(variables.get(IGNORED, []))
        words = re.findall(r"\w+", str(self._task.get_ds()))
        return check_variables(variables, names_in(IGNORED, ignored), frozenset(words))

    def _edges(self, variables: Variables) -> dict[str, Variables] | None:
        """Return what was given for each edge that this host stands before; None where it is said here.

        Raises OptionError.
        """
        if self._task.args.get("placement", "edge") == "edge" or self._task.args.get("state") == "absent":
            return None
        if EDGES not in variables:
            return None
        # Imported where it is needed: each run of an edge would pay for it.
        from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.edges import edges_of

        return edges_of(self._templar.template(variables[EDGES]), variables["hostvars"])

    def _unread(self, edges: dict[str, Variables] | None) -> list[str]:
        """Return warnings about options of the task that are taken from edges instead."""
        if edges is None:
            return []
        from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.edges import unread_inputs

        return unread_inputs(self._task.args, edges)

    def _look_up_partners(self, options: Options) -> None:
        """Look partners up by their domains. Raises OptionError."""
        if options.domains:
            from ansible_collections.xmpp.edge.plugins.plugin_utils._partner_domains import look_up_partners

            self._answers, self._said_of_partners = look_up_partners(options)

    def _low_level_execute_command(self, *arguments: t.Any, **options: t.Any) -> t.Any:
        done = super()._low_level_execute_command(*arguments, **options)
        self._was_reached = True
        return done

    def _on_linux(self, options: Options, rules: t.Sequence[Rule], variables: Variables) -> dict[str, t.Any]:
        refuse_on_linux(options.narrowing)
        self._look_up_partners(options)
        reached, not_reached = self._reached_through_it(options, variables)
        answer = self._linux_firewall(options, rules, variables)
        package = answer.get("missing_package")
        if not package or not self._may_install(package, variables):
            return self._confirmed(answer, options, reached, not_reached)
        if self._task.check_mode:
            return before_installation(answer, package, rules)
        self._install(variables)
        again = self._linux_firewall(options, rules, variables)
        done = after_installation(self._confirmed(again, options, reached, not_reached), package)
        if done.get("failed"):
            done["msg"] = f"{done.get('msg')}; the package {package} was installed, and stays"
        return done

    def _reached_through_it(
        self, options: Options, variables: Variables
    ) -> tuple[dict[str, Variables], dict[str, str]]:
        """Return the variables of the edges behind a router that are reached now, and why others are not, by name."""
        names = [name for inputs in options.inputs for name in inputs.names]
        if options.placement != FIREWALL or not names or not options.confirm_timeout or self._task.check_mode:
            return {}, {}
        from ansible_collections.xmpp.edge.plugins.plugin_utils._reach import fault_of

        hosts = {name: variables["hostvars"][name] for name in names}
        faults = {name: fault_of(name, hosts[name], self._play_context) for name in names}
        reached = {name: hosts[name] for name in names if faults[name] is None}
        return reached, {name: fault for name, fault in faults.items() if fault is not None}

    def _fault_behind(self, reached: t.Mapping[str, Variables]) -> str | None:
        """Return which edge is not reached any more, None where all are."""
        for name, variables in reached.items():
            from ansible_collections.xmpp.edge.plugins.plugin_utils._reach import fault_of

            fault = fault_of(name, variables, self._play_context)
            if fault is not None:
                return f"{name}, which this router stands before, is not reached any more ({fault})"
        return None

    def _confirmed(
        self,
        answer: dict[str, t.Any],
        options: Options,
        reached: t.Mapping[str, Variables],
        not_reached: t.Mapping[str, str],
        execute: Execute | None = None,
    ) -> dict[str, t.Any]:
        """Return an answer whose change is confirmed, or rolled back by the host.

        reached: edges behind a router that were before the change; not_reached: why others were not, by name; execute:
        what confirms, None for a shell command.
        """
        command = answer.pop("confirmation", None)
        if "rows" in answer:
            answer["confirmed"] = False
        if command:
            ignored = [
                f"{name} was not reached before the change ({why}), so its confirmation does not wait for that host"
                for name, why in not_reached.items()
            ]
            answer["warnings"] = [*answer.get("warnings", []), *ignored]
        fault = self._fault_behind(reached) if command else None
        if fault:
            seconds = options.confirm_timeout
            return rolled_back(
                answer, f"the change was not confirmed: {fault}; the host rolls it back within {seconds} seconds"
            )
        if command:
            execute = execute or self._low_level_execute_command
            done = confirm(self._connection, execute, command, options.confirm_timeout)
            answer["confirmed"] = done.confirmed
            answer["warnings"] = [*answer.get("warnings", []), *done.warnings]
            if not done.confirmed:
                return rolled_back(answer, done.message)
        return answer

    def _linux_firewall(self, options: Options, rules: t.Sequence[Rule], variables: Variables) -> dict[str, t.Any]:
        """Return the answer of the host side. Raises EdgeError where the connection is lost on the way."""
        arguments = {**host_arguments(options, rules, self._answers), "rollback_after": options.confirm_timeout}
        pipeline_unless_said(self._connection, self._play_context, self._said_in_variables(variables))
        answer = self._changed_by("xmpp.edge.linux_firewall", arguments, options, variables)
        # What a module warns of itself is out of the action's hands since ansible-core 2.19.
        answer["warnings"] = [*self._said_of_partners, *answer.get("warnings", []), *answer.pop("notes", [])]
        return answer

    def _changed_by(
        self, module: str, arguments: t.Mapping[str, t.Any], options: Options, variables: Variables
    ) -> dict[str, t.Any]:
        """Return the answer of a module that may change the host.

        Raises EdgeError where the connection is lost on the way.
        """
        try:
            return self._on_host(module, arguments, variables)
        except AnsibleConnectionFailure as error:
            # A password of sudo that is missing is no lost connection.
            refused = isinstance(error, AnsibleAuthenticationFailure) or "escalation" in str(error)
            if refused or self._task.check_mode:
                raise
            if not self._was_reached:
                if not self._is_pipelining_enabled("new"):
                    raise
                # A pipelined module is the first command, so that nothing tells the two cases apart.
                raise AnsibleConnectionFailure(unreachable_message(options.confirm_timeout, str(error))) from None
            raise EdgeError(lost_message(options.confirm_timeout, str(error))) from None

    def _said_in_variables(self, variables: Variables) -> set[str]:
        """Return the names of variables that inventory, play, blocks and task have, without those that Ansible adds."""
        host, hosts = self._task.delegate_to or variables["inventory_hostname"], variables["hostvars"]
        # A host that is not in the inventory has none, and may not be asked for.
        said = set(hosts[host]) if host in hosts else set()
        play = getattr(self._task._parent, "_play", None)
        return {*said, *self._task.get_vars(), *(play.get_vars() if play else ())}

    def _on_host(self, module: str, arguments: t.Mapping[str, t.Any], variables: Variables) -> dict[str, t.Any]:
        answer: dict[str, t.Any] = self._execute_module(
            module_name=module, module_args=dict(arguments), task_vars=without_discovery_warning(variables)
        )
        return answer

    def _may_install(self, package: str, variables: Variables) -> bool:
        # Imported where it is needed: each run would pay for it.
        from ansible_collections.xmpp.edge.plugins.plugin_utils._install import PACKAGE

        # The role has a default for it. A task without the role installs what the administrator has asked for.
        asked = self._templar.template(variables.get(INSTALL, False))
        return package == PACKAGE and read_flag(INSTALL, asked)

    def _install(self, variables: Variables) -> None:
        """Install the package. Raises EdgeError."""
        from ansible_collections.xmpp.edge.plugins.plugin_utils._install import install

        def run_package(arguments: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any]:
            task = self._task.copy()
            task.args = dict(arguments)
            action = self._shared_loader_obj.action_loader.get(
                "ansible.builtin.package",
                task=task,
                connection=self._connection,
                play_context=self._play_context,
                loader=self._loader,
                templar=self._templar,
                shared_loader_obj=self._shared_loader_obj,
            )
            done: t.Mapping[str, t.Any] = action.run(task_vars=variables)
            return done

        install(lambda module, arguments: self._on_host(module, arguments, variables), run_package)

    def _on_windows(self, options: Options, rules: t.Sequence[Rule], variables: Variables) -> dict[str, t.Any]:
        # Imported where it is needed: each run on Linux would pay for it.
        from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows import controller as windows_half

        if options.placement == FIREWALL:
            raise OptionError(
                "placement",
                FIREWALL,
                "cannot be had on a Windows host, whose firewall filters what the host itself sends and gets",
                "apply the table on the router, or say edge on the edges",
            )
        arguments = windows_half.module_arguments(options, rules)
        answer = self._changed_by(_WINDOWS_MODULE, arguments, options, variables)
        if answer.get("failed") or "found" not in answer:
            # Its own diff has other words, and what is in it was not done.
            return {key: value for key, value in answer.items() if key not in (*windows_half.ANSWERS, "diff")}
        report = windows_half.report(answer, rules, options)
        report["warnings"] += answer.get("warnings", [])
        if report.get("failed"):
            return report
        report["warnings"] += diff_text.unknown_messages(report["rows"])
        if options.placement == FRONT_END and options.mode == "permit" and rules:
            report["warnings"].append(_RESTRICTS_NOTHING)
        pending = answer.get("pending")
        dropped = diff_text.drop_message(report["rows"], self._task.check_mode)
        if dropped and options.on_ineffective == "warn":
            report["warnings"].append(dropped)
        elif dropped and pending:
            fault = self._rolled_back_on_windows(pending, arguments, variables)
            late = f"; {fault}, so the host rolls it back within {options.confirm_timeout} seconds" if fault else ""
            return rolled_back(report, f"{dropped}{late}")
        elif dropped:
            stays = report["changed"] and not self._task.check_mode
            report["failed"] = True
            report["msg"] = f"{dropped}; the change stays, since confirm_timeout is 0" if stays else dropped
        report["confirmation"] = pending
        return self._confirmed(
            report, options, {}, {}, lambda change: self._end_on_windows(change, "commit", arguments, variables)
        )

    def _rolled_back_on_windows(self, change: str, arguments: dict[str, t.Any], variables: Variables) -> str:
        """Have a change rolled back at once. Return why that is not so, empty where it is."""
        try:
            return str(self._end_on_windows(change, "roll_back", arguments, variables)["stderr"])
        except AnsibleError as error:
            return " ".join(str(error).split())

    def _end_on_windows(
        self, change: str, how: str, arguments: dict[str, t.Any], variables: Variables
    ) -> dict[str, t.Any]:
        """Commit a change or roll it back, and return what a shell command would for confirm."""
        answer = self._on_host(_WINDOWS_MODULE, {**arguments, "end": {"change": change, "how": how}}, variables)
        if answer.get("failed"):
            return {"rc": 1, "stdout": "", "stderr": str(answer.get("msg"))}
        said = "\n".join(map(line_of_the_script, answer.get("warnings", [])))
        return {"rc": 0 if answer["committed"] else ROLLED_BACK_STATUS, "stdout": said, "stderr": ""}


def _is_read_by_people() -> bool:
    """Return whether the output is that of a playbook for people, and not the result of a command or JSON."""
    callback = str(constants.config.get_config_value("DEFAULT_STDOUT_CALLBACK")).rpartition(".")[2]
    return not context.CLIARGS.get("module_name") and callback not in _FOR_PROGRAMS


def _traceback_in(error: t.Any) -> str | None:
    """Return the traceback in the key "exception" of a result: a text, or since ansible-core 2.19 an object."""
    traceback = error if isinstance(error, str) else getattr(getattr(error, "event", None), "formatted_traceback", None)
    return str(traceback) if traceback else None
