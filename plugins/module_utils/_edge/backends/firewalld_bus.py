# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of systemd's busctl that call the methods of firewalld. Source: firewalld.dbus(5)."""

from __future__ import annotations

from shlex import quote
from typing import List, Sequence

SERVICE = "org.fedoraproject.FirewallD1"
ROOT = "/org/fedoraproject/FirewallD1"
CONFIGURATION = f"{ROOT}/config"
"""The object of the permanent configuration."""


def call(program: str, interface: str, method: str, *arguments: str, path: str = ROOT) -> List[str]:
    """Return the command that calls a method. interface: without the service's name; path: of the object."""
    name = f"{SERVICE}.{interface}" if interface else SERVICE
    options = ["--auto-start=no", "--json=short", "--timeout=120"]
    return [program, *options, "call", SERVICE, path, name, method, *arguments]


def find_object(program: str, kind: str, name: str) -> List[str]:
    """Return the command that tells the object of the permanent configuration of a zone or policy. kind: which."""
    return call(program, "config", f"get{kind.capitalize()}ByName", "s", name, path=CONFIGURATION)


def in_shell(command: Sequence[str]) -> str:
    """Return a command as a shell takes it."""
    return " ".join(map(quote, command))
