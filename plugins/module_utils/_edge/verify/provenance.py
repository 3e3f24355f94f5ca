# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has verified, where, when and with what: what evidence is worth depends on it."""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import socket
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Mapping, Sequence

_COLLECTION = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__)))))
_NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Provenance:
    """The origin of a report.

    time: in UTC and ISO 8601; user, host: of the controller; collection, ansible, python: versions there; inventories:
    their sources.
    """

    time: str
    user: str = ""
    host: str = ""
    collection: str = ""
    ansible: str = ""
    python: str = ""
    inventories: Sequence[str] = ()


def provenance_of(variables: Mapping[str, Any]) -> Provenance:
    """Return the origin of a report that is made now. variables: of the task."""
    return Provenance(
        time_now(),
        _user(),
        socket.gethostname(),
        collection_version(),
        str((variables.get("ansible_version") or {}).get("full") or _NOT_KNOWN),
        platform.python_version(),
        [str(source) for source in variables.get("ansible_inventory_sources") or ()],
    )


def time_now() -> str:
    """Return the time in UTC and ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # The user has a number and no name, as in some containers.
        return str(os.getuid())


def collection_version() -> str:
    """Return the version of this collection, as installed or as a checkout."""
    for name, pattern in (("MANIFEST.json", None), ("galaxy.yml", r"^version: *(\S+)")):
        try:
            with open(os.path.join(_COLLECTION, name), encoding="utf-8") as file:
                text = file.read()
        except OSError:
            continue
        if pattern is None:
            return str(json.loads(text)["collection_info"]["version"])
        found = re.search(pattern, text, re.MULTILINE)
        if found:
            return found[1]
    return _NOT_KNOWN
