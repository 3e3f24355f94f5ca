# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shellcheck reads every shell tool of the project, and one rendering of every script that is generated for a host,
and the steps of workflows.

A new generated script is a function with the decorator "generated" that returns its text.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Callable

import pytest
import yaml
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends import iptables_lines, nft_accepts
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.lines import lines_of
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rollback_data import (
    RollbackData,
    SharedFile,
    together,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rollback import changes, revoked, saved_files, script

CHECKOUT = Path(__file__).resolve().parents[2]
SHEBANG = re.compile(rb"#!\S*[/ ](ba|da)?sh\b")
TOOLS = [
    path
    for folder in (".ci", "molecule", "roles", "tests")
    for path in sorted((CHECKOUT / folder).rglob("*"))
    if path.is_file() and SHEBANG.match(path.read_bytes()[:80])
]
RULES = compile_rules(parse_options({"access_addresses": ["198.18.0.2"], "internal_addresses": ["198.18.0.3"]}))

GENERATED: dict[str, Callable[[Path], str]] = {}


def generated(render: Callable[[Path], str]) -> Callable[[Path], str]:
    """Register a function that renders a script for POSIX sh; it may write to the folder that it is given."""
    GENERATED[render.__name__] = render
    return render


@generated
def rollback_script(folder):
    """Files of every kind, and the live rules of every manager. The recovery at a boot runs the same script."""
    regular, shared, link = folder / "it's regular", folder / "shared", folder / "link"
    regular.write_text("")
    shared.write_text("")
    link.symlink_to("elsewhere")
    files = RollbackData(
        tuple(map(str, (regular, shared, link, folder / "missing"))),
        {str(shared): SharedFile("", "awk -v ours=ours-ipv4 -f merge.awk")},
        (str(folder),),
        units=True,
        active=True,
        # As firewalld has it: a query for each rule.
        live=("busctl call queryRichRule 'a b' | grep -q true || busctl call addRichRule 'a b'",),
    )
    rules = RollbackData(
        live=("cat ipsets | /usr/sbin/ipset -exist restore", "/bin/sh iptables.sh", "/bin/sh accepts.sh"),
        data={"iptables.sh": "", "accepts.sh": "", "ipsets": ""},
    )
    everything = together([files, rules])
    places = script.Places("/var/lib/xmpp-edge", "0123456789abcdef", "/run/xmpp-edge.lock", changes.RECOVERY_UNIT_FILE)
    commands, _contents = saved_files.saved_files(everything)
    return script.change_script(places, everything, commands)


@generated
def confirmation(_folder):
    """The command that the controller runs on the host."""
    return changes.PendingChange(None, "/var/lib/xmpp-edge/change-0123456789abcdef").command


@generated
def closing_of_revoked_connections(_folder):
    """The file that the rollback script reads once a change is confirmed."""
    sockets = [revoked.Socket("198.18.0.2", 5269, "198.18.7.9", 40000), revoked.Socket("2001:db8::2", 1, "::1", 2)]
    return "\n".join(revoked.closing_commands(sockets))


@generated
def loader_of_accept_rules(_folder):
    """The file of the nftables backend, which also restores rules."""
    rules = [nft_accepts.write_rule(rule) for rule in RULES if rule.action == "allow"]
    groups = {("inet filter", "input"): [("counter drop", rules), ("", rules)], ("ip other", "in"): []}
    return nft_accepts.write_loader("/usr/sbin/nft", groups)


@generated
def loader_of_iptables(_folder):
    """The file of the iptables backend, which also restores rules."""
    jumps = [iptables_lines.Jumps("INPUT", "XMPP-EDGE-IN", ('-A INPUT -m comment --comment "it\'s" -j DROP', ""))]
    gone = [iptables_lines.Jumps("OUTPUT", "XMPP-EDGE-OUT", ())]
    lines = [iptables_lines.write_line(line) for line in lines_of(RULES, "ipv4")]
    programs = [
        iptables_lines.ProgramRules(
            "/usr/sbin/iptables-nft", {"XMPP-EDGE-IN": lines, "XMPP-EDGE-OUT": None}, jumps + gone
        ),
        iptables_lines.ProgramRules("/usr/sbin/ip6tables-nft", {}, []),
    ]
    script = iptables_lines.write_script(programs)
    return f'if [ "$1" = unload ]; then\n{script}fi\n{script}'


def shellcheck(*arguments):
    assert shutil.which("shellcheck"), "shellcheck is not installed"
    done = subprocess.run(
        ["shellcheck", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("tool", TOOLS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_tool(tool):
    shellcheck(tool)


@pytest.mark.parametrize("name", GENERATED)
def test_generated_script(name, tmp_path):
    rendered = tmp_path / name
    rendered.write_text(GENERATED[name](tmp_path).rstrip("\n") + "\n")
    shellcheck("-s", "sh", rendered)


def steps_of(workflow):
    """Yield the name and the script of each step that a Linux shell runs; ${{ }} becomes a word."""
    jobs = yaml.safe_load(workflow.read_text())["jobs"]
    for job, content in jobs.items():
        for number, step in enumerate(content.get("steps", [])):
            if "run" in step and step.get("shell") != "powershell":
                yield f"{workflow.stem}-{job}-{number}", re.sub(r"\$\{\{.*?\}\}", "word", step["run"])


STEPS = dict(step for workflow in sorted(CHECKOUT.glob(".github/workflows/*.yml")) for step in steps_of(workflow))
GITLAB = CHECKOUT / "ci" / "gitlab.yml"
STEPS["gitlab"] = "\n".join(yaml.safe_load(GITLAB.read_text())["rehearse"]["script"])
MANAGERS = sorted(CHECKOUT.glob("roles/xmpp_edge_rehearse/files/managers/*.sh"))


@pytest.mark.parametrize("manager", MANAGERS, ids=lambda path: path.name)
def test_set_up_of_a_rehearsal(manager):
    shellcheck("-s", "sh", manager)


def test_the_include_for_gitlab_is_valid():
    subprocess.run(["check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", GITLAB], check=True)


@pytest.mark.parametrize("name", STEPS)
def test_step_of_a_workflow(name, tmp_path):
    script_file = tmp_path / name
    script_file.write_text(STEPS[name].rstrip("\n") + "\n")
    shellcheck("-s", "bash", script_file)


def test_steps_of_workflows_are_found():
    assert len(STEPS) > 5


def test_all_tools_are_found():
    assert {"setup", "build-image", "run"} <= {tool.name for tool in TOOLS}


def test_a_fault_is_found(tmp_path):
    faulty = tmp_path / "faulty"
    faulty.write_text("rm $1/*\n")
    with pytest.raises(AssertionError, match="SC2086"):
        shellcheck("-s", "sh", faulty)
