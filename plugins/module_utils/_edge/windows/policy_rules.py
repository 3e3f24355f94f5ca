# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of group policy and of device management, in the text that the registry has. Source: [MS-GPFAS] 2.2.2."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any, DefaultDict, Dict, Iterable, List, Mapping, Sequence

from .addresses import ANY, read_spans
from .compile import WindowsRule
from .live import ALL_PROFILES, ANY_PROTOCOL, PROFILES, TCP, LiveRule

_ACTIONS = {"allow": "allow", "bypass": "allow", "block": "block"}
_DIRECTIONS = {"in": "in", "out": "out"}
_ADDRESSES = {"local_addresses": ("LA4", "LA6"), "remote_addresses": ("RA4", "RA42", "RA6", "RA62")}
_PORTS = {"local_ports": ("LPort", "LPort2_10", "LPort2_20"), "remote_ports": ("RPort", "RPort2_10")}
_HARMLESS = {
    "Action",
    "Active",
    "Dir",
    "Protocol",
    "Profile",
    "Name",
    "Desc",
    "EmbedCtxt",
    "App",
    "Svc",
    "Defer",
    "Edge",
}
_ALL = "Action, Direction, Enabled, Protocol, Profiles"


def read_policy_rule(text: str) -> LiveRule:
    """Return a rule of a policy. What is not understood of it may be anything, so that it may block what it matches."""
    values = _values(text)
    name = f"{next(iter(values['Name']), 'without a name')} of a policy"
    action = _ACTIONS.get(_one(values, "Action").lower())
    direction = _DIRECTIONS.get(_one(values, "Dir").lower())
    protocol = _one(values, "Protocol") or str(ANY_PROTOCOL)
    profiles = [PROFILES.get(profile.lower()) for profile in values["Profile"]]
    if action is None or direction is None or not protocol.isdigit() or None in profiles:
        return LiveRule.from_facts({**_facts(name, {}), "direction": "in", "unreadable": _ALL})
    known = {*_HARMLESS, *(key for keys in (*_ADDRESSES.values(), *_PORTS.values()) for key in keys)}
    facts: Dict[str, Any] = {
        **_facts(name, values),
        "enabled": _one(values, "Active").lower() == "true",
        "action": action,
        "direction": direction,
        "protocol": int(protocol),
        "profiles": sum(bit for bit in set(profiles) if bit) or ALL_PROFILES,
        "secure": int(_one(values, "Action").lower() == "bypass"),
    }
    rule = LiveRule.from_facts(facts)
    return replace(rule, conditions=(*rule.conditions, *sorted(set(values) - known)))


def differing(texts: Sequence[str], parts: Iterable[WindowsRule]) -> List[str]:
    """Return the names of desired rules that a policy has otherwise, or twice."""
    found: DefaultDict[str, List[LiveRule]] = defaultdict(list)
    for text in texts:
        found[_one(_values(text), "Name")].append(read_policy_rule(text))
    return [
        part.payload["name"]
        for part in parts
        if len(found[part.payload["name"]]) != 1 or not _is(found[part.payload["name"]][0], part)
    ]


def _is(rule: LiveRule, part: WindowsRule) -> bool:
    payload = part.payload
    bits = sum(PROFILES[profile] for profile in part.profiles) or ALL_PROFILES
    conditions = [("application", part.program), ("service", part.service)]
    sides = ((rule.local, part.local), (rule.remote, part.remote))
    return (
        (rule.enabled, rule.action, rule.direction, rule.protocol) == (True, part.action, part.direction, TCP)
        and (rule.local_ports, rule.remote_ports, rule.profiles)
        == (payload["local_ports"], payload["remote_ports"], bits)
        and rule.conditions == tuple(f"{key} {text}" for key, text in conditions if text)
        and all(_same_addresses(one, ",".join(other)) for one, other in sides)
    )


def _same_addresses(one: str, other: str) -> bool:
    spans = read_spans(one)
    return one == other or (spans is not None and spans == read_spans(other))


def _values(text: str) -> DefaultDict[str, List[str]]:
    """Return the values by key; a key may be there several times. The first part is the version of the grammar."""
    values: DefaultDict[str, List[str]] = defaultdict(list)
    for part in text.split("|")[1:]:
        key, _equals, value = part.partition("=")
        if key:
            values[key].append(value)
    return values


def _one(values: Mapping[str, List[str]], key: str) -> str:
    return values[key][0] if len(values.get(key, ())) == 1 else ""


def _facts(name: str, values: Mapping[str, List[str]]) -> Dict[str, Any]:
    """Return the facts of a rule as the module tells them of local ones, without those that every rule has."""
    joined = {
        fact: ",".join(value for key in keys for value in values.get(key, ())) or ANY
        for fact, keys in (*_ADDRESSES.items(), *_PORTS.items())
    }
    conditions = {"application": "App", "service": "Svc"}
    named = {fact: ", ".join(values.get(key, ())) for fact, key in conditions.items()}
    every: Dict[str, Any] = {"enabled": True, "action": "block", "protocol": ANY_PROTOCOL, "profiles": ALL_PROFILES}
    return {"name": name, **every, **joined, **named}
