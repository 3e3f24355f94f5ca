# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State before the first run, which a run in check mode has not changed."""

from __future__ import annotations

import edge


def test_matrix():
    edge.assert_matrix(edge.BEFORE)


def test_check_mode_left_nothing():
    edge.assert_unmanaged_is_unchanged()
    edge.assert_nothing_managed()
