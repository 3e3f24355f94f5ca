# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drift check and its schedule, as docs/limits.md has them, against the real firewall of a network namespace."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import subprocess
import sys
from importlib import import_module

import pytest
import yaml
from plays import CHECKOUT, IN_OWN_NETWORK, ansible_command, environment

DOCUMENT = (CHECKOUT / "docs" / "limits.md").read_text()
UNITS = {
    re.search(r"/([\w.-]+)\n", text)[1]: text for text in re.findall(r"^```ini\n(.*?)^```", DOCUMENT, re.DOTALL | re.M)
}
EDGE = {
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
    "xmpp_edge_access_addresses": ["198.18.0.2"],
    "xmpp_edge_rows": ["federation_in", "federation_out"],
    # The files of this machine are none of the namespace's.
    "xmpp_edge_persist": False,
    "xmpp_edge_confirm_timeout": 0,
}


@pytest.fixture
def repository(tmp_path):
    """A repository with the files that the document asks for."""
    folder = tmp_path / "edge.git"
    folder.mkdir()
    (folder / "inventory.yml").write_text(yaml.safe_dump({"xmpp_edge": {"hosts": {"edge1": EDGE}}}))
    (playbook,) = re.findall(r"^```yaml\n(- import_playbook.*?)^```", DOCUMENT, re.DOTALL | re.M)
    (folder / "drift.yml").write_text(playbook)
    git = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.net"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "x"]):
        subprocess.run([*git, *command], check=True)
    return folder


def run_in_one_network(tmp_path, *commands):
    """Return status and output of commands that run one after the other in one network namespace."""
    script = "".join(f"{shlex.join(command)}; echo STATUS $?\n" for command in commands)
    done = subprocess.run(
        [*IN_OWN_NETWORK, "sh", "-c", script],
        env={
            **environment(tmp_path),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    outputs = re.split(r"STATUS (\d+)\n", done.stdout)
    return list(zip(map(int, outputs[1::2]), outputs[::2]))


def test_ansible_pull_fails_once_the_host_differs(tmp_path, repository):
    unit = configparser.RawConfigParser()
    unit.read_string(UNITS["edge-drift.service"])
    documented = unit["Service"]["ExecStart"].replace("%H", "edge1")
    pull = shlex.split(documented)
    pull[0] = ansible_command("ansible-pull")
    pull[pull.index("--url") + 1] = str(repository)
    pull += ["--directory", str(tmp_path / "clone")]
    playbook = [ansible_command("ansible-playbook"), "-i", str(repository / "inventory.yml")]
    site = [*playbook, str(CHECKOUT / "playbooks" / "site.yml")]
    by_hand = ["nft", "insert", "rule", "inet", "xmpp_edge", "input", "tcp", "dport", "5269", "accept"]
    before, applied, same, changed, after = run_in_one_network(tmp_path, pull, site, pull, by_hand, pull)
    assert before[0] != 0, before[1]
    assert "edge1 differs from the inventory, as the diff above says" in before[1]
    assert "+federation_in  allow in tcp any -> 198.18.0.2 port 5269" in before[1]
    assert applied[0] == 0, applied[1]
    # The check before has changed nothing.
    assert re.search(r"^edge1 .* changed=1 ", applied[1], re.MULTILINE), applied[1]
    assert same[0] == 0, same[1]
    assert changed[0] == 0
    assert after[0] != 0, after[1]
    assert "-chain input  tcp dport 5269 accept" in after[1]


def test_the_check_of_nothing_is_a_failure(tmp_path):
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump({"xmpp_edges": {"hosts": {"edge1": EDGE}}}))
    drift = [ansible_command("ansible-playbook"), "-i", "inventory.yml", str(CHECKOUT / "playbooks" / "drift.yml")]
    ((status, said),) = run_in_one_network(tmp_path, drift)
    assert status == 2, said
    assert "the group xmpp_edge has no host, so that nothing would be looked at" in said


def test_a_host_that_is_not_reached_is_a_status_of_its_own(tmp_path):
    out_of_reach = {**EDGE, "ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump({"xmpp_edge": {"hosts": {"edge1": out_of_reach}}}))
    drift = [ansible_command("ansible-playbook"), "-i", "inventory.yml", str(CHECKOUT / "playbooks" / "drift.yml")]
    ((status, said),) = run_in_one_network(tmp_path, drift)
    assert status == 4, said


def test_the_timer_starts_the_service():
    timer = configparser.RawConfigParser()
    timer.read_string(UNITS["edge-drift.timer"])
    assert timer["Timer"]["OnCalendar"] == "hourly"
    assert set(UNITS) == {"edge-drift.service", "edge-drift.timer"}


def test_the_recommended_limits_are_read(tmp_path):
    options = import_module("ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options")
    (text,) = re.findall(r"^```yaml\n(xmpp_edge_limit_new.*?)^```", DOCUMENT, re.DOTALL | re.M)
    given = {name.replace("xmpp_edge_", ""): value for name, value in yaml.safe_load(text).items()}
    found = options.parse_options({"access_addresses": ["198.18.0.2"], "rows": ["federation_in"], **given})
    assert (found.limits.new, found.limits.burst, found.limits.opened) == (60, 30, 100)


def test_each_alert_is_about_a_figure_that_is_written():
    metrics = import_module("ansible_collections.xmpp.edge.plugins.module_utils._edge.model.metrics")
    groups = [import_module(metrics.__name__.replace("metrics", "rules")).make_group("a_ipv4", ["198.18.0.2"])]
    (text,) = re.findall(r"^```yaml\n(groups:.*?)^```", DOCUMENT, re.DOTALL | re.M)
    expressions = [rule["expr"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    row = {
        "present": True,
        "effective": "yes",
        "guarded": "yes",
        "packets": {"allowed": 1, "since": "2026-11-26T18:20:40Z"},
    }
    written = metrics.text_of({"changed": True, "rows": {"a": row}, "persistence": {"guards": "yes"}}, groups, 1.0)
    for name in re.findall(r"xmpp_edge_\w+", " ".join([*expressions, *re.findall(r"^\| (.*?) \|", DOCUMENT, re.M)])):
        assert f"# TYPE {name} " in written, name
    assert json.dumps(expressions).count("xmpp_edge_") == 7
