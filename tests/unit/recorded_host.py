# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host out of a file of tests/cases: its programs answer as recorded, and its files stand in a folder.

Nothing of the machine that the test runs on is seen, so that every machine comes to the same.
"""

from __future__ import annotations

import builtins
import contextlib
import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from unittest import mock

from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.runner import Completed

CASES = Path(__file__).resolve().parents[1] / "cases"
PATHS = sorted(CASES.glob("*/*.json"))
_OWN = ("/etc", "/usr/lib/firewalld", "/usr/lib/systemd", "/usr/local/lib/systemd", "/lib/systemd", "/var/spool/cron")
_OWN += (
    "/proc/sys/net",
    "/sys/class/net",
    "/var/lib/ferm",
    "/var/lib/shorewall",
    "/var/lib/firehol",
    "/var/lib/foomuuri",
)
_OWN += ("/proc/net/ip_tables_names", "/proc/net/ip6_tables_names", "/run/systemd", "/run/ufw.lock")
_FUNCTIONS = ("open", "stat", "lstat", "listdir", "scandir", "readlink")
_FUNCTIONS += ("mkdir", "rmdir", "unlink", "replace", "symlink", "chmod", "chown")
_SYMLINK = os.symlink


def read_case(path):
    """A case, with each text in one piece."""
    return _joined(json.loads(path.read_text(encoding="utf-8")))


def write_case(path, case):
    """Write a case, with each text of several lines as a list of lines, and each entry of nft's JSON on a line."""
    compact = []
    text = json.dumps(_split(case, compact), indent=1, ensure_ascii=False)
    text = re.sub(r'"@entry (\d+)@"', lambda found: compact[int(found[1])], text)
    path.write_text(f"{text}\n", encoding="utf-8")


def _split(value, compact):
    if isinstance(value, dict):
        return {key: _split(one, compact) for key, one in value.items()}
    if isinstance(value, list):
        return [_split(one, compact) for one in value]
    if isinstance(value, str) and value.startswith('{"nftables": ['):
        entries = json.loads(value)["nftables"]
        compact += [json.dumps(entry) for entry in entries]
        return {"nftables": [f"@entry {len(compact) - len(entries) + number}@" for number in range(len(entries))]}
    if isinstance(value, str) and "\n" in value.rstrip("\n"):
        return {"lines": value.splitlines(keepends=True)}
    return value


def _joined(value):
    if isinstance(value, dict) and list(value) == ["lines"]:
        return "".join(value["lines"])
    if isinstance(value, dict) and list(value) == ["nftables"]:
        return json.dumps(value)
    if isinstance(value, dict):
        return {key: _joined(one) for key, one in value.items()}
    return [_joined(one) for one in value] if isinstance(value, list) else value


class RecordedHost:
    """A host as it was recorded. folder: gets its files."""

    def __init__(self, recorded, folder):
        self.commands = recorded["commands"]
        self.programs = recorded["programs"]
        self.folder = folder
        for path, entry in recorded["files"].items():
            place = folder / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            if "link" in entry:
                place.symlink_to(entry["link"])
            elif "folder" in entry:
                place.mkdir(exist_ok=True)
                place.chmod(int(entry["mode"], 8))
            else:
                place.write_bytes(entry["text"].encode(errors="surrogateescape"))
                place.chmod(int(entry["mode"], 8))

    def run(self, arguments, stdin):
        """Return the answer of a program; one that nobody recorded fails."""
        words = " ".join([os.path.basename(arguments[0]), *arguments[1:]])
        return Completed(*self.commands.get(words, [1, "", f"Error: not recorded: {words}"]))

    @contextlib.contextmanager
    def as_this_machine(self):
        """Have this process see the files and programs of the host."""
        with contextlib.ExitStack() as stack:
            for name in _FUNCTIONS:
                stack.enter_context(mock.patch.object(os, name, self._elsewhere(getattr(os, name))))
            stack.enter_context(mock.patch.object(builtins, "open", self._elsewhere(builtins.open)))
            stack.enter_context(mock.patch.object(tempfile, "mkstemp", self._elsewhere(tempfile.mkstemp)))
            stack.enter_context(mock.patch.object(shutil, "which", lambda name, path=None: self.programs.get(name)))
            yield

    def _elsewhere(self, function):
        """Return a function of paths that has the folder in place of this machine's own files."""

        def place(value):
            own = isinstance(value, str) and value.startswith(_OWN)
            return str(self.folder / value.lstrip("/")) if own else value

        def wrapped(*arguments, **options):
            if function is _SYMLINK:
                return function(arguments[0], place(arguments[1]), **options)
            return function(*map(place, arguments), **{key: place(value) for key, value in options.items()})

        return wrapped
