# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that ansible-doc shows of this collection, each with the version that has it first by its documentation.

Usage, at a release, to add its names to released.json: documented.py VERSION
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

RELEASED = Path(__file__).with_name("released.json")
"""The names that each release was the first to have."""
FIRST = "1.0.0"
CHILDREN = ("options", "suboptions", "contains")


def _ansible_doc(*arguments: str):
    """Return what ansible-doc says in JSON."""
    command = ["ansible-doc", "--json", *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def _within(prefix: str, entries: dict | None, version: str) -> Iterator[tuple[str, str]]:
    """Yield options or results, and those in them, with their versions."""
    for name, entry in (entries or {}).items():
        own = entry.get("version_added") or version
        yield f"{prefix}.{name}", own
        for key in CHILDREN:
            yield from _within(f"{prefix}.{name}", entry.get(key), own)


def documented() -> dict[str, str]:
    """Return modules, roles, lookups, filters, their options and results as name to version."""
    found: dict[str, str] = {}
    for kind in ("module", "lookup", "filter"):
        names = list(_ansible_doc("-t", kind, "--list", "xmpp.edge"))
        for name, entry in (_ansible_doc("-t", kind, *names) if names else {}).items():
            own = entry["doc"].get("version_added") or FIRST
            found[name] = own
            found.update(_within(name, entry["doc"].get("options"), own))
            found.update(_within(f"{name}:result", entry.get("return"), own))
    for name in _ansible_doc("-t", "role", "--list", "xmpp.edge"):
        for entry in _ansible_doc("-t", "role", name)[name]["entry_points"].values():
            own = entry.get("version_added") or FIRST
            found[name] = own
            found.update(_within(name, entry.get("options"), own))
    return found


def main(version: str) -> None:
    """Add what is new to the list of released names."""
    released = json.loads(RELEASED.read_text())
    known = {name for names in released.values() for name in names}
    released[version] = sorted(set(documented()) - known)
    RELEASED.write_text(json.dumps(released, indent=2) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
