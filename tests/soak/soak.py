#!/usr/bin/env python
# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills, cuts off and races runs of the collection, many times, and counts what is wrong afterwards.

Usage: soak.py KIND ... [--count N] [--manager NAME ...] [--seed N]

Kinds: kills    a run is killed with its group and its descendants; looked at at once, and after the next run
       crashes  every process is killed, the one included that carries out the change; looked at after the next run
       lost     nothing confirms a change; the host undoes it in time, and the next run says so; "late" is the most
                seconds after that time at which all was undone
       upgrades what the former release made is converted while connections are opened all the time, and removed
       races    four playbook runs with different inputs at once, each with its confirmation

Counts are for each manager. With XMPP_EDGE_SOAK=-a the hosts get other names, so that several series can run at once.
Nonsense is fed by tests/fuzz, with XMPP_EDGE_EXAMPLES for how often.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ansible

SOAK = Path(__file__).resolve().parent
CHECKOUT = SOAK.parents[1]
sys.path.insert(0, str(CHECKOUT / "tests"))

# It makes this checkout importable as the collection.
importlib.import_module("conftest")
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import to_payload  # noqa: E402
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules  # noqa: E402
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options  # noqa: E402

# Release and kind of each manager's image, and what makes it live there.
HOSTS = {
    "nftables": (
        "trixie",
        "edge",
        "printf '%s\\n' 'flush ruleset' 'table inet filter { chain input { type filter hook input priority filter; "
        "policy drop; ct state established,related accept; iif lo accept; meta l4proto { icmp, ipv6-icmp } accept; "
        "tcp dport 22 accept; }; }' "
        ">/etc/nftables.conf; systemctl enable --now nftables",
    ),
    "iptables": (
        "bookworm",
        "persistent",
        "systemctl enable --now netfilter-persistent; for program in iptables ip6tables; do "
        "$program -A INPUT -i lo -j ACCEPT; $program -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; "
        "$program -A INPUT -p tcp --dport 22 -j ACCEPT; $program -A INPUT -p ipv6-icmp -j ACCEPT; "
        "$program -P INPUT DROP; $program -P FORWARD DROP; done",
    ),
    "ufw": (
        "bookworm",
        "managers",
        "systemctl disable --now firewalld; nft flush ruleset; ufw allow 22/tcp; ufw limit 2222/tcp; "
        "ufw --force enable",
    ),
    "firewalld": (
        "trixie",
        "managers",
        "systemctl enable --now firewalld; firewall-cmd --permanent --add-port=5222/tcp; firewall-cmd --reload",
    ),
}
FORMER = "c1c7e84"
"""The commit of version 1.1.0, whose hosts are converted."""

SOUND = {"access_addresses": ["198.18.0.2", "2001:db8::2"], "internal_addresses": ["198.18.0.3", "2001:db8::3"]}
INPUTS = {
    "open": SOUND,
    "narrow": {**SOUND, "partner_networks": ["198.19.7.0/24", "2001:db8:7::/64"], "front_end_networks": ["198.19.8.9"]},
    "long": {**SOUND, "partner_networks": [f"198.19.{number}.0/25" for number in range(60)]},
    "permit": {**SOUND, "mode": "permit", "federation_port": 5270},
    "absent": {"state": "absent"},
}


def host_options(given, manager):
    """An administrator's options as those of linux_firewall."""
    options = parse_options(given)
    backend = "auto" if options.state == "absent" else manager
    return {"state": options.state, "backend": backend, **to_payload(compile_rules(options))}


