# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result in its serialised form, which both sides and both systems share."""

from __future__ import annotations

import json

from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.plan import Observation, make_plan
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.port_table import PORT_TABLE
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.result import (
    Result,
    RowResult,
    all_rows,
    diff_of,
    rolled_back,
    rule_result,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options

RULES = compile_rules(parse_options({"access_addresses": ["198.18.0.2"], "internal_addresses": ["198.18.1.2"]}))
ROWS = {"federation_in": RowResult(True, "yes", "chain input", 7)}
PLAN = make_plan(Observation(), RULES)


def serialised(**changes):
    return Result(True, "ufw", "it was asked for", True, ROWS, **changes).serialised()


def test_a_result_is_plain_values():
    data = serialised(cut=("a",), diff=diff_of(PLAN), steps=["x"], warnings=["left to the caller"])
    assert json.loads(json.dumps(data)) == data
    assert data["rows"] == {
        "federation_in": {"present": True, "effective": "yes", "decided_by": "chain input", "packets": 7}
    }
    assert "warnings" not in data


def test_keys_without_a_value_are_left_out():
    assert set(serialised()) == {"changed", "backend", "backend_reason", "persisted", "persistence", "rows", "cut"}
    assert set(serialised(steps=[])) - set(serialised()) == {"steps"}


def test_the_diff_of_a_plan():
    assert diff_of(PLAN)["before"] == ""
    assert diff_of(PLAN)["after"].count("\n") == len(RULES)


def test_every_row_of_the_table_is_named():
    rows = all_rows(serialised()["rows"])
    assert list(rows) == [row.id for row in PORT_TABLE]
    assert rows["gateway_in"] == {"present": False, "effective": "unknown", "decided_by": None, "packets": None}


def test_a_rule_with_any_on_one_side():
    shown = rule_result(RULES[0])
    assert (shown["source"], shown["destination"]) == (["any"], ["198.18.0.2"])
    assert shown["id"] == "federation_in/allow/ipv4"


def test_a_rolled_back_change_claims_nothing():
    answer = rolled_back(serialised(cut=("a",), diff=diff_of(PLAN)), "no connection")
    assert answer["failed"]
    assert answer["msg"] == "no connection"
    assert not (answer["changed"] or answer["persisted"] or answer["cut"] or "diff" in answer)
    assert answer["rows"]["federation_in"]["present"] is False
