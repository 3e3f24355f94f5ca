# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sets of others are read, against the real nft, in a network namespace of each test."""

from __future__ import annotations

import former
import namespace
import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host import sets
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.desired import Desired
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options

pytestmark = pytest.mark.skipif(namespace.why_not() is not None, reason=str(namespace.why_not()))

DESIRED = Desired("present", compile_rules(parse_options(former.OPTIONS)), persist=False)
FILTER = """
table inet filter {{
  set blocked {{ type ipv4_addr; flags interval; elements = {{ {elements} }}
  }}
  map ports {{ type inet_service : verdict; elements = {{ 5269 : jump federation }}
  }}
  chain federation {{
    ip saddr @blocked drop
  }}
  chain input {{
    type filter hook input priority filter;
    {rule}
  }}
}}
"""
FAR, ALL = "10.9.0.0/16", "0.0.0.0/1, 128.0.0.0/1"


@pytest.fixture(autouse=True)
def own_network():
    namespace.enter()
    yield
    namespace.enter()


@pytest.fixture
def lists(monkeypatch):
    """The names of the sets and maps that are listed, in order."""
    names = []

    def run(arguments, stdin):
        if "list" in arguments and {"set", "map"} & set(arguments):
            names.append(arguments[-1])
        return real(arguments, stdin)

    real = namespace.run
    monkeypatch.setattr(namespace, "run", run)
    return names


@pytest.mark.parametrize(
    ("rule", "elements", "read", "effective"),
    [
        ("udp dport 5269 ip saddr @blocked drop", ALL, ["ports"], "yes"),
        ("ip saddr @blocked drop", FAR, ["ports", "blocked"], "yes"),
        ("ip saddr @blocked drop", ALL, ["ports", "blocked"], "no"),
        ("tcp dport vmap @ports", ALL, ["ports", "blocked"], "no"),
        ("tcp dport 22 tcp dport vmap @ports", ALL, ["ports"], "yes"),
        ("ip saddr != @blocked accept", FAR, ["ports", "blocked"], "yes"),
    ],
)
def test_a_set_is_read_where_a_connection_is_looked_up_in_it(lists, rule, elements, read, effective):
    namespace.nft(FILTER.format(rule=rule, elements=elements))
    outcome = namespace.reconciled(DESIRED, undo_ineffective=False)
    assert outcome.change.plan.changed and outcome.rows["federation_in"].effective == effective
    assert [name for index, name in enumerate(lists) if name not in lists[:index]] == read
    # The host is read again after the change, and these sets are not.
    assert len(lists) == len(read)


def test_a_set_that_is_too_large_is_named(monkeypatch):
    monkeypatch.setattr(sets, "MOST_MEGABYTES", 1)
    namespace.nft(FILTER.format(rule="ip saddr @blocked drop", elements=ALL))
    outcome = namespace.reconciled(DESIRED)
    assert outcome.rows["federation_in"].effective == "unknown"
    assert "(the set blocked was not read: nft could not list it within" in outcome.decided_by["federation_in"]


def test_nothing_is_read_for_a_removal(lists):
    namespace.nft(FILTER.format(rule="ip saddr @blocked drop", elements=ALL))
    namespace.reconciled(Desired("absent"))
    assert lists == ["ports"]
