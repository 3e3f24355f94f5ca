# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result in its serialised form, which both sides and both systems share."""

from __future__ import annotations

import json

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.plan import Observation, make_plan
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.port_table import PORT_TABLE
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.result import (
    Result,
    RowResult,
    after_installation,
    all_rows,
    before_installation,
    closing_line,
    diff_of,
    rolled_back,
    rule_result,
    with_headers,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options

RULES = compile_rules(parse_options({"access_addresses": ["198.18.0.2"], "internal_addresses": ["198.18.1.2"]}))
ROWS = {"federation_in": RowResult(True, "yes", "chain input", 7)}
PLAN = make_plan(Observation(), RULES)


def serialised(**changes):
    return Result(True, "ufw", "it was asked for", True, ROWS, **changes).serialised()


def test_a_result_is_plain_values():
    data = serialised(cut=("a",), diff=diff_of(PLAN), steps=["x"])
    assert json.loads(json.dumps(data)) == data
    assert data["rows"] == {
        "federation_in": {"present": True, "effective": "yes", "decided_by": "chain input", "packets": 7}
    }


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


def test_the_headers_of_a_diff_name_host_and_backend():
    diff = with_headers(serialised(diff=diff_of(PLAN)), "edge1")["diff"]
    assert diff["before_header"] == diff["after_header"] == "edge1 (ufw)"
    assert diff["after"] == diff_of(PLAN)["after"]
    assert "diff" not in with_headers(serialised(), "edge1")


def row(effective, guarded=None, present=True):
    return RowResult(present, effective, "x", None, guarded, "x" if guarded else None)


@pytest.mark.parametrize(
    ("rows", "changes", "line"),
    [
        ([row("yes", "yes")] * 2, {"confirmed": True}, "changed, ufw, effective yes, guarded yes, confirmed yes, "),
        ([row("yes", "yes")], {"confirmed": False}, "changed, ufw, effective yes, guarded yes, confirmed no, "),
        (
            [row("yes", "yes"), row("no", "unknown"), row("no", "yes")],
            {"confirmed": False, "changed": False},
            "no change, ufw, effective no (b, c), guarded unknown (b), confirmed not needed, ",
        ),
        ([row("yes")], {}, "changed, ufw, effective yes, "),
        ([row("yes", "yes")], {"predicted": True, "confirmed": False}, "predicted, changed, ufw, effective yes, "),
    ],
)
def test_the_closing_line_tells_what_matters(rows, changes, line):
    data = serialised(persistence={"guards": "yes", "accepts": "no"})
    data["rows"] = {name: one.serialised() for name, one in zip("abc", rows)}
    told = closing_line({**data, **changes}, "edge1")
    assert told.startswith(f"edge1: {line}")
    assert told.endswith(", persisted no (accepts)")


def test_the_closing_line_of_a_removal_claims_no_verdict():
    data = {**serialised(), "rows": all_rows({}), "confirmed": True, "persisted": False}
    assert closing_line(data, "edge1") == "edge1: changed, ufw, no managed rules, confirmed yes"


def test_the_closing_line_of_a_host_that_always_keeps_its_rules():
    assert closing_line(serialised(), "edge1") == "edge1: changed, ufw, effective yes, persisted yes"


def test_a_check_that_misses_the_package_predicts_its_installation():
    missing = {"failed": True, "msg": "nft is not installed", "missing_package": "nftables", "diff": diff_of(PLAN)}
    missing.update(backend="nftables", backend_reason="no firewall manager is live on this host")
    told = before_installation(missing, "nftables", RULES)
    assert (told["failed"], told["changed"], told["persisted"]) == (False, True, False)
    assert told["diff"]["after"].splitlines()[0] == "package nftables  is installed"
    (warning,) = told["warnings"]
    assert warning.startswith("the run would install the package nftables; until then the rows are unknown")
    assert {row["effective"] for row in told["rows"].values()} == {row["guarded"] for row in told["rows"].values()}
    assert {row["effective"] for row in told["rows"].values()} == {"unknown"}
    assert not {"msg", "missing_package"} & told.keys()
    assert closing_line({**told, "predicted": True}, "edge1").endswith("persisted unknown")


@pytest.mark.parametrize(
    "answer",
    [
        {"failed": True, "changed": False, "msg": "ufw is not active"},
        {"failed": True, "msg": "flock is not installed", "missing_package": "util-linux"},
        {"failed": True, "changed": False, "msg": "not confirmed", "rows": {}},
    ],
)
def test_a_run_that_installed_the_package_has_changed_the_host_and_may_have_failed(answer):
    told = after_installation(answer, "nftables")
    assert {key: told[key] for key in answer if key != "changed"} == {k: v for k, v in answer.items() if k != "changed"}
    assert told["failed"]
    assert told["changed"]
    assert told["diff"] == {"before": "", "after": "package nftables  is installed\n"}
