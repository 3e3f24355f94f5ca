# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of each test."""

from __future__ import annotations

import pytest
from network import Network


@pytest.fixture
def network():
    network = Network()
    yield network
    network.close()
