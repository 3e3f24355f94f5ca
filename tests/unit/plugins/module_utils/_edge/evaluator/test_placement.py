# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places of accept rules in rulesets as the real nft lists them, and as iptables-save does; see placement_cases.py."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import namespace
import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator import iptables_save, nft_json
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.placement import places_of
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.rows import routes_to_ask
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import Group, Rule

sys.path.insert(0, str(Path(__file__).resolve().parent))

from placement_cases import IPTABLES_CASES, NFT_CASES

HOST4, HOST6 = Group("access_addresses_ipv4", ("198.18.0.2",)), Group("access_addresses_ipv6", ("2001:db8::2",))
NETWORK4 = Group("partner_networks_ipv4", ("203.0.113.0/24",))
RULES = {
    "in4": Rule("federation_in", "allow", "in", "ipv4", None, HOST4, 5269),
    "in6": Rule("federation_in", "allow", "in", "ipv6", None, HOST6, 5269),
    "net4": Rule("federation_in", "allow", "in", "ipv4", NETWORK4, HOST4, 5269),
    "out4": Rule("federation_out", "allow", "out", "ipv4", HOST4, None, 5269),
    "out6": Rule("federation_out", "allow", "out", "ipv6", HOST6, None, 5269),
    "far4": Rule("federation_out", "allow", "out", "ipv4", HOST4, NETWORK4, 5269),
}
BLOCK = Rule("federation_in", "block", "in", "any", None, None, 5269)


def listed(script):
    """Return what nft lists of a script, in a network of its own."""
    # nft refuses another block behind a brace on the same line.
    script = re.sub(r"; ?\}", ";\n}\n", script)
    command = ["unshare", "--net", "sh", "-e", "-c", "nft -f - && nft -j list ruleset"]
    return json.loads(subprocess.run(command, input=script, stdout=subprocess.PIPE, text=True, check=True).stdout)


def found(ruleset, case):
    """Return the places in a ruleset as a case writes them."""
    rules = [RULES[name] for name in case.rules.split()]
    routes = dict.fromkeys(routes_to_ask(rules), case.interface) if case.interface else {}
    names = {rule: name for name, rule in RULES.items()}
    places = places_of(ruleset, [*rules, BLOCK], routes)
    for place in places:
        assert place.before is None or place.before in ruleset.chains[place.chain].rules
    return {label(place): " ".join(names[rule] for rule in needed) for place, needed in places.items()}


def label(place):
    """Return a place as a case writes it."""
    where = f"before {place.before.comment or place.before.text}" if place.before else "end"
    return f"{place.chain[1]} {where}"


@pytest.mark.skipif(namespace.why_not() is not None, reason=str(namespace.why_not()))
@pytest.mark.parametrize("case", NFT_CASES, ids=lambda case: case.name)
def test_nft(case):
    assert found(nft_json.read_ruleset(listed(case.ruleset)), case) == case.expected


@pytest.mark.parametrize("case", IPTABLES_CASES, ids=lambda case: case.name)
def test_iptables(case):
    sets = iptables_save.members_of("create bans hash:ip family inet\n", {"bans"})
    assert found(iptables_save.read_ruleset(case.ruleset, "iptables-nft", sets), case) == case.expected
