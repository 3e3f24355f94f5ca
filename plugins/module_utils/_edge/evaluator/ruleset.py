# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Model of a host's whole firewall, whichever tool listed it: chains of rules, rules of steps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Callable, Dict, FrozenSet, Iterable, Iterator, List, Mapping, Optional, Sequence, Set, Tuple, Union

from ..model.addresses import Span, merged
from ..model.literals import Family, PacketFamily, Side
from .values import Answer, Fields, Value, spans_of

CONNTRACK_PRIORITY = -200
"""Chains of lower priority see a packet before connection tracking does (netfilter's NF_IP_PRI_CONNTRACK)."""

KERNEL_CHOICE: Span = (1024, 65535)
"""Ports of which the kernel takes one where a translated client's own is taken (nf_nat_core.c)."""


@dataclass(frozen=True)
class Match:
    """Condition of a rule: the steps that follow are for packets for which it holds."""

    test: Callable[[Fields], Answer]


@dataclass(frozen=True)
class Assign:
    """Statement that changes a field of the packet for all rules that follow."""

    name: str
    value: Callable[[Fields], Value]


@dataclass(frozen=True)
class Verdict:
    """End of a rule. kind: accept, drop, return, jump, goto, or other for what this model does not follow.

    target: chain of a jump or goto.
    """

    kind: str
    target: str = ""


@dataclass(frozen=True)
class Choice:
    """Verdict map: every verdict that the packet may get, each with how sure that is; the first True one decides."""

    options: Callable[[Fields], Iterable[Tuple[Answer, Verdict]]]


@dataclass(frozen=True)
class Translate:
    """Translation of one side of a connection, which ends the chain (RFC 3022).

    address, port: the new ones as numbers, UNKNOWN for those that are no constant, None for what stays as it is;
    family: of a constant address; to_host: the new address is one of this host's own, whichever.
    """

    side: Side
    address: Optional[Value] = None
    port: Optional[Value] = None
    family: Optional[Family] = None
    to_host: bool = False


@dataclass(frozen=True)
class Unsupported:
    """Statement that this model does not follow: it may match or not, and it may decide by itself."""


Step = Union[Match, Assign, Verdict, Choice, Translate, Unsupported]


@dataclass(frozen=True)
class Content:
    """Everything that a rule does.

    kinds: what its conditions name besides interface, protocol, packet type, family and connection state: "source",
    "destination" (addresses), "port", "mark", "mac" and "other"; targets: every chain that the rule may send packets
    to, as often as it names it; is_record: the rule only logs, counts or remembers packets, or drops what it logs.
    """

    steps: Tuple[Step, ...]
    kinds: FrozenSet[str] = frozenset()
    targets: Tuple[str, ...] = ()
    is_record: bool = False

    @property
    def narrow(self) -> bool:
        """Return whether the rule singles out some packets by address, port or mark."""
        return bool(self.kinds - {"other"})


class FilterRule:
    """One rule. text: how to name it to people; handle: nft's number for it, None elsewhere; comment: its comment.

    read: makes the content, on first use, since most rules of a host see no evaluated packet.
    """

    __slots__ = ("_content", "comment", "handle", "read", "text")

    def __init__(self, text: str, read: Callable[[], Content], handle: Optional[int] = None, comment: str = "") -> None:
        self.text = text
        self.handle = handle
        self.comment = comment
        self.read = read
        self._content: Optional[Content] = None

    @property
    def content(self) -> Content:
        """Return what the rule does."""
        if self._content is None:
            self._content = self.read()
        return self._content


@dataclass(frozen=True)
class Run:
    """Neighbouring rules of a chain. name: the field that the first condition of all of them is about, empty for rules
    that differ in it; spans: all numbers of that field that any of them is about, merged.
    """

    rules: Sequence[FilterRule]
    name: str = ""
    spans: Sequence[Span] = ()


LEAST_OF_A_RUN = 64
"""Rules that are worth to be passed by at once."""


def runs_of(rules: Sequence[FilterRule]) -> List[Run]:
    """Return rules in their order, with as many of them together as begin with a condition on one field."""
    if len(rules) < LEAST_OF_A_RUN:
        return [Run(rules)]
    runs: List[Run] = []
    for name, group in groupby(rules, _first_field):
        together = list(group)
        if name and len(together) >= LEAST_OF_A_RUN:
            runs.append(Run(together, name, merged(span for rule in together for span in _first_spans(rule))))
        elif runs and not runs[-1].name:
            runs[-1] = Run([*runs[-1].rules, *together])
        else:
            runs.append(Run(together))
    return runs


def _first_field(rule: FilterRule) -> str:
    """Return the field of a rule's first condition, empty where that is not one about certain numbers."""
    test = _first_test(rule)
    return str(vars(test)["field"]) if test is not None and "decides_alone" in vars(test) and spans_of(test) else ""


def _first_spans(rule: FilterRule) -> Sequence[Span]:
    test = _first_test(rule)
    return spans_of(test) if test is not None else ()


