# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of every scenario use: the edge's own state by testinfra, playbook runs, the reachability matrix."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matrix
import pytest
import testinfra
from topology import Topology

pytest.register_assert_rewrite("managed")

CHECKOUT = Path(__file__).resolve().parents[2]
MATRICES = CHECKOUT / ".cache" / "matrix"
TOPOLOGY = Topology.from_environment()


def host(name: str = "edge") -> testinfra.host.Host:
    """A host of the topology, without any use of Ansible."""
    return testinfra.get_host(f"podman://{TOPOLOGY.container(name)}")


def play(playbook: str, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run a playbook as users do, on the edge with systemd."""
    command = ["ansible-playbook", "-i", "molecule/shared/inventory.py", f"playbooks/{playbook}.yml", "--limit", "edge"]
    return subprocess.run(
        [*command, *arguments, "--extra-vars", json.dumps(variables)],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def changed_tasks(done: subprocess.CompletedProcess[str]) -> int:
    """How many tasks changed the edge, by the recap; a failed play is a failed test."""
    assert done.returncode == 0, done.stdout
    found = re.search(r"^edge\s+: .*changed=(\d+)", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return int(found[1])


def assert_matrix(inputs: str) -> None:
    """Every flow is as expected for these inputs."""
    observed = matrix.observe(TOPOLOGY)
    assert len(observed) == len(set(matrix.flows()))
    wrong = {
        flow.label: word for flow, word in observed.items() if not matrix.agrees(word, matrix.expected(flow, inputs))
    }
    assert not wrong
    # For the comparison of all scenarios with each other, once they have run.
    MATRICES.mkdir(parents=True, exist_ok=True)
    words = {flow.label: word for flow, word in observed.items()}
    (MATRICES / f"{os.environ['MOLECULE_SCENARIO_NAME']}-{inputs}.json").write_text(json.dumps(words, indent=1))


def result(**options: Any) -> dict[str, Any]:
    """What the module says when it is run on the edge once more, with the inventory's inputs and other options."""
    names = ("access_addresses", "internal_addresses", "partner_networks", "front_end_networks")
    arguments = {**{name: f"{{{{ xmpp_edge_{name} }}}}" for name in names}, **options}
    command = ["ansible", "-i", "molecule/shared/inventory.py", "edge", "-m", "xmpp.edge.firewall"]
    done = subprocess.run(
        [*command, "-a", json.dumps(arguments)], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=False
    )
    return json.loads(done.stdout[done.stdout.index("=> ") + 3 :])


@contextmanager
def session(vantage: str, target: str, port: int, cut: bool = False) -> Iterator[None]:
    """A TCP session that talks all the time and must lose no byte while the body runs; or must be cut by then."""
    command = ["podman", "exec", "--interactive", TOPOLOGY.container(vantage), "python3", "/opt/test/talk.py"]
    talk = subprocess.Popen([*command, target, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(1)
        yield
    finally:
        output, _errors = talk.communicate("")
    assert (talk.returncode == 0) is not cut
    assert cut or int(output) > 50
