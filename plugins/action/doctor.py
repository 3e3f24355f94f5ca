# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller side of xmpp.edge.doctor: has an edge look for what keeps it from federating with one partner."""

from __future__ import annotations

import typing as t

from ansible.utils.display import Display
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify import doctor
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.provenance import time_now
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.spec import DOCTOR_OPTIONS
from ansible_collections.xmpp.edge.plugins.plugin_utils._interpreter import without_discovery_warning
from ansible_collections.xmpp.edge.plugins.plugin_utils._looks import LookAction, Result, looked_up_here


class ActionModule(LookAction):
    """Action that looks at one edge and one partner, and displays the first cause."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task. A refusal is one sentence in msg."""
        result: Result = super().run(tmp, task_vars)
        _result, options = self.validate_argument_spec(DOCTOR_OPTIONS)
        variables = without_discovery_warning(task_vars or {})
        try:
            case = doctor.read_case(variables, options)
        except EdgeError as error:
            return {**result, "failed": True, "msg": str(error)}
        diagnosis = doctor.diagnose(case, self._seen(case, options, variables), time_now())
        display = Display()
        for line in doctor.lines_of(diagnosis):
            display.display(line)
        return {**result, **doctor.result_of(diagnosis, options["fail"])}

    def _seen(self, case: doctor.Case, options: Result, variables: Result) -> doctor.Seen:
        """Have the host look. What cannot be looked at is left out."""
        if self.is_windows:
            return doctor.Seen(rules=self.look(case.edge, variables), not_probed="probes run on Linux hosts only")
        asked = {"domains": case.domains, "timeout": options["timeout"]}
        names = self.told("xmpp.edge.probe", asked, variables)
        names.update(looked_up_here(names, asked))
        case = case.with_names(names)
        watch = self.told("xmpp.edge.connection_info", {"watch_ports": case.ports}, variables).get("watch")
        probed = self.told("xmpp.edge.probe", case.probe_arguments(options["timeout"]), variables)
        told = self.told("xmpp.edge.connection_info", case.to_ask(watch), variables)
        rules = self.look(case.edge, variables)
        case = case.with_rules(rules)
        peer_rules: Result = {}
        if case.partner.addresses:
            try:
                peer_rules = self.look(case.narrowed, variables)
            except EdgeError as error:
                peer_rules = {"msg": str(error)}
        return doctor.Seen(case, names, probed, told, rules, peer_rules)
