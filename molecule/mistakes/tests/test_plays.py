# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways in which plays run the role: strategies, batches, delegation, tags."""

from __future__ import annotations

import re
import subprocess

import edge
import pytest
import yaml

ROLE = {"name": "xmpp.edge.xmpp_edge"}
pytestmark = pytest.mark.usefixtures("host")

EDGES = {"hosts": "xmpp_edge", "gather_facts": False}


def run(tmp_path, *plays, arguments=()):
    path = tmp_path / "play.yml"
    path.write_text(yaml.safe_dump(list(plays)))
    return subprocess.run(
        ["ansible-playbook", "-i", "molecule/shared/inventory.py", str(path), *arguments],
        cwd=edge.CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def closing_lines(done):
    """Return the closing line of each host."""
    return sorted(re.findall(r"^(\w+): (?:predicted, )?(?:changed|no change), ", done.stdout, re.MULTILINE))


@pytest.mark.parametrize(
    "how", [{"strategy": "free"}, {"strategy": "host_pinned"}, {"serial": 1}, {"order": "shuffle"}]
)
def test_each_host_of_a_play_is_done_however_it_runs(tmp_path, how):
    done = run(tmp_path, {**EDGES, **how, "roles": [ROLE["name"]]})
    assert done.returncode == 0, done.stdout
    assert closing_lines(done) == ["edge", "edge_bare"]


def test_limit_leaves_other_hosts_alone(tmp_path):
    done = run(tmp_path, {**EDGES, "roles": [ROLE["name"]]}, arguments=["--limit", "edge"])
    assert done.returncode == 0, done.stdout
    assert closing_lines(done) == ["edge"]


def test_a_task_that_is_delegated_is_for_the_host_that_it_reaches(tmp_path):
    options = {name: f"{{{{ xmpp_edge_{name} }}}}" for name in ("access_addresses", "internal_addresses")}
    task = {"xmpp.edge.firewall": options, "delegate_to": "edge"}
    done = run(tmp_path, {**EDGES, "hosts": "edge_bare", "tasks": [task]})
    assert done.returncode == 2
    assert "access_addresses: " in done.stdout
    assert "is this its inventory?" in done.stdout
    done = run(
        tmp_path,
        {
            **EDGES,
            "hosts": "localhost",
            "vars": {},
            "tasks": [
                {**task, "xmpp.edge.firewall": {name: f"{{{{ hostvars.edge.xmpp_edge_{name} }}}}" for name in options}}
            ],
        },
    )
    assert done.returncode == 0, done.stdout
    assert closing_lines(done) == ["edge"]


@pytest.mark.parametrize(
    ("include", "hosts"),
    [
        # Tags of an include are those of the include alone, as Ansible documents it.
        ({"ansible.builtin.include_role": {**ROLE, "apply": {"tags": "firewall"}}, "tags": "firewall"}, ["edge"]),
        ({"ansible.builtin.import_role": ROLE, "tags": "firewall"}, ["edge"]),
        ({"ansible.builtin.import_role": ROLE, "tags": "other"}, []),
    ],
)
def test_tags_choose_the_role(tmp_path, include, hosts):
    done = run(tmp_path, {**EDGES, "hosts": "edge", "tasks": [include]}, arguments=["--tags", "firewall"])
    assert done.returncode == 0, done.stdout
    assert closing_lines(done) == hosts


def test_a_default_run_warns_of_nothing():
    for playbook in ("site", "verify", "remove"):
        done = edge.play(playbook)
        assert "[WARNING]" not in done.stdout, done.stdout
