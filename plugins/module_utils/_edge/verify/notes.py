# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the flows have shown besides, and what does not fail: certificates, and authentication that was not tried."""

from __future__ import annotations

import math
import ssl
from datetime import datetime
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from ..probe.domains import in_ascii
from .evaluate import Finding

_SECONDS_A_DAY = 24 * 60 * 60
_SOON_DAYS = 14
_CONSEQUENCE = "servers that check certificates refuse it"
_NOT_DECODED = "<unsupported>"


def notes_of(findings: Sequence[Finding], time: str) -> List[str]:
    """Return the notes on flows, each once. time: of the run, in ISO 8601."""
    wanted = dict.fromkeys(note for finding in findings for note in _authentication(finding))
    return [*wanted, *certificate_notes(findings, time)]


def certificate_notes(findings: Sequence[Finding], time: str) -> List[str]:
    """Return what others may refuse of the certificates that were shown, each once. time: of the run, in ISO 8601."""
    now = datetime.fromisoformat(time).timestamp() if time else 0.0
    found: Dict[Tuple[str, str], Dict[str, None]] = {}
    for finding in findings:
        for fault in _faults(finding, now):
            found.setdefault((finding.flow.target, fault), {})[finding.flow.origin] = None
    return [
        f"the certificate of {target} {fault}, as {' and '.join(origins)} can see"
        for (target, fault), origins in found.items()
    ]


def _authentication(finding: Finding) -> Iterator[str]:
    if finding.observed == "not_authenticated":
        flow = finding.flow
        yield (
            f"TLS to {flow.target} is up, and its server wants the certificate of {flow.origin}: authentication is not "
            f"checked; set xmpp_edge_verify_certificate of {flow.origin}, a file there"
        )


def _faults(finding: Finding, now: float) -> Iterator[str]:
    """Yield what is wrong with the certificate of a server."""
    flow, facts = finding.flow, finding.facts.get("tls") or {}
    if not flow.required or not facts:
        return
    expires = facts.get("expires")
    if expires and now:
        try:
            days = (ssl.cert_time_to_seconds(expires) - now) / _SECONDS_A_DAY
        except ValueError:
            yield f"has a date that cannot be read ({expires})"
            days = math.inf
        if days < 0:
            yield f"has expired on {expires}"
        elif days < _SOON_DAYS:
            yield f"expires within {max(1, math.ceil(days))} days, on {expires}"
    if flow.level != "xmpp":
        return
    if not _is_for(flow.domain, facts):
        names = ", ".join(facts.get("names") or ["no name"])
        yield f"is for {names}, and not for {flow.domain} ({_CONSEQUENCE})"
    if facts.get("trusted") is False:
        yield f"is not trusted: {facts.get('distrust')} ({_CONSEQUENCE})"


def _is_for(domain: str, facts: Mapping[str, Any]) -> bool:
    """Return whether a certificate has a domain among its names, or has names that cannot be read here."""
    if "names" not in facts or _NOT_DECODED in facts["names"]:
        return True
    try:
        wanted = in_ascii(domain).lower()
    except UnicodeError:
        return True
    parent = wanted.partition(".")[2]
    return any(name.lower() in (wanted, f"*.{parent}") for name in facts["names"])
