# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans: they lead from any observed state to the wanted one, and from there to nothing."""

from __future__ import annotations

import strategies
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model import diff_text
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.plan import Observation, Unmanaged, make_plan
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from hypothesis import given
from hypothesis import strategies as st

rule_tuples = strategies.options().map(lambda options: compile_rules(parse_options(options)))
strangers = st.builds(Unmanaged, st.just("chain input"), st.sampled_from(["accept", "tcp dport 22 drop"]))


def apply(plan, items):
    """What carrying a plan out makes of items, step by step, as somebody would who only has the steps."""
    left, result = list(items), []
    for step, item in plan.steps:
        if step != "add":
            assert left.pop(0) == item
        if step != "remove":
            result.append(item)
    assert not left
    return tuple(result)


@given(rule_tuples, rule_tuples, st.data())
def test_plan_leads_to_the_wanted_rules_and_then_is_empty(others, wanted, data):
    pool = data.draw(st.permutations([*others, *wanted, *data.draw(st.lists(strangers, max_size=3))]))
    observed = Observation(tuple(pool[: data.draw(st.integers(0, len(pool)))]))
    plan = make_plan(observed, wanted)
    applied = apply(plan, observed.items)
    assert applied == wanted
    assert (plan.before, plan.after) == (observed.items, wanted)
    assert plan.changed == (observed.items != wanted)
    assert not make_plan(Observation(applied), wanted).changed


@given(rule_tuples)
def test_deviation_alone_is_a_change_and_stands_in_the_diff(wanted):
    plan = make_plan(Observation(wanted, ("chain input  policy drop",)), wanted)
    assert plan.changed
    assert not plan.add and not plan.remove
    assert diff_text.before(plan) == diff_text.after(plan) + "chain input  policy drop\n"


@given(rule_tuples)
def test_two_rules_in_the_wrong_order_are_a_change(wanted):
    swapped = (wanted[1], wanted[0], *wanted[2:])
    assert make_plan(Observation(swapped), wanted).changed


def test_nothing_wanted_and_nothing_there_is_no_change():
    assert not make_plan(Observation(), ()).changed
