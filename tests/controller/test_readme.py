# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's inventory, playbook and output are what they say: they are run, and so is the inventory to copy."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import yaml
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.flows import given_options
from plays import CHECKOUT, IN_EMPTY_NETWORK, IN_OWN_NETWORK, ansible_command, environment, started

README = (CHECKOUT / "README.md").read_text()
REQUIREMENTS, PROSODY, INVENTORY, PLAY = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)


def check(folder, inventory, playbook):
    """Check and diff of a playbook, with this machine standing in for the host that the inventory names."""
    local = (
        f'{{"ansible_connection": "local", "ansible_become": false, "ansible_python_interpreter": "{sys.executable}"}}'
    )
    command = [
        ansible_command("ansible-playbook"),
        "-i",
        str(inventory),
        "--check",
        "--diff",
        "-e",
        local,
        str(playbook),
    ]
    return started(folder, *IN_OWN_NETWORK, *command)


def test_readme_example_gives_the_readme_s_output(tmp_path):
    (tmp_path / "inventory.yml").write_text(INVENTORY)
    (tmp_path / "play.yml").write_text(PLAY)
    done = check(tmp_path, tmp_path / "inventory.yml", tmp_path / "play.yml")
    assert done.returncode == 0, done.stdout
    shown = re.findall(r"^\+\w+  (?:allow|block) .*$", README, re.MULTILINE)
    assert len(shown) == 8
    assert re.search(r"^edge1.example.net: predicted, changed, nftables, effective yes, guarded yes", done.stdout, re.M)
    assert re.findall(r"^\+\w+  (?:allow|block) .*$", done.stdout, re.MULTILINE) == shown


def test_requirements_name_the_collection():
    assert yaml.safe_load(REQUIREMENTS) == {"collections": [{"name": "xmpp.edge"}]}


def test_a_server_without_a_gateway_gets_two_rows(tmp_path):
    (tmp_path / "inventory.yml").write_text(PROSODY)
    done = check(tmp_path, tmp_path / "inventory.yml", CHECKOUT / "playbooks" / "site.yml")
    assert done.returncode == 0, done.stdout
    lines = re.findall(r"^\+(\w+)  (?:allow|block) .*$", done.stdout, re.MULTILINE)
    assert (len(lines), set(lines)) == (6, {"federation_in", "federation_out"})


@pytest.mark.parametrize("playbook", ["site", "remove"])
def test_inventory_to_copy_works(tmp_path, playbook):
    done = check(tmp_path, CHECKOUT / "playbooks" / "inventory", CHECKOUT / "playbooks" / f"{playbook}.yml")
    assert done.returncode == 0, done.stdout
    assert "edge1.example.net" in done.stdout


def hosts_of(tmp_path, document):
    """Variables by host of the inventory that a document shows."""
    (text,) = re.findall(r"```yaml\n(.*?)```", (CHECKOUT / "docs" / document).read_text(), re.DOTALL)
    (tmp_path / "inventory.yml").write_text(text)
    command = [ansible_command("ansible-inventory"), "-i", str(tmp_path / "inventory.yml"), "--list"]
    done = subprocess.run(command, env=environment(tmp_path), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)["_meta"]["hostvars"]


def test_inventory_of_windows_hosts_is_one(tmp_path):
    variables = hosts_of(tmp_path, "windows.md")
    shells = {host.split(".")[0]: found.get("ansible_connection") for host, found in variables.items()}
    assert shells == {"edge-linux": None, "edge-winrm": "winrm", "edge-psrp": "psrp", "edge-ssh": "ssh"}


def test_inventory_of_partners_by_domain_is_sound(tmp_path):
    (variables,) = hosts_of(tmp_path, "partners.md").values()
    options = parse_options(given_options(variables))
    assert options.domains == {"partner_domains": (("other.example", "partner.example"), 5269)}


def example_of(role):
    """Return the text of the example that a role has in its documentation."""
    specs = CHECKOUT / "roles" / role / "meta" / "argument_specs.yml"
    return yaml.safe_load(specs.read_text())["argument_specs"]["main"]["examples"]


def test_the_example_of_the_role_runs(tmp_path):
    (tmp_path / "inventory.yml").write_text("xmpp_edge: {hosts: {edge1.example.net: }}")
    (tmp_path / "play.yml").write_text(example_of("xmpp_edge"))
    done = check(tmp_path, tmp_path / "inventory.yml", tmp_path / "play.yml")
    assert done.returncode == 0, done.stdout
    assert "+gateway_in  allow in tcp 10.20.1.0/24 -> 10.20.0.7 port 23456" in done.stdout


@pytest.mark.parametrize("of_the_role", [False, True])
def test_inventory_of_vantage_points_can_be_verified(tmp_path, of_the_role):
    assert len(hosts_of(tmp_path, "verify.md")) == 4
    playbook = CHECKOUT / "playbooks" / "verify.yml"
    if of_the_role:
        playbook = tmp_path / "play.yml"
        playbook.write_text(example_of("xmpp_edge_verify"))
    local = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "xmpp_edge_verify_timeout": 0.2,
    }
    command = [ansible_command("ansible-playbook"), "-i", str(tmp_path / "inventory.yml"), "-e", json.dumps(local)]
    done = started(tmp_path, *IN_EMPTY_NETWORK, *command, str(playbook))
    # In a network with nothing in it no flow that has to be possible is.
    assert done.returncode == 2, done.stdout
    assert re.search(r"^\d+ of \d+ flows are as the table says", done.stdout, re.MULTILINE)
    cause = r"^    route: partner\.example\.org.* has no route to 198\.51\.100\.7"
    assert re.search(cause, done.stdout, re.MULTILINE), done.stdout
    assert "Traceback" not in done.stdout
    assert (tmp_path / "evidence").exists() is of_the_role


def test_inventory_of_routers_gives_the_rows_that_pass_there(tmp_path):
    variables = hosts_of(tmp_path, "placement.md")
    assert len(variables) == 4
    local = {
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
        "xmpp_edge_on_ineffective": "warn",
        "xmpp_edge_allow_absent_addresses": True,
    }
    command = [ansible_command("ansible-playbook"), "-i", str(tmp_path / "inventory.yml"), "--check", "--diff"]
    site = str(CHECKOUT / "playbooks" / "site.yml")
    done = started(tmp_path, *IN_OWN_NETWORK, *command, "--forks", "1", "-e", json.dumps(local), site)
    assert done.returncode == 0, done.stdout
    shown = re.split(r"^--- before: (\w+)", done.stdout, flags=re.MULTILINE)[1:]
    rows = {
        host: set(re.findall(r"^\+(\w+)  allow (\w+ ?\w*) tcp", text, re.MULTILINE))
        for host, text in zip(shown[::2], shown[1::2])
    }
    assert rows == {
        "edge1": {("federation_in", "in"), ("federation_out", "out"), ("gateway_in", "in")},
        "outer": {("federation_in", "forwarded in"), ("federation_out", "forwarded out")},
        "inner": {("gateway_in", "forwarded in")},
        "pool1": {("gateway_in", "out")},
    }


def test_every_link_of_the_documents_leads_somewhere():
    for document in [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
            assert target.startswith("https://") or (document.parent / target).exists(), (document, target)


def test_each_row_of_the_table_stands_in_the_readme():
    rows = re.findall(r"^\| `(\w+)`", README, re.MULTILINE)
    assert rows == ["federation_in", "federation_out", "gateway_in"]
