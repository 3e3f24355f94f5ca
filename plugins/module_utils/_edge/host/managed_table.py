# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts in the listing of the managed table beside its rules: counters, their age, and what packets have left. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any, Dict, FrozenSet, Iterator, Mapping, Optional, Tuple

from ..model.literals import Family
from ..model.ownership import TABLE

_LATER_CHAINS = ("input", "postrouting")
"""Chains that see packets again which another one has counted as allowed."""

SINCE = "counted_since"
"""Set with one element, whose age is that of the counters: each load of the table makes it anew."""

_LIFE = 3650 * 86400.0
SINCE_ELEMENT = "1 timeout 3650d"
_EXPIRES = re.compile(rf"\b{SINCE_ELEMENT} expires (\w+)")
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

_FILLED = re.compile(r"(\tflags dynamic[^}]*?)\t\telements = \{[^}]*\}\n")

KEYS: Mapping[Family, str] = {"ipv4": "ip saddr", "ipv6": "ip6 saddr & ffff:ffff:ffff:ffff::"}
"""What a source is known by. A host may have all addresses of an IPv6 network of 64 bits."""
PREFIX = "xmpp-edge"
"""First word of each line in the log."""

# As releases of nft list them, of which some leave the default burst out.
_KEY = "(?:" + "|".join(map(re.escape, KEYS.values())) + ")"
_LIMITED = (
    r'(?:iifname != "lo" )?(?:ip6? [sd]addr @\w+ )*tcp dport \d+ tcp flags syn ct state new '
    r"(?:ip6? saddr != @limit_exempt_ipv[46] )?"
)
_CONTROLS = (
    rf"{_LIMITED}update @\w+_new_ipv[46] \{{ {_KEY} limit rate over [1-9]\d*/minute(?: burst \d+ packets)? \}} "
    r'counter(?: packets \d+ bytes \d+)? drop comment "\w+ limit of new connections"',
    rf"{_LIMITED}add @\w+_open_ipv[46] \{{ {_KEY} ct count over [1-9]\d* \}} "
    r'counter(?: packets \d+ bytes \d+)? drop comment "\w+ limit of open connections"',
    rf"{_LIMITED}{_KEY} != @\w+_ipv[46] limit rate 1/minute burst 1 packets "
    rf'log prefix "{PREFIX} \w+ not limited " comment "\w+ set of (?:new|open) connections is full"',
    rf"[^{{}}]* update @log_ipv[46] \{{ {_KEY} limit rate \d+/minute(?: burst \d+ packets)? \}} "
    rf'limit rate \d+/second(?: burst \d+ packets)? log prefix "{PREFIX} \w+ blocked " comment "\w+ log"',
)
_CONTROL = re.compile("|".join(f"(?:{pattern})" for pattern in _CONTROLS))
_LISTED_RULE = re.compile(r"^\t\t(.*) # handle (\d+)$", re.MULTILINE)

ALLOWED, BLOCKED, LIMITED = "allowed", "blocked", "limited"


def counted_by_row(listing: Mapping[str, Any]) -> Dict[str, Dict[str, int]]:
    """Return how many packets of new connections were allowed, blocked by a guard, and over a limit, by row.

    listing: of nft, parsed. A packet that is allowed is counted by the first chain that sees it, and one that is
    dropped by the only chain that drops it.
    """
    found: Dict[str, Dict[str, int]] = {}
    for row, kind, packets in _counters(listing):
        counted = found.setdefault(row, {ALLOWED: 0, BLOCKED: 0, LIMITED: 0})
        counted[kind] += packets
    return found


def blocked_by_row(listing: Mapping[str, Any]) -> Dict[str, int]:
    """Return how many packets the guards of each row have blocked, in all chains."""
    return {row: counted[BLOCKED] for row, counted in counted_by_row(listing).items()}


def packets_by_row(listing: Mapping[str, Any], text: str, now: float) -> Dict[str, Dict[str, Any]]:
    """Return what the table has counted of each row, and since when: UTC in the form of ISO 8601, None for unknown.

    text: the table as nft lists it; now: in seconds since the epoch.
    """
    seconds = seconds_counted(text)
    since = None
    if seconds is not None:
        since = datetime.fromtimestamp(now - seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {row: {**counted, "since": since} for row, counted in counted_by_row(listing).items()}


def seconds_counted(text: str) -> Optional[float]:
    """Return for how long the counters of a listed table have counted; None where that is unknown."""
    found = _EXPIRES.search(text)
    return _LIFE - _seconds(found[1]) if found else None


def without_filled(text: str) -> str:
    """Return the listing of a table without what packets have put into its sets."""
    return _FILLED.sub(r"\1", text)


def is_control(line: str) -> bool:
    """Return whether a line of a chain is one that limits or logs, in just the form in which it is written.

    Such a line does nothing to the first packets of a source, even where other lines are edited.
    """
    return _CONTROL.fullmatch(line) is not None


def controls_in(text: str) -> FrozenSet[Tuple[str, int]]:
    """Return table and handle of each rule of a listed table that limits or logs. text: as "nft -a" lists it."""
    return frozenset((TABLE, int(found[2])) for found in _LISTED_RULE.finditer(text) if is_control(found[1]))


def _seconds(time: str) -> float:
    """Return a time as nft writes it, such as "3649d23h59m59s976ms"."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|d|h|m|s)", time))


def _counters(listing: Mapping[str, Any]) -> Iterator[Tuple[str, str, int]]:
    """Yield row, kind and packets of each counter of the table."""
    for entry in listing.get("nftables", ()):
        rule = entry.get("rule", {})
        if f"{rule.get('family')} {rule.get('table')}" != TABLE:
            continue
        steps = [step for step in rule.get("expr", ()) if isinstance(step, dict)]
        row, _space, kind = str(rule.get("comment", "")).partition(" ")
        packets = sum(step["counter"]["packets"] for step in steps if isinstance(step.get("counter"), dict))
        if kind.startswith("guard"):
            yield row, BLOCKED, packets
        elif kind.startswith("limit"):
            yield row, LIMITED, packets
        elif not kind and {"accept": None} in steps and rule.get("chain") not in _LATER_CHAINS:
            yield row, ALLOWED, packets
