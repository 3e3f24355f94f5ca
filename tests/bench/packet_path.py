# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures how many connections a second an edge takes without the managed table, with guards, and with limits too.

Client and server are in network namespaces of their own, joined by a pair of links. The states take turns in each
round, so that a machine whose speed drifts treats all alike. Printed are medians of the rounds' ratios, for two kinds
of connections:
- streams: Prosody, from the test image, answers the stream header of a server.
- bare: a connection is opened and reset.
Connections end with a reset: those that wait for their end would make the search for a free port slower and slower.
Time is CPU time of client and server, in which the kernel also does what packets cost. What the clock says of Prosody
depends more on how two processes take turns than on anything else.
Usage: packet_path.py [ROUNDS], as root.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "unit"), str(ROOT / ".cache" / "collections")]

from namespace import enter  # noqa: E402

SERVER, CLIENT, PORT = "198.18.0.2", "198.18.0.10", 5269
PARTNERS = [f"100.64.{number}.0/24" for number in range(250)]
DEFAULT_ROUNDS = 50
CONNECTIONS = 1000
"""How many one sample has."""

BARE_CLIENT = f"""
import socket, struct, time
begun = time.process_time()
for _number in range({CONNECTIONS}):
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.connect(("{SERVER}", {PORT}))
    one.close()
print(time.process_time() - begun)
"""

STREAM_CLIENT = f"""
import socket, struct, time
HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
    b"xmlns:db='jabber:server:dialback' from='partner.example' to='edge.example' version='1.0'>"
)
begun = time.process_time()
for _number in range({CONNECTIONS}):
    one = socket.create_connection(("{SERVER}", {PORT}))
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.sendall(HEADER)
    answer = b""
    while b"</stream:features>" not in answer:
        piece = one.recv(4096)
        if not piece:
            raise SystemExit("the server closed the stream: " + repr(answer))
        answer += piece
    one.close()
print(time.process_time() - begun)
"""

PROSODY = f"""
log = {{ error = "*console" }}
modules_enabled = {{ "dialback" }}
interfaces = {{ "*" }}
s2s_ports = {{ {PORT} }}
s2s_require_encryption = false
VirtualHost "edge.example"
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


def accept_and_close(listener: socket.socket) -> None:
    """Accept connections until the listener is shut down."""
    with suppress(OSError):
        while True:
            listener.accept()[0].close()


@contextmanager
def bare_server() -> Iterator[int]:
    """Serve connections that are closed as soon as they are accepted; yield the process that does."""
    listener = socket.create_server((SERVER, PORT), backlog=4096)
    threading.Thread(target=accept_and_close, args=(listener,), daemon=True).start()
    try:
        yield os.getpid()
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def prosody() -> Iterator[int]:
    """Serve XMPP streams with the Prosody of the test image, in this process's network; yield its process."""
    build = [str(ROOT / "molecule" / "shared" / "build-image"), "trixie", "xmpp"]
    image = subprocess.run(build, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "prosody.cfg.lua"
        configuration.write_text(PROSODY)
        configuration.chmod(0o644)
        Path(folder).chmod(0o755)
        network = f"--network=ns:/proc/{os.getpid()}/ns/net"
        started = ["podman", "run", "--rm", "--detach", network, f"--volume={folder}:/bench:ro", "--user=prosody"]
        command = [*started, image, "prosody", "-F", "--config", "/bench/prosody.cfg.lua"]
        container = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        try:
            _wait_for_listener(container)
            inspected = ["podman", "inspect", "--format", "{{.State.Pid}}", container]
            yield int(subprocess.run(inspected, check=True, stdout=subprocess.PIPE, text=True).stdout)
        finally:
            subprocess.run(["podman", "rm", "--force", container], check=True, stdout=subprocess.DEVNULL)


def _wait_for_listener(container: str) -> None:
    """Wait until the server accepts connections; raise RuntimeError if its container ends before."""
    with socket.socket() as attempt:
        while attempt.connect_ex((SERVER, PORT)):
            if subprocess.run(["podman", "container", "exists", container], check=False).returncode:
                raise RuntimeError("Prosody does not start")
            time.sleep(0.1)


def load(script: str) -> None:
    """Put one state of the firewall in place of the last one."""
    # A hook of its own keeps connection tracking on, as any stateful firewall does.
    base = "table ip t { chain c { type filter hook input priority 0; ct state invalid counter; }; }"
    subprocess.run(["nft", "-f", "-"], input=f"flush ruleset\n{base}\n{script}", text=True, check=True)


def cpu_time(process: int) -> float:
    """Return the seconds that all threads of a process have run."""
    threads = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(path.read_text().split()[0]) for path in threads) / 1e9


def measure(inside: list[str], client: str, server: int, rounds: int) -> dict[str, list[float]]:
    """Return the connections that each state allows in a second of CPU time, one figure of each round.

    inside: command that enters the client's network; client: code that prints its CPU time; server: process.
    """
    states = tables()
    rates: dict[str, list[float]] = {name: [] for name in states}
    for number in range(rounds + 1):
        # Another state is the first in each round: what comes later finds warmer caches, and more to be freed.
        shift = number % len(states)
        for name in [*states][shift:] + [*states][:shift]:
            load(states[name])
            before = cpu_time(server)
            done = subprocess.run([*inside, sys.executable, "-c", client], stdout=subprocess.PIPE, check=True)
            used = float(done.stdout) + cpu_time(server) - before
            if number:  # The first round warms caches up.
                rates[name].append(CONNECTIONS / used)
    return rates


def show(title: str, rates: dict[str, list[float]]) -> None:
    """Print the median rate of each state and the median of its ratios to no table."""
    base_rates = rates["no table"]
    print(f"{title:<24} {'a second of CPU time':>21} {'ratio':>7}   ({len(base_rates)} rounds)")
    for name, taken in rates.items():
        ratio = statistics.median(mine / base for mine, base in zip(taken, base_rates))
        print(f"{name:<24} {statistics.median(taken):>21.0f} {ratio:>7.3f}")


def main(rounds: int = DEFAULT_ROUNDS) -> None:
    """Measure both kinds of connections, and show a table for each."""
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
        with prosody() as server:
            show("streams", measure(inside, STREAM_CLIENT, server, rounds))
        with bare_server() as server:
            show("bare connections", measure(inside, BARE_CLIENT, server, rounds))
    finally:
        client.kill()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
