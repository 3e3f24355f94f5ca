# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control over SSH by a port that a redirect leads to one of the table's, so that applying cuts it off."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import edge
import pytest

ADDRESS = edge.TOPOLOGY.address("edge", "external", "ipv4")
CONTROLLER = edge.TOPOLOGY.prefix("external", "ipv4") + "1"
FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
STATE = (
    "nft -s list ruleset; find /etc/xmpp-edge /etc/systemd/system -iname '*xmpp*' -printf '%p %M %u\\n' "
    "-type f -exec cat {} + 2>&1; systemctl is-enabled xmpp-edge; systemctl is-active xmpp-edge; :"
)
NOTHING_OF_OURS = "find / -xdev -iname '*xmpp*edge*' -not -path '/opt/*' -not -path '/proc/*' -not -path '/home/*'"
GRACE = 5
"""Seconds that a host may need to undo a change, and this test to see it."""


@pytest.fixture(scope="module")
def host():
    return edge.host()


@pytest.fixture(autouse=True)
def untouched(host):
    """Each test begins without anything of ours, and with the way in."""
    host.run("nft delete table inet cut")
    play(port=22, state="absent", timeout=0)
    assert answers(2222)
    yield
    assert not host.file("/var/lib/xmpp-edge").exists
    assert not host.file("/run/xmpp-edge.lock").exists


def command(playbook="site", port=2222, timeout=5, **variables):
    """ansible-playbook as an administrator runs it who is not root on the edge, over SSH with its usual settings."""
    options = {
        "ansible_connection": "ssh",
        "ansible_host": ADDRESS,
        "ansible_port": port,
        "ansible_user": "admin",
        "ansible_become": True,
        "ansible_ssh_private_key_file": str(FOLDER / "key"),
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
        # What a play reaches is reached at once, and a drop need not be waited for long.
        "ansible_ssh_timeout": 2,
        "xmpp_edge_confirm_timeout": timeout,
        **{f"xmpp_edge_{name}": value for name, value in variables.items()},
    }
    inventory = ["-i", "molecule/shared/inventory.py", f"playbooks/{playbook}.yml", "--limit", "edge", "-v"]
    return ["ansible-playbook", *inventory, "--extra-vars", json.dumps(options)]


