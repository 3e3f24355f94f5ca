# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The desired state says whether rules are there; an empty tuple never says so."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.desired import ABSENT, Desired
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options

SOUND = {"access_addresses": ["198.18.0.2"], "internal_addresses": ["198.18.1.2"]}
EXCLUSIVE, PERMIT = (compile_rules(parse_options({**SOUND, "mode": mode})) for mode in ("exclusive", "permit"))


@pytest.mark.parametrize(("state", "rules"), [("present", ()), ("absent", EXCLUSIVE)])
def test_state_and_rules_that_contradict_each_other_are_refused(state, rules):
    with pytest.raises(
        EdgeError, match=f"^rules: {len(rules)} rules with state {state}; give rules exactly when present$"
    ):
        Desired(state, rules)


def test_the_two_kinds_of_rules():
    exclusive, permit = Desired("present", EXCLUSIVE), Desired("present", PERMIT)
    assert exclusive.accepts == permit.accepts == PERMIT
    assert exclusive.guarded
    assert not permit.guarded


def test_absent_has_nothing():
    assert not ABSENT.present
    assert not ABSENT.guarded
    assert ABSENT.accepts == ()


def test_it_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ABSENT.state = "present"
