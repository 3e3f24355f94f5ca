# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the whole firewall of this host, whichever tools made it, into one model."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ..evaluator import iptables_save, nft_json
from ..evaluator.rows import YES, Route, Routes, RowVerdict
from ..evaluator.ruleset import Chain, Content, FilterRule, Ruleset, Unsupported
from ..evaluator.walk import Decision
from ..model.errors import EdgeError, understood
from ..model.ownership import TABLE
from .routes import routes_of
from .runner import Runner, find_program
from .units import UnitStates, read_units

_LEGACY_TABLES = {"ipv4": "/proc/net/ip_tables_names", "ipv6": "/proc/net/ip6_tables_names"}
_IPTABLES = {"ipv4": "iptables", "ipv6": "ip6tables"}
_IPTABLES_TABLES = frozenset(("raw", "mangle", "nat", "filter", "security"))
_NFT_FAMILIES = {"ipv4": "ip", "ipv6": "ip6"}
_COUNTER = re.compile(r"counter packets \d+ bytes \d+ ")
_OWNED = {"inet firewalld": "firewalld", "ip firewalld": "firewalld", "ip6 firewalld": "firewalld"}


class Host:
    """This host: how programs are run on it, and its firewall, units and routes, each read once until forgotten."""

    def __init__(self, run: Runner) -> None:
        self.run = run
        self._firewall: Optional[HostFirewall] = None
        self._routes: Dict[Route, Optional[str]] = {}
        self._default_iptables: Optional[str] = None
        self._units: Optional[UnitStates] = None

    @property
    def firewall(self) -> HostFirewall:
        """The firewall as it was when it was first asked for."""
        if self._firewall is None:
            self._firewall = read_host_firewall(self.run)
        return self._firewall

    @property
    def default_iptables(self) -> str:
        """The variant that the program "iptables" stands for: nft or legacy; empty where there is none."""
        if self._default_iptables is None:
            self._default_iptables = _variant_of("iptables", self.run)
        return self._default_iptables

    @property
    def units(self) -> UnitStates:
        """The states of systemd's units as they were when they were first asked for."""
        if self._units is None:
            self._units = read_units(self.run)
        return self._units

    def forget(self) -> None:
        """Read the firewall and the units anew when they are asked for again: they were changed."""
        self._firewall = None
        self._units = None

    def routes(self, pairs: Sequence[Route]) -> Routes:
        """The interfaces for pairs of a local and a remote address."""
        missing = [pair for pair in pairs if pair not in self._routes]
        self._routes.update(routes_of(missing, self.run))
        return self._routes


@dataclass
class HostFirewall:
    """The firewall of this host. ruleset: the model; listing: what nft lists, as JSON; None without nft.

    saves: what iptables-save prints, by program; unread: why a part could not be read, None where all was;
    listing_text: the listing as text.
    """

    ruleset: Ruleset
    listing: Optional[Mapping[str, Any]] = None
    saves: Dict[str, str] = field(default_factory=dict)
    unread: Optional[str] = None
    listing_text: str = ""


def read_host_firewall(run: Runner) -> HostFirewall:
    """Read everything. What is there but cannot be read makes all verdicts that it may change unknown."""
    host = HostFirewall(Ruleset())
    _read_nft(host, run)
    for family, program in _IPTABLES.items():
        table_names = [key for key in host.ruleset.tables() if _is_of_iptables(host.ruleset, key, family)]
        if table_names or host.listing is None:
            _read_iptables(host, run, f"{program}-nft", table_names)
        if _has_content(_LEGACY_TABLES[family]):
            _read_iptables(host, run, f"{program}-legacy", [])
    return host


def explain(firewall: HostFirewall, verdicts: Mapping[str, RowVerdict], run: Runner) -> Dict[str, Optional[str]]:
    """What decides each row, and where it is not effective for which connection; None where nothing is known."""
    if firewall.unread:
        return dict.fromkeys(verdicts, f"not judged: {firewall.unread}")
    decisions = [verdict.decision for verdict in verdicts.values() if verdict.decision]
    tables = {decision.chain.table for decision in decisions if decision.rule and decision.rule.handle is not None}
    listings = {table: _listing_with_handles(table, run) for table in tables}
    return {row: _explanation(verdict, listings) for row, verdict in verdicts.items()}


def packets_by_row(firewall: HostFirewall) -> Dict[str, int]:
    """How many packets the allow rules of each row in our nftables table have let pass since it was loaded."""
    counted: Dict[str, int] = {}
    for entry in (firewall.listing or {}).get("nftables", ()):
        rule = entry.get("rule", {})
        steps = [step for step in rule.get("expr", ()) if isinstance(step, dict)]
        if f"{rule.get('family')} {rule.get('table')}" == TABLE and {"accept": None} in steps:
            packets = sum(step["counter"]["packets"] for step in steps if isinstance(step.get("counter"), dict))
            row = str(rule.get("comment", ""))
            counted[row] = counted.get(row, 0) + packets
    return counted


def _explanation(verdict: RowVerdict, listings: Mapping[str, str]) -> Optional[str]:
    if verdict.decision is None:
        return None
    text = _describe(verdict.decision, listings)
    return text if verdict.effective == YES else f"{text}, for {verdict.connection}"


