# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What real hosts said of themselves, replayed with damage: a host for backends on which no command is ever run."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.runner import Completed

CORPUS = Path(__file__).resolve().parent / "corpus"
MANAGERS = sorted(path.stem for path in CORPUS.glob("*.json"))
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
# What changes a host, by the program and what stands among its arguments.
CHANGING = (
    ("nft", "-f"),
    ("-restore", ""),
    ("ipset", "restore"),
    ("systemctl", "enable"),
    ("systemctl", "stop"),
    ("systemctl", "daemon-reload"),
    ("busctl", "setEntries"),
    ("busctl", "setPolicySettings"),
    ("busctl", "reload"),
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


class Recorded:
    """A host of one manager as it was recorded, with damage by a seed.

    folder: gets the files that the host had, and a list of what a run would have changed.
    """

    def __init__(self, manager: str, seed: int, folder: Path) -> None:
        recorded = json.loads((CORPUS / f"{manager}.json").read_text())
        self._dice = random.Random(seed)
        self._commands = recorded["commands"]
        self._hit = set(self._dice.sample(sorted(self._commands), self._dice.randint(1, 2)))
        self.folder = folder
        self._log = folder / "changes"
        for path, text in recorded["files"].items():
            place = folder / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            changed = damaged(text, self._dice) if self._dice.random() < 0.3 else text
            place.write_bytes(changed.encode(errors="replace"))

    def run(self, arguments: list[str], stdin: str) -> Completed:
        """What a program would print."""
        name = os.path.basename(arguments[0])
        words = " ".join([name, *arguments[1:]])
        if any(name.endswith(end) and part in ("", *arguments) for end, part in CHANGING) and "-c" not in arguments:
            with self._log.open("a") as log:
                log.write(f"{words}\n")
            return Completed(0, "", "")
        code, output, errors = self._commands.get(words, [0 if "-c" in arguments else 1, "", "Error: No such thing"])
        if words in self._hit:
            if self._dice.random() < 0.1:
                return Completed(1, "", self._dice.choice(HOSTILE))
            output = damaged(output, self._dice)
        return Completed(code, output, errors)

    @property
    def changes(self) -> list[str]:
        """The commands that would have changed the host."""
        return self._log.read_text().splitlines() if self._log.exists() else []
