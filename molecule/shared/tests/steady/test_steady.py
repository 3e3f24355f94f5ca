# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State after every converge, reboot, reload and repair."""

from __future__ import annotations

import edge


def test_matrix():
    edge.assert_matrix("narrowed")


def test_unmanaged_is_byte_equal():
    edge.assert_unmanaged_is_unchanged()


def test_second_run_changes_nothing():
    assert edge.changed_tasks(edge.play("site")) == 0
    assert edge.changed_tasks(edge.play("site", "--check", "--diff")) == 0


def test_rows_are_effective_and_say_why():
    result = edge.result()
    assert result["backend"] == edge.BACKEND
    assert result["backend_reason"] != ""
    assert result["persisted"]
    for row in result["rows"].values():
        assert row["present"]
        assert row["effective"] == "yes", row
        assert row["decided_by"]
