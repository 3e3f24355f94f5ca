# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses the host carries, by the host's own loopback interface."""

from __future__ import annotations

from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.local_addresses import addresses_not_carried
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import Group, Rule

PARTNERS = Group("partner_networks_ipv4", ("198.19.0.1",))


def test_only_the_host_s_own_side_is_asked_for():
    own = Group("access_addresses_ipv4", ("127.0.0.1", "198.19.255.1"))
    rules = [
        Rule("federation_in", "allow", "in", "ipv4", PARTNERS, own, 5269),
        Rule("federation_out", "allow", "out", "ipv4", own, PARTNERS, 5269),
        Rule("federation_out", "block", "out", "any", None, None, 5269),
    ]
    assert addresses_not_carried(rules) == ["198.19.255.1"]
