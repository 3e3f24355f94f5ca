# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control over SSH, by a port that is redirected to one of the table: a change of the rules cuts it off."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
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
MANAGED_FILES = "find / -xdev -iname '*xmpp*edge*' -not -path '/opt/*' -not -path '/proc/*' -not -path '/home/*'"
UNITS = "systemctl list-units --all; systemctl list-unit-files"
WINDOW = 10
"""Seconds for a confirmation that does not come: long enough to see the change live before it is rolled back."""
LONG = 600
"""Seconds for a confirmation that must not be missed, and for a run that is killed before."""
OTHER_PORT = 5270
"""Federation port of rules that leave the way in open."""
LIMIT = 300
"""Seconds that an event may take on a busy machine; a test goes on as soon as it sees the event."""


@pytest.fixture(scope="module")
def host():
    return edge.host()


@pytest.fixture(autouse=True)
def clean(host):
    """Begin each test without managed rules, and with the way in; at its end nothing of a change is left."""
    host.run("nft delete table inet cut")
    done = play(port=22, state="absent", timeout=0)
    assert done.returncode == 0, done.stdout
    assert wait_until(lambda: answers(2222))
    yield
    assert not host.file("/var/lib/xmpp-edge").exists
    assert not host.file("/run/xmpp-edge.lock").exists


