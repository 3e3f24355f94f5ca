# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our policies and ipsets of firewalld, as its rich rules and its XML files say them.

Sources: firewalld.policy(5), firewalld.ipset(5), firewalld.richlanguage(5).
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from ..model.ownership import NAME_PREFIX
from ..model.plan import Unmanaged
from ..model.rules import Group, Rule, make_group
from .lines import FAMILIES, SET, Found, Line, lines_of

POLICIES: Dict[str, str] = {"in": f"{NAME_PREFIX}in", "out": f"{NAME_PREFIX}out"}
LONGEST_SPELLED_OUT = 8
"""Networks of a group that have a rich rule each; a longer group becomes an ipset."""

_ZONES = {"in": ("ANY", "HOST"), "out": ("HOST", "ANY")}
_FRAME: Mapping[str, Any] = {"target": "CONTINUE", "priority": -100}
# A policy has an allow before a guard by their priorities; its rules have no order otherwise.
_PRIORITIES = {"allow": "-100", "block": "-90"}
_BLOCK: Mapping[str, Tuple[str, Dict[str, str]]] = {"in": ("drop", {}), "out": ("reject", {"type": "tcp-reset"})}
_DESCRIPTION = re.compile(r"\b(\d+) (\w+)")

Elements = Tuple[Tuple[str, Tuple[Tuple[str, str], ...]], ...]
"""A rich rule as its elements, each a name with attributes: the same out of a rich rule's text and out of XML."""


@dataclass(frozen=True)
class Policy:
    """A policy as it was found. frame: all its settings but the rules, where they are not empty or false."""

    rules: Tuple[Elements, ...]
    frame: Mapping[str, Any] = field(default_factory=dict)


def wanted_policy(rules: Sequence[Rule], direction: str) -> Policy:
    """The policy of one direction."""
    ingress, egress = _ZONES[direction]
    lines = [line for family in FAMILIES for line in lines_of(rules, family, LONGEST_SPELLED_OUT)]
    return Policy(
        tuple(_elements(line) for line in lines if line.direction == direction),
        {**_FRAME, "ingress_zones": [ingress], "egress_zones": [egress]},
    )


def same_policy(one: Policy, other: Policy) -> bool:
    """Whether two policies mean the same."""
    return sorted(one.rules) == sorted(other.rules) and dict(one.frame) == dict(other.frame)


def found_lines(
    policy: Policy, rules: Sequence[Rule], direction: str, rows: Mapping[int, str]
) -> Dict[str, List[Found]]:
    """The lines of a policy by family, those that are wanted in the wanted order; strangers come with IPv4.

    rows: which row a port of this direction belongs to.
    """
    order = {elements: number for number, elements in enumerate(wanted_policy(rules, direction).rules)}
    found: Dict[str, List[Found]] = {family: [] for family in FAMILIES}
    for elements in sorted(policy.rules, key=lambda one: (order.get(one, len(order)), one)):
        line = _line(elements, direction, rows)
        if line is None:
            found["ipv4"].append(Unmanaged(f"policy {POLICIES[direction]}", write_rich_rule(elements)))
        else:
            found[line.family].append(line)
    return found


def read_settings(settings: Mapping[str, Any]) -> Policy:
    """A policy out of what firewalld's D-Bus interface says, with plain values."""
    frame = {
        key: value
        for key, value in settings.items()
        if key not in ("rich_rules", "short", "description", "version") and value not in ([], False, "", None)
    }
    return Policy(tuple(read_rich_rule(text) for text in settings.get("rich_rules", ())), frame)


def read_policy_file(text: str) -> Policy:
    """A policy out of its XML file. Raises ValueError for what is no such file."""
    root = _parse(text, "policy")
    frame: Dict[str, Any] = {"target": root.get("target", "CONTINUE"), "priority": int(root.get("priority", "-1"))}
    rules: List[Elements] = []
    for child in root:
        if child.tag == "rule":
            rules.append((("rule", _attributes(child)), *((element.tag, _attributes(element)) for element in child)))
        elif child.tag in ("ingress-zone", "egress-zone"):
            frame.setdefault(child.tag.replace("-zone", "_zones"), []).append(child.get("name", ""))
        elif child.tag not in ("short", "description"):
            frame.setdefault(child.tag, []).append(dict(child.attrib))
    return Policy(tuple(rules), frame)


def rows_in_policy_file(text: str) -> Dict[int, str]:
    """Which row a port belongs to, by the description that we gave the policy."""
    description = _parse(text, "policy").findtext("description", "")
    return {int(port): row for port, row in _DESCRIPTION.findall(description)}


