# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to the XMPP server of this host: does it reach another server, with authentication and policy.

Source: prosodyctl(8), "shell xmpp ping" (XEP-0199), which Prosody has since 0.12.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

Run = Callable[[Sequence[str]], Tuple[int, str]]
"""A function that runs a program and returns its exit status and all that it prints. 127 is a missing program."""

MISSING = 127
LEAST_SECONDS = 10
"""How long a server may take at least: it resolves names, and authenticates in both directions."""

_MAX_PARALLEL = 8
_SECONDS_TO_END = 5
_ERROR = "Error: "
_NOT_KNOWN: Mapping[str, str] = {
    "No such local host": "its server does not have that domain",
    "Unable to connect to server": "its server does not run, or has no admin_shell",
    "Both hosts are local": "its server has both domains",
    "Invalid sender hostname": "its server takes the own domain for no domain",
    "Invalid destination hostname": "its server takes the other domain for no domain",
    "IQ stanza timed out": "its server did not get an answer in time",
}


_NO_PING = (":service-unavailable:", ":feature-not-implemented:", ":service-unavailable>", ":feature-not-implemented>")


def ping_all(run: Run, pairs: Sequence[Mapping[str, str]], seconds: float) -> List[Dict[str, Any]]:
    """Return what the server of this host says of each pair of domains, "from" its own "to" another one.

    answered: whether the other server answered, None where that is not known; detail: what the server says.
    """
    if not pairs:
        return []
    limit = max(LEAST_SECONDS, round(seconds))
    with ThreadPoolExecutor(_MAX_PARALLEL) as pool:
        return list(pool.map(lambda pair: _ping(run, pair["from"], pair["to"], limit), pairs))


def _ping(run: Run, origin: str, domain: str, limit: int) -> Dict[str, Any]:
    """Have the server of this host ping another one."""
    pair = {"from": origin, "to": domain}
    # The limit of prosodyctl is for the ping, and not for a shell that hangs.
    bounded = ["timeout", str(limit + _SECONDS_TO_END)]
    status, text = run([*bounded, "prosodyctl", "shell", "xmpp", "ping", origin, domain, str(limit)])
    if status == MISSING:
        return {**pair, "answered": None, "detail": "no server is there that can be asked (Prosody can)"}
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any(line.startswith("OK: pong from") for line in lines):
        return {**pair, "answered": True, "detail": ""}
    for part, reason in _NOT_KNOWN.items():
        if part in text:
            return {**pair, "answered": None, "detail": reason}
    # The other server has answered, and knows no ping: that is an answer too.
    if any(part in text for part in _NO_PING):
        return {**pair, "answered": True, "detail": ""}
    errors = [line[len(_ERROR) :] for line in lines if line.startswith(_ERROR)]
    if not errors:
        return {**pair, "answered": None, "detail": f"its server said nothing that is known here (status {status})"}
    return {**pair, "answered": False, "detail": _bare(errors[0])}


def _bare(error: str) -> str:
    """Return the text of an error that Prosody writes as error<type:condition:text>."""
    inner = error.partition("<")[2].rpartition(">")[0]
    if not inner:
        return error
    parts = [part for part in inner.split(":", 2) if part]
    return parts[-1]
