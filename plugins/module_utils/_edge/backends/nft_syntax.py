# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our nftables table as text: written from rules, and read back from what nft lists.

Written in the very form in which nft lists it, so that one form serves to apply, to persist and to compare.
Source for syntax and listing: nft(8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..model.ownership import TABLE
from ..model.plan import Item, Observation, Unmanaged
from ..model.rules import DIRECTIONS, Group, Rule, canonical_network, groups_of, make_group

HOOKS = {"in": "input", "out": "output"}
# Before the usual filter chains, so that our counters see the packets that those drop. A drop is final in any chain.
PRIORITY = -10
_HOOK = f"type filter hook {{chain}} priority filter - {-PRIORITY}; policy accept;"
_INTERFACE = {"in": "iifname", "out": "oifname"}
# Inbound a scanner gets no answer; outbound a local daemon must not hang until its timeout.
_BLOCK = {"in": "drop", "out": "reject with tcp reset"}
# Not "new": what connection tracking was told to skip, or takes for related, is no session that is to be spared.
_NOT_ESTABLISHED = "ct state != established"
_PROTOCOLS = {"ipv4": "ip", "ipv6": "ip6"}

_ALLOW_LINE = re.compile(
    r"(?:(?P<protocol>ip6?) saddr @(?P<source>\w+) )?"
    r"(?:(?P<protocol2>ip6?) daddr @(?P<destination>\w+) )?"
    r'tcp dport (?P<port>\d+) counter accept comment "(?P<row>\w+)"'
)
_BLOCK_LINE = re.compile(r'.* tcp dport (?P<port>\d+) .* comment "(?P<row>\w+) guard"')
_COUNTER = re.compile(r"\bcounter packets \d+ bytes \d+")
_ELEMENTS = re.compile(r"elements = \{(.*)\}", re.DOTALL)


@dataclass(frozen=True)
class NftChain:
    """A chain: its hook line (empty for a chain without hook) and its rules, without counter values."""

    hook: str
    rules: Tuple[str, ...]


@dataclass
class NftTable:
    """A table as text pieces; elements of sets stand apart because they change without their set."""

    sets: Dict[str, str] = field(default_factory=dict)
    elements: Dict[str, Tuple[str, ...]] = field(default_factory=dict)
    chains: Dict[str, NftChain] = field(default_factory=dict)
    others: List[str] = field(default_factory=list)

    @property
    def frame(self) -> Tuple[Mapping[str, str], Mapping[str, NftChain], Sequence[str]]:
        """All but the elements: where two tables agree on it, one becomes the other by elements alone."""
        return self.sets, self.chains, self.others


def to_table(rules: Sequence[Rule]) -> NftTable:
    """The table that holds the rules."""
    table = NftTable()
    for name, group in groups_of(rules).items():
        table.sets[name] = f"type {name.rpartition('_')[2]}_addr flags interval"
        table.elements[name] = group.networks
    for direction in DIRECTIONS:
        chain = HOOKS[direction]
        lines = tuple(_rule_line(rule) for rule in rules if rule.direction == direction)
        table.chains[chain] = NftChain(_HOOK.format(chain=chain), lines)
    return table


def write_table(table: NftTable) -> str:
    """A script that puts the table in place of whatever stands there, in one transaction."""
    blocks = [_write_set(name, table.sets[name], table.elements[name]) for name in table.sets]
    blocks += [_block(f"chain {name}", [chain.hook, *chain.rules]) for name, chain in table.chains.items()]
    # "add" makes "delete" safe where there is no table yet; both are part of the one transaction.
    body = "\n".join(blocks)
    return f"add table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{body}}}\n"


def write_element_changes(have: NftTable, want: NftTable) -> str:
    """A script that changes only the elements that differ between two tables of the same frame."""
    removals, additions = [], []
    for name, wanted in want.elements.items():
        present = have.elements[name]
        removals += _element_command("delete", name, _missing_from(wanted, present))
        additions += _element_command("add", name, _missing_from(present, wanted))
    return "".join(removals + additions)


def read_table(text: str) -> NftTable:
    """The table again from "nft list table" or from write_table. Never fails: what is not ours goes to others."""
    table = NftTable()
    for kind, name, body in _read_blocks(text):
        if kind == "set":
            table.sets[name], table.elements[name] = _read_set(body)
        elif kind == "chain":
            lines = [_COUNTER.sub("counter", line) for line in body]
            hooked = bool(lines) and lines[0].startswith("type ")
            table.chains[name] = NftChain(lines[0] if hooked else "", tuple(lines[1:] if hooked else lines))
        else:
            table.others.append(f"{kind} {name}".strip())
    return table


def read_rules(table: NftTable, wanted: NftTable) -> Observation:
    """What is in our table: its rules, and in which other points it differs from the wanted one."""
    groups = {
        # The wanted texts are canonical already, and with thousands of networks that is worth knowing.
        name: Group(name, elements) if elements == wanted.elements.get(name) else make_group(name, elements)
        for name, elements in table.elements.items()
    }
    items = [item for direction in DIRECTIONS for item in _read_chain(direction, table, groups)]
    deviations: List[str] = []
    for name, chain in table.chains.items():
        if name not in wanted.chains and name not in HOOKS.values():
            items += [Unmanaged(f"chain {name}", line) for line in chain.rules]
            deviations.append(f"chain {name}  is not ours")
    for name, chain in wanted.chains.items():
        found = table.chains.get(name)
        if found is None:
            deviations.append(f"chain {name}  is missing")
        elif found.hook != chain.hook:
            deviations.append(f"chain {name}  {found.hook or 'has no hook'}")
    for name, definition in table.sets.items():
        if name not in wanted.sets:
            if not any(name == group.name for item in items if isinstance(item, Rule) for group in item.groups):
                deviations.append(f"set {name}  is not ours")
        elif definition != wanted.sets[name]:
            deviations.append(f"set {name}  {definition}")
    deviations += [f"{other}  is not ours" for other in table.others]
    return Observation(tuple(items), tuple(deviations))


def _rule_line(rule: Rule) -> str:
    if rule.action == "block":
        return (
            f'{_INTERFACE[rule.direction]} != "lo" tcp dport {rule.port} {_NOT_ESTABLISHED} '
            f'counter {_BLOCK[rule.direction]} comment "{rule.row} guard"'
        )
    protocol = _PROTOCOLS[rule.family]
    source = f"{protocol} saddr @{rule.source.name} " if rule.source else ""
    destination = f"{protocol} daddr @{rule.destination.name} " if rule.destination else ""
    return f'{source}{destination}tcp dport {rule.port} counter accept comment "{rule.row}"'


def _read_chain(direction: str, table: NftTable, groups: Mapping[str, Group]) -> Iterator[Item]:
    chain = table.chains.get(HOOKS[direction])
    for line in chain.rules if chain else ():
        rule = _read_rule(direction, line, groups)
        # Whatever the patterns let through, a rule is ours only if we would write it in just this way.
        if rule is not None and _rule_line(rule) == line:
            yield rule
        else:
            yield Unmanaged(f"chain {HOOKS[direction]}", line)


def _read_rule(direction: str, line: str, groups: Mapping[str, Group]) -> Optional[Rule]:
    match = _BLOCK_LINE.fullmatch(line)
    if match:
        return Rule(match["row"], "block", direction, "any", None, None, int(match["port"]))
    match = _ALLOW_LINE.fullmatch(line)
    if not match or not (match["source"] or match["destination"]):
        return None
    family = "ipv6" if "ip6" in (match["protocol"], match["protocol2"]) else "ipv4"
    if any(match[side] and match[side] not in groups for side in ("source", "destination")):
        return None
    source, destination = (groups[match[side]] if match[side] else None for side in ("source", "destination"))
    return Rule(match["row"], "allow", direction, family, source, destination, int(match["port"]))


def _read_blocks(text: str) -> Iterator[Tuple[str, str, List[str]]]:
    """Kind, name and stripped body lines of each block inside the table's braces; a lone line is its own kind."""
    block: Optional[Tuple[str, str, List[str]]] = None
    inside = False
    for raw in text.splitlines():
        line = raw.strip()
        if not inside:
            inside = line == f"table {TABLE} {{"
        elif block is not None:
            if raw == "\t}":
                yield block
                block = None
            else:
                block[2].append(line)
        elif line.endswith("{"):
            kind, _space, name = line[:-1].strip().partition(" ")
            block = (kind, name, [])
        elif line and line != "}":
            yield line, "", []
    if block is not None:
        yield block


def _read_set(body: Iterable[str]) -> Tuple[str, Tuple[str, ...]]:
    text = " ".join(body)
    match = _ELEMENTS.search(text)
    if match is None:
        return text, ()
    elements = (element.strip() for element in match[1].split(","))
    # Releases before 1.0.3 list a prefix that ends where the address space ends as a range.
    canonical = tuple(canonical_network(element) if "-" in element else element for element in elements)
    return (text[: match.start()] + text[match.end() :]).strip(), canonical


def _write_set(name: str, definition: str, elements: Sequence[str]) -> str:
    kind, flags = definition.split(" flags ")
    lines = [kind, f"flags {flags}"]
    if elements:
        lines.append(f"elements = {{ {', '.join(elements)} }}")
    return _block(f"set {name}", lines)


def _block(head: str, lines: Iterable[str]) -> str:
    body = "".join(f"\t\t{line}\n" for line in lines)
    return f"\t{head} {{\n{body}\t}}\n"


def _element_command(verb: str, name: str, elements: Sequence[str]) -> List[str]:
    return [f"{verb} element {TABLE} {name} {{ {', '.join(elements)} }}\n"] if elements else []


def _missing_from(reference: Sequence[str], elements: Sequence[str]) -> List[str]:
    known = set(reference)
    return [element for element in elements if element not in known]
