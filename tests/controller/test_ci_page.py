# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page on checks in CI: its commands run as they are printed. What is run in containers is in tests/rehearsal."""

from __future__ import annotations

import re
import shlex

import yaml
from plays import CHECKOUT, started
from test_readme import INVENTORY

PAGE = (CHECKOUT / "docs" / "ci.md").read_text()


def test_the_cheap_check_shows_what_would_be_written(tmp_path):
    (tmp_path / "inventory.yml").write_text(INVENTORY)
    (command,) = re.findall(r"```console\n\$ (unshare .*?)```", PAGE, re.DOTALL)
    done = started(tmp_path, *shlex.split(command.replace("\\\n", " ")))
    assert done.returncode == 0, done.stdout
    assert "+gateway_in  allow in tcp 10.20.1.0/24 -> 10.20.0.7 port 23456" in done.stdout
    assert re.search(r"^edge1.example.net: predicted, changed, nftables, ", done.stdout, re.MULTILINE), done.stdout


def test_the_variables_of_the_page_are_those_of_the_role():
    specs = CHECKOUT / "roles" / "xmpp_edge_rehearse" / "meta" / "argument_specs.yml"
    known = yaml.safe_load(specs.read_text())["argument_specs"]["main"]["options"]
    told = dict(re.findall(r"`(xmpp_edge_rehearse_\w+)=(\w+)`", PAGE))
    assert set(told) < set(known)
    assert told["xmpp_edge_rehearse_backend"] in known["xmpp_edge_rehearse_backend"]["choices"]
    assert told["xmpp_edge_rehearse_only"] in known["xmpp_edge_rehearse_only"]["choices"]
    for only in known["xmpp_edge_rehearse_only"]["choices"]:
        assert only == "all" or f"`{only}`" in PAGE or f"={only}`" in PAGE


def test_the_workflows_of_the_page_call_what_there_is_with_inputs_that_it_has():
    called = yaml.safe_load((CHECKOUT / ".github" / "workflows" / "rehearse.yml").read_text())
    included = yaml.safe_load((CHECKOUT / "ci" / "gitlab.yml").read_text())
    *_molecule, github, gitlab = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
    job = github["jobs"]["rehearse"]
    assert job["uses"] == "xmpp-edge/xmpp.edge/.github/workflows/rehearse.yml@main"
    # YAML 1.1 reads the key "on" as true.
    assert set(job["with"]) <= set(called[True]["workflow_call"]["inputs"])
    assert gitlab["include"][0]["remote"].endswith("/main/ci/gitlab.yml")
    assert set(gitlab["rehearse"]["variables"]) <= set(included["rehearse"]["variables"])
