# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The managed nftables table as text: written from rules, and read back from what nft lists.

It is written in the very form in which nft lists it, so that one form serves to apply, to persist and to compare.
Source for syntax and listing: nft(8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..host.managed_table import SINCE, SINCE_ELEMENT, is_control
from ..model.addresses import FAMILIES, PROTOCOLS, canonical_network
from ..model.controls import NO_CONTROLS, Controls
from ..model.literals import Direction, Family
from ..model.ownership import TABLE
from ..model.plan import Item, Observation, Unmanaged
from ..model.rules import CONTAINERS, Group, Rule, groups_of, make_group
from .nft_controls import (
    control_sets,
    is_filled_by_packets,
    limit_lines,
    log_lines,
    normal,
    read_controls,
)


@dataclass(frozen=True)
class Hook:
    """A base chain of the table. hook: where packets pass it; priority: as nft lists it; number: the same as a number;
    condition: what a guard asks there besides the port; forwarded: whether its rules are for packets of other hosts.
    """

    chain: str
    direction: Direction
    hook: str
    priority: str
    number: int
    condition: str = ""
    forwarded: bool = False


NOT_LOOPBACK = 'iifname != "lo"'

# Before destination NAT, a guard sees the port that a client dials: that of a published container, for instance. After
# it, a guard sees the port that a listener has: one to which a rule redirects. The priority is behind
# connection tracking (-200) and clear of mangle (-150), where other chains stand: equal priorities have no order.
PREROUTING = Hook("prerouting", "in", "prerouting", "-190", -190, f"{NOT_LOOPBACK} fib daddr type local")
# Before the usual filter chains, so that the counters see packets that those drop. A drop is final in any chain.
INPUT = Hook("input", "in", "input", "filter - 10", -10, NOT_LOOPBACK)
OUTPUT = Hook("output", "out", "output", "filter - 10", -10, 'oifname != "lo"')
# Behind destination NAT and before source NAT, packets have the addresses of the hosts that are forwarded for. The two
# directions have a chain each, since a packet from one edge to another one has to pass both.
FORWARD_IN = Hook("forward_in", "in", "forward", "filter - 10", -10, forwarded=True)
FORWARD_OUT = Hook("forward_out", "out", "forward", "filter - 9", -9, forwarded=True)
# A server behind a published port may be reached by that alone: neither by its own address, nor by another port.
PUBLISHED = Hook("published", "in", "forward", "filter - 8", -8, forwarded=True)
# Behind source NAT, a guard sees by which address of this host a forwarded connection leaves.
POSTROUTING = Hook("postrouting", "out", "postrouting", "srcnat + 10", 110, forwarded=True)
OWN_HOOKS: Tuple[Hook, ...] = (PREROUTING, INPUT, OUTPUT)
HOOKS: Tuple[Hook, ...] = (*OWN_HOOKS, FORWARD_IN, FORWARD_OUT, PUBLISHED, POSTROUTING)
_DERIVED = (PUBLISHED, POSTROUTING)
"""Chains whose rules follow from those of others and say more than a rule does."""
_LIMITING = (PREROUTING, FORWARD_IN)
"""Chains that limit new connections, each of which passes one of them, at the port that is dialled on this host."""
_STAND_FOR = (INPUT, FORWARD_IN, OUTPUT, FORWARD_OUT)
"""The chains whose rules stand for what is managed, in the order of the rules; the others have to say the same."""

# Inbound a scanner gets no answer; outbound a local daemon must not hang until its timeout.
_BLOCK = {"in": "drop", "out": "reject with tcp reset"}
# Not "new": what connection tracking was told to skip, or takes for related, is no session that is to be spared.
_NOT_ESTABLISHED = "ct state != established"
HEAD = "ct state established accept"
"""First line of each chain."""

_SINCE_DEFINITION = "type inet_service flags timeout"

_ALLOW_LINE = re.compile(
    r"(?:(?P<protocol>ip6?) saddr @(?P<source>\w+) )?"
    r"(?:(?P<protocol2>ip6?) daddr @(?P<destination>\w+) )?"
    r'tcp dport (?P<port>\d+) counter accept comment "(?P<row>\w+)"'
)
_LOCAL_SIDE = re.compile(r"(?P<protocol>ip6?) [sd]addr @(?P<name>\w+) ")
_BLOCK_LINE = re.compile(r'.* tcp dport (?P<port>\d+) .* comment "(?P<row>\w+) guard"')
_COUNTER = re.compile(r"\bcounter packets \d+ bytes \d+")
_HANDLE = re.compile(r" # handle \d+$", re.MULTILINE)
_ELEMENTS = re.compile(r"elements = \{(.*)\}", re.DOTALL)
_PLAIN_ELEMENT = re.compile(r"[0-9a-fA-F.:/]+")


@dataclass(frozen=True)
class NftChain:
    """A chain: its hook line (empty for a chain without hook) and its rules, without counter values."""

    hook: str
    rules: Tuple[str, ...]


@dataclass
class NftTable:
    """A table as text pieces; elements of sets stand apart because they change without their set.

    is_former: whether a former release has made it, whose counters have all packets of a connection.
    """

    sets: Dict[str, str] = field(default_factory=dict)
    elements: Dict[str, Tuple[str, ...]] = field(default_factory=dict)
    chains: Dict[str, NftChain] = field(default_factory=dict)
    others: List[str] = field(default_factory=list)
    is_former: bool = False

    @property
    def lines(self) -> List[str]:
        """The rules of all chains."""
        return [line for chain in self.chains.values() for line in chain.rules]

    @property
    def frame(self) -> Tuple[Mapping[str, str], Mapping[str, NftChain], Sequence[str], bool]:
        """All but the elements: where two tables agree on it, one becomes the other by elements alone."""
        return self.sets, self.chains, self.others, self.is_former


def to_table(rules: Sequence[Rule], controls: Controls = NO_CONTROLS) -> NftTable:
    """Return the table that holds the rules and does what the controls say."""
    table = NftTable()
    table.sets[SINCE], table.elements[SINCE] = _SINCE_DEFINITION, ()
    for name, group in groups_of(rule for rule in rules if rule.action == "block" or not rule.inside).items():
        table.sets[name] = f"type {name.rpartition('_')[2]}_addr flags interval"
        table.elements[name] = group.networks
    for group in controls.limits.exempt if controls.limits else ():
        table.sets[group.name] = f"type {group.name.rpartition('_')[2]}_addr flags interval"
        table.elements[group.name] = group.networks
    for name, definition in control_sets(_limited_families(rules, controls), controls).items():
        table.sets[name], table.elements[name] = definition, ()
    for hook in hooks_of(rules):
        table.chains[hook.chain] = NftChain(_hook_line(hook), _lines(rules, hook, controls))
    return table


def _limited_families(rules: Iterable[Rule], controls: Controls) -> List[Family]:
    row = controls.limits.row if controls.limits else ""
    found = {rule.family for rule in of_the_table(rules) if rule.action == "allow" and rule.row == row}
    return [family for family in FAMILIES if family in found]


def of_the_table(rules: Iterable[Rule]) -> List[Rule]:
    """Return the rules that stand in the table as a line each. What NAT leads on was judged before it."""
    return [rule for rule in rules if rule.inside is None]


def hooks_of(rules: Sequence[Rule]) -> Tuple[Hook, ...]:
    """Return the hooks whose chains the table has: those for this host's own packets, and those for forwarded ones."""
    own = OWN_HOOKS if any(not rule.forwarded for rule in rules) else ()
    return (*own, *(hook for hook in HOOKS if hook.forwarded and _lines(rules, hook)))


def _hook_line(hook: Hook) -> str:
    return f"type filter hook {hook.hook} priority {hook.priority}; policy accept;"


def _lines(rules: Sequence[Rule], hook: Hook, controls: Controls = NO_CONTROLS) -> Tuple[str, ...]:
    """Return the lines of a chain. Limits stand before what they limit, and a guard behind what logs its packets.

    Established connections, which are most packets, leave the chain at once. So the others are those that count.
    """
    found: List[str] = []
    for line, rule in _plain_lines(rules, hook):
        is_guard = " counter accept " not in line
        if is_guard and controls.log:
            found += log_lines(line, rule.row)
        elif not is_guard and hook in _LIMITING and rule.family != "any":
            found += limit_lines(_limited_side(rule), rule.row, rule.family, controls)
        found.append(line)
    return (HEAD, *found) if found else ()


def _plain_lines(rules: Sequence[Rule], hook: Hook) -> Iterator[Tuple[str, Rule]]:
    """Yield the lines of a chain that accept or block, each with the rule that it comes from."""
    if hook is POSTROUTING:
        yield from ((line, guard) for guard in behind_source_nat(rules) for line in _lines_behind_nat(guard, rules))
    elif hook is PUBLISHED:
        yield from ((line, rule) for rule in rules if rule.action == "block" for line in _lines_of_published(rule))
    else:
        for rule in of_the_table(rules):
            if rule.direction == hook.direction and rule.forwarded == hook.forwarded:
                yield _rule_line(rule, hook), rule


def _limited_side(rule: Rule) -> str:
    """Return the conditions of an allow rule, for a limit. Loopback is never limited."""
    return f"{'' if rule.forwarded else NOT_LOOPBACK + ' '}{_sides(rule)}tcp dport {rule.port} "


def behind_source_nat(rules: Iterable[Rule]) -> List[Rule]:
    """Return the guards of servers behind this host, which may reach others by its addresses alone."""
    return [rule for rule in rules if rule.action == "block" and rule.source and rule.source.option == CONTAINERS]


def access_groups(guard: Rule, rules: Iterable[Rule]) -> List[Group]:
    """Return the addresses of this host by which the connections of a guard's servers may leave."""
    own = (
        rule.source
        for rule in rules
        if (rule.row, rule.family, rule.action) == (guard.row, guard.family, "allow") and not rule.forwarded
    )
    return [group for group in own if group]


def _lines_of_published(guard: Rule) -> Iterator[str]:
    if guard.inside is None:
        return
    protocol, name = PROTOCOLS[guard.family], guard.inside.group.name
    for port in guard.inside.ports:
        end = f'{_NOT_ESTABLISHED} counter drop comment "{guard.row} guard of published port"'
        which = f"{protocol} saddr != @{name} tcp dport {port}"
        yield f"ct original {protocol} daddr @{name} {which} {end}"
        yield f"{protocol} daddr @{name} {which} ct original proto-dst != {guard.port} {end}"


def _lines_behind_nat(guard: Rule, rules: Sequence[Rule]) -> Iterator[str]:
    protocol, name = PROTOCOLS[guard.family], guard.source.name if guard.source else ""
    which = f"ct original {protocol} saddr @{name} {protocol} daddr != @{name} "
    for group in access_groups(guard, rules):
        yield (
            f"{which}{protocol} saddr @{group.name} "
            f'tcp dport {guard.port} counter accept comment "{guard.row} behind source NAT"'
        )
    yield f'{which}tcp dport {guard.port} {_NOT_ESTABLISHED} counter drop comment "{guard.row} guard behind source NAT"'


def write_table(table: NftTable) -> str:
    """Return a script that puts the table in place of whatever stands there, in one transaction."""
    blocks = [_write_set(name, table.sets[name], table.elements[name]) for name in table.sets]
    blocks += [_block(f"chain {name}", [chain.hook, *chain.rules]) for name, chain in table.chains.items()]
    # "add" makes "delete" safe where there is no table yet; both are part of the one transaction.
    body = "\n".join(blocks)
    return f"add table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{body}}}\n"


def write_update(current: NftTable, desired: NftTable, text: str) -> Optional[str]:
    """Return a script that changes a table and keeps counters and what packets have put into sets.

    text: the current table as nft lists it. None where it has other things, or other rows, of which nothing is kept.
    """
    if current.others or current.sets.get(SINCE) != _SINCE_DEFINITION or _guards(current) != _guards(desired):
        return None
    counters = _counters_in(text)
    if any(sum(map(_packets, found)) and not _lines_with(key, desired) for key, found in counters.items()):
        return None
    stale = [
        name
        for name, chain in current.chains.items()
        if name not in desired.chains or desired.chains[name].hook != chain.hook
    ]
    kept, flushed = [], []
    for name, definition in desired.sets.items():
        # What packets have made carries the rate of the line that made it.
        if definition == current.sets.get(name) and _makers(name, current) == _makers(name, desired):
            kept.append(name)
            if name != SINCE and not is_filled_by_packets(definition):
                flushed.append(name)
    lines = [f"flush table {TABLE}\n"]
    lines += [f"delete chain {TABLE} {name}\n" for name in stale]
    lines += [f"delete set {TABLE} {name}\n" for name in current.sets if name not in kept]
    lines += [f"flush set {TABLE} {name}\n" for name in flushed]
    blocks = [_write_set(name, desired.sets[name], desired.elements[name], name in kept) for name in desired.sets]
    for name, chain in desired.chains.items():
        rules = [_with_counter(name, line, counters, desired) for line in chain.rules]
        blocks.append(_block(f"chain {name}", [chain.hook, *rules]))
    body = "\n".join(blocks)
    return f"{''.join(lines)}table {TABLE} {{\n{body}}}\n"


def _guards(table: NftTable) -> FrozenSet[str]:
    return frozenset(comment for comment in map(_comment_of, table.lines) if comment.endswith(" guard"))


def _comment_of(line: str) -> str:
    _match, _comment, text = line.partition(' comment "')
    return text.rstrip('"')


Counters = Dict[Tuple[str, str], List[str]]
"""The counters of each chain and comment, in their order."""


def _counters_in(text: str) -> Counters:
    found: Counters = {}
    for kind, name, body in _read_blocks(without_handles(text)):
        for line in body if kind == "chain" else ():
            counter = _COUNTER.search(line)
            if counter:
                found.setdefault((name, _comment_of(line)), []).append(counter[0])
    return found


def _packets(counter: str) -> int:
    return int(counter.split()[2])


def _lines_with(key: Tuple[str, str], table: NftTable) -> List[str]:
    chain, comment = key
    return [line for line in table.chains.get(chain, NftChain("", ())).rules if _comment_of(line) == comment]


def _with_counter(chain: str, line: str, counters: Counters, desired: NftTable) -> str:
    """Return a line with the next counter of its chain and comment; the last such line gets all that are left."""
    key = (chain, _comment_of(line))
    left = counters.get(key, [])
    if " counter " not in line or not left:
        return line
    mine = left if _lines_with(key, desired)[-1] == line else left[:1]
    packets, size = (sum(int(counter.split()[place]) for counter in mine) for place in (2, 4))
    counters[key] = left[len(mine) :]
    return line.replace(" counter ", f" counter packets {packets} bytes {size} ", 1)


def _makers(name: str, table: NftTable) -> FrozenSet[str]:
    """Return the statements of a table's rules by which packets fill a set."""
    return frozenset(
        found for line in table.lines for found in re.findall(rf"(?:update|add) @{name} \{{[^}}]*\}}", line)
    )


def write_element_changes(current: NftTable, desired: NftTable) -> Optional[str]:
    """Return a script that changes only the elements that differ between two tables; None where that cannot be done."""
    if current.frame != desired.frame:
        return None
    removals, additions = [], []
    for name, elements in desired.elements.items():
        present = current.elements[name]
        surplus = _missing_from(elements, present)
        if not all(map(_PLAIN_ELEMENT.fullmatch, surplus)):
            return None
        removals += _element_command("delete", name, surplus)
        additions += _element_command("add", name, _missing_from(present, elements))
    return "".join(removals + additions)


def read_table(text: str) -> NftTable:
    """Return the table from what "nft -a list table" or write_table says. What is no set or chain goes to others."""
    table = NftTable()
    for kind, name, body in _read_blocks(without_handles(text)):
        if kind == "set":
            table.sets[name], table.elements[name] = _read_set(body)
        elif kind == "chain":
            lines = [normal(_COUNTER.sub("counter", line)) for line in body]
            hooked = bool(lines) and lines[0].startswith("type ")
            table.chains[name] = NftChain(lines[0] if hooked else "", tuple(lines[1:] if hooked else lines))
        else:
            table.others.append(f"{kind} {name}".strip())
    table.is_former = bool(table.lines) and HEAD not in table.lines
    return table


def without_handles(text: str) -> str:
    """Return a listing of "nft -a" as nft prints it without -a."""
    return _HANDLE.sub("", text)


def read_rules(table: NftTable, desired: NftTable) -> Observation:
    """Return the rules of the table, and in which other points it differs from the desired one."""
    groups = {
        # The desired texts are canonical already, and with thousands of networks that is worth knowing.
        name: Group(name, elements) if elements == desired.elements.get(name) else make_group(name, elements)
        for name, elements in table.elements.items()
    }
    items = [item for hook in _STAND_FOR for item in _read_chain(hook, table, groups)]
    controls = _controls_of(table)
    drift = _chain_drift(table, desired, items, controls)
    as_found = to_table([item for item in items if isinstance(item, Rule)], controls)
    for name, definition in table.sets.items():
        if name not in desired.sets and name not in as_found.sets:
            drift.append(f"set {name}  is not managed")
        elif definition not in (desired.sets.get(name), as_found.sets.get(name)):
            drift.append(f"set {name}  {definition}")
    if desired.sets and table.is_former:
        drift.append(f"table {TABLE}  counts packets of established connections")
    elif SINCE in desired.sets and SINCE not in table.sets:
        drift.append(f"set {SINCE}  is missing")
    drift += [f"{other}  is not managed" for other in table.others]
    known = [hook.chain for hook in HOOKS]
    items += [
        Unmanaged(f"chain {name}", line)
        for name, chain in table.chains.items()
        if name not in known
        for line in chain.rules
    ]
    return Observation((*items, *controls.settings), tuple(drift))


def _controls_of(table: NftTable) -> Controls:
    return read_controls(table.lines, table.elements)


def _chain_drift(table: NftTable, desired: NftTable, items: Sequence[Item], controls: Controls) -> List[str]:
    """Return in what the chains differ, other than by the rules and controls that stand for them."""
    known = [hook.chain for hook in HOOKS]
    drift = [f"chain {name}  is not managed" for name in table.chains if name not in known]
    for name, chain in desired.chains.items():
        found = table.chains.get(name)
        if found is None:
            drift.append(f"chain {name}  is missing")
        elif found.hook != chain.hook:
            drift.append(f"chain {name}  {found.hook or 'has no hook'}")
    rules = [item for item in items if isinstance(item, Rule)]
    for hook in (PREROUTING, *_STAND_FOR):
        if hook.chain in table.chains:
            found_lines, expected = table.chains[hook.chain].rules, _lines(rules, hook, controls)
            if table.is_former:
                expected = expected[1:]
            if hook is not PREROUTING and set(found_lines) != set(expected):
                # The other lines are items of the plan.
                found_lines, expected = _additional(found_lines), _additional(expected)
            drift += _difference(hook.chain, found_lines, expected)
    is_same = controls == _controls_of(desired)
    for hook in _DERIVED:
        if hook.chain in table.chains and hook.chain in desired.chains:
            both = [one.chains[hook.chain].rules for one in (table, desired)]
            drift += _difference(hook.chain, *(both if is_same else map(_without_additional, both)))
    return drift


def _additional(lines: Sequence[str]) -> Tuple[str, ...]:
    """Return the lines that stand for no rule: the first one, limits and log."""
    return tuple(line for line in lines if _is_additional(line))


def _without_additional(lines: Sequence[str]) -> Tuple[str, ...]:
    return tuple(line for line in lines if not _is_additional(line))


def _is_additional(line: str) -> bool:
    return line == HEAD or is_control(line)


def _difference(chain: str, found: Sequence[str], expected: Sequence[str]) -> List[str]:
    """Return in what a chain differs from one that says the same as the rules of its direction."""
    lines = [f"chain {chain}  {line}" for line in found if line not in expected]
    lines += [f"chain {chain}  lacks {line}" for line in expected if line not in found]
    return lines or ([] if tuple(found) == tuple(expected) else [f"chain {chain}  has its rules in another order"])


def _rule_line(rule: Rule, hook: Hook) -> str:
    if rule.action == "block":
        return (
            f"{_local_side(rule) if rule.forwarded else hook.condition} tcp dport {rule.port} {_NOT_ESTABLISHED} "
            f'counter {_BLOCK[rule.direction]} comment "{rule.row} guard"'
        )
    return f'{_sides(rule)}tcp dport {rule.port} counter accept comment "{rule.row}"'


def _sides(rule: Rule) -> str:
    protocol = PROTOCOLS[rule.family]
    source = f"{protocol} saddr @{rule.source.name} " if rule.source else ""
    destination = f"{protocol} daddr @{rule.destination.name} " if rule.destination else ""
    return f"{source}{destination}"


def _local_side(rule: Rule) -> str:
    """Return the condition of a guard on forwarded packets. What the servers of one place send each other it spares."""
    protocol, name = PROTOCOLS[rule.family], rule.local.name if rule.local else ""
    if rule.direction == "in":
        return f"{protocol} daddr @{name}"
    return f"{protocol} saddr @{name} {protocol} daddr != @{name}"


def _read_chain(hook: Hook, table: NftTable, groups: Mapping[str, Group]) -> Iterator[Item]:
    chain = table.chains.get(hook.chain)
    for line in _without_additional(chain.rules) if chain else ():
        rule = _read_rule(hook, line, groups)
        # Whatever the patterns let through, a rule is managed only if it would be written in just this way.
        if rule is not None and _rule_line(rule, hook) == line:
            yield rule
        else:
            yield Unmanaged(f"chain {hook.chain}", line)


def _read_rule(hook: Hook, line: str, groups: Mapping[str, Group]) -> Optional[Rule]:
    direction = hook.direction
    family: Family
    match = _BLOCK_LINE.fullmatch(line)
    if match and not hook.forwarded:
        return Rule(match["row"], "block", direction, "any", None, None, int(match["port"]))
    if match:
        local = _LOCAL_SIDE.match(line)
        if not local or local["name"] not in groups:
            return None
        family = "ipv6" if local["protocol"] == "ip6" else "ipv4"
        edges = groups[local["name"]]
        source, destination = (None, edges) if direction == "in" else (edges, None)
        return Rule(match["row"], "block", direction, family, source, destination, int(match["port"]), True)
    match = _ALLOW_LINE.fullmatch(line)
    if not match or not (match["source"] or match["destination"]):
        return None
    family = "ipv6" if "ip6" in (match["protocol"], match["protocol2"]) else "ipv4"
    if any(match[side] and match[side] not in groups for side in ("source", "destination")):
        return None
    source, destination = (groups[match[side]] if match[side] else None for side in ("source", "destination"))
    return Rule(match["row"], "allow", direction, family, source, destination, int(match["port"]), hook.forwarded)


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
    definition = (text[: match.start()] + text[match.end() :]).strip()
    if is_filled_by_packets(definition) or definition == _SINCE_DEFINITION:
        return definition, ()
    elements = (element.strip() for element in match[1].split(","))
    # Releases before 1.0.3 list a prefix that ends where the address space ends as a range.
    canonical = tuple(canonical_network(element) if "-" in element else element for element in elements)
    return definition, canonical


def _write_set(name: str, definition: str, elements: Sequence[str], is_kept: bool = False) -> str:
    lines = re.sub(r" (size|flags|timeout) ", r"\n\1 ", definition).splitlines()
    if name == SINCE and not is_kept:
        lines.append(f"elements = {{ {SINCE_ELEMENT} }}")
    elif elements:
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