class Host:
    """A container with one firewall manager, and the module in it."""

    def __init__(self, manager):
        self.manager = manager
        self.name = f"xmpp-edge-soak{os.environ.get('XMPP_EDGE_SOAK', '')}-{manager}"

    def __enter__(self):
        release, kind, prepare = HOSTS[self.manager]
        image = self.run([CHECKOUT / "molecule" / "shared" / "build-image", release, kind]).strip()
        self.remove()
        options = ["--privileged", "--systemd=always", "--network=none", "--stop-timeout=1"]
        self.run(["podman", "run", "--detach", "--name", self.name, *options, image, "/sbin/init"])
        self.shell("systemctl is-system-running --wait || true")
        self.shell("mkdir -p /soak/ansible /soak/ansible_collections/xmpp/edge")
        library = Path(ansible.__file__).parent
        # As Ansible's own wrapper has it on a host.
        self.shell("echo '__version__ = __author__ = \"\"' > /soak/ansible/__init__.py")
        self.run(["podman", "cp", library / "module_utils", f"{self.name}:/soak/ansible/module_utils"])
        self.run(["podman", "cp", CHECKOUT / "plugins", f"{self.name}:/soak/ansible_collections/xmpp/edge/plugins"])
        for path in ("agent.py", "run_module.py", "prober.py"):
            self.run(["podman", "cp", SOAK / path, f"{self.name}:/soak/{path}"])
        self.install_former()
        addresses = SOUND["access_addresses"] + SOUND["internal_addresses"]
        self.shell("; ".join(f"ip address add {one} dev lo" for one in addresses))
        self.shell(prepare)
        return self

    def install_former(self):
        """Put the former release beside this one, where the checkout has its history."""
        with tempfile.TemporaryDirectory() as folder:
            archive = ["git", "archive", "--format=tar", f"--output={folder}/former.tar", FORMER, "plugins"]
            if subprocess.run(archive, cwd=CHECKOUT, check=False, capture_output=True).returncode != 0:
                return
            self.run(["podman", "cp", f"{folder}/former.tar", f"{self.name}:/soak/former.tar"])
        self.shell(
            "mkdir -p /soak/former/ansible_collections/xmpp/edge; cd /soak/former; ln -sfn ../ansible ansible; "
            "cp ../run_module.py .; tar -xf ../former.tar -C ansible_collections/xmpp/edge"
        )

    def __exit__(self, *_reason):
        if "XMPP_EDGE_KEEP" not in os.environ:
            self.remove()

    def remove(self):
        """Remove the container. Podman may say that it cannot be stopped when it has just stopped by itself."""
        command = ["podman", "rm", "--force", "--ignore", "--time", "1", self.name]
        for _attempt in range(5):
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return
            time.sleep(1)
        self.run(command)

    def run(self, command, given=""):
        done = subprocess.run(
            list(map(str, command)), input=given, capture_output=True, text=True, check=False, cwd=CHECKOUT
        )
        if done.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def shell(self, command):
        return self.run(["podman", "exec", self.name, "sh", "-c", command])


def on_host(kinds, manager, count, seed):
    """Some series of the agent's, on one host."""
    inputs = json.dumps({name: host_options(given, manager) for name, given in INPUTS.items()})
    sound = True
    with Host(manager) as host:
        for kind in kinds:
            command = ["podman", "exec", "--interactive", host.name, "python3", "/soak/agent.py"]
            answer = json.loads(host.run([*command, manager, kind, str(count), str(seed)], inputs))
            complaints = answer.pop("complaints")
            print(f"{kind} {manager}: {answer}", flush=True)
            for complaint in complaints:
                print(f"WRONG {complaint[0]}", *complaint[1:], sep="\n  ")
            sound = sound and answer["wrong"] == 0 and answer["rounds"] == count
    return sound


def races(manager, count, seed):
    """Runs of the playbook at once, from controllers of their own; one of their inputs has to be what is there."""
    names = [name for name in INPUTS if name != "absent"]
    dice = random.Random(seed)
    counts = {"rounds": 0, "wrong": 0, "failed": 0}
    with Host(manager) as host, tempfile.TemporaryDirectory() as folder:
        inventory = Path(folder) / "hosts.yml"
        connection = {"ansible_connection": "containers.podman.podman", "ansible_host": host.name}
        connection["ansible_python_interpreter"] = "/usr/bin/python3"
        inventory.write_text(json.dumps({"xmpp_edge": {"hosts": {"edge": connection}}}))

        def start(name):
            variables = {f"xmpp_edge_{option}": value for option, value in INPUTS[name].items()}
            command = ["ansible-playbook", "-i", inventory, "playbooks/site.yml"]
            return subprocess.Popen(
                [*command, "-e", json.dumps({**variables, "xmpp_edge_backend": manager})],
                cwd=CHECKOUT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )

        def state():
            return host.run(["podman", "exec", host.name, "python3", "/soak/agent.py", manager, "state"])

        states = {}
        for name in [*names, *names]:
            done = start(name)
            done.communicate()
            states[name] = state()
        for _round in range(count):
            for name, run in [(name, start(name)) for name in dice.sample(names, 4)]:
                said = run.communicate()[0]
                if run.returncode != 0:
                    counts["failed"] += 1
                    print(name, said, sep="\n")
            if state() not in states.values():
                counts["wrong"] += 1
                print(state())
            counts["rounds"] += 1
    print(f"races {manager}: {counts}", flush=True)
    return counts["wrong"] == counts["failed"] == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="+", choices=["kills", "crashes", "lost", "upgrades", "races"])
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--manager", action="append", choices=list(HOSTS))
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    managers = given.manager or list(HOSTS)
    sound = True
    kinds = [kind for kind in given.kind if kind != "races"]
    if kinds:
        with ThreadPoolExecutor(2) as pool:
            done = pool.map(lambda one: on_host(kinds, one, given.count, given.seed), managers)
            sound = all(list(done))
    if "races" in given.kind:
        raced = [races(manager, given.count, given.seed) for manager in managers]
        sound = all(raced) and sound
    if sound:
        print("every state was sound")
    return int(not sound)


if __name__ == "__main__":
    sys.exit(main())
