# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that makes an inventory of a topology, and what the other playbooks make of that inventory."""

from __future__ import annotations

import json
import sys

import pytest
import yaml
from plays import CHECKOUT, ansible_command, started

POOL = CHECKOUT / "tests/unit/plugins/module_utils/_edge/request/topologies/pool.xml"


@pytest.fixture
def play(tmp_path):
    """Return a function that runs a playbook in a folder with a topology."""
    (tmp_path / "topology.xml").write_bytes(POOL.read_text().encode("utf-16"))

    def run(playbook, *arguments, prefix=()):
        path = str(CHECKOUT / "playbooks" / f"{playbook}.yml")
        return started(tmp_path, *prefix, ansible_command("ansible-playbook"), path, *arguments)

    return run


def test_the_inventory_of_a_topology_is_one_that_site_accepts(tmp_path, play):
    done = play("import_topology", "-e", "topology=topology.xml")
    assert done.returncode == 0, done.stdout
    assert "name the addresses of fe1.example.net, fe2.example.net" in done.stdout
    written = (tmp_path / "inventory" / "hosts.yml").read_text()
    assert "# xmpp_edge_front_end_networks: is not set" in written
    assert set(yaml.safe_load(written)["xmpp_edge"]["hosts"]) == {"edge1.example.net", "edge2.example.net"}
    local = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "xmpp_edge_allow_absent_addresses": True,
    }
    checked = play("site", "-i", "inventory", "--check", "--diff", "-e", json.dumps(local), prefix=("unshare", "--net"))
    assert checked.returncode == 0, checked.stdout
    assert "+federation_in  allow in tcp any -> 10.30.0.7 port 5269" in checked.stdout
    assert "+gateway_in  allow in tcp any -> 10.20.0.8 port 23456" in checked.stdout


def test_an_inventory_that_is_there_is_left_alone(tmp_path, play):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "hosts.yml").write_text("xmpp_edge: {}\n")
    done = play("import_topology", "-e", "topology=topology.xml inventory=mine")
    assert done.returncode == 2
    assert "mine is a file, or has a hosts.yml already; remove it, or name another folder" in done.stdout
    assert (tmp_path / "mine" / "hosts.yml").read_text() == "xmpp_edge: {}\n"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((), "topology: is missing; say which file Get-CsTopology -AsXml was written to, with -e topology=FILE"),
        (("-e", "topology=nowhere.xml"), "nowhere.xml"),
        (("-e", "topology=other.xml"), "cs_topology: the document has no topology, its root is 'Inventory'"),
    ],
)
def test_mistakes_write_nothing(tmp_path, play, given, words):
    (tmp_path / "other.xml").write_text("<Inventory/>")
    done = play("import_topology", *given)
    assert done.returncode == 2
    assert words in done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "inventory").exists()
