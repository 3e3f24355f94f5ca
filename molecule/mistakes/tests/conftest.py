# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge of each test, without what other tests have left."""

from __future__ import annotations

import edge
import pytest

CLEAN = """
while umount /etc/systemd/system /var/lib 2> /dev/null; do :; done
ip route del default 2> /dev/null
ip address show | grep -o '198.18.[0-9]*.99/[0-9]*' | while read -r one; do ip address del "$one" dev lo; done
nft flush ruleset; rm -rf /etc/xmpp-edge; systemctl disable --now xmpp-edge 2> /dev/null
find /etc/systemd -name '*xmpp-edge*' -delete; find /etc/systemd/system -name '*.service.d' -empty -delete
systemctl daemon-reload; rm -rf /var/lib/xmpp-edge
"""


@pytest.fixture
def host():
    yield from edge.cleaned(CLEAN)