def _first_test(rule: FilterRule) -> Optional[Callable[[Fields], Answer]]:
    steps = rule.content.steps
    first = steps[0] if steps else None
    return first.test if isinstance(first, Match) and hasattr(first.test, "__dict__") else None


@dataclass
class Chain:
    """A chain of rules. table: such as "inet filter"; families: ipv4, ipv6, both, or neither for ARP.

    hook: empty for one without; kind: filter, nat or route; devices: interfaces of a netdev chain, None where they are
    not known.
    """

    table: str
    name: str
    families: Tuple[Family, ...]
    rules: List[FilterRule] = field(default_factory=list)
    hook: str = ""
    kind: str = "filter"
    priority: int = 0
    policy: str = "accept"
    devices: Optional[Tuple[str, ...]] = ()
    _runs: List[Run] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def runs(self) -> Sequence[Run]:
        """Return the rules in their order, in runs."""
        if sum(len(run.rules) for run in self._runs) != len(self.rules):
            self._runs = runs_of(self.rules)
        return self._runs

    @property
    def key(self) -> Tuple[str, str]:
        """Return what is unique in a ruleset: table and name."""
        return self.table, self.name

    @property
    def label(self) -> str:
        """Return the chain as people name it."""
        return self.label_of(self.key)

    @staticmethod
    def label_of(key: Tuple[str, str]) -> str:
        """Return the chain of a table as people name it. key: as a chain has it."""
        return f"chain {key[0]} {key[1]}"


def sees(chain: Chain, family: PacketFamily) -> bool:
    """Return whether packets of a family pass a chain, if it has a hook."""
    if family == "arp":
        return chain.table.partition(" ")[0] in ("arp", "netdev")
    return family in chain.families


@dataclass
class Ruleset:
    """All chains of a host by table and name.

    owners: the program that manages a table, where one does; ways: the interface by which this host reaches an address
    that one of its translations names, "lo" for an address of its own; one is missing where that is not known;
    masquerading: the addresses of an interface, of which one is given to packets that masquerade there; forwards: the
    families whose packets this host passes on; lower: the devices below an interface, such as the ports of a bridge;
    routed_by_mark: the families of which packets with a mark may go another way.
    """

    chains: Dict[Tuple[str, str], Chain] = field(default_factory=dict)
    owners: Dict[str, str] = field(default_factory=dict)
    ways: Mapping[Tuple[PacketFamily, int], str] = field(default_factory=dict)
    masquerading: Mapping[Tuple[PacketFamily, str], Sequence[int]] = field(default_factory=dict)
    forwards: FrozenSet[Family] = frozenset()
    lower: Mapping[str, FrozenSet[str]] = field(default_factory=dict)
    routed_by_mark: FrozenSet[PacketFamily] = frozenset()

    def add(self, chain: Chain) -> Chain:
        """Add a chain."""
        self.chains[chain.key] = chain
        return chain

    def tables(self) -> Set[str]:
        """Return the names of all tables that have a chain."""
        return {table for table, _name in self.chains}

    def of_table(self, table: str) -> List[Chain]:
        """Return the chains of a table."""
        return [chain for key, chain in self.chains.items() if key[0] == table]

    def base_chains(self, hook: str, family: PacketFamily) -> List[Chain]:
        """Return the chains of a hook that see packets of a family, in the order in which they do."""
        found = [chain for chain in self.chains.values() if chain.hook == hook and sees(chain, family)]
        return sorted(found, key=lambda chain: chain.priority)

    def without_tables(self, tables: Sequence[str]) -> Ruleset:
        """Return the ruleset without some tables; chains are shared with this one."""
        return replace(self, chains={key: chain for key, chain in self.chains.items() if chain.table not in tables})

    def with_rules(self, key: Tuple[str, str], rules: Sequence[FilterRule]) -> Ruleset:
        """Return the ruleset with other rules in one chain."""
        chain = replace(self.chains[key], rules=list(rules))
        return replace(self, chains={**self.chains, key: chain})

    def translates_destinations(self) -> bool:
        """Return whether a rule translates the destination of connections, to a constant address or not."""
        return any(True for _step in self.destination_steps())

    def translations(self) -> Iterator[Tuple[Family, int]]:
        """Yield each constant address that connections are translated to."""
        for step, _rule, chain in self.destination_steps():
            if isinstance(step.address, tuple):
                yield step.family or chain.families[0], step.address[0]

    def destination_steps(self) -> Iterator[Tuple[Translate, FilterRule, Chain]]:
        """Yield each translation of a destination, with its rule and chain."""
        # The rules of other tables are not read for this: a host may have thousands.
        tables = {chain.table for chain in self.chains.values() if chain.kind == "nat" and chain.hook}
        for chain in self.chains.values():
            if chain.table in tables:
                for rule in chain.rules:
                    for step in rule.content.steps:
                        if isinstance(step, Translate) and step.side == "destination":
                            yield step, rule, chain
