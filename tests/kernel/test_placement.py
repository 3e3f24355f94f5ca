# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accept rules at their places in random rulesets that the real nft lists: what they open, and what they leave."""

from __future__ import annotations

import json
import os
import random
import subprocess

from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator import nft_json
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.connection import Connection, first_packet
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.fields import REWRITTEN
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.managed import allow_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.placement import places_of
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.rows import routes_to_ask
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import Group, Rule
from network import EDGE, INTERFACE, PEER
from random_nft import PORTS, Generator

RULESETS = 120
SEED = int(os.environ.get("XMPP_EDGE_SEED", "20261122"))
PORT = 5269
HOOKS = {"in": "input", "out": "output"}
OWN_SIDE = {"in": {"destination"}, "out": {"source"}}


def listed(script):
    """Return what nft lists of a script, in a network of its own; None where it refuses the script."""
    command = ["unshare", "--net", "sh", "-e", "-c", "nft -f - && nft -j list ruleset"]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def rules_for(anywhere):
    """Return rules for one own address of each family, in both directions; for any peer or for one."""
    rules = []
    for family in ("ipv4", "ipv6"):
        own = Group(f"own_{family}", (EDGE[family][0],))
        peer = None if anywhere else Group(f"peer_{family}", (PEER[family][0],))
        rules.append(Rule("federation_in", "allow", "in", family, peer, own, PORT))
        rules.append(Rule("federation_out", "allow", "out", family, own, peer, PORT))
    return rules


def with_accepts(ruleset, places):
    """Return the ruleset with accept rules at their places."""
    for place, rules in places.items():
        chain = ruleset.chains[place.chain]
        index = chain.rules.index(place.before) if place.before else len(chain.rules)
        accepts = [accept for direction in HOOKS for accept in allow_rules(rules, direction, chain.families)]
        ruleset = ruleset.with_rules(place.chain, [*chain.rules[:index], *accepts, *chain.rules[index:]])
    return ruleset


def connections():
    """Yield every connection between the test network's addresses, in both directions."""
    for family, own in EDGE.items():
        for direction in HOOKS:
            for local in own:
                for remote in PEER[family]:
                    for port in PORTS:
                        yield Connection(direction, family, local, remote, port, INTERFACE)


def kinds(drop):
    """Return what the rules on the way to a drop name, and the rule that drops."""
    rules = [rule for _chain, rule in drop.way] + ([drop.rule] if drop.rule else [])
    return {kind for rule in rules for kind in rule.content.kinds}


def is_shared(ruleset, drop):
    """Return whether anything else leads to the chains on the way to a drop."""
    entered = {(drop.chain.table, chain.name) for chain in [*(chain for chain, _rule in drop.way[1:]), drop.chain]}
    named = [
        (chain.table, target)
        for chain in ruleset.chains.values()
        for rule in chain.rules
        for target in rule.content.targets
    ]
    return any(named.count(key) > 1 for key in entered)


def check(connection, before, after, *, is_allowed, is_listed, ruleset):
    """Compare the verdicts on one connection. Return how many explicit denials it met."""
    if not is_allowed:
        # What is translated may become what an accept rule is for.
        assert after.verdict == before.verdict or before.translation.new or REWRITTEN in before.fields
        return 0
    own = OWN_SIDE[connection.direction]
    dropping = {dropper.base.key for dropper in after.droppers}
    sure = {dropper.base.key for dropper in before.droppers}
    denied = 0
    for base, drops in before.drops:
        if base.key in sure and all(kinds(drop) - own - {"other"} for drop in drops):
            denied += 1
            assert base.key in dropping
    # Behind a translation the connection is another one, which no accept rule of the table is for.
    is_changed = after.translation.new or REWRITTEN in after.fields
    for base, drops in after.drops if is_listed and not is_changed else ():
        if (base.hook, base.kind) == (HOOKS[connection.direction], "filter"):
            assert not [drop for drop in drops if drop.certain and kinds(drop) <= own and not is_shared(ruleset, drop)]
    return denied


def test_accept_rules_open_what_drops_by_default_and_nothing_else():
    generator = Generator(random.Random(SEED))
    counts = {"rulesets": 0, "places": 0, "denials": 0}
    refused = 0
    while counts["rulesets"] < RULESETS:
        script = generator.ruleset()
        listing = listed(script)
        if listing is None:
            refused += 1
            assert refused <= RULESETS, "nft refuses everything: it is not installed, or this is not root"
            continue
        counts["rulesets"] += 1
        ruleset = nft_json.read_ruleset(listing)
        for anywhere in (True, False):
            rules = rules_for(anywhere)
            places = places_of(ruleset, rules, dict.fromkeys(routes_to_ask(rules), INTERFACE))
            counts["places"] += len(places)
            changed = with_accepts(ruleset, places)
            for connection in connections():
                own_end = connection.local == EDGE[connection.family][0] and connection.port == PORT
                is_peer = connection.remote == PEER[connection.family][0]
                try:
                    counts["denials"] += check(
                        connection,
                        first_packet(ruleset, connection),
                        first_packet(changed, connection),
                        is_allowed=own_end and (anywhere or is_peer),
                        is_listed=is_peer and not anywhere,
                        ruleset=ruleset,
                    )
                except AssertionError as error:
                    where = [(place.chain, place.before and place.before.text) for place in places]
                    raise AssertionError(f"{connection}, places {where}\n{script}") from error
    print(counts)
    assert min(counts.values()) > RULESETS / 3
