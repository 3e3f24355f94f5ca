# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports on answers of Windows hosts, including answers with invalid values."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.addresses import common, merged, overlap
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows.compile import compile_for_windows
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows.controller import report
from hypothesis import given
from hypothesis import strategies as st

OPTIONS = parse_options({"access_addresses": ["198.18.0.2"], "internal_addresses": ["198.18.1.2"]})
RULES = compile_rules(OPTIONS)
PROFILE = {"enabled": True, "blocks_all_inbound": False, "ignores_local_rules": False}
STATE = {
    "current_profiles": 4,
    "policy_texts": [],
    "addresses": ["198.18.0.2"],
    "profiles": dict.fromkeys(("domain", "private", "public"), PROFILE),
}
texts = st.sampled_from(
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
        **dict.fromkeys(("local_addresses", "remote_addresses", "local_ports", "remote_ports"), texts),
        **{key: st.sampled_from(["", None, "x"]) for key in ("application", "service", "interface_types")},
    }
)


@given(st.lists(live_rules, max_size=4), st.lists(live_rules, max_size=4), st.integers(-1, 2**31 - 1))
def test_any_answer_has_a_report(found, unmanaged, current):
    answer = {"found": found, "unmanaged": unmanaged, "unchanged": [], "changed": True}
    result = report({**answer, "state": {**STATE, "current_profiles": current}}, RULES, OPTIONS)
    assert result["diff"]["before"] != result["diff"]["after"]
    assert len(result["rows"]) == 3


def test_correct_rules_and_renamed_ones():
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
    answer = {"unmanaged": [], "state": STATE}
    unchanged = [payload["name"] for payload in payloads]
    good = report({**answer, "found": found, "unchanged": unchanged, "changed": False}, RULES, OPTIONS)
    assert good["diff"]["before"] == good["diff"]["after"]
    assert (good["backend"], good["persisted"], good["cut"]) == ("windows", True, [])
    assert good["warnings"] == []
    assert good["rows"]["gateway_in"]["effective"] == "unknown"
    assert "has the address 198.18.1.2, so rules for it match nothing now" in good["rows"]["gateway_in"]["decided_by"]
    assert good["rows"]["federation_in"]["effective"] == "yes"
    assert {tuple(row) for row in good["rows"].values()} == {("present", "effective", "decided_by", "packets")}
    # Rules under other names have the same meaning.
    other = [{**rule, "name": rule["name"].partition(" ")[0]} for rule in found]
    renamed = report({**answer, "found": other, "unchanged": [], "changed": True}, RULES, OPTIONS)
    assert renamed["diff"]["before"].startswith(renamed["diff"]["after"])
    assert "is not as a run writes it" in renamed["diff"]["before"]


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 6)), max_size=8).map(
    lambda pairs: merged((first, first + size) for first, size in pairs)
)


@given(spans, spans)
def test_overlap_agrees_with_common(one, other):
    assert overlap(one, other) is bool(common(one, other))


@pytest.mark.parametrize("empty", [([], []), ([], [(1, 2)]), ([(1, 2)], [])])
def test_empty_spans_do_not_overlap(empty):
    assert overlap(*empty) is False
