# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed rich rules in firewalld's zones and policies, in its rich language and in its XML files.

Sources: firewalld.zone(5), firewalld.policy(5), firewalld.richlanguage(5).
"""

from __future__ import annotations

import re
import shlex
from html import escape
from typing import Dict, List, Mapping, Optional, Sequence, Tuple
from xml.etree import ElementTree

from ..model.addresses import FAMILIES
from ..model.literals import Direction, Family
from ..model.ownership import RICH_RULE_PRIORITIES
from .lines import Line

Elements = Tuple[Tuple[str, Tuple[Tuple[str, str], ...]], ...]
"""A rich rule as its elements, each a name with attributes: the same out of a rich rule's text and out of XML."""

_FAMILIES: Mapping[str, Family] = {family: family for family in FAMILIES}
_ROWS = {str(priority): row for row, priority in RICH_RULE_PRIORITIES.items()}
# What looks like a rule in a comment is none, and may have no end.
_RULE = re.compile(r"<!--.*?-->|<\?.*?\?>|[ \t]*<rule\b.*?</rule>[ \t]*\n?", re.DOTALL)
_END = re.compile(r"[ \t]*</(zone|policy)>")


_TAGS = "|".join(_ROWS)
MERGE = f"""\
# Reads the file of a zone or policy, leaves out all managed rules, and puts what is in the file "managed" at its end.
/<rule[ >]/ && /priority="({_TAGS})"/ {{ skip = 1 }}
/<\\/(zone|policy)>/ {{ while ((getline line < managed) > 0) print line }}
!skip {{ print }}
/<\\/rule>/ {{ skip = 0 }}
"""
"""A program for awk(1)."""


def elements_of(line: Line) -> Elements:
    """Return a line as a rich rule."""
    parts: List[Tuple[str, Dict[str, str]]] = [
        ("rule", {"priority": str(RICH_RULE_PRIORITIES[line.row]), "family": line.family})
    ]
    for name, side in (("source", line.source), ("destination", line.destination)):
        if side:
            parts.append((name, {"address": side}))
    parts += [("port", {"port": str(line.port), "protocol": "tcp"}), ("accept", {})]
    return tuple((name, tuple(sorted(attributes.items()))) for name, attributes in parts)


def is_managed(elements: Elements) -> bool:
    """Return whether a rich rule has the priority of managed ones."""
    return bool(elements) and dict(elements[0][1]).get("priority", "") in _ROWS


def read_line(elements: Elements, direction: Direction) -> Optional[Line]:
    """Return a managed rich rule as a line; None unless it would be written in just this way."""
    parts = {name: dict(attributes) for name, attributes in elements}
    try:
        line = Line(
            row=_ROWS[parts["rule"]["priority"]],
            direction=direction,
            family=_FAMILIES[parts["rule"]["family"]],
            source=parts.get("source", {}).get("address", ""),
            destination=parts.get("destination", {}).get("address", ""),
            port=int(parts["port"]["port"]),
        )
    except (KeyError, ValueError):
        return None
    return line if elements_of(line) == elements else None


def rules_in_file(text: str) -> List[Elements]:
    """Return the rich rules of a zone's or policy's file. Raises ValueError for what is no such file."""
    return [_elements(rule) for rule in _parse(text).findall("rule")]


def targets_in_file(text: str) -> Tuple[str, List[str], List[str]]:
    """Return the target, interfaces and sources of a zone's file. Raises ValueError for what is no such file."""
    root = _parse(text)
    interfaces = [one.get("name", "") for one in root.findall("interface")]
    sources = [one.get("address") or f"ipset:{one.get('ipset')}" for one in root.findall("source")]
    return root.get("target", "default"), interfaces, sources


def with_managed(text: str, rules: Sequence[Elements]) -> str:
    """Return a file with managed rules at its end, in place of those that it has; every other byte stays.

    A file that has just these rules stays as it is: firewalld writes them in another order, and others behind them.
    Raises ValueError for what is no file of a zone or policy.
    """
    if sorted(filter(is_managed, rules_in_file(text))) == sorted(rules):
        return text
    bare = _RULE.sub(lambda found: "" if _is_managed_block(found[0]) else found[0], text)
    ends = list(_END.finditer(bare))
    if not ends:
        raise ValueError("the file has no end")
    at = ends[-1].start()
    return bare[:at] + "".join(map(write_element, rules)) + bare[at:]


def managed_text(text: str) -> str:
    """Return the managed rules of a file, as they stand there."""
    return "".join(found[0] for found in _RULE.finditer(text) if _is_managed_block(found[0]))


def read_rich_rule(text: str) -> Elements:
    """Return the elements of a rich rule."""
    elements: List[Tuple[str, List[Tuple[str, str]]]] = []
    for word in shlex.split(text):
        name, equals, value = word.partition("=")
        if equals and elements:
            elements[-1][1].append((name, value))
        else:
            elements.append((word, []))
    return tuple((name, tuple(sorted(attributes))) for name, attributes in elements)


def write_rich_rule(elements: Elements) -> str:
    """Return a rich rule as firewalld takes it."""
    return " ".join(
        " ".join([name, *(f'{key}="{value}"' for key, value in attributes)]) for name, attributes in elements
    )


def write_element(elements: Elements) -> str:
    """Return a rich rule as it stands in a file."""
    (_rule, attributes), *parts = elements
    lines = [f"  <rule{_xml(attributes)}>", *(f"    <{name}{_xml(values)}/>" for name, values in parts), "  </rule>"]
    return "".join(f"{line}\n" for line in lines)


def _is_managed_block(text: str) -> bool:
    try:
        return is_managed(_elements(ElementTree.fromstring(text.strip())))  # noqa: S314
    except ElementTree.ParseError:
        return False


def _elements(rule: ElementTree.Element) -> Elements:
    return (("rule", _attributes(rule)), *((element.tag, _attributes(element)) for element in rule))


def _attributes(element: ElementTree.Element) -> Tuple[Tuple[str, str], ...]:
    return tuple(sorted(element.attrib.items()))


def _xml(attributes: Sequence[Tuple[str, str]]) -> str:
    return "".join(f' {name}="{escape(value)}"' for name, value in attributes)


def _parse(text: str) -> ElementTree.Element:
    # What is parsed is a file that only root can write; a document type could still make it explode.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("a document type has no place in this file")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from None
    if root.tag not in ("zone", "policy"):
        raise ValueError(f"<{root.tag}> instead of <zone> or <policy>")
    return root
