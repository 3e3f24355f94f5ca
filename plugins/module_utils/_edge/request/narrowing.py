# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that only the firewall of Windows has, and what they are refused for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ..model.errors import OptionError
from ..model.port_table import FRONT_ENDS
from .nearest import nearest
from .scalars import entries_of, texts_of

PROFILES: Tuple[str, ...] = ("domain", "private", "public")
LOCAL_SUBNET = "LocalSubnet"
"""Keyword of Windows for the networks of a host's interfaces."""

NOTHING_LISTED: Tuple[str, ...] = ()
"""Value of an option whose only entry was LocalSubnet."""

# A drive or a variable, folders and a file. Source: INetFwRule::put_ApplicationName takes a path, with variables.
_PROGRAM = re.compile(r'(?:[A-Za-z]:|%[A-Za-z()0-9_]+%)(?:\\[^\\/:*?"<>|\x00-\x1f%]+)+')
_SERVICE = re.compile(r"[A-Za-z0-9_.$-][A-Za-z0-9_.$ -]{0,255}")


@dataclass(frozen=True)
class Narrowing:
    """What narrows the rules of a Windows host further than the table.

    profiles: of the firewall that rules are for; program, service: to which inbound connections are allowed, empty for
    any; local_subnet: whether Front Ends may be in the networks of the host's interfaces.
    """

    profiles: Tuple[str, ...] = PROFILES
    program: str = ""
    service: str = ""
    local_subnet: bool = False

    @property
    def given(self) -> Dict[str, Any]:
        """Return what is not as it is by default, by option."""
        found: Dict[str, Any] = {"program": self.program, "service": self.service}
        found["profiles"] = ", ".join(self.profiles) if self.profiles != PROFILES else ""
        found[FRONT_ENDS.option] = LOCAL_SUBNET if self.local_subnet else ""
        return {option: value for option, value in found.items() if value}


NOT_NARROWED = Narrowing()


def read_narrowing(values: Mapping[str, Any], local_subnet: bool, has_inbound: bool) -> Narrowing:
    """Return the checked options. Raises OptionError.

    local_subnet: as without_local_subnet says; has_inbound: whether the placement has rows that come in.
    """
    texts = {option: _text(option, values[option]) for option in ("program", "service")}
    for option, text in texts.items():
        if text and not has_inbound:
            raise OptionError(
                option, text, "is for rows that come in, which placement front_end has not", "leave it out"
            )
    if texts["program"] and not _PROGRAM.fullmatch(texts["program"]):
        raise OptionError(
            "program", texts["program"], "is not the path of a program", r"say one such as C:\Program Files\a\b.exe"
        )
    if texts["service"] and not _SERVICE.fullmatch(texts["service"]):
        raise OptionError(
            "service", texts["service"], "is not the short name of one service", "say what sc query shows"
        )
    return Narrowing(_profiles(values["profiles"]), texts["program"], texts["service"], local_subnet)


def without_local_subnet(value: Any, mode: str, refused: str) -> Tuple[Any, bool]:
    """Return the value of front_end_networks without the keyword, and True where it had it. Raises OptionError.

    refused: why the host cannot have it, empty where it can.
    """
    option = FRONT_ENDS.option
    entries = value.split(",") if isinstance(value, str) else value if isinstance(value, (list, tuple)) else ()
    named = [one for one in entries if isinstance(one, str) and one.strip().lower() == LOCAL_SUBNET.lower()]
    if not named:
        return value, False
    if refused:
        raise OptionError(option, named[0], refused, "name networks")
    if mode != "permit":
        raise OptionError(
            option,
            named[0],
            "needs mode: permit, since no guard can leave it out",
            "name networks, or say mode: permit",
        )
    return [one for one in entries if one not in named] or NOTHING_LISTED, True


def refuse_on_linux(narrowing: Narrowing) -> None:
    """Refuse what only Windows has. Raises OptionError."""
    for option, value in narrowing.given.items():
        raise OptionError(option, value, "is for Windows hosts only", "leave it out for this host")


def _text(option: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise OptionError(option, value, "is no text", "leave it out, or name one")
    return value.strip()


def _profiles(value: Any) -> Tuple[str, ...]:
    listed: Sequence[Any] = entries_of("profiles", value, f"say some of {', '.join(PROFILES)}")
    texts: List[str] = texts_of("profiles", listed, "a profile")
    for text in texts:
        if text not in PROFILES:
            near = nearest(text, list(PROFILES))
            raise OptionError("profiles", text, "is no profile", f"say {near or 'domain, private or public'}")
    return tuple(profile for profile in PROFILES if profile in texts)
