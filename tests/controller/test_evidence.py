# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evidence for programs has the schema that is published for it."""

from __future__ import annotations

import copy
import hashlib
import json
import sys

import jsonschema
import pytest
from plays import CHECKOUT

sys.path.insert(0, str(CHECKOUT / "tests" / "unit" / "plugins" / "module_utils" / "_edge" / "verify"))

from test_verify import NO_PYTHON, broken, drift, hostile_report, is_row, run

SCHEMA = json.loads((CHECKOUT / "docs" / "evidence.schema.json").read_text())
REPORTS = {
    "sound": run,
    "broken": lambda: run(broken(is_row("gateway_in"), "refused")),
    "drifted": lambda: run(state={"drift": [drift("+", "gateway_in")]}),
    "not checked": lambda: run(silent=NO_PYTHON, allowed=["gateway_in"]),
    "hostile": hostile_report,
}


def is_valid(data):
    return not list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(data))


@pytest.fixture(params=REPORTS, ids=str)
def data(request):
    return json.loads(json.dumps(REPORTS[request.param]().data))


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_evidence_has_its_schema(data):
    assert [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(data)] == []


def test_nothing_may_be_missing_and_nothing_may_be_added(data):
    for place in (data, data["provenance"], data["edges"][0], data["flows"][0], data["vantage_points"][0]):
        for key in list(place):
            kept = place.pop(key)
            assert not is_valid(data), key
            place[key] = kept
        place["unknown"] = ""
        assert not is_valid(data)
        del place["unknown"]


def test_the_digest_is_of_all_else(data):
    digest = data.pop("digest")
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == digest
    changed = copy.deepcopy(data)
    changed["flows"][0]["observed"] = "open"
    changed_text = json.dumps(changed, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(changed_text.encode()).hexdigest() != digest
