# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets as an administrator gives them, and results as they are given back."""

from __future__ import annotations

import socket
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ..model.errors import OptionError, shown
from .levels import Attempt, Target
from .wire import source_for

LONGEST_TIMEOUT = 300.0
"""Seconds. Whoever waits longer for a port waits for something else."""

_ANY_PORT = 9


def routes_to(addresses: Sequence[str]) -> Dict[str, bool]:
    """Whether this host has a route to each address. Raises OptionError. Nothing is sent."""
    for address in addresses:
        if not is_address(address):
            raise OptionError("routes", address, "is not an IP address", "write it like 198.51.100.7 or 2001:db8::7")
    return {address: source_for(address, _ANY_PORT, None) is not None for address in addresses}


def read_targets(given: Sequence[Mapping[str, Any]], timeout: float) -> List[Target]:
    """The targets. Raises OptionError on the first thing that is wrong."""
    if not 0 < timeout <= LONGEST_TIMEOUT:
        raise OptionError("timeout", timeout, "is no time to wait", f"give seconds, up to {LONGEST_TIMEOUT:.0f}")
    for entry in given:
        for option in ("address", "source"):
            if entry[option] is not None and not is_address(entry[option]):
                raise OptionError(
                    f"targets.{option}",
                    entry[option],
                    "is not an IP address",
                    "write it like 198.51.100.7 or 2001:db8::7",
                )
        if not 1 <= entry["port"] <= 65535:
            raise OptionError("targets.port", entry["port"], "is not a TCP port", "give a number from 1 to 65535")
        if entry["source"] and (":" in entry["source"]) != (":" in entry["address"]):
            raise OptionError(
                "targets.source",
                entry["source"],
                f"is of another family than {entry['address']}",
                "give one of the same",
            )
    return [Target(timeout=timeout, **entry) for entry in given]


def result_of(target: Target, made: Attempt) -> Dict[str, Any]:
    """What became of a target, with whatever the peer sent made harmless."""
    return {
        "address": target.address,
        "port": target.port,
        "level": target.level,
        "outcome": made.outcome,
        "as_expected": target.is_met_by(made.outcome),
        "source": made.source,
        "latency_ms": None if made.latency is None else round(made.latency * 1000, 1),
        "seconds": round(made.seconds, 3),
        "detail": _harmless(made.detail),
        "facts": _harmless(dict(made.facts)),
    }


def complaint(targets: Sequence[Target], attempts: Sequence[Attempt]) -> Optional[str]:
    """One sentence on the targets that are not as expected; None where all are."""
    wrong = [
        f"{target.address} port {target.port} is expected {target.expect} and is {made.outcome}"
        for target, made in zip(targets, attempts)
        if target.is_met_by(made.outcome) is False
    ]
    return f"{len(wrong)} of {len(targets)} targets are not as expected: {'; '.join(wrong)}" if wrong else None


def is_address(text: str) -> bool:
    """Whether a text is an IP address as it is given to sockets: without a zone."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, ValueError):
        return False
    return True


def _harmless(value: Any) -> Any:
    """Printable ASCII of bounded length, in whatever structure."""
    if isinstance(value, dict):
        return {key: _harmless(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_harmless(part) for part in value[:20]]
    return shown(value)[1:-1] if isinstance(value, str) and value else value
