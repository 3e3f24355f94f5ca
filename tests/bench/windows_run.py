# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times the module of Windows hosts on the simulated firewall, in one PowerShell that is warm.

The simulated store is a file that each read parses, so that times with many rules are those of the simulator too.
Usage: windows_run.py [ROUNDS]
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / path) for path in ("tests/windows", "tests/controller", ".cache/collections")]

from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules  # noqa: E402
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options  # noqa: E402
from ansible_collections.xmpp.edge.plugins.module_utils._edge.windows.controller import (  # noqa: E402
    module_arguments,
    report,
)
from hosts import Server, Windows  # noqa: E402
from test_front_door import OPTIONS, unmanaged  # noqa: E402

DEFAULT_ROUNDS = 3
MANY_RULES, MANY_NETWORKS = 5_000, 10_000
NETWORKS = [f"100.{64 + n // 2500}.{n // 10 % 250}.{n % 10 * 20}/31" for n in range(MANY_NETWORKS)]


def timed(host: Windows, given: dict[str, Any]) -> tuple[float, float]:
    """Return the seconds of a run on the host, and those of the controller before and after it."""
    begun = time.perf_counter()
    options = parse_options(given)
    rules = compile_rules(options)
    arguments = module_arguments(options, rules)
    before = time.perf_counter()
    answer = host.module(**{**arguments, "rollback_after": 0})
    after = time.perf_counter()
    if answer.get("failed"):
        sys.exit(answer["msg"])
    report(answer, rules, options)
    return after - before, before - begun + time.perf_counter() - after


def main(rounds: int = DEFAULT_ROUNDS) -> None:
    """Print a line for each case."""
    others = [unmanaged(f"Rule {number}", local_ports=str(1024 + number)) for number in range(MANY_RULES)]
    cases = [
        ("three rows", [], OPTIONS),
        (f"three rows, {MANY_RULES} unmanaged rules", others, OPTIONS),
        (f"three rows, {MANY_NETWORKS} partner networks", [], {**OPTIONS, "partner_networks": NETWORKS}),
    ]
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "firewall.json"
        store.write_text(json.dumps({"calls": 0, "rules": []}))
        server = Server(store)
        timed(Windows(Path(folder), server, []), OPTIONS)  # PowerShell compiles what it runs.
        print(f"{'case':<45} {'first run':>10} {'re-run':>10} {'controller':>11}   (medians of {rounds})")
        for name, rules, given in cases:
            found = []
            for _round in range(rounds):
                host = Windows(Path(folder), server, rules)
                host.save(rules=rules)
                (first, _own), (again, own) = timed(host, given), timed(host, given)
                found.append((first, again, own))
            first, again, own = map(statistics.median, zip(*found, strict=True))
            print(f"{name:<45} {first:>8.2f} s {again:>8.2f} s {own:>9.2f} s")
        server.end()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
