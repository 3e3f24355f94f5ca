# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times whole playbook runs on one container: this collection, the floor under every play, and what other modules take.

All cases of a round run one after the other, and rounds repeat. Directly before each case the floor is run, so that a
machine whose speed drifts treats both alike. The table has medians of seconds, and of the ratios of such pairs.
Usage: bench.py [ROUNDS [PART OF A NAME]...], where cases are left out whose names have none of the parts
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

ROOT = Path(__file__).resolve().parents[2]
BENCH = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "molecule" / "shared"))

from topology import Topology  # noqa: E402

DEFAULT_ROUNDS = 5
MANY_NETWORKS = 10_000
INVENTORY = ["-i", "molecule/shared/inventory.py", "--limit", "edge"]
TOPOLOGY = Topology("xmpp-edge-bench", 32)
ENVIRONMENT = {**os.environ, "XMPP_EDGE_TOPOLOGY": f"{TOPOLOGY.name}:{TOPOLOGY.number}"}


@dataclass(frozen=True)
class Case:
    """One timed playbook.

    prepare: shell commands on the edge before the run, not timed; changed: what the run must report.
    """

    name: str
    playbook: str
    prepare: str = ""
    changed: bool = False
    arguments: tuple[str, ...] = ()


FRESH = (
    "systemctl stop firewalld; rm -f /etc/firewalld/zones/public.xml /etc/firewalld/policies/xmpp-*; "
    "ufw --force disable > /dev/null; nft flush ruleset; rm -rf /etc/xmpp-edge; "
    "systemctl disable --quiet xmpp-edge 2> /dev/null; rm -rf /etc/systemd/system/xmpp-edge.service "
    "/etc/systemd/system/nftables.service.d /etc/systemd/system/netfilter-persistent.service.d; systemctl daemon-reload"
)
LIMITS = json.dumps({"xmpp_edge_limit_new": 60, "xmpp_edge_limit_open": 100, "xmpp_edge_log_blocked": True})
WITH_UFW = f"{FRESH}; ufw --force reset > /dev/null; ufw --force enable"
WITH_FIREWALLD = f"{FRESH}; systemctl start firewalld"


FLOOR = Case("floor: one ping task", "tests/bench/ping.yml")


def cases(many: Path) -> list[Case]:
    """What is timed, in the order of a round; each re-run follows its first run."""
    return [
        *both("xmpp.edge, nftables", "playbooks/site.yml", FRESH),
        *both(f"xmpp.edge, nftables, {MANY_NETWORKS} networks", "playbooks/site.yml", FRESH, "-e", f"@{many}"),
        *both("xmpp.edge, nftables, limits and log", "playbooks/site.yml", FRESH, "-e", LIMITS),
        *both("xmpp.edge, iptables", "playbooks/site.yml", FRESH, "-e", "xmpp_edge_backend=iptables"),
        *both(
            f"xmpp.edge, iptables, {MANY_NETWORKS} networks",
            "playbooks/site.yml",
            FRESH,
            *("-e", "xmpp_edge_backend=iptables", "-e", f"@{many}"),
        ),
        *both("ansible.builtin.iptables", "tests/bench/iptables.yml", FRESH),
        *both("xmpp.edge, ufw", "playbooks/site.yml", WITH_UFW),
        *both(f"xmpp.edge, ufw, {MANY_NETWORKS} networks", "playbooks/site.yml", WITH_UFW, "-e", f"@{many}"),
        *both("community.general.ufw", "tests/bench/ufw.yml", WITH_UFW),
        *both("xmpp.edge, firewalld", "playbooks/site.yml", WITH_FIREWALLD),
        *both(
            f"xmpp.edge, firewalld, {MANY_NETWORKS} networks", "playbooks/site.yml", WITH_FIREWALLD, "-e", f"@{many}"
        ),
        *both("ansible.posix.firewalld", "tests/bench/firewalld.yml", WITH_FIREWALLD),
    ]


def both(name: str, playbook: str, prepare: str, *arguments: str) -> list[Case]:
    """A first run, after its preparation, and a re-run."""
    return [
        Case(f"{name}, first run", playbook, prepare, True, arguments),
        Case(f"{name}, re-run", playbook, "", False, arguments),
    ]


def on_edge(commands: str) -> None:
    """Run shell commands on the edge."""
    subprocess.run(
        ["podman", "exec", TOPOLOGY.container("edge"), "sh", "-c", commands], stdout=subprocess.DEVNULL, check=False
    )


def playbook(path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook against the topology."""
    return subprocess.run(
        ["ansible-playbook", *INVENTORY, *arguments, path],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def timed(case: Case) -> float:
    """Seconds of one run, after its preparation; a run that does not do what it should ends the bench."""
    if case.prepare:
        on_edge(case.prepare)
    begun = time.perf_counter()
    done = playbook(case.playbook, *case.arguments)
    seconds = time.perf_counter() - begun
    if done.returncode != 0 or ("changed=0 " in done.stdout) == case.changed:
        sys.exit(f"{case.name}: not the run that was to be timed\n{done.stdout[-3000:]}")
    return seconds


def raise_topology() -> None:
    """One edge with every firewall manager installed."""
    image = subprocess.run(
        ["molecule/shared/build-image", "trixie", "managers"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()
    ENVIRONMENT["XMPP_EDGE_IMAGE"] = image
    for step in ("destroy", "create"):
        done = playbook(f"molecule/shared/{step}.yml", "--limit", "localhost,edge")
        if done.returncode != 0:
            sys.exit(done.stdout)


def main(rounds: int = DEFAULT_ROUNDS, parts: Sequence[str] = ("",)) -> None:
    """Time the cases whose names have one of the parts in every round, and show the table."""
    raise_topology()
    many = ROOT / ".cache" / "many-networks.json"
    networks = [
        f"100.{64 + number // 2500}.{number // 10 % 250}.{number % 10 * 20}/31" for number in range(MANY_NETWORKS)
    ]
    many.write_text(json.dumps({"xmpp_edge_partner_networks": networks}))
    listed = [case for case in cases(many) if any(part in case.name for part in parts)]
    pairs: dict[str, list[tuple[float, float]]] = {case.name: [] for case in listed}
    for number in range(rounds + 1):
        for case in listed:
            floor, taken = timed(FLOOR), timed(case)
            if number:  # The first round warms caches up.
                pairs[case.name].append((floor, taken))
        print(f"round {number} of {rounds}{'' if number else ' (warm-up, not counted)'}", file=sys.stderr, flush=True)
    on_edge(FRESH)
    print(f"{'case':<48} {'median':>8} {'min':>7} {'max':>7} {'ratio':>7}   ({rounds} rounds)")
    floors = [floor for found in pairs.values() for floor, _taken in found]
    show(FLOOR.name, [(floor, floor) for floor in floors])
    for name, found in pairs.items():
        show(name, found)


def show(name: str, pairs: Sequence[tuple[float, float]]) -> None:
    """Print the line of a case. pairs: seconds of the floor, and of the case directly after it."""
    taken = [mine for _floor, mine in pairs]
    ratio = statistics.median(mine / floor for floor, mine in pairs)
    print(f"{name:<48} {statistics.median(taken):>6.2f} s {min(taken):>5.2f} s {max(taken):>5.2f} s {ratio:>7.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *filter(None, [sys.argv[2:]]))
