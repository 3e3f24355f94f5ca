# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The diff, as an administrator reads it."""

from __future__ import annotations

from ansible_collections.xmpp.edge.plugins.module_utils._edge.model import diff_text
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.plan import Observation, Unmanaged, make_plan
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import Group, Rule

ACCESS = Group("access_addresses_ipv4", ("198.18.0.2", "198.18.0.3"))


def federation(*partners):
    """One inbound rule for these partners."""
    return (Rule("federation_in", "allow", "in", "ipv4", Group("partner_networks_ipv4", partners), ACCESS, 5269),)


def test_line_spells_out_short_groups():
    assert diff_text.line(federation("198.18.7.0/24")[0]) == (
        "federation_in  allow in tcp 198.18.7.0/24 -> 198.18.0.2, 198.18.0.3 port 5269"
    )


def test_line_counts_long_groups():
    many = [f"198.19.{number}.1" for number in range(9)]
    assert "allow in tcp 9 networks -> " in diff_text.line(federation(*many)[0])


def test_diff_of_long_groups_has_a_line_for_each_network_that_differs():
    many = [f"198.19.{number}.1" for number in range(20)]
    plan = make_plan(Observation(federation(*many)), federation(*many[1:], "198.19.99.1"))
    before, after = diff_text.before(plan).splitlines(), diff_text.after(plan).splitlines()
    assert set(before) - set(after) == {"partner_networks_ipv4  198.19.0.1"}
    assert set(after) - set(before) == {"partner_networks_ipv4  198.19.99.1"}


def test_first_run_with_long_groups_shows_counts_only():
    plan = make_plan(Observation(), federation(*(f"198.19.{number}.1" for number in range(20))))
    assert len(diff_text.after(plan).splitlines()) == 1


def test_stranger_is_shown_in_the_manager_s_words():
    assert diff_text.line(Unmanaged("chain input", "tcp dport 22 drop")) == "chain input  tcp dport 22 drop"


def row(effective="yes", guarded="yes"):
    """The facts of a row."""
    return {"effective": effective, "decided_by": "rule A", "guarded": guarded, "guarded_by": "rule B"}


def test_each_row_that_is_dropped_or_open_is_named():
    assert diff_text.drop_message({"in": row(), "out": row("unknown", "unknown")}, False) is None
    assert diff_text.drop_message({"in": row("no"), "out": row()}, False) == (
        "another rule of this host still drops what the table allows, in: rule A"
    )
    assert diff_text.drop_message({"in": row("no", "no"), "out": row("yes", "no")}, True) == (
        "another rule of this host would still drop what the table allows, in: rule A; "
        "this host would still let pass what the table forbids, in: rule B; out: rule B"
    )


def test_every_unknown_is_a_message_with_its_reason():
    found = {"in": row("unknown", "unknown"), "out": {**row("unknown"), "decided_by": None}, "gateway": row("no", "no")}
    assert diff_text.unknown_messages(found) == [
        "in: whether it is effective is unknown: rule A",
        "in: whether it is guarded is unknown: rule B",
        "out: whether it is effective is unknown: nothing could be evaluated",
    ]
    without_guard = {"effective": "yes", "decided_by": "rule A"}
    assert diff_text.unknown_messages({"in": without_guard}) == []


def test_of_many_denials_some_are_named():
    assert diff_text.denial_messages({"in": ([], 0), "out": (["A"], 0)}) == [
        "out: unmanaged rules deny some of its connections, and stay in force: A"
    ]
    (message,) = diff_text.denial_messages({"in": (list("ABC"), 2)})
    assert message.endswith(": A; B; C; and 2 more")
