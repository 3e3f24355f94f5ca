# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers of the tests of every scenario: the edge's own state by testinfra, playbook runs, the reachability matrix.

A scenario's prepare.yml leaves two files in /root: "unmanaged", a script that prints all that the collection does not
manage, and "unmanaged-before", its output before the first run.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import connections
import matrix
import testinfra
from topology import Topology

CHECKOUT = Path(__file__).resolve().parents[2]
MATRICES = CHECKOUT / ".cache" / "matrix"
TOPOLOGY = Topology.from_environment()
BACKEND = os.environ.get("XMPP_EDGE_BACKEND", "")
"""Firewall manager that the scenario expects the product to choose."""
BEFORE = os.environ.get("XMPP_EDGE_BEFORE", "closed")
"""State of the matrix without managed rules: "closed" where the manager drops by default, else "untouched"."""
PERMITTED = {"closed": "opened", "untouched": "untouched"}[BEFORE]
"""State of the matrix in mode "permit"."""
ANY = {"xmpp_edge_partner_networks": ["any"], "xmpp_edge_front_end_networks": ["any"]}
BOOT_SECONDS = 600
"""Limit of a boot on a busy machine."""


def host(name: str = "edge") -> testinfra.host.Host:
    """Return a host of the topology, without any use of Ansible."""
    return testinfra.get_host(f"podman://{TOPOLOGY.container(name)}")


def cleaned(script: str) -> Iterator[testinfra.host.Host]:
    """Yield the edge once, for a fixture, with a script run on it before and afterwards."""
    found = host()
    found.run(script)
    yield found
    found.run(script)


def connect(vantage: str, tries: list[connections.Try]) -> list[str]:
    """Return the outcomes of connections from a host that are tried at once."""
    return connections.attempt(TOPOLOGY.container(vantage), tries)


def reboot(name: str = "edge") -> None:
    """Reboot a host, and return once its boot is over."""
    subprocess.run(["podman", "restart", "--time", str(BOOT_SECONDS), TOPOLOGY.container(name)], check=True)
    host(name).check_output(f"timeout {BOOT_SECONDS} sh /opt/test/wait-for-boot")


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


def verify(evidence: Path, **variables: Any) -> dict[str, Any]:
    """Return the evidence of verify, run as users do on all hosts. evidence: folder for it."""
    given = {**variables, "xmpp_edge_verify_evidence": str(evidence)}
    command = ["ansible-playbook", "-i", "molecule/shared/inventory.py", "playbooks/verify.yml", "-e"]
    done = subprocess.run(
        [*command, json.dumps(given)],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert "flows are as the table says" in done.stdout, done.stdout
    found = json.loads((evidence / "evidence.json").read_text())
    assert found["passed"] is (done.returncode == 0), done.stdout
    return found


def failures(found: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Return row, family and cause of all flows that fail. found: evidence."""
    return {
        (flow["row"], "ipv6" if ":" in flow["address"] else "ipv4", flow["cause"])
        for flow in found["flows"]
        if flow["verdict"] == "FAILS"
    }


def changed_tasks(done: subprocess.CompletedProcess[str]) -> int:
    """Return how many tasks changed the edge, by the recap; a failed play is a failed test."""
    assert done.returncode == 0, done.stdout
    found = re.search(r"^edge\s+: .*changed=(\d+)", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return int(found[1])


def assert_matrix(inputs: str) -> None:
    """Assert that every flow is as expected for these inputs."""
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


def assert_unmanaged_is_unchanged() -> None:
    """Assert that all unmanaged resources are byte-equal to what they were before the first run."""
    assert host().check_output("sh /root/unmanaged") == host().check_output("cat /root/unmanaged-before")


def assert_nothing_managed() -> None:
    """Assert that no managed file, unit, chain, set, policy or rule is there, in whatever manager."""
    assert_no_managed_files()
    live = host().check_output(
        "nft list ruleset; iptables-save; ip6tables-save; ipset save; cat /etc/ufw/*.rules 2>&1; :"
    )
    assert "xmpp" not in live.lower()
    assert not host().run("grep -ri xmpp /etc/firewalld /etc/iptables /etc/nftables.conf").stdout


def assert_no_managed_files() -> None:
    """Assert that no managed file, link, folder or unit is there."""
    assert host().check_output("find /etc -iname '*xmpp*'") == ""
    assert host().check_output("find /etc/systemd/system -name '*.service.d' -type d -empty") == ""
    assert "xmpp" not in host().check_output("systemctl list-units --all; systemctl list-unit-files")


def result(*flags: str, **options: Any) -> dict[str, Any]:
    """Return the result of the module, run on the edge with the inputs of the inventory and other options.

    flags: of the command ansible, such as --check.
    """
    names = ("access_addresses", "internal_addresses", "partner_networks", "front_end_networks")
    arguments = {**{name: f"{{{{ xmpp_edge_{name} }}}}" for name in names}, **options}
    command = ["ansible", "-i", "molecule/shared/inventory.py", "edge", "-m", "xmpp.edge.firewall"]
    done = subprocess.run(
        [*command, *flags, "-a", json.dumps(arguments)], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=False
    )
    return json.loads(done.stdout[done.stdout.index("=> ") + 3 :])


@contextmanager
def session(vantage: str, target: str, port: int, cut: bool = False) -> Iterator[None]:
    """Hold a TCP session that must lose no byte while the body runs; or, with cut, must have been cut by then."""
    command = ["podman", "exec", "--interactive", TOPOLOGY.container(vantage), "python3", "/opt/test/talk.py"]
    talk = subprocess.Popen([*command, target, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert talk.stdout is not None
    try:
        assert talk.stdout.readline() == "established\n"
        yield
    finally:
        output, _errors = talk.communicate("")
    # Round trips of the whole session, of which the last came after the body.
    assert output == "" if cut else int(output) > 1
    assert (talk.returncode == 0) is not cut
