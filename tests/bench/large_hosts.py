# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times the host's side of runs, without Ansible, on hosts with large foreign firewalls, in a network of its own each.

A run adds the table to a host that drops by default, and its re-run changes nothing. The peak of memory is that of the
process itself, and of the largest program that it starts. Usage: large_hosts.py, as root.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ADDRESSES = ("198.18.0.2", "2001:db8::2", "198.18.1.2")
"""Addresses of the host. Rules for an address that it does not carry are not evaluated further."""
CHAIN = """table inet filter {{
  {sets}
  chain input {{
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    meta l4proto ipv6-icmp accept
    {rules}
    tcp dport 22 accept
  }}
}}
"""


def intervals(count):
    """Return a set of that many /30 networks that do not touch, of unicast addresses."""
    texts = []
    for number in range(count):
        address = (11 << 24) + 8 * number
        texts.append(".".join(str(address >> bits & 255) for bits in (24, 16, 8, 0)) + "/30")
    return f"set blocked {{ type ipv4_addr; flags interval; elements = {{ {', '.join(texts)} }}\n }}"


def addresses(count):
    """Return that many rules, each of which drops one address."""
    return "\n".join(f"ip saddr 11.{number >> 8}.{number & 255}.1 drop" for number in range(count))


CASES = {
    "no foreign set": lambda: ("", ""),
    "300,000 intervals off the path": lambda: (intervals(300_000), "udp dport 53 ip saddr @blocked drop"),
    "100,000 intervals on the path": lambda: (intervals(100_000), "ip saddr @blocked drop"),
    "1,000,000 intervals on the path": lambda: (intervals(1_000_000), "ip saddr @blocked drop"),
    "10,000 rules": lambda: ("", addresses(10_000)),
}
"""What a host has besides: its sets and its rules, made only in the process that loads them."""


def measured():
    """Run once in a new process, and return what it says of itself."""
    code = """
import json, resource, sys, time
import former, namespace
from namespace import reconciled
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.desired import Desired
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
desired = Desired("present", compile_rules(parse_options(former.OPTIONS)), persist=False)
begun = time.monotonic()
try:
    outcome = reconciled(desired)
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
seconds = time.monotonic() - begun
peak = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
rows = {row: verdict.effective for row, verdict in outcome.rows.items()}
print(json.dumps([seconds, *peak, outcome.change.plan.changed, rows, outcome.decided_by]))
"""
    path = os.pathsep.join([str(ROOT / "tests" / "unit"), str(ROOT / ".cache" / "collections"), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        return done.stderr.strip().splitlines()[-1]
    return json.loads(done.stdout)


def main():
    """Measure every case, in a network of its own each."""
    if len(sys.argv) == 1:
        print(
            "| host | first run | re-run | memory of the run | of its largest program | rows |",
            "|---" * 6 + "|",
            sep="\n",
        )
        for name in CASES:
            subprocess.run(["unshare", "--net", sys.executable, __file__, name], check=True)
        return
    if sys.argv[2:] == ["load"]:
        commands = ["link set lo up", *(f"address add {address} dev lo" for address in ADDRESSES)]
        subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)
        sets, rules = CASES[sys.argv[1]]()
        subprocess.run(["nft", "-f", "-"], input=CHAIN.format(sets=sets, rules=rules), text=True, check=True)
        return
    subprocess.run([sys.executable, __file__, sys.argv[1], "load"], check=True)
    first, again = measured(), measured()
    if isinstance(first, str) or isinstance(again, str):
        print(f"| {sys.argv[1]} | {first} | {again} |", flush=True)
        return
    verdicts = ", ".join(sorted({f"{row} {found}" for row, found in again[4].items()}))
    own, other = (max(first[index], again[index]) for index in (1, 2))
    print(f"| {sys.argv[1]} | {first[0]:.2f} s | {again[0]:.2f} s | {own:.0f} MB | {other:.0f} MB | {verdicts} |")
    assert first[3] and not again[3]
    assert any(found == "yes" for found in again[4].values())
    for reason in sorted(set(again[5].values())):
        if "was not read" in (reason or ""):
            print(f"  {reason}")


if __name__ == "__main__":
    main()
