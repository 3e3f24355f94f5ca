# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server that all tests share."""

from __future__ import annotations

import json

import hosts
import pytest


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Return one PowerShell for all tests; they are skipped by name where there is none."""
    if not hosts.pwsh():
        pytest.skip(hosts.NOT_RUN)
    store = tmp_path_factory.mktemp("server") / "firewall.json"
    store.write_text(json.dumps({"calls": 0, "rules": []}))
    found = hosts.Server(store)
    yield found
    found.end()
