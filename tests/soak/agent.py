# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host: the host's half of the collection again and again, killed or left without its confirmation.

Usage: agent.py MANAGER kills|crashes|lost|upgrades COUNT SEED, with the inputs as JSON on standard input: options of
linux_firewall by name. It prints one JSON object with what it counted and every wrong state that it found.
       agent.py MANAGER state, which prints the state of the host.
"""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import glob
import itertools
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

LOCK = "/run/xmpp-edge.lock"
HOME = "/var/lib/xmpp-edge"
FILES = (
    "/etc/xmpp-edge/*",
    "/etc/systemd/system/*xmpp-edge*",
    "/etc/systemd/system/*/*xmpp-edge*",
    "/etc/firewalld/*/xmpp-edge*",
    "/etc/firewalld/zones/*.xml",
    "/etc/ufw/user*.rules",
)
OURS = ("XMPP-EDGE", "xmpp-edge", "ufw-user-input", "ufw-user-output", "ufw6-user-input", "ufw6-user-output")
ATTEMPTS = 5
"""Conversions that are tried in turn while the machine loses packets by itself."""
# A change that nobody confirms is rolled back after this many seconds. How late that is, is a figure of its own; the
# limit only ends a series in which it does not happen, on the busiest machine.
TIMEOUT, LATE = 2, 60


def output(*command):
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def live(manager):
    """All managed live rules, without what counts packets."""
    table = output("nft", "-s", "list", "table", "inet", "xmpp_edge")
    # Sets and chains are listed in the order in which they came.
    blocks = sorted(block.strip() for block in table.partition("{\n")[2].rpartition("}")[0].split("\n\n"))
    return "\n\n".join(blocks) + accepts(manager)


def accepts(manager):
    """The live accept rules of a manager."""
    if manager == "nftables":
        return output("nft", "-s", "list", "table", "inet", "filter")
    if manager == "firewalld":
        # Rules of one priority stand in whatever order, as they came.
        lines = output("nft", "-s", "list", "table", "inet", "firewalld").splitlines()
        groups = itertools.groupby(lines, lambda line: line.split()[-1:] if " dport " in line else None)
        return "\n".join(line for verdict, group in groups for line in (sorted(group) if verdict else group))
    lines = output("iptables-save", "-t", "filter") + output("ip6tables-save", "-t", "filter")
    kept = [line for line in lines.splitlines() if line.startswith("-A") and any(mark in line for mark in OURS)]
    sets = [line for line in output("ipset", "save").splitlines() if "xmpp-edge" in line]
    return "\n".join([*kept, *sorted(line.split(" initval")[0] for line in sets)])


def persisted():
    """All files of ours, and those that hold rules of ours; unit files that say when a change is undone are none."""
    paths = sorted(path for pattern in FILES for path in glob.glob(pattern) if "recovery" not in path)
    return {
        path: f"{os.lstat(path).st_mode:o} {Path(path).read_text() if os.path.exists(path) else ''}" for path in paths
    }


def start(options, former=False):
    """Start the module, or that of the former release, as Ansible does, in a process group of its own."""
    folder = Path(__file__).parent / ("former" if former else "")
    process = subprocess.Popen(
        [sys.executable, str(folder / "run_module.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    process.stdin.write(json.dumps(options))
    process.stdin.close()
    return process


def run(options, former=False):
    process = start(options, former)
    text = process.stdout.read()
    process.wait()
    try:
        return json.loads(text)
    except ValueError:
        return {"failed": True, "msg": text}


def tree(root):
    """A process and all its descendants."""
    children = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            words = Path(path).read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(words[1]), []).append(int(path.split("/")[2]))
    found, waiting = [], [root]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def everything():
    """Every process of the collection on this host."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            command = Path(path).read_bytes()
        except OSError:
            continue
        if b"run_module.py" in command or b"/var/lib/xmpp-edge" in command:
            found.append(int(path.split("/")[2]))
    return found


