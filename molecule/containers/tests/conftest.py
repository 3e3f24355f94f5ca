# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge of each test, without what other tests have left."""

from __future__ import annotations

import edge
import pytest
from containers import CLEAN


@pytest.fixture
def host():
    yield from edge.cleaned(CLEAN)
