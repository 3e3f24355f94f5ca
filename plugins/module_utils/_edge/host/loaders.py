# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever loads firewall rules on this host at boot: the known services, and units and scripts that nobody knows."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from typing import Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..model.errors import EdgeError
from ..model.ownership import TABLE
from .files import read_text
from .unit_files import UnitText, commands_of
from .units import FIREWALLD, IPTABLES, MANAGED, NETFILTER_PERSISTENT, NFTABLES, UFW

GUARDS = "guards"

LOADERS: Mapping[str, Tuple[str, ...]] = {
    NFTABLES: (GUARDS, "nftables"),
    "foomuuri.service": ("nftables",),
    NETFILTER_PERSISTENT: ("iptables",),
    IPTABLES: ("iptables",),
    "ip6tables.service": ("iptables",),
    "ferm.service": ("iptables",),
    "shorewall.service": ("iptables",),
    "shorewall6.service": ("iptables",),
    "firehol.service": ("iptables",),
}
"""What of the managed rules is gone when a known service loads its own: the guards, or accept rules of a backend."""

_UNIT_FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
)
"""Folders of unit files, the first of which wins. Source: systemd.unit(5)."""

_AT_BOOT = ("ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload")
_SCRIPTS = (
    "/etc/rc.local",
    "/etc/network/if-pre-up.d/*",
    "/etc/network/if-up.d/*",
    "/etc/NetworkManager/dispatcher.d/*",
    "/etc/networkd-dispatcher/*.d/*",
)
_LINES = (
    "/etc/network/interfaces",
    "/etc/network/interfaces.d/*",
    "/etc/crontab",
    "/etc/cron.d/*",
    "/var/spool/cron/crontabs/*",
    "/var/spool/cron/root",
)
_AT_UP = re.compile(r"^\s*(?:pre-up|up|post-up|@reboot)\s+(.*)$", re.MULTILINE)
"""Commands of interfaces(5) and crontab(5) that are run as the network, or the host, comes up."""

_LONGEST_SCRIPT = 256 * 1024
_NFT_FILE = re.compile(r"\bnft\b(?:\s+-[a-zA-Z]+|\s+--\w+)*?\s+(?:-\w*f|--file)[ =]?\s*(\S*)")
_NFT_FLUSH = re.compile(r"\bflush\s+ruleset\b")
_NFT_PARTS = re.compile(r"^\s*(?:flush|delete|destroy)\s+(?:table|chain|rule)\b", re.MULTILINE)
_NFT_INCLUDE = re.compile(r'^\s*include\s+"([^"]+)"', re.MULTILINE)
_RESTORE = re.compile(r"\bip6?tables(?:-nft|-legacy)?-(?:restore|apply)\b(?![^\n;|&]*\s(?:-n|--noflush)\b)")
_FLUSH = re.compile(r"\bip6?tables(?:-nft|-legacy)?\b[^\n;|&]*\s(?:-F|--flush)\b")
# What an administrator adds to have the managed rules loaded again.
_LOADS_MANAGED = re.compile(r"\bsystemctl\b.*\breload\b.*\bxmpp-edge\b")


@dataclass(frozen=True)
class UnknownLoader:
    """A unit or script that loads or flushes rules, and is none of the known services.

    source: the unit's name or the script's path; command: what it runs; gone: what of the managed rules is gone
    afterwards, as in LOADERS; certain: whether that could be seen, rather than feared.
    """

    source: str
    command: str
    gone: FrozenSet[str]
    certain: bool


def unit_texts(units: Sequence[str]) -> Dict[str, List[UnitText]]:
    """Return the file of each unit that is there, and its drop-ins in the order in which they apply."""
    return {unit: texts for unit in units for texts in [_texts_of(unit)] if texts}


def is_there(unit: str) -> bool:
    """Return whether a unit has a file."""
    return any(os.path.lexists(os.path.join(folder, unit)) for folder in _UNIT_FOLDERS)


def unknown_loaders() -> Tuple[UnknownLoader, ...]:
    """Return the units that are enabled, and the scripts, by which rules may come that nobody knows of."""
    known = {*LOADERS, MANAGED, UFW, FIREWALLD}
    found = []
    for unit in _enabled_services():
        if unit not in known:
            commands = commands_of(_texts_of(unit))
            found += [(unit, command) for key in _AT_BOOT for command in commands.get(key, ())]
    for path in _existing(_LINES):
        found += [(path, command) for command in _AT_UP.findall(readable_text(path))]
    found += [(path, path) for path in _existing(_SCRIPTS) if os.access(path, os.X_OK)]
    mended = {source for source, command in found if _LOADS_MANAGED.search(command)}
    loaders = [one for source, command in found if source not in mended for one in _loaders_in(source, command)]
    # The first of its kind says enough of a long script.
    return tuple({(one.source, one.gone): one for one in reversed(loaders)}.values())[::-1]


