# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation of targets as administrators give them, and their results as the module returns them."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence

from ..model.addresses import is_address
from ..model.errors import OptionError, shown
from .connection import source_address_for
from .model import Attempt, Target

MAX_TIMEOUT = 300.0
"""Limit on the timeout, in seconds."""

_ANY_PORT = 9
_MAX_ENTRIES = 20
_ADDRESS_REMEDY = "write it like 198.51.100.7 or 2001:db8::7"


def routes_to(addresses: Sequence[str]) -> Dict[str, bool]:
    """Return whether this host has a route to each address. Raises OptionError. Sends nothing."""
    return {address: source is not None for address, source in _sources("routes", addresses).items()}


def sources_to(addresses: Sequence[str]) -> Dict[str, Optional[str]]:
    """Return the address that this host chooses for a connection to each address. Raises OptionError. Sends nothing."""
    return _sources("sources", addresses)


def _sources(option: str, addresses: Sequence[str]) -> Dict[str, Optional[str]]:
    for address in addresses:
        if not is_address(address):
            raise OptionError(option, address, "is not an IP address", _ADDRESS_REMEDY)
    return {address: source_address_for(address, _ANY_PORT, None) for address in addresses}


def read_targets(given: Sequence[Mapping[str, Any]], timeout: float) -> List[Target]:
    """Return the targets. Raises OptionError for the first mistake."""
    if not 0 < timeout <= MAX_TIMEOUT:
        raise OptionError("timeout", timeout, "is no time to wait", f"give seconds, up to {MAX_TIMEOUT:.0f}")
    for entry in given:
        _check(entry)
    return [Target(timeout=timeout, **entry) for entry in given]


def _check(entry: Mapping[str, Any]) -> None:
    address, port, source = entry["address"], entry["port"], entry["source"]
    for option in ("address", "source"):
        if entry[option] is not None and not is_address(entry[option]):
            raise OptionError(f"targets.{option}", entry[option], "is not an IP address", _ADDRESS_REMEDY)
    if not 1 <= port <= 65535:
        raise OptionError("targets.port", port, "is not a TCP port", "give a number from 1 to 65535")
    if source and (":" in source) != (":" in address):
        raise OptionError("targets.source", source, f"is of another family than {address}", "give one of the same")


def result_of(target: Target, attempt: Attempt) -> Dict[str, Any]:
    """Return the result of a target. Text from the peer is limited to printable ASCII of bounded length."""
    return {
        "address": target.address,
        "port": target.port,
        "level": target.level,
        "outcome": attempt.outcome,
        "as_expected": target.is_met_by(attempt.outcome),
        "source": attempt.source,
        "latency_ms": None if attempt.latency is None else round(attempt.latency * 1000, 1),
        "seconds": round(attempt.seconds, 3),
        "detail": _sanitised(attempt.detail),
        "facts": _sanitised(dict(attempt.facts)),
    }


def failure_message(targets: Sequence[Target], attempts: Sequence[Attempt]) -> Optional[str]:
    """Return one sentence on the targets that are not as expected; None where there are none."""
    unexpected = [
        f"{target.address} port {target.port} is expected {target.expect} and is {attempt.outcome}"
        for target, attempt in zip(targets, attempts)
        if target.is_met_by(attempt.outcome) is False
    ]
    if not unexpected:
        return None
    return f"{len(unexpected)} of {len(targets)} targets are not as expected: {'; '.join(unexpected)}"


def _sanitised(value: Any) -> Any:
    """Return a value with all its text as printable ASCII of bounded length."""
    if isinstance(value, dict):
        return {key: _sanitised(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_sanitised(part) for part in value[:_MAX_ENTRIES]]
    return shown(value)[1:-1] if isinstance(value, str) and value else value
