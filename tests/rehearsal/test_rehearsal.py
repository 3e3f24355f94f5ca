# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rehearsals of inventories in another repository, which has no more of this project than the installed tarball."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = (CHECKOUT / "docs" / "ci.md").read_text()
NAME = "xmpp-rehearsal-test"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
NOT_UP = "the containers of this inventory are not up, or it has other hosts and addresses by now"
TWO_EDGES = """
all:
  vars:
    # Nothing of this may have any effect in a rehearsal, and no host of it is to be reached.
    ansible_connection: ssh
    ansible_user: nobody
    ansible_become: true
xmpp_edge:
  hosts:
    edge1.example.net:
      xmpp_edge_access_addresses: [198.51.100.7, "2001:db8:100::7"]
      xmpp_edge_internal_addresses: [10.20.0.7, "fd00:20::7"]
    edge2.example.net:
      xmpp_edge_access_addresses: [198.51.100.8, "2001:db8:100::8"]
      xmpp_edge_internal_addresses: [10.20.0.8, "fd00:20::8"]
  vars:
    xmpp_edge_partner_networks: [192.0.2.0/25, 203.0.113.64/26, "2001:db8:5::/48"]
    xmpp_edge_front_end_networks: [10.20.1.0/24, "fd00:20:1::/64"]
"""
OF_THE_USER = {
    # None of these may have any effect on the runs in the containers.
    "ANSIBLE_FORCE_COLOR": "1",
    "ANSIBLE_REMOTE_USER": "deploy",
    "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.oneline",
    "ANSIBLE_LOG_PATH": "/nowhere/ansible.log",
}
(ROUTERS,) = re.findall(r"```yaml\n(.*?)```", (CHECKOUT / "docs" / "placement.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def collections(tmp_path_factory):
    """Return a folder with the collection as its tarball installs it."""
    work = tmp_path_factory.mktemp("collections")
    source = work / "source"
    source.mkdir()
    subprocess.run([CHECKOUT / "tests" / "tools" / "copy-sources", source], check=True)
    for command in (
        ["collection", "build", "--output-path", work, source],
        ["collection", "install", "--force", "--collections-path", work / "installed"],
    ):
        tarballs = [*work.glob("xmpp-edge-*.tar.gz")]
        subprocess.run(["ansible-galaxy", *command, *tarballs], check=True, stdout=subprocess.PIPE)
    return work / "installed"


@pytest.fixture
def here(tmp_path):
    """Return the folder of the other repository, whose path has a blank."""
    folder = tmp_path / "my edges"
    folder.mkdir()
    return folder


@pytest.fixture
def run(here, tmp_path, collections):
    """Return a function that runs a command in the other repository."""

    def started(*command, **more):
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_HOME": str(tmp_path / "home"),
            "NO_COLOR": "1",
            **more,
        }
        return subprocess.run(
            command,
            cwd=here,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )

    yield started
    if containers():
        subprocess.run(["podman", "rm", "--force", "--time", "0", *containers()], check=True, stdout=subprocess.PIPE)


def containers(name=NAME):
    """Return the containers of a rehearsal that are there."""
    listed = ["podman", "ps", "--all", "--quiet", "--filter", f"label=xmpp.edge.rehearsal={name}"]
    return subprocess.run(listed, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def rehearse(run, *arguments, within=(), **variables):
    """Run the playbook with a name of its own and some variables. within: a command that runs another one."""
    given = {"name": NAME, **variables}
    given = {f"xmpp_edge_rehearse_{name}": value for name, value in given.items()}
    command = ("ansible-playbook", "-i", "inventory.yml", "xmpp.edge.rehearse", "-e", json.dumps(given))
    return run(*within, *command, *arguments, **OF_THE_USER)


def changed(done):
    """Return how many tasks of a run that has not failed have changed something."""
    assert done.returncode == 0, done.stdout
    return int(re.search(r"^\S*localhost\S*\s+: .*changed=(\d+)", COLOURS.sub("", done.stdout), re.MULTILINE)[1])


LOOK = "(ip -json address show; ip -json route show; nft --stateless list ruleset)"
"""What a rehearsal must leave alone: addresses, routes and rules of the machine that it runs on."""
_LOOKING = f'{LOOK} > before; "$@"; code=$?; {LOOK} > after; exit $code'
_ADDRESSES = "ip link set lo up; ip address add 10.20.0.1/24 dev lo"
IN_A_NETWORK = ("unshare", "--net", "sh", "-c", f"{_ADDRESSES}; {_LOOKING}", "sh")
"""A network that other tests do not change meanwhile."""


def evidence(folder):
    """Return the evidence that a rehearsal has left."""
    return json.loads((folder / "rehearsal" / "evidence" / "evidence.json").read_text())


def test_two_edges_with_three_partner_networks_in_both_families(here, run):
    (here / "inventory.yml").write_text(TWO_EDGES)
    (here / "group_vars").mkdir()
    (here / "group_vars" / "all.yml").write_text("{ansible_host: 198.51.100.7, ansible_shell_type: powershell}")
    (here / "ansible.cfg").write_text("[defaults]\nremote_user = deploy\nforce_handlers = true\n")
    done = rehearse(run, within=IN_A_NETWORK)
    assert done.returncode == 0, done.stdout
    assert "10.20.0.7, 10.20.0.8: this machine has 10.20.0.1/24 on lo; no packet of the rehearsal gets" in done.stdout
    assert "132 of 132 flows are as the table says" in done.stdout
    assert (here / "before").read_text() == (here / "after").read_text() != ""
    assert containers() == []
    seen = evidence(here)
    assert seen["passed"] is True
    closed = [flow for flow in seen["flows"] if flow["expected"] == "closed"]
    assert len(closed) > 90
    suites = ET.parse(here / "rehearsal" / "evidence" / "junit.xml").getroot()  # noqa: S314 (it is our own)
    assert len([*suites.iter("testcase")]) >= 132
    assert not [*suites.iter("failure")]
    assert "changed=0" in (here / "rehearsal" / "again.log").read_text()
    reached = yaml.safe_load((here / "rehearsal" / "containers" / "hosts.yml").read_text())
    assert "ssh" not in json.dumps(reached)
    assert "198.51.100.7" not in [
        one["ansible_host"] for one in reached["all"]["children"]["xmpp_edge"]["hosts"].values()
    ]


@pytest.mark.parametrize("backend", ["ufw", "firewalld", "iptables"])
def test_routers_and_front_ends_with_each_manager(here, run, backend):
    (here / "inventory.yml").write_text(ROUTERS)
    done = rehearse(run, backend=backend)
    assert done.returncode == 0, done.stdout
    for host in ("edge1.example.net", "outer.example.net", "inner.example.net", "pool1.example.net"):
        assert f"{host}: changed, {backend}, effective yes, guarded yes, confirmed yes, persisted yes" in done.stdout
    assert evidence(here)["passed"] is True


def test_what_is_wrong_in_a_container_fails_the_rehearsal(here, run):
    (here / "inventory.yml").write_text(TWO_EDGES)
    assert rehearse(run, only="up").returncode == 0
    kept = containers()
    assert len(kept) == 10
    assert changed(rehearse(run, only="site")) > 0
    assert changed(rehearse(run, only="site")) == 0
    assert rehearse(run, only="verify").returncode == 0
    subprocess.run(["podman", "exec", f"{NAME}-1", "nft", "delete", "table", "inet", "xmpp_edge"], check=True)
    broken = rehearse(run, only="verify")
    assert broken.returncode == 2
    assert "xmpp.edge.verify failed in the containers" in broken.stdout
    assert evidence(here)["passed"] is False
    assert changed(rehearse(run, only="site")) > 0
    assert set(containers()) == set(kept)
    # Another list in the inventory calls for other containers.
    (here / "inventory.yml").write_text(TWO_EDGES.replace("203.0.113.64/26", "203.0.113.128/26"))
    other = rehearse(run, only="site")
    assert other.returncode == 2
    assert NOT_UP in other.stdout
    assert rehearse(run, only="down").returncode == 0
    assert containers() == []


def test_a_run_that_fails_on_the_way_leaves_nothing_behind(here, run):
    (here / "inventory.yml").write_text(TWO_EDGES + "    xmpp_edge_backend: iptables\n")
    done = rehearse(run, image="localhost/there-is-no-such-image")
    assert done.returncode == 2
    assert containers() == []


def test_the_scenario_of_the_page_runs_as_it_is_printed(here, run):
    folder = here / "molecule" / "edge"
    folder.mkdir(parents=True)
    scenario, step = re.findall(r"```yaml\n(.*?)```", PAGE.partition("## With Molecule")[2], re.DOTALL)[:2]
    (folder / "molecule.yml").write_text(scenario)
    for name, only in (("create", "up"), ("converge", "site"), ("verify", "verify"), ("destroy", "down")):
        (folder / f"{name}.yml").write_text(step.replace("up}", f"{only}}}"))
    assert sum(len(path.read_text().splitlines()) for path in folder.iterdir()) <= 25
    (here / "inventory.yml").write_text(ROUTERS.replace("198.51.100.0/24", "any"))
    # Molecule looks for the top of a project that git knows.
    run("git", "init", "--quiet")
    done = run("molecule", "test", "--scenario-name", "edge", MOLECULE_GLOB="molecule/*/molecule.yml")
    assert done.returncode == 0, done.stdout
    assert re.search(r"actions=6\s+successful=6", done.stdout), done.stdout
    assert evidence(folder)["passed"] is True
    assert containers("xmpp-rehearsal") == []


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (
            ["--limit", "edge1.example.net"],
            {},
            "a rehearsal is of the whole inventory and changes nothing on its hosts",
        ),
        (["--check"], {}, "leave --check out"),
        ([], {"only": "site"}, NOT_UP),
        ([], {"only": "verify"}, NOT_UP),
        ([], {"most": 0}, "xmpp_edge_rehearse_most: 0 leaves every listed network without a host; say 1 or more"),
        ([], {"name": ""}, "xmpp_edge_rehearse_name: '' is no beginning of a container's name"),
        ([], {"folder": "inventory.yml"}, "inventory.yml"),
        (["-e", "xmpp_edge_of={{ there_is_none }}"], {}, "xmpp_edge_of: cannot be read without its host"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused_and_raises_nothing(here, run, arguments, variables, words):
    (here / "inventory.yml").write_text(TWO_EDGES)
    done = rehearse(run, *arguments, **variables)
    assert done.returncode == 2, done.stdout
    assert words in " ".join(COLOURS.sub("", done.stdout).split())
    assert "Traceback" not in done.stdout
    assert containers() == []


def without(tmp_path, program):
    """Return a search path that has what a rehearsal needs but one program."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in {"podman", "ip", "env", "sh"} - {program}:
        (tools / name).symlink_to(shutil.which(name))
    return f"{Path(sys.executable).parent}:{tools}"


@pytest.mark.parametrize(("program", "package"), [("podman", "podman"), ("ip", "iproute2")])
def test_a_program_that_is_missing_is_named(here, tmp_path, run, program, package):
    (here / "inventory.yml").write_text(TWO_EDGES)
    command = ("ansible-playbook", "-i", "inventory.yml", "xmpp.edge.rehearse")
    done = run(*command, PATH=without(tmp_path, program))
    assert done.returncode == 2
    words = f"a rehearsal needs the program {program} on the controller; install the package {package}"
    assert words in done.stdout
    assert "Traceback" not in done.stdout


def test_root_is_asked_for(here, run):
    (here / "inventory.yml").write_text(TWO_EDGES)
    # A user namespace in which this user is another one, and still may read what it reads here.
    other = ("unshare", "--user", "--map-user=1000", "--setgroups=deny")
    done = run(*other, "ansible-playbook", "-i", "inventory.yml", "xmpp.edge.rehearse")
    assert done.returncode == 2
    assert (
        "a rehearsal needs root on the controller, since it makes links between networks; run it with sudo"
        in done.stdout
    )