def kill(processes):
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def wait_for_lock():
    """Until nobody works on the rules any more."""
    try:
        with open(LOCK, "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
    except FileNotFoundError:
        pass


def difference(found, expected):
    """The lines in which two states differ."""
    one, other = (str(state).replace("\\n", "\n").splitlines() for state in (found, expected))
    return "\n".join(line for line in difflib.unified_diff(one, other, "found", "expected", lineterm="", n=0))


def placeless(rules):
    """Rules in one order: those of the former release stay at the head of a chain where nothing behind them denies."""
    return "\n".join(sorted(rules.splitlines()))


class Foreign:
    """An established connection of somebody else, through the firewall, that talks for as long as the series lasts."""

    PORT = 22
    TALK = """
import socket, sys, time
with socket.create_connection(("198.18.9.1", 22), 60) as session:
    session.settimeout(60)
    while True:
        session.sendall(b"x")
        if session.recv(1) != b"x":
            sys.exit(1)
        time.sleep(0.02)
"""

    def __init__(self):
        for command in (
            "ip netns add peer",
            "ip link add near type veth peer name far netns peer",
            "ip address add 198.18.9.1/30 dev near",
            "ip link set near up",
            "ip -n peer address add 198.18.9.2/30 dev far",
            "ip -n peer link set far up",
        ):
            subprocess.run(command.split(), check=False, stderr=subprocess.DEVNULL)
        self.trips = 0
        server = socket.create_server(("198.18.9.1", self.PORT))
        threading.Thread(target=self.echo, args=[server], daemon=True).start()
        command = ["ip", "netns", "exec", "peer", sys.executable, "-c", self.TALK]
        self.client = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self.goes_on()

    def echo(self, server):
        session, _address = server.accept()
        server.close()
        # At the end the client is killed, which resets the connection.
        with contextlib.suppress(OSError):
            while data := session.recv(1):
                session.sendall(data)
                self.trips += 1

    def goes_on(self):
        """Wait for a round trip; return whether there was one."""
        before, deadline = self.trips, time.monotonic() + 60
        while self.trips == before and self.client.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.trips > before

    def is_broken(self):
        """End the connection; return whether it had ended before, or no round trip came any more."""
        broken = not self.goes_on()
        self.client.kill()
        self.client.wait()
        return broken


class Soak:
    """One series: which states there may be, and which were found."""

    def __init__(self, manager, inputs, seed):
        self.manager = manager
        self.inputs = inputs
        self.random = random.Random(seed)
        self.states = {}
        self.counts = {"rounds": 0, "wrong": 0, "old": 0, "new": 0}
        self.complaints = []
        self.seconds = 1.0

    def learn(self):
        """What each input comes to, live and on disk, whatever was there before."""
        for _again in range(2):
            for name, options in self.inputs.items():
                begun = time.monotonic()
                result = run(options)
                self.seconds = max(time.monotonic() - begun, 0.2)
                if result.get("failed"):
                    sys.exit(f"{name}: {result.get('msg')}")
                state = self.seen()
                if self.states.setdefault(name, state) != state:
                    sys.exit(f"{name}: comes to other states at other times: {state} {self.states[name]}")
                self.now = name

    def seen(self):
        """The state of the host: live rules and files."""
        return (live(self.manager), persisted())

    def complain(self, what, *details):
        self.counts["wrong"] += 1
        self.complaints.append([what, *(str(detail)[:2000] for detail in details)])

    def look(self, new):
        """See that live rules and files are each what one of two inputs comes to."""
        found = self.seen()
        old = self.states[self.now]
        for number, kind in enumerate(("live rules", "files")):
            if found[number] not in (old[number], self.states[new][number]):
                self.complain(f"mixed {kind} between {self.now} and {new}", difference(found[number], old[number]))
        self.counts["new" if found == self.states[new] else "old"] += 1

    def converge(self, new):
        result = run(self.inputs[new])
        found = self.seen()
        if result.get("failed") or found != self.states[new]:
            self.complain(
                f"no convergence from {self.now} to {new}", result.get("msg"), *map(difference, found, self.states[new])
            )
        if os.path.exists(HOME) or os.path.exists(LOCK) or glob.glob("/etc/systemd/system/*recovery*"):
            self.complain("something was left behind", os.path.exists(HOME), os.path.exists(LOCK))
        self.now = new

    def other(self):
        """Choose an input that comes to another state than the present one."""
        return self.random.choice([name for name in self.inputs if self.states[name] != self.states[self.now]])

    def kills(self):
        """A run is killed with its group and its descendants; nothing may ever be half done."""
        new = self.other()
        process = start(self.inputs[new])
        time.sleep(self.random.uniform(0, self.seconds))
        kill(tree(process.pid))
        process.wait()
        wait_for_lock()
        self.look(new)
        self.converge(new)

    def crashes(self):
        """All processes are killed, as by a crash; the next run puts everything right."""
        new = self.other()
        process = start(self.inputs[new])
        time.sleep(self.random.uniform(0, self.seconds))
        kill(everything())
        process.wait()
        wait_for_lock()
        self.converge(new)

    def convert(self, name):
        """Convert an input from the former release to this one, while connections are opened.

        Tries again while the machine loses packets by itself. Return what the connections and the run came to; no run
        where the former release fails.
        """
        for _attempt in range(ATTEMPTS):
            run(self.inputs["absent"])
            former = run(self.inputs[name], former=True)
            if former.get("failed"):
                self.complain(f"the former release fails with {name}", former.get("msg"))
                return None, None
            with Probers(FLOWS[name]) as probers:
                result = run({**self.inputs[name], "rollback_after": 60})
                if result.get("confirmation"):
                    subprocess.run(["sh", "-c", result["confirmation"]], check=True)
            if not (probers.changed and probers.overloaded):
                break
        return probers, result

    def upgrades(self):
        """Convert the state of the former release by one run: no flow changes meanwhile; removal leaves nothing."""
        name = self.random.choice(sorted(FLOWS))
        probers, result = self.convert(name)
        if result is None:
            return
        again = run(self.inputs[name])
        if result.get("failed") or again.get("changed"):
            self.complain(f"no conversion with {name}", result, again)
        elif probers.changed:
            self.complain(f"flows changed with {name}", probers.changed)
        if self.manager == "firewalld":
            # The policies of the former release stay as empty shells until then.
            output("firewall-cmd", "--reload")
        if self.manager != "ufw":
            # In ufw's files the rules of the former release stay where they are, before rules that deny nothing.
            found, expected = ((placeless(rules), files) for rules, files in (self.seen(), self.states[name]))
            if found != expected:
                self.complain(f"conversion with {name} comes to another state", *map(difference, found, expected))
        run(self.inputs[name], former=True)
        removed = run(self.inputs["absent"])
        if self.manager == "firewalld":
            output("firewall-cmd", "--reload")
        left = output("nft", "list", "ruleset") + output("ipset", "save") + json.dumps(persisted())
        if removed.get("failed") or "xmpp" in left.lower() or "786d70705f65646765" in left:
            self.complain(f"removal of what the former release made with {name}", removed.get("msg"), left)
        self.now = "absent"
        self.counts["new"] += 1

    def lost(self):
        """A change that is never confirmed is undone by the host, in time, live and on disk."""
        new = self.other()
        result = run({**self.inputs[new], "rollback_after": TIMEOUT})
        if not result.get("changed"):
            self.complain("nothing was changed", result)
            return
        deadline = time.monotonic() + TIMEOUT + LATE
        while glob.glob(f"{HOME}/change-*") and time.monotonic() < deadline:
            time.sleep(0.05)
        late = time.monotonic() - (deadline - LATE)
        self.counts["late"] = round(max(self.counts.get("late", -TIMEOUT), late), 1)
        wait_for_lock()
        found = self.seen()
        if found != self.states[self.now]:
            self.complain(f"{new} was not undone to {self.now} in time", *map(difference, found, self.states[self.now]))
        else:
            self.counts["old"] += 1
        said = run(self.inputs[self.now])
        if said.get("changed") or "was not confirmed in time" not in json.dumps(
            [said.get("warnings"), said.get("notes")]
        ):
            self.complain("the next run changes something, or does not say what happened", said)
        self.converge(self.other())


class Probers:
    """Connections that are opened all the time while a block runs. flows: expected, source, target and port of each."""

    PEER = ("ip", "netns", "exec", "peer")

    def __init__(self, flows):
        self.flows = flows
        self.changed = {}
        self.overloaded = False

    def __enter__(self):
        self.lost_before = lost_by_overload()
        script = [sys.executable, str(Path(__file__).with_name("prober.py"))]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.running = [
            subprocess.Popen([*(() if source == "198.18.0.2" else self.PEER), *script, *flow], **pipes)
            for flow in self.flows
            for source in [flow[1]]
        ]
        time.sleep(1)
        return self

    def __exit__(self, *_reason):
        time.sleep(1)
        for flow, process in zip(self.flows, self.running):
            counts = json.loads(process.communicate()[0])
            if counts["changed"] or not counts["tried"]:
                self.changed[" ".join(flow)] = counts
        self.overloaded = lost_by_overload() != self.lost_before


def lost_by_overload():
    """Return how many packets the kernel lost by itself: on full queues of processors and of listening sockets."""
    queues = Path("/proc/net/softnet_stat").read_text(encoding="ascii").splitlines()
    lost = [int(line.split()[1], 16) for line in queues]
    for where in ((), Probers.PEER):
        lines = subprocess.run([*where, "cat", "/proc/net/netstat"], check=True, capture_output=True, text=True).stdout
        names, values = (line.split() for line in lines.splitlines() if line.startswith("TcpExt:"))
        counters = dict(zip(names, values))
        lost += [int(counters[name]) for name in ("ListenOverflows", "ListenDrops", "TCPBacklogDrop")]
    return lost


PARTNER, STRANGER, ACCESS, OTHER = "198.19.7.5", "198.18.9.2", "198.18.0.2", "198.18.9.1"
FLOWS = {
    "open": [
        ("open", STRANGER, ACCESS, "5269"),
        ("closed", STRANGER, OTHER, "5269"),
        ("open", ACCESS, PARTNER, "5269"),
    ],
    "narrow": [
        ("open", PARTNER, ACCESS, "5269"),
        ("closed", STRANGER, ACCESS, "5269"),
        ("open", ACCESS, PARTNER, "5269"),
    ],
    "permit": [("open", STRANGER, ACCESS, "5270")],
}
FLOWS["long"] = FLOWS["narrow"]


def upgrade_network():
    """Give the peer an address that the lists name, and have both sides listen."""
    listen = """
import socket, sys
servers = [socket.create_server(("", int(port)), backlog=1024) for port in sys.argv[1:]]
import selectors
selector = selectors.DefaultSelector()
for server in servers:
    selector.register(server, selectors.EVENT_READ)
while True:
    for key, _events in selector.select():
        key.fileobj.accept()[0].close()
"""
    for command in (
        "ip -n peer address add 198.19.7.5/32 dev far",
        "ip -n peer link set lo up",
        "ip -n peer route add 198.18.0.2/32 via 198.18.9.1",
        "ip route add 198.19.7.5/32 via 198.18.9.2 src 198.18.0.2",
    ):
        subprocess.run(command.split(), check=True)
    for where in ((), Probers.PEER):
        subprocess.Popen([*where, sys.executable, "-c", listen, "5269", "5270"])
    time.sleep(1)


def main():
    if sys.argv[2] == "state":
        print(json.dumps([live(sys.argv[1]), persisted()]))
        return
    manager, kind, count, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    soak = Soak(manager, json.load(sys.stdin), seed)
    foreign = Foreign()
    if kind == "upgrades":
        upgrade_network()
    soak.learn()
    begun = time.monotonic()
    for _round in range(count):
        getattr(soak, kind)()
        soak.counts["rounds"] += 1
        if soak.counts["wrong"] > 5:
            break
    seconds = round(time.monotonic() - begun)
    if foreign.is_broken():
        soak.complain("a connection of somebody else was broken", foreign.trips)
    print(
        json.dumps(
            {
                **soak.counts,
                "foreign round trips": foreign.trips,
                "seconds": seconds,
                "run": round(soak.seconds, 2),
                "complaints": soak.complaints,
            }
        )
    )


if __name__ == "__main__":
    main()
