# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs real plays on this machine, in check mode and in a network namespace of their own, and returns their results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

OWN_ADDRESSES = ("198.18.0.2", "2001:db8::2", "198.18.1.2", "198.51.100.7", "2001:db8:100::7", "10.20.0.7")
"""Addresses that tests and documents take for those of the host."""

# A network without even a loopback address behaves in ways that no host's does.
IN_EMPTY_NETWORK = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
_ADD = " && ".join(f"ip address add {address} dev lo nodad" for address in OWN_ADDRESSES)
IN_OWN_NETWORK = ("unshare", "--net", "sh", "-c", f'ip link set lo up && {_ADD} && exec "$@"', "sh")
CHECKOUT = Path(__file__).resolve().parents[2]


def environment(folder: Path) -> dict[str, str]:
    """Environment for Ansible's commands, in which this checkout is the collection xmpp.edge."""
    link = CHECKOUT / ".cache" / "collections" / "ansible_collections" / "xmpp" / "edge"
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(CHECKOUT)
    return {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".cache" / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_HOME": str(folder / "ansible"),
    }


def started(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Ansible in a folder, and return how it ended, with all that it said as one text."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(folder),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


def ansible_command(name: str) -> str:
    """Path of one of Ansible's commands, of the same installation that runs the tests."""
    return str(Path(sys.executable).parent / name)


def run_play(folder: Path, play: list[dict[str, Any]]) -> subprocess.CompletedProcess:
    """ansible-playbook --check on localhost, with a network that has nothing but its own addresses."""
    path = folder / "play.yml"
    path.write_text(yaml.safe_dump(play))
    return subprocess.run(
        [*IN_OWN_NETWORK, ansible_command("ansible-playbook"), "-i", "localhost,", "--check", str(path)],
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=CHECKOUT,
    )


def run_tasks(folder: Path, tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Results of tasks, in order; failures are results too."""
    registered = [{**task, "register": f"result_{number}", "ignore_errors": True} for number, task in enumerate(tasks)]
    results = "[" + ", ".join(f"result_{number}" for number in range(len(tasks))) + "]"
    output = folder / "results.json"
    save = {
        "ansible.builtin.copy": {"content": "{{ %s | to_json }}" % results, "dest": str(output)},  # noqa: UP031
        "check_mode": False,
    }
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable},
        "tasks": [*registered, save],
    }
    done = run_play(folder, [play])
    assert done.returncode == 0, done.stdout
    return json.loads(output.read_text())