def command(playbook="site", port=2222, timeout=WINDOW, ssh_extra_args="", become_password=None, **variables):
    """Return the command of an administrator who is not root on the edge, over SSH with its usual settings."""
    options = {
        "ansible_connection": "ssh",
        "ansible_host": ADDRESS,
        "ansible_port": port,
        "ansible_user": "admin",
        "ansible_become": True,
        "ansible_ssh_private_key_file": str(FOLDER / "key"),
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
        "ansible_ssh_extra_args": ssh_extra_args,
        **({"ansible_become_password": become_password} if become_password else {}),
        # The plugin tries until some seconds after the window. Its second try has to come before that.
        "ansible_ssh_timeout": WINDOW,
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
    """Return whether a new connection to the host gets through."""
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5"]
    login = ["ssh", "-F", "none", *options, "-i", str(FOLDER / "key"), "-p", str(port), f"admin@{ADDRESS}", "true"]
    return subprocess.run(login, stderr=subprocess.DEVNULL, check=False).returncode == 0


def wait_until(truth):
    deadline = time.monotonic() + LIMIT
    while not truth() and time.monotonic() < deadline:
        time.sleep(0.1)
    return truth()


def has_managed_table(host):
    return host.run("nft list table inet xmpp_edge").rc == 0


def logins(host):
    return host.check_output("journalctl --unit ssh --no-pager | grep -c 'Accepted publickey'; :")


def says_what_happened(done, why="in time"):
    text = " ".join(done.stdout.split())
    note = f"the change before this run was not confirmed {why}, and the host rolled it back at "
    return re.search(rf"{note}20\d\d-", text)


@pytest.mark.parametrize("before", ["nothing", "other rules"])
def test_a_change_that_cuts_the_way_in_is_rolled_back_in_time(host, before):
    if before == "other rules":
        assert (
            edge.changed_tasks(play(timeout=LONG, federation_port=OTHER_PORT, partner_networks=["198.19.1.0/24"])) == 1
        )
    state = host.check_output(STATE)
    done = play()
    assert done.returncode != 0
    assert f"the change was not confirmed over a fresh connection within {WINDOW} seconds (" in done.stdout
    assert "the host has rolled the change back" in done.stdout
    assert "Traceback" not in done.stdout
    assert host.check_output(STATE) == state
    assert wait_until(lambda: answers(2222))
    edge.reboot()
    assert wait_until(lambda: answers(2222))
    assert host.check_output(STATE) == state
    again = play(timeout=LONG, federation_port=OTHER_PORT, partner_networks=["198.19.1.0/24"])
    assert edge.changed_tasks(again) == (before == "nothing")
    assert says_what_happened(again)
    assert not says_what_happened(play(timeout=LONG, federation_port=OTHER_PORT, partner_networks=["198.19.1.0/24"]))


@pytest.mark.parametrize("before", ["nothing", "other rules"])
def test_a_host_that_is_rebooted_before_comes_up_as_it_was(host, before):
    if before == "other rules":
        assert edge.changed_tasks(play(timeout=LONG, federation_port=OTHER_PORT)) == 1
    state = host.check_output(STATE)
    running = subprocess.Popen(command(timeout=LONG), cwd=edge.CHECKOUT, stdout=subprocess.DEVNULL)
    # With other rules before, there is a guard of the other port already.
    assert wait_until(lambda: "dport 5269" in host.run("nft list table inet xmpp_edge").stdout)
    assert wait_until(lambda: "dport 5269" in host.run("cat /etc/xmpp-edge/guards.nft").stdout)
    assert wait_until(lambda: host.run("systemctl is-active xmpp-edge").rc == 0)
    assert not answers(2222)
    running.kill()
    running.wait()
    edge.reboot()
    assert wait_until(lambda: answers(2222))
    assert host.check_output(STATE) == state
    assert "xmpp-edge-rec" not in host.check_output(UNITS)
    assert says_what_happened(play(timeout=LONG, federation_port=OTHER_PORT), "before the host was rebooted")


def test_a_killed_controller_leaves_nothing_half_done(host):
    state = host.check_output(STATE)
    running = subprocess.Popen(command(), cwd=edge.CHECKOUT, stdout=subprocess.DEVNULL, start_new_session=True)
    assert wait_until(lambda: has_managed_table(host))
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert wait_until(lambda: not has_managed_table(host))
    assert wait_until(lambda: host.check_output(STATE) == state)
    done = play(port=22, timeout=LONG)
    assert edge.changed_tasks(done) == 1
    assert says_what_happened(done)


def test_a_controller_that_loses_the_network_gets_its_host_back(host):
    state = host.check_output(STATE)
    drop = f"type filter hook input priority -300; ip saddr {CONTROLLER} drop"
    cut = f"until [ -d /var/lib/xmpp-edge ]; do :; done; nft 'table inet cut {{ chain in {{ {drop}; }}; }}'"
    host.check_output(f'systemd-run --collect sh -c "{cut}"')
    running = subprocess.Popen(command(port=22), cwd=edge.CHECKOUT, stdout=subprocess.DEVNULL)
    assert wait_until(lambda: has_managed_table(host))
    assert wait_until(lambda: not has_managed_table(host))
    host.check_output("nft delete table inet cut")
    assert wait_until(lambda: host.check_output(STATE) == state)
    running.wait()
    assert running.returncode != 0
    assert says_what_happened(play(port=22, timeout=LONG))


PASSWORD = secrets.token_hex(8)

PROXY = """
import os, socket, sys, threading
path, address, port = sys.argv[1:]
with open(path, "a") as file:
    file.write("x")
if os.path.getsize(path) > 1:
    sys.exit("refused by the proxy")
peer = socket.create_connection((address, int(port)))
def forward():
    while data := os.read(0, 65536):
        peer.sendall(data)
    peer.shutdown(socket.SHUT_WR)
threading.Thread(target=forward, daemon=True).start()
while data := peer.recv(65536):
    os.write(1, data)
"""
"""Proxy of one connection, which refuses all others."""


@pytest.mark.parametrize("pipelining", ["0", "1"])
def test_a_proxy_that_refuses_the_second_connection_is_told_in_our_words(host, tmp_path, pipelining):
    (tmp_path / "proxy.py").write_text(PROXY)
    proxy = f"-o ProxyCommand='{sys.executable} {tmp_path}/proxy.py {tmp_path}/count %h %p'"
    environment = {"ANSIBLE_PIPELINING": pipelining, "ANSIBLE_SSH_CONTROL_PATH_DIR": str(tmp_path)}
    state = host.check_output(STATE)
    done = play(environment=environment, port=22, ssh_extra_args=proxy)
    assert done.returncode == 2, done.stdout
    assert "UNREACHABLE" not in done.stdout
    said = " ".join(done.stdout.split())
    assert f"the change was not confirmed over a fresh connection within {WINDOW} seconds (" in said
    assert f"it rolls the change back by itself within {WINDOW} seconds of its end" in said
    assert re.search(r"^edge .*unreachable=0 +failed=1", done.stdout, re.MULTILINE)
    assert wait_until(lambda: host.check_output(STATE) == state)
    assert says_what_happened(play(port=22, timeout=LONG))


def test_a_password_of_sudo_and_a_banner_are_no_warnings(host):
    host.check_output(f"printf 'admin:{PASSWORD}' | chpasswd; echo 'admin ALL=(ALL) ALL' > /etc/sudoers.d/admin")
    host.check_output("printf 'echo; echo Authorized use only' > ~admin/.bashrc")
    try:
        # Such a banner keeps Ansible from copying files.
        done = play(environment={"ANSIBLE_PIPELINING": "1"}, port=22, timeout=LONG, become_password=PASSWORD)
        assert edge.changed_tasks(done) == 1
        assert "[WARNING]" not in done.stdout
        assert "Authorized" not in done.stdout
    finally:
        host.check_output("rm ~admin/.bashrc; echo 'admin ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/admin")


@pytest.mark.parametrize("pipelining", ["0", "1"])
def test_a_change_is_confirmed_over_a_connection_of_its_own_and_no_change_needs_none(host, pipelining):
    environment = {"ANSIBLE_PIPELINING": pipelining, "ANSIBLE_SSH_CONTROL_PATH_DIR": str(FOLDER / f"paths{pipelining}")}
    before = int(logins(host))
    done = play(environment=environment, port=22, timeout=LONG)
    assert edge.changed_tasks(done) == 1
    assert '"confirmed": true' in done.stdout
    assert int(logins(host)) == before + 2
    # Nothing is left that would roll the change back at the end of its time.
    assert wait_until(lambda: "xmpp-edge-r" not in host.check_output(UNITS))
    assert not host.file("/var/lib/xmpp-edge").exists
    assert has_managed_table(host)
    # The connection that confirmed is still there, and the next run needs no other.
    done = play(environment=environment, port=22, timeout=LONG)
    assert edge.changed_tasks(done) == 0
    assert '"confirmed": false' in done.stdout
    assert int(logins(host)) == before + 2
    assert "xmpp-edge-r" not in host.check_output(UNITS)
    # Without a confirmation there is no second connection.
    done = play(environment=environment, port=22, timeout=0, federation_port=OTHER_PORT)
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
    # Without guards there is nothing to refuse, and on this host nothing to accept either.
    assert edge.changed_tasks(play(port=5269, timeout=LONG, mode="permit")) == 0


def test_nothing_is_left_when_the_rules_go(host):
    assert edge.changed_tasks(play(port=22, timeout=LONG)) == 1
    assert edge.changed_tasks(play("remove", port=22, timeout=LONG)) == 1
    assert host.run(MANAGED_FILES).stdout == ""
    assert "xmpp" not in host.check_output(f"{UNITS}; nft list ruleset")
