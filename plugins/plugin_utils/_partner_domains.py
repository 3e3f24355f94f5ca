# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks partners up by their domains, by the resolver of the controller."""

from __future__ import annotations

from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import OptionError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.partner_domains import OPTION, Answer
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.port_table import ADDRESS_ENDPOINTS
from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe import name_records
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.address_input import text_of
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import Options
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.partner_domains import answers_of

_SECONDS = 5
"""Longest time for an answer, after which a look-up has failed."""


def look_up_partners(options: Options) -> tuple[list[Answer], list[str]]:
    """Return what DNS says of the partners by domain, and what is to be said of it. Raises OptionError."""
    groups = options.domains
    if not groups:
        return [], []
    if not name_records.HAS_DNSPYTHON:
        raise OptionError(
            OPTION, None, "needs dnspython, which this controller has not", "install it where Ansible runs"
        )
    domains = sorted({domain for listed, _port in groups.values() for domain in listed})
    own = [
        text_of(network)
        for one in options.inputs
        for end in ADDRESS_ENDPOINTS
        for networks in one.endpoints.get(end.option, {}).values()
        for network in networks
    ]
    return answers_of(groups, name_records.look_up(domains, _SECONDS), own)
