# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The router of each test, without what other tests have left on any host."""

from __future__ import annotations

import edge
import pytest
from perimeter import CLEAN, CLEAN_OTHERS, addresses


@pytest.fixture
def router():
    server = edge.host("front_end")
    for address in addresses("internal").values():
        server.run(f"ip address replace {address}/{'64' if ':' in address else '24'} dev eth0 nodad")
    for name in ("front_end", "outsider", "partner", "intruder"):
        edge.host(name).run(CLEAN_OTHERS)
    yield from edge.cleaned(CLEAN)
    for name in ("front_end", "outsider", "partner", "intruder"):
        edge.host(name).run(CLEAN_OTHERS)