def rows_of_ports(rules: Sequence[Rule], direction: str) -> Dict[int, str]:
    """Which row a port of one direction belongs to."""
    return {rule.port: rule.row for rule in rules if rule.direction == direction}


def write_policy_file(policy: Policy, direction: str, rows: Mapping[int, str]) -> str:
    """The XML file of a policy, with the frame that ours have. rows: which row a port belongs to."""
    ports = ", ".join(f"{port} {row}" for port, row in rows.items())
    way = "inbound" if direction == "in" else "outbound"
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<policy priority="{_FRAME["priority"]}" target="{_FRAME["target"]}">',
        f"  <short>XMPP edge, {way}</short>",
        f"  <description>Rows by port: {ports}. Managed by the Ansible collection xmpp.edge.</description>",
        f'  <ingress-zone name="{_ZONES[direction][0]}"/>',
        f'  <egress-zone name="{_ZONES[direction][1]}"/>',
    ]
    for (_rule, attributes), *elements in policy.rules:
        lines.append(f"  <rule{_xml(attributes)}>")
        lines += [f"    <{name}{_xml(values)}/>" for name, values in elements]
        lines.append("  </rule>")
    return "\n".join([*lines, "</policy>\n"])


def read_set_file(text: str) -> Tuple[str, ...]:
    """The networks of an ipset out of its XML file. Raises ValueError for what is no such file."""
    entries = [entry.text or "" for entry in _parse(text, "ipset").findall("entry")]
    return make_group("", entries).networks


def write_set_file(group: Group) -> str:
    """The XML file of an ipset, whatever its name; one without any networks is for IPv4."""
    family = "inet6" if any(":" in network for network in group.networks) else "inet"
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<ipset type="hash:net">',
        f"  <short>{group.name}</short>",
        "  <description>Managed by the Ansible collection xmpp.edge.</description>",
        f'  <option name="family" value="{family}"/>',
        f'  <option name="maxelem" value="{max(65536, len(group.networks))}"/>',
    ]
    return "\n".join([*lines, *(f"  <entry>{network}</entry>" for network in group.networks), "</ipset>\n"])


def read_rich_rule(text: str) -> Elements:
    """The elements of a rich rule."""
    elements: List[Tuple[str, List[Tuple[str, str]]]] = []
    for word in shlex.split(text):
        name, equals, value = word.partition("=")
        if equals and elements:
            elements[-1][1].append((name, value))
        else:
            elements.append((word, []))
    return tuple((name, tuple(sorted(attributes))) for name, attributes in elements)


def write_rich_rule(elements: Elements) -> str:
    """A rich rule as firewalld takes it."""
    return " ".join(
        " ".join([name, *(f'{key}="{value}"' for key, value in attributes)]) for name, attributes in elements
    )


def _elements(line: Line) -> Elements:
    action = ("accept", {}) if line.action == "allow" else _BLOCK[line.direction]
    parts: List[Tuple[str, Dict[str, str]]] = [("rule", {"priority": _PRIORITIES[line.action], "family": line.family})]
    for name, side in (("source", line.source), ("destination", line.destination)):
        if side:
            parts.append((name, {"ipset": side[len(SET) :]} if side.startswith(SET) else {"address": side}))
    parts += [("port", {"port": str(line.port), "protocol": "tcp"}), action]
    return tuple((name, tuple(sorted(attributes.items()))) for name, attributes in parts)


def _line(elements: Elements, direction: str, rows: Mapping[int, str]) -> Optional[Line]:
    """A line again; None unless we would write it in just this way."""
    parts = {name: dict(attributes) for name, attributes in elements}
    try:
        port = int(parts["port"]["port"])
        line = Line(
            row=rows[port],
            action="allow" if "accept" in parts else "block",
            direction=direction,
            family=parts["rule"]["family"],
            source=_side(parts.get("source", {})),
            destination=_side(parts.get("destination", {})),
            port=port,
        )
    except (KeyError, ValueError):
        return None
    return line if line.family in FAMILIES and _elements(line) == elements else None


def _side(attributes: Mapping[str, str]) -> str:
    return SET + attributes["ipset"] if "ipset" in attributes else attributes.get("address", "")


def _attributes(element: ElementTree.Element) -> Tuple[Tuple[str, str], ...]:
    return tuple(sorted(element.attrib.items()))


def _xml(attributes: Sequence[Tuple[str, str]]) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in attributes)


def _parse(text: str, root_name: str) -> ElementTree.Element:
    # What is parsed is a file that only root can write; a document type could still make it explode.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("a document type has no place in this file")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from None
    if root.tag != root_name:
        raise ValueError(f"<{root.tag}> instead of <{root_name}>")
    return root
