# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Windows host may say of its firewall, however odd, is read without a traceback."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.values import merged
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows.addresses import common, overlap
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows.compile import compile_for_windows
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows.controller import report
from hypothesis import given
from hypothesis import strategies as st

RULES = compile_rules(parse_options({"access_addresses": ["198.18.0.2"], "internal_addresses": ["198.18.1.2"]}))
PROFILE = {"enabled": True, "blocks_all_inbound": False, "ignores_local_rules": False}
STATE = {
    "current_profiles": 4,
    "policy_rules": 0,
    "addresses": ["198.18.0.2"],
    "profiles": dict.fromkeys(("domain", "private", "public"), PROFILE),
}
words = st.sampled_from(
    [
        "",
        None,
        "*",
        "LocalSubnet",
        "5269",
        "5269-5270",
        "RPC",
        "\u00b2",
        "80,\u0663",
        "198.18.0.2",
        "1-2",
        "::1-x",
        "a/b",
    ]
)
live_rules = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["xmpp.edge/federation_in/allow/ipv4 #1", "xmpp.edge/x", "xmpp.edge/", "other"]),
        "enabled": st.booleans(),
        "action": st.sampled_from(["allow", "block", None]),
        "direction": st.sampled_from(["in", "out", "none", None]),
        "protocol": st.sampled_from([6, 17, 256]),
        "profiles": st.integers(0, 2**31 - 1),
        **dict.fromkeys(("local_addresses", "remote_addresses", "local_ports", "remote_ports"), words),
        **{key: st.sampled_from(["", None, "x"]) for key in ("application", "service", "interface_types")},
    }
)


@given(st.lists(live_rules, max_size=4), st.lists(live_rules, max_size=4), st.integers(-1, 2**31 - 1))
def test_whatever_is_said_makes_a_report(found, foreign, current):
    answer = {"found": found, "foreign": foreign, "kept": [], "changed": True}
    made = report({**answer, "state": {**STATE, "current_profiles": current}}, RULES)
    assert made["diff"]["before"] != made["diff"]["after"]
    assert len(made["rows"]) == 3


def test_the_whole_of_it_as_it_should_be():
    payloads = [part.payload for parts in compile_for_windows(RULES).values() for part in parts]
    facts = {"enabled": True, "protocol": 6, "profiles": 7}
    found = [
        {
            **payload,
            **facts,
            "local_addresses": ",".join(payload["local_addresses"]),
            "remote_addresses": ",".join(payload["remote_addresses"]),
        }
        for payload in payloads
    ]
    answer = {"foreign": [], "state": STATE}
    kept = [payload["name"] for payload in payloads]
    good = report({**answer, "found": found, "kept": kept, "changed": False}, RULES)
    assert good["diff"]["before"] == good["diff"]["after"]
    # The same rules under other names: all of them are read back to what they mean.
    other = [{**rule, "name": rule["name"].partition(" ")[0]} for rule in found]
    renamed = report({**answer, "found": other, "kept": [], "changed": True}, RULES)
    assert renamed["diff"]["before"].startswith(renamed["diff"]["after"])
    assert "is not as we write it" in renamed["diff"]["before"]


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 6)), max_size=8).map(
    lambda pairs: merged((first, first + size) for first, size in pairs)
)


@given(spans, spans)
def test_overlap_is_having_something_in_common(one, other):
    assert overlap(one, other) is bool(common(one, other))


@pytest.mark.parametrize("empty", [([], []), ([], [(1, 2)]), ([(1, 2)], [])])
def test_nothing_overlaps_with_nothing(empty):
    assert overlap(*empty) is False
