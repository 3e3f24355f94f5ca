# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host: prints all that a run with some options reads there, as JSON. See tests/tools/record-case.

Usage: recorder.py < OPTIONS, where OPTIONS are those of the module linux_firewall, as JSON
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.choose import choose_backend
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.runner import Completed
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.desired import Desired
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import from_payload
from ansible_collections.xmpp.edge.plugins.module_utils._edge.reconcile import observe, plan_host

FILES = (
    "/etc/xmpp-edge",
    "/etc/xmpp-edge/*",
    "/etc/xmpp-edge/.*",
    "/etc/systemd/system/*.service",
    "/etc/systemd/system/*.wants/*",
    *(
        f"/usr/lib/systemd/system/{name}.service"
        for name in ("nftables", "netfilter-persistent", "ufw", "firewalld", "own")
    ),
    "/etc/systemd/system/*.service.d",
    "/etc/systemd/system/*.service.d/*",
    "/etc/ufw/user.rules",
    "/etc/ufw/user6.rules",
    "/etc/ufw/ufw.conf",
    "/etc/default/ufw",
    "/etc/firewalld/firewalld.conf",
    "/etc/firewalld/zones/*",
    "/etc/firewalld/policies/*",
    "/etc/firewalld/ipsets/*",
    "/usr/lib/firewalld/zones/*.xml",
    "/etc/nftables.conf",
    "/etc/iptables/*",
    "/proc/net/ip_tables_names",
    "/proc/net/ip6_tables_names",
    "/proc/sys/net/ipv4/ip_local_port_range",
    "/run/systemd/system",
    "/sys/class/net/*/flags",
)
"""Files and folders that a run may read."""

commands = {}
programs = {}


def run(arguments, stdin):
    """Run a program, and remember its answer."""
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(arguments, input=stdin, capture_output=True, text=True, check=False, env=environment)
    commands[" ".join([os.path.basename(arguments[0]), *arguments[1:]])] = [done.returncode, done.stdout, done.stderr]
    return Completed(done.returncode, done.stdout, done.stderr)


def which(name, path=None, real=shutil.which):
    """Find a program, and remember where it is."""
    found = real(name, path=path)
    if found:
        programs[name] = found
    return found


def files():
    """Every file and folder that matters, by path."""
    found = {}
    for path in sorted({path for pattern in FILES for path in glob.glob(pattern)}):
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            found[path] = {"link": os.readlink(path)}
        elif stat.S_ISDIR(status.st_mode):
            found[path] = {"folder": True, "mode": f"{stat.S_IMODE(status.st_mode):04o}"}
        else:
            with open(path, newline="") as file:
                found[path] = {"text": file.read(), "mode": f"{stat.S_IMODE(status.st_mode):04o}"}
    return found


def main():
    options = json.load(sys.stdin)
    shutil.which = which
    rules = from_payload(options.get("rules", []), options.get("groups", {}))
    integrate = options.get("integrate", "auto") == "auto"
    desired = Desired(options["state"], rules, options.get("persist", True), integrate)
    # A refusal is an answer as well.
    with contextlib.suppress(EdgeError):
        facts = observe(run, desired)
        plan_host(facts, choose_backend(facts, run, options["backend"], desired), desired)
    json.dump({"programs": programs, "commands": commands, "files": files()}, sys.stdout)


if __name__ == "__main__":
    main()
