# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller tells the host side."""

from __future__ import annotations

import typing as t
from dataclasses import asdict

from ansible_collections.xmpp.edge.plugins.module_utils._edge.model import controls
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.partner_domains import Answer
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import Rule, to_payload
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.host_options import HOST_OPTIONS
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import Options
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.partner_domains import unasked


def host_arguments(
    options: Options, rules: t.Sequence[Rule], answers: t.Sequence[Answer] | None = None
) -> dict[str, t.Any]:
    """Return the options of xmpp.edge.linux_firewall that say a host's desired state.

    answers: of partners by domain, None for a host that is only looked at.
    """
    own = {name: getattr(options, name) for name in HOST_OPTIONS}
    limits = controls.to_payload(options.limits)
    told = unasked(options.domains) if answers is None else answers
    return {
        **own,
        **to_payload(rules),
        "own_addresses": options.own_addresses,
        **({"limits": limits} if limits else {}),
        **({"partner_domains": list(map(asdict, told))} if told else {}),
    }
