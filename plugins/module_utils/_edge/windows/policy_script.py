# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a host as a script for the administrator of a policy. Source: New-NetFirewallRule of NetSecurity."""

from __future__ import annotations

from typing import Iterable, Sequence

from ..model.errors import OptionError
from .addresses import ANY
from .compile import GROUP, WindowsRule

_DIRECTIONS = {"in": "Inbound", "out": "Outbound"}
_DESCRIPTION = "Made by the Ansible collection xmpp.edge, for the policy of one host."


def policy_script(host: str, store: str, parts: Sequence[WindowsRule]) -> str:
    """Return a PowerShell script that gives a policy exactly the rules of a host.

    host: its name; store: what -PolicyStore takes; parts: its rules. New ones are added before those that are not
    desired go. Raises OptionError for a store that is none.
    """
    if not store.strip() or not store.isprintable():
        raise OptionError("policy_store", store, "names no policy", r"say one such as example.net\XMPP edge")
    names = ",\n".join(f"    {_quoted(part.payload['name'])}" for part in parts)
    return "\n".join(
        [
            f"# Firewall rules of {''.join(filter(str.isprintable, host))}, which block its other addresses too: for",
            "# a policy that no other host has. Run it on a computer with the module NetSecurity.",
            "$ErrorActionPreference = 'Stop'",
            f"$store = {_quoted(store)}",
            f"$group = {_quoted(GROUP)}",
            f"$names = @(\n{names}\n)",
            "$found = @(Get-NetFirewallRule -PolicyStore $store -Group $group -ErrorAction SilentlyContinue)",
            "$present = @($found | ForEach-Object { $_.Name })",
            *(_addition(part) for part in parts),
            "$found | Where-Object { $names -cnotcontains $_.Name } | Remove-NetFirewallRule",
            "",
        ]
    )


def _addition(part: WindowsRule) -> str:
    """Return the statements that add a rule, or have one of its name as it should be."""
    payload = part.payload
    options = {
        "PolicyStore": "$store",
        "Name": _quoted(payload["name"]),
        "Description": _quoted(_DESCRIPTION),
        "Direction": _quoted(_DIRECTIONS[part.direction]),
        "Action": _quoted(part.action.capitalize()),
        "Protocol": "'TCP'",
        "LocalAddress": _list(part.local),
        "RemoteAddress": _list(part.remote),
        "LocalPort": _quoted(_port(payload["local_ports"])),
        "RemotePort": _quoted(_port(payload["remote_ports"])),
        "Profile": _quoted(", ".join(part.profiles).title() or "Any"),
        "Program": _quoted(part.program or "Any"),
        "Service": _quoted(part.service or "Any"),
        "Enabled": "'True'",
    }
    given = "\n".join(f"    {option} = {value}" for option, value in options.items())
    return (
        f"$rule = @{{\n{given}\n}}\n"
        "if ($present -ccontains $rule.Name) { Set-NetFirewallRule @rule }\n"
        "else { $null = New-NetFirewallRule @rule -DisplayName $rule.Name -Group $group }"
    )


def _list(texts: Iterable[str]) -> str:
    found = list(texts)
    return "'Any'" if found == [ANY] else f"@({', '.join(map(_quoted, found))})"


def _port(text: str) -> str:
    return "Any" if text == ANY else text


def _quoted(text: str) -> str:
    """Return a text in single quotes. PowerShell takes typographic ones for the same."""
    return "'" + "".join(one * 2 if one in "'\u2018\u2019\u201a\u201b" else one for one in text) + "'"