def _describe(decision: Decision, listings: Mapping[str, str]) -> str:
    """What decides, as people name it: the rule in the words in which its own tool lists it."""
    handle = decision.rule.handle if decision.rule else None
    if handle is None:
        return decision.label
    # Within a table no two things have the same handle.
    found = re.search(rf"^\s*(.*) # handle {handle}$", listings[decision.chain.table], re.MULTILINE)
    return f"{decision.chain.label}: {_COUNTER.sub('counter ', found[1])}" if found else decision.label


def _listing_with_handles(table: str, run: Runner) -> str:
    program = find_program("nft")
    return run([program, "-a", "list", "table", *table.split(" ", 1)], "").stdout if program else ""


def _read_nft(host: HostFirewall, run: Runner) -> None:
    program = find_program("nft")
    if program is None:
        # Without the program there may be rules all the same, made by another one or left over.
        host.unread = "nft is not installed"
        return
    done = run([program, "-j", "list", "ruleset"], "")
    if done.returncode != 0:
        if "Operation not permitted" in done.stderr:
            raise EdgeError("the firewall cannot be read: run as root (become: true), or give the right CAP_NET_ADMIN")
        host.unread = f"nft -j list ruleset failed: {done.complaint}"
        return
    try:
        host.listing = json.loads(done.stdout)
    except (ValueError, RecursionError):
        host.unread = "nft -j list ruleset prints no JSON"
        return
    host.listing_text = done.stdout
    with understood("what nft -j list ruleset prints"):
        host.ruleset = nft_json.read_ruleset(host.listing or {})
    host.ruleset.owners.update({table: owner for table, owner in _OWNED.items() if table in host.ruleset.tables()})


def _is_of_iptables(ruleset: Ruleset, table: str, family: str) -> bool:
    """Whether a table looks like one that iptables-nft makes: its name, and base chains in capital letters."""
    protocol, _space, name = table.partition(" ")
    return (
        protocol == _NFT_FAMILIES[family]
        and name in _IPTABLES_TABLES
        and any(chain.hook.upper() == chain.name for chain in ruleset.of_table(table))
    )


def _read_iptables(host: HostFirewall, run: Runner, program: str, nft_tables: List[str]) -> None:
    """Read what one variant has, in place of what nft lists of the same tables."""
    family_program, _dash, variant = program.partition("-")
    path = find_program(f"{program}-save")
    if path is None and _variant_of(family_program, run) == variant:
        path = find_program(f"{family_program}-save")
    done = run([path], "") if path else None
    if done is None or done.returncode != 0:
        if variant == "legacy":
            # Rules that nobody can list may do anything.
            for hook in ("input", "output"):
                family = "ipv6" if family_program == "ip6tables" else "ipv4"
                rule = FilterRule(f"{program}-save is not installed", lambda: Content((Unsupported(),)))
                host.ruleset.add(Chain(f"{program} filter", hook.upper(), (family,), [rule], hook))
        return
    host.saves[program] = done.stdout
    sets = iptables_save.members_of(_ipset_listing(run)) if "--match-set" in done.stdout else {}
    with understood(f"what {program}-save prints"):
        ruleset = iptables_save.read_ruleset(done.stdout, program, sets)
    for table in nft_tables:
        name = table.partition(" ")[2]
        # iptables-save leaves out a table with rules of nft's own kind: then nft's listing of it counts.
        if f"{program} {name}" in ruleset.tables():
            _put_exact_rules(host, table, ruleset, f"{program} {name}")
            host.ruleset = host.ruleset.without_tables([table])
        else:
            ruleset = ruleset.without_tables([f"{program} {name}"])
    host.ruleset.chains.update(ruleset.chains)


def _put_exact_rules(host: HostFirewall, nft_table: str, ruleset: Ruleset, table: str) -> None:
    """Take nft's word for every rule that nft can say, and iptables-save's for those with extensions of iptables only.

    Of a rule that nft made, iptables-save leaves out without a word what iptables has no option for.
    """
    extended = {
        (entry["rule"]["chain"], entry["rule"]["handle"])
        for entry in (host.listing or {}).get("nftables", ())
        if "rule" in entry
        and f"{entry['rule']['family']} {entry['rule']['table']}" == nft_table
        and any("xt" in statement for statement in entry["rule"].get("expr", ()) if isinstance(statement, dict))
    }
    for exact in host.ruleset.of_table(nft_table):
        saved = ruleset.chains.get((table, exact.name))
        if saved is None:
            continue
        if len(saved.rules) != len(exact.rules):
            saved.rules = exact.rules
            continue
        saved.rules = [
            one if (exact.name, other.handle) in extended else FilterRule(one.text, other.read, None, one.comment)
            for one, other in zip(saved.rules, exact.rules)
        ]


def _variant_of(program: str, run: Runner) -> str:
    """nft or legacy, for what a program stands for; empty where there is none."""
    path = find_program(program)
    if path is None:
        return ""
    return "nft" if "nf_tables" in run([path, "--version"], "").stdout else "legacy"


def _ipset_listing(run: Runner) -> str:
    program = find_program("ipset")
    return run([program, "save"], "").stdout if program else ""


def _has_content(path: str) -> bool:
    try:
        with open(path, encoding="ascii") as file:
            return bool(file.read(1))
    except OSError:
        return False
