# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State once the rules are removed: the same as before the first run."""

from __future__ import annotations

import edge


def test_check_mode_removes_nothing():
    assert edge.changed_tasks(edge.play("remove", "--check")) == 1
    assert edge.changed_tasks(edge.play("site")) == 0


def test_removed():
    assert edge.changed_tasks(edge.play("remove")) == 1
    assert edge.changed_tasks(edge.play("remove")) == 0
    edge.assert_nothing_managed()
    edge.assert_unmanaged_is_unchanged()
    edge.assert_matrix(edge.BEFORE)
