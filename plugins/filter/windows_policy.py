# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that has the rules of a Windows host as a script for the administrator of a policy."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError, OptionError, shown
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.option_spec import OPTIONS
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import FIREWALL, parse_options
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.variables import (
    IGNORED,
    PREFIX,
    as_the_role_says,
    check_variables,
    names_in,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows.controller import (
    refuse_impossible,
    windows_rules,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows.policy_script import policy_script


def windows_policy(variables: t.Any, host: str, policy_store: t.Any) -> str:
    """Return the script of a host. Raises AnsibleFilterError with one sentence.

    variables: those of the role; policy_store: what -PolicyStore of New-NetFirewallRule takes.
    """
    if not isinstance(variables, t.Mapping):
        raise AnsibleFilterError(f"windows_policy: {shown(variables)} has no variables; give those of a host")
    if not isinstance(policy_store, str):
        raise AnsibleFilterError(
            f"policy_store: {shown(policy_store)} is no text; say one such as example.net\\XMPP edge"
        )
    given = {name[len(PREFIX) :]: value for name, value in variables.items() if name.startswith(PREFIX)}
    try:
        check_variables(variables, names_in(IGNORED, variables.get(IGNORED, [])), frozenset())
        options = parse_options({name: value for name, value in given.items() if name in OPTIONS})
        if options.placement == FIREWALL or options.state == "absent":
            option = "placement" if options.placement == FIREWALL else "state"
            raise OptionError(option, given[option], "has no rules for a policy", "leave this host out")
        refuse_impossible(options)
        return policy_script(host, policy_store, windows_rules(options, compile_rules(options)))
    except EdgeError as error:
        raise AnsibleFilterError(as_the_role_says(str(error))) from None


class FilterModule:
    """The filter, by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return it."""
        return {"windows_policy": windows_policy}
