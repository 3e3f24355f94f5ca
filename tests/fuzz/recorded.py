# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded hosts of tests/cases, replayed with damage: no command is ever run there."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.runner import Completed
from recorded_host import PATHS, RecordedHost, read_case

MANAGERS = sorted({path.parent.name for path in PATHS})
HOSTILE = (
    "",
    "\0",
    "\n",
    '"',
    "'",
    "\\",
    "$(PWN)",
    "`PWN`",
    "; PWN #",
    "<PWN>",
    "\u2028",
    "\ud800",
    "٣",
    "-1",
    "99999999999999999999",
    "1e400",
    "0.0.0.0/0",
    "::/129",
    "300.1.1.1",
    "[" * 3000,
    "comment=zz",
    "xmpp_edge ",
    "### RULES ###",
    "### END RULES ###",
    "*filter",
    "COMMIT",
    "<!DOCTYPE x>",
)
VALUES: tuple[Any, ...] = (None, True, -1, 2**70, 1.5, [], {}, [[]], {"": None}, {"set": [None]}, *HOSTILE)
# Commands that change a host, by the program and what stands among its arguments.
TRIALS = ("-c", "--test")
"""Options of nft and iptables-restore with which they change nothing."""
CHANGING = (
    ("nft", "-f"),
    ("-restore", ""),
    ("ipset", "destroy"),
    ("systemctl", "enable"),
    ("systemctl", "stop"),
    ("systemctl", "reset-failed"),
    ("systemctl", "daemon-reload"),
    ("busctl", "addRichRule"),
    ("busctl", "removeRichRule"),
    ("busctl", "setEntries"),
    ("busctl", "setPolicySettings"),
    ("sh", ""),
)


def damaged(text: str, dice: random.Random) -> str:
    """A text with some damage, in its structure where it is JSON."""
    if text[:1] in "{[" and dice.random() < 0.7:
        try:
            data = json.loads(text)
        except ValueError:
            pass
        else:
            for _again in range(dice.randint(1, 4)):
                data = _damaged_data(data, dice)
            return json.dumps(data)
    for _again in range(dice.randint(1, 4)):
        text = _damaged_text(text, dice)
    return text


def _damaged_data(data: Any, dice: random.Random) -> Any:
    if isinstance(data, dict) and data and dice.random() < 0.9:
        key = dice.choice(list(data))
        if dice.random() < 0.1:
            return {other: value for other, value in data.items() if other != key}
        return {**data, key: _damaged_data(data[key], dice)}
    if isinstance(data, list) and data and dice.random() < 0.95:
        place = dice.randrange(len(data))
        changed = [*data]
        changed[place] = _damaged_data(data[place], dice)
        return changed
    return dice.choice(VALUES)


def _damaged_text(text: str, dice: random.Random) -> str:
    kind = dice.randrange(6)
    if kind == 0:
        return dice.choice([dice.choice(HOSTILE), text[: dice.randint(0, len(text))], text + text])
    lines = text.splitlines(keepends=True) or [""]
    place = dice.randrange(len(lines))
    if kind == 1:
        del lines[place]
    elif kind == 2:
        lines.insert(dice.randrange(len(lines)), lines[place])
    elif kind == 3:
        lines[place] = dice.choice(HOSTILE) + "\n"
    else:
        words = lines[place].split(" ")
        words[dice.randrange(len(words))] = dice.choice(HOSTILE)
        lines[place] = " ".join(words)
    return "".join(lines)


class DamagedHost(RecordedHost):
    """A host of a case, with damage by a seed. What a run would change there is noted, and not done by any program.

    folder: gets its files, and the list of changes.
    """

    def __init__(self, path: Path, seed: int, folder: Path) -> None:
        case = read_case(path)
        self._dice = random.Random(seed)
        self._log = folder / "changes"
        recorded = case["host"]
        files = {name: self._maybe_damaged(entry) for name, entry in recorded["files"].items()}
        super().__init__({**recorded, "files": files}, folder)
        self.options = case["options"]
        self._hit = set(self._dice.sample(sorted(self.commands), self._dice.randint(1, 2)))

    def _maybe_damaged(self, entry: dict[str, Any]) -> dict[str, Any]:
        if "text" not in entry or self._dice.random() > 0.2:
            return entry
        text = damaged(entry["text"], self._dice).encode(errors="replace").decode()
        return {**entry, "text": text, "mode": self._dice.choice([entry["mode"], entry["mode"], "0666"])}

    def run(self, arguments: list[str], stdin: str) -> Completed:
        """Return the answer of a program."""
        name = os.path.basename(arguments[0])
        words = " ".join([name, *arguments[1:]])
        if any(trial in arguments for trial in TRIALS):
            return Completed(0, "", "")
        if any(name.endswith(end) and part in ("", *arguments) for end, part in CHANGING):
            # A change is carried out by another process, with a copy of this memory.
            with self._log.open("a") as log:
                log.write(f"{words}\n")
            return Completed(0, "", "")
        done = super().run(arguments, stdin)
        if words not in self._hit:
            return done
        if self._dice.random() < 0.1:
            return Completed(1, "", self._dice.choice(HOSTILE))
        return Completed(done.returncode, damaged(done.stdout, self._dice), done.stderr)

    @property
    def changes(self) -> list[str]:
        """The commands that would have changed the host."""
        return self._log.read_text().splitlines() if self._log.exists() else []
