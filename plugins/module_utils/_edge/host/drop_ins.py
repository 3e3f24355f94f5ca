# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drop-ins for the services of the host that load whole rulesets, so that managed rules come back with them. Pure."""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, Optional, Sequence

from ..model.ownership import TABLE
from .unit_files import UnitText, commands_of, emptied_by

NAME = "xmpp-edge.conf"

_LOAD = re.compile(r"([-@:+!]*)(/\S*/nft) -f (/\S+)")
_FLUSH = re.compile(r"([-@:+!]*)(/\S*/nft) flush ruleset")

FLUSHER = """\
# Runs: nftables.sh NFT FILE, or nftables.sh NFT to flush the ruleset.
# It does what nftables.service does, and loads the guards in the same transaction, so that they are not missing in
# between. Where nft refuses that, the host's own rules come first: they are loaded alone, and then the guards. The
# file may have an older copy of the guards, which must not be mixed with those that are live.
nft=$1 file=${2-} guards=GUARDS
without='add table TABLE
delete table TABLE'
if [ -n "$file" ]; then
  printf '%s\\ninclude "%s"\\ninclude "%s"\\n' "$without" "$file" "$guards" | "$nft" -f - && exit
  printf '%s\\ninclude "%s"\\n' "$without" "$file" | "$nft" -f -
else
  printf 'flush ruleset\\ninclude "%s"\\n' "$guards" | "$nft" -f - && exit
  "$nft" flush ruleset
fi
status=$?
"$nft" -f "$guards"
exit "$status"
""".replace("TABLE", TABLE)
"""Body of the script that takes the place of what nftables.service runs."""


def drop_in_file(unit: str) -> str:
    """Return the path of the managed drop-in of a unit."""
    return f"/etc/systemd/system/{unit}.d/{NAME}"


def flushing_commands(texts: Sequence[UnitText], script: str) -> Optional[Dict[str, List[str]]]:
    """Return what has to be run in place of a unit's own commands, so that each flush of the ruleset spares the guards.

    None where the unit has other commands than those that its packages have.
    """
    own = commands_of(texts)
    found: Dict[str, List[str]] = {}
    for key, form in (("ExecStart", _LOAD), ("ExecReload", _LOAD), ("ExecStop", _FLUSH)):
        for command in own.get(key, ()):
            match = form.fullmatch(command)
            if match is None:
                return None
            prefix, *words = match.groups()
            without = command[len(prefix) :]
            # The host's own rules are loaded also where somebody has removed the script.
            line = f"if [ -r {script} ]; then exec /bin/sh {script} {' '.join(words)}; fi; exec {without}"
            found.setdefault(key, []).append(f"{prefix}/bin/sh -c '{line}'")
    return found if "ExecStart" in found else None


def drop_in(texts: Sequence[UnitText], instead: Optional[Mapping[str, Sequence[str]]], load: Sequence[str]) -> str:
    """Return the drop-in of a unit.

    texts: its own files; instead: commands that take the place of its own, by key, None for none; load: commands that
    load what is gone afterwards.
    """
    lines = [line for key, commands in (instead or {}).items() for line in (f"{key}=", *_lines(key, commands))]
    # The "-" keeps a failure of the loader from failing the host's own service.
    after = [f"-{command}" for command in load]
    lines += _lines("ExecStartPost", after)
    if not texts or "ExecReload" in commands_of(texts):
        # A unit that cannot be reloaded is not made one that can: its own rules would not be loaded.
        lines += _lines("ExecReload", after)
    return "".join(f"{line}\n" for line in ("[Service]", *lines))


def undone_by(texts: Sequence[UnitText]) -> Sequence[str]:
    """Return the drop-ins of others that empty what the managed one says."""
    keys = ("ExecStart", "ExecStartPost", "ExecReload", "ExecStop")
    return sorted(set(emptied_by(texts, NAME, keys).values()))


def _lines(key: str, commands: Sequence[str]) -> List[str]:
    return [f"{key}={command}" for command in commands]
