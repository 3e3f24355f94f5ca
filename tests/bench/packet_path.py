# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures how many connections a second an edge takes without the managed table, with guards, and with limits too.

Client and server are in network namespaces of their own, joined by a pair of links. The states take turns in each
round, so that a machine whose speed drifts treats all alike. Time is that of the client's process, in which the kernel
also does what packets cost on the server's side before they are accepted. Printed are medians of the rounds' ratios.
Usage: packet_path.py [ROUNDS], as root.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "unit"), str(ROOT / ".cache" / "collections")]

from namespace import enter  # noqa: E402

SERVER, CLIENT, PORT = "198.18.0.2", "198.18.0.10", 5269
CONNECTIONS = 1000
PARTNERS = [f"100.64.{number}.0/24" for number in range(250)]
DEFAULT_ROUNDS = 50

CLIENT_CODE = f"""
import socket, struct, time
begun = time.process_time()
for _number in range({CONNECTIONS}):
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.connect(("{SERVER}", {PORT}))
    one.close()
print({CONNECTIONS} / (time.process_time() - begun))
"""


def tables() -> dict[str, str]:
    """Return the scripts that make each state of the firewall."""
    edge = "ansible_collections.xmpp.edge.plugins.module_utils._edge"
    options = import_module(f"{edge}.request.options")
    rules = import_module(f"{edge}.request.compile")
    table = import_module(f"{edge}.backends.nft_table")
    controls = import_module(f"{edge}.model.controls")
    given = {"access_addresses": [SERVER], "internal_addresses": ["198.18.1.2"]}
    listed = {**given, "partner_networks": [*PARTNERS, f"{CLIENT}/32"]}
    limited = {**listed, "limit_new": 60_000, "limit_burst": 60_000, "limit_open": 100, "log_blocked": True}
    states = {"no table": "", "guards, open to any": given, "guards, 251 networks": listed, "with limits": limited}
    found = {}
    for name, one in states.items():
        if not one:
            found[name] = ""
            continue
        parsed = options.parse_options(one)
        wanted = controls.Controls(parsed.limits, parsed.log_blocked)
        found[name] = table.write_table(table.to_table(rules.compile_rules(parsed), wanted))
    return found


def serve(listener: socket.socket) -> None:
    """Accept and forget."""
    while True:
        listener.accept()[0].close()


def main(rounds: int = DEFAULT_ROUNDS) -> None:
    """Measure every state in every round and show the table."""
    enter(())
    client = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    try:
        while os.readlink(f"/proc/{client.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            time.sleep(0.01)
        inside = ["nsenter", "--net", f"--target={client.pid}"]
        for command in (
            f"ip link add server type veth peer name client netns {client.pid}",
            f"ip address add {SERVER}/24 dev server",
            "ip link set server up",
        ):
            subprocess.run(command.split(), check=True)
        for command in (f"ip address add {CLIENT}/24 dev client", "ip link set client up"):
            subprocess.run([*inside, *command.split()], check=True)
        listener = socket.create_server((SERVER, PORT), backlog=4096)
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        states = tables()
        rates: dict[str, list[float]] = {name: [] for name in states}
        for number in range(rounds + 1):
            for name, script in states.items():
                subprocess.run(["nft", "-f", "-"], input=f"flush ruleset\n{script}", text=True, check=True)
                # A hook of its own keeps connection tracking on, as any stateful firewall does.
                base = "add table ip t; add chain ip t c { type filter hook input priority 0; }; "
                subprocess.run(["nft", base + "add rule ip t c ct state invalid counter"], check=True)
                done = subprocess.run([*inside, sys.executable, "-c", CLIENT_CODE], stdout=subprocess.PIPE, check=True)
                if number:  # The first round warms caches up.
                    rates[name].append(float(done.stdout))
        base_rates = rates["no table"]
        print(f"{'state':<24} {'connections a second':>21} {'ratio':>7}   ({rounds} rounds)")
        for name, taken in rates.items():
            ratio = statistics.median(mine / base for mine, base in zip(taken, base_rates))
            print(f"{name:<24} {statistics.median(taken):>21.0f} {ratio:>7.3f}")
    finally:
        client.kill()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