def _existing(patterns: Sequence[str]) -> Iterator[str]:
    return (path for pattern in patterns for path in sorted(glob.glob(pattern)))


def _enabled_services() -> List[str]:
    """Return the services that something starts at boot, by itself or by a timer, path or socket."""
    links = [
        link for folder in _UNIT_FOLDERS for kind in ("wants", "requires") for link in glob.glob(f"{folder}/*.{kind}/*")
    ]
    names = (os.path.basename(link) for link in links)
    return sorted(
        {f"{os.path.splitext(name)[0]}.service" for name in names if not name.endswith((".target", ".mount"))}
    )


def _texts_of(unit: str) -> List[UnitText]:
    paths = [path for folder in _UNIT_FOLDERS for path in [os.path.join(folder, unit)] if os.path.exists(path)][:1]
    drop_ins: Dict[str, str] = {}
    for folder in _UNIT_FOLDERS:
        for path in glob.glob(f"{folder}/{unit}.d/*.conf"):
            drop_ins.setdefault(os.path.basename(path), path)
    # A template's instances have its file.
    template = re.sub(r"@.+(?=\.service$)", "@", unit)
    if not paths and template != unit:
        return _texts_of(template)
    return [
        (path, readable_text(os.path.realpath(path)))
        for path in [*paths, *(drop_ins[name] for name in sorted(drop_ins))]
    ]


def readable_text(path: str) -> str:
    """Return the text of a file, empty where it is none, cannot be read, or is longer than any script."""
    try:
        return (read_text(path) or "") if os.path.getsize(path) <= _LONGEST_SCRIPT else ""
    except (OSError, EdgeError):
        return ""


def _loaders_in(source: str, command: str) -> Iterator[UnknownLoader]:
    """Yield what a command does to rules; where it does not say so itself, what the script does that it starts."""
    itself = list(_effects(source, command))
    script = None if itself else _script_of(command)
    shebang, _newline, rest = (readable_text(script) if script else "").partition("\n")
    if re.match(r"#!.*\bnft\b", shebang):
        yield from _effects(source, f"nft -f {script}")
    elif shebang.startswith("#!"):
        for line in rest.splitlines():
            if not line.lstrip().startswith("#"):
                yield from _effects(source, line.strip())
    yield from itself


def _script_of(command: str) -> Optional[str]:
    """Return the script that a command starts: its program, or the first file that it names to a shell."""
    words = command.lstrip("-@:+!").split()
    if words and os.path.basename(words[0]) in ("sh", "bash", "dash", "env") and len(words) > 1:
        words = [word for word in words[1:] if not word.startswith("-")]
    return words[0].strip("\"'") if words and words[0].strip("\"'").startswith("/") else None


def _effects(source: str, line: str) -> Iterator[UnknownLoader]:
    everything = frozenset((GUARDS, "nftables", "iptables", "ufw", "firewalld"))
    if "nft" in line and _NFT_FLUSH.search(line):
        yield UnknownLoader(source, line, everything, certain=True)
        return
    for name in _NFT_FILE.findall(line):
        path = name.strip("\"';)")
        script = nft_script(path) if path.startswith("/") else None
        if script is None:
            yield UnknownLoader(source, line, everything, certain=False)
        elif _NFT_FLUSH.search(script):
            yield UnknownLoader(source, line, everything, certain=True)
        elif f"table {TABLE}" in script:
            # It adds to the sets of the guards, or fails where networks overlap.
            yield UnknownLoader(source, line, frozenset((GUARDS, "nftables")), certain=False)
        elif _NFT_PARTS.search(script):
            yield UnknownLoader(source, line, frozenset(("nftables", "iptables")), certain=False)
    if _RESTORE.search(line) or _FLUSH.search(line):
        yield UnknownLoader(source, line, frozenset(("iptables",)), certain=True)


def nft_script(path: str) -> Optional[str]:
    """Return a script of nft with the scripts that it includes; None where it cannot be read."""
    texts = [text for _path, text in nft_files(path)]
    return "\n".join(texts) if texts else None


def nft_files(path: str, depth: int = 3) -> Iterator[Tuple[str, str]]:
    """Yield path and text of a script of nft, and of the scripts that it includes."""
    text = _script_text(path)
    if text is None:
        return
    yield path, text
    for name in _NFT_INCLUDE.findall(text) if depth else ():
        where = name if name.startswith("/") else os.path.join("/etc", name)
        for one in sorted(glob.glob(where)):
            yield from nft_files(one, depth - 1)


def _script_text(path: str) -> Optional[str]:
    try:
        return read_text(os.path.realpath(path)) if os.path.isfile(path) else None
    except EdgeError:
        return None
