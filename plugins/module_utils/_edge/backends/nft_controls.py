# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits and log of the managed table as text: written, and read back from what nft lists. Pure.

Both keep what they know of each source in sets that packets fill. A limit holds before any firewall manager, and only
for what a rule of the row allows: others could fill the sets otherwise.
Source for the statements: nft(8). A set whose elements count connections has no timeout (nft_connlimit.c refuses it).
"""

from __future__ import annotations

import re
from typing import Dict, Iterable, Iterator, List, Mapping, Sequence, Tuple

from ..host.managed_table import KEYS, PREFIX
from ..model.addresses import FAMILIES, PROTOCOLS
from ..model.controls import DEFAULT_BURST, EXEMPT, Controls, Limits
from ..model.literals import Family
from ..model.rules import Group, make_group

MOST_SOURCES = 65535
"""Sources that a set holds. Packets of further ones pass without a limit, since a set that is full ends the rule."""

LOG_A_MINUTE, LOG_BURST = 6, 5
"""Lines about one source, and those that may come at once."""

LOG_A_SECOND = 1
"""Lines of one guard, of which as many as LOG_BURST may come at once."""

_NEW, _OPEN, _LOG = "new", "open", "log"
# What has no SYN goes on with a connection that the kernel has forgotten, and is spared.
_SYN = "tcp flags syn ct state new"

_RATE = re.compile(
    r"update @(?P<row>\w+)_new_ipv[46] \{ .* limit rate over (?P<new>\d+)/minute(?: burst (?P<burst>\d+) packets)? \}"
)
_COUNT = re.compile(r"add @(?P<row>\w+)_open_ipv[46] \{ .* ct count over (?P<open>\d+) \}")
_LOGGED = f'log prefix "{PREFIX} '
_DEFAULT_BURST = re.compile(rf" burst {DEFAULT_BURST} packets\b")


def normal(line: str) -> str:
    """Return a line as all releases of nft list it: some leave the default burst out."""
    return _DEFAULT_BURST.sub("", line)


def limit_lines(match: str, row: str, family: Family, controls: Controls) -> Iterator[str]:
    """Yield the limits on what an allow rule matches. match: its conditions; row, family: its own."""
    limits = controls.limits
    if limits is None or limits.row != row:
        return
    key = KEYS[family]
    exempt = limits.exempt_of(family)
    spared = f"{PROTOCOLS[family]} saddr != @{exempt.name} " if exempt else ""
    start = f"{match}{_SYN} {spared}"
    for kind, known in ((_NEW, limits.new), (_OPEN, limits.opened)):
        if not known:
            continue
        name = _set_name(row, kind, family)
        if kind == _NEW:
            rate = f"limit rate over {limits.new}/minute burst {limits.burst} packets"
            update = f"update @{name} {{ {key} {rate} }}"
        else:
            update = f"add @{name} {{ {key} ct count over {limits.opened} }}"
        yield normal(f'{start}{update} counter drop comment "{row} limit of {kind} connections"')
        # A source that is not in the set by now found it full.
        full = f'{start}{key} != @{name} limit rate 1/minute burst 1 packets log prefix "{PREFIX} {row} not limited "'
        yield f'{full} comment "{row} set of {kind} connections is full"'


def log_lines(guard: str, row: str) -> Iterator[str]:
    """Yield what logs the packets that a guard is about to block. guard: its line; row: its own."""
    match, _counter, _rest = guard.partition(" counter ")
    named = [family for family in FAMILIES if re.match(rf"(?:ct original )?{PROTOCOLS[family]} ", match)]
    for family in named or FAMILIES:
        limit = f"limit rate {LOG_A_MINUTE}/minute burst {LOG_BURST} packets"
        update = f"update @{_LOG}_{family} {{ {KEYS[family]} {limit} }}"
        every = f"limit rate {LOG_A_SECOND}/second burst {LOG_BURST} packets"
        yield normal(f'{match} {update} {every} {_LOGGED}{row} blocked " comment "{row} log"')


def control_sets(families: Iterable[Family], controls: Controls) -> Dict[str, str]:
    """Return the sets that packets fill, as name and definition. families: of the rules that are limited."""
    limits = controls.limits
    found = {}
    for family in families:
        if limits and limits.new:
            minutes = max(1, -(-limits.burst // limits.new))
            found[_set_name(limits.row, _NEW, family)] = _definition(family, minutes)
        if limits and limits.opened:
            found[_set_name(limits.row, _OPEN, family)] = _definition(family, 0)
    if controls.log:
        found.update({f"{_LOG}_{family}": _definition(family, 1) for family in FAMILIES})
    return found


def is_filled_by_packets(definition: str) -> bool:
    """Return whether the elements of a set are made by packets."""
    return " flags dynamic" in definition


def read_controls(lines: Iterable[str], elements: Mapping[str, Sequence[str]]) -> Controls:
    """Return the controls that lines of a table say. elements: of its sets, by name."""
    row, new, burst, most, log = "", 0, DEFAULT_BURST, 0, False
    for line in lines:
        rate, count = _RATE.search(line), _COUNT.search(line)
        if rate:
            row, new, burst = rate["row"], int(rate["new"]), int(rate["burst"] or DEFAULT_BURST)
        if count:
            row, most = count["row"], int(count["open"])
        log = log or (_LOGGED in line and " blocked " in line)
    if not (new or most):
        return Controls(None, log)
    names = [f"{EXEMPT}_{family}" for family in FAMILIES]
    exempt: List[Group] = [make_group(name, elements[name]) for name in names if elements.get(name)]
    return Controls(Limits(row, new, burst, most, tuple(exempt)), log)


def _set_name(row: str, kind: str, family: Family) -> str:
    return f"{row}_{kind}_{family}"


def _definition(family: Family, minutes: int) -> str:
    """Return the definition of a set as nft lists it, on one line. minutes: after which an element goes, 0 for never.

    A bucket of tokens that is full again need not be remembered.
    """
    size = f"type {family}_addr size {MOST_SOURCES}"
    return f"{size} flags dynamic,timeout timeout {_time(minutes)}" if minutes else f"{size} flags dynamic"


def _time(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts: Tuple[Tuple[int, str], ...] = ((days, "d"), (hours, "h"), (rest, "m"))
    return "".join(f"{number}{unit}" for number, unit in parts if number)