def play(playbook="site", environment=(), **options):
    return subprocess.run(
        command(playbook, **options),
        cwd=edge.CHECKOUT,
        env={**os.environ, **dict(environment)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def answers(port):
    """Whether a new connection to the host gets through."""
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=2"]
    login = ["ssh", "-F", "none", *options, "-i", str(FOLDER / "key"), "-p", str(port), f"admin@{ADDRESS}", "true"]
    return subprocess.run(login, stderr=subprocess.DEVNULL, check=False).returncode == 0


def wait_until(truth, seconds):
    deadline = time.monotonic() + seconds
    while not truth() and time.monotonic() < deadline:
        time.sleep(0.1)
    return truth()


def has_our_table(host):
    return host.run("nft list table inet xmpp_edge").rc == 0


def reboot(host):
    subprocess.run(["podman", "restart", "--time", "20", edge.TOPOLOGY.container("edge")], check=True)
    host.run("systemctl is-system-running --wait")


def logins(host):
    return host.check_output("journalctl --unit ssh --no-pager | grep -c 'Accepted publickey'; :")


def says_what_happened(done, why="in time"):
    text = " ".join(done.stdout.split())
    return re.search(rf"the change before this run was not confirmed {why}, and the host took it back at 20\d\d-", text)


@pytest.mark.parametrize("before", ["nothing", "other rules"])
def test_a_change_that_cuts_the_way_in_is_undone_in_time(host, before):
    if before == "other rules":
        assert edge.changed_tasks(play(mode="permit", partner_networks=["198.19.1.0/24"])) == 1
    state = host.check_output(STATE)
    begun = time.monotonic()
    done = play()
    assert done.returncode != 0
    assert "the change was not confirmed over a fresh connection within 5 seconds (" in done.stdout
    assert "the host has taken the change back" in done.stdout
    assert "Traceback" not in done.stdout
    assert time.monotonic() - begun < 5 + GRACE + 5
    assert host.check_output(STATE) == state
    assert answers(2222)
    reboot(host)
    assert wait_until(lambda: answers(2222), 20)
    assert host.check_output(STATE) == state
    again = play(mode="permit", partner_networks=["198.19.1.0/24"])
    assert edge.changed_tasks(again) == (before == "nothing")
    assert says_what_happened(again)
    assert not says_what_happened(play(mode="permit", partner_networks=["198.19.1.0/24"]))


@pytest.mark.parametrize("before", ["nothing", "other rules"])
def test_a_host_that_is_rebooted_before_comes_up_as_it_was(host, before):
    if before == "other rules":
        assert edge.changed_tasks(play(mode="permit")) == 1
    state = host.check_output(STATE)
    running = subprocess.Popen(command(timeout=600), cwd=edge.CHECKOUT, stdout=subprocess.DEVNULL)
    assert wait_until(lambda: not answers(2222), 20)
    assert "federation_in guard" in host.check_output("cat /etc/xmpp-edge/nftables.nft")
    assert wait_until(lambda: host.run("systemctl is-active xmpp-edge; :").rc == 0, 5)
    running.kill()
    running.wait()
    reboot(host)
    assert wait_until(lambda: answers(2222), 20)
    assert host.check_output(STATE) == state
    assert "xmpp-edge-rec" not in host.check_output("systemctl list-units --all; systemctl list-unit-files")
    assert says_what_happened(play(mode="permit"), "before the host was rebooted")


def test_a_killed_controller_leaves_nothing_half_done(host):
    state = host.check_output(STATE)
    running = subprocess.Popen(command(), cwd=edge.CHECKOUT, stdout=subprocess.DEVNULL, start_new_session=True)
    assert wait_until(lambda: has_our_table(host), 20)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert wait_until(lambda: not has_our_table(host), 5 + GRACE)
    assert wait_until(lambda: host.check_output(STATE) == state, GRACE)
    done = play(port=22)
    assert edge.changed_tasks(done) == 1
    assert says_what_happened(done)


def test_a_controller_that_loses_the_network_gets_its_host_back(host):
    state = host.check_output(STATE)
    drop = f"type filter hook input priority -300; ip saddr {CONTROLLER} drop"
    cut = f"until [ -d /var/lib/xmpp-edge ]; do :; done; nft 'table inet cut {{ chain in {{ {drop}; }}; }}'"
    host.check_output(f'systemd-run --collect sh -c "{cut}"')
    running = subprocess.Popen(command(port=22), cwd=edge.CHECKOUT, stdout=subprocess.DEVNULL)
    assert wait_until(lambda: has_our_table(host), 20)
    assert wait_until(lambda: not has_our_table(host), 5 + GRACE)
    host.check_output("nft delete table inet cut")
    assert wait_until(lambda: host.check_output(STATE) == state, GRACE)
    running.wait()
    assert running.returncode != 0
    assert says_what_happened(play(port=22))


@pytest.mark.parametrize("pipelining", ["0", "1"])
def test_a_change_is_confirmed_over_a_connection_of_its_own_and_no_change_needs_none(host, pipelining):
    environment = {"ANSIBLE_PIPELINING": pipelining, "ANSIBLE_SSH_CONTROL_PATH_DIR": str(FOLDER / f"paths{pipelining}")}
    before = int(logins(host))
    done = play(environment=environment, port=22)
    assert edge.changed_tasks(done) == 1
    assert '"confirmed": true' in done.stdout
    assert int(logins(host)) == before + 2
    time.sleep(5 + 2)
    assert has_our_table(host)
    # The connection that confirmed is still there, and the next run needs no other.
    done = play(environment=environment, port=22)
    assert edge.changed_tasks(done) == 0
    assert '"confirmed": false' in done.stdout
    assert int(logins(host)) == before + 2
    assert "xmpp-edge-r" not in host.check_output("systemctl list-units --all; systemctl list-unit-files")
    # Without a confirmation there is no second connection.
    done = play(environment=environment, port=22, timeout=0, mode="permit")
    assert edge.changed_tasks(done) == 1
    assert int(logins(host)) == before + 2


@pytest.mark.parametrize("check", [[], ["--check"]])
def test_a_way_in_by_a_port_of_the_table_is_refused_beforehand(host, check):
    state = host.check_output(STATE)
    done = subprocess.run(
        [*command(port=5269), *check],
        cwd=edge.CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "federation_port: 5269 is the port of the control connection itself, which a guard would shut" in done.stdout
    assert host.check_output(STATE) == state
    assert edge.changed_tasks(play(port=5269, mode="permit")) == 1


def test_nothing_is_left_when_the_rules_go(host):
    assert edge.changed_tasks(play(port=22)) == 1
    assert edge.changed_tasks(play("remove", port=22)) == 1
    assert host.run(NOTHING_OF_OURS).stdout == ""
    assert "xmpp" not in host.check_output("systemctl list-units --all; systemctl list-unit-files; nft list ruleset")
