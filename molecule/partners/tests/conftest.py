# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An edge without rules, and a controller whose resolver is the name server of the partners."""

from __future__ import annotations

import json
import subprocess

import edge
import pytest
from names import ANSWERS, SERVER, Names


@pytest.fixture(scope="session")
def names():
    server = Names()
    yield server
    server.end()


@pytest.fixture
def play(tmp_path):
    """Return a function that runs a playbook on a controller whose resolver is the server."""
    (tmp_path / "resolv.conf").write_text(f"nameserver {SERVER}\noptions timeout:1 attempts:1\n")

    def run(playbook, *arguments, **variables):
        inside = f'mount --bind {tmp_path}/resolv.conf /etc/resolv.conf && exec "$@"'
        command = ["ansible-playbook", "-i", "molecule/shared/inventory.py", f"playbooks/{playbook}.yml", *arguments]
        command += ["--extra-vars", json.dumps(variables)]
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", inside, "sh", *command],
            cwd=edge.CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def host(play):
    """Return an edge without rules."""
    found = edge.host()
    yield found
    assert edge.changed_tasks(play("remove", "--limit", "edge")) in (0, 1)
    assert not found.file(ANSWERS).exists
    edge.assert_no_managed_files()
