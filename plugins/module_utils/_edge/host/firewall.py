# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the whole firewall of this host, whichever tools made it, into one model."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from ..evaluator import iptables_save, nft_json
from ..evaluator.guarded import GuardVerdict
from ..evaluator.rebuilt import rebuilder_of
from ..evaluator.rows import YES, RowVerdict
from ..evaluator.ruleset import Chain, Content, FilterRule, Ruleset, Unsupported
from ..evaluator.walk import Decision
from ..model.addresses import PROTOCOLS
from ..model.diff_text import MOST_DENIALS
from ..model.errors import EdgeError, understood
from ..model.literals import Family
from ..model.ownership import COMMENT, TABLE
from .devices import lacks_devices, with_devices
from .loaders import nft_script
from .managed_table import SINCE, controls_in, without_filled
from .runner import Completed, Runner, find_program
from .sets import MOST_MEGABYTES, MOST_SECONDS, Elements, read_sets, with_elements

_LEGACY_TABLES = {"ipv4": "/proc/net/ip_tables_names", "ipv6": "/proc/net/ip6_tables_names"}
_IPTABLES = {"ipv4": "iptables", "ipv6": "ip6tables"}
_NFT_SCRIPTS = ("/etc/nftables.conf", "/etc/sysconfig/nftables.conf")
_IPTABLES_TABLES = frozenset(("raw", "mangle", "nat", "filter", "security"))
_COUNTER = re.compile(r"counter packets \d+ bytes \d+ ")
_SETS_MARK = re.compile(r"-j (?:MARK|CONNMARK --restore-mark)\b")
_MATCHED_SETS = re.compile(r"--match-set (\S+)")
_SET_WITH_ELEMENTS = re.compile(r"\bset (\w+) \{[^{}]*elements = \{([^{}]*)\}")
_OWNED = {"inet firewalld": "firewalld", "ip firewalld": "firewalld", "ip6 firewalld": "firewalld"}


@dataclass(frozen=True)
class HostFirewall:
    """The firewall of this host.

    ruleset: the model; listing: what nft lists, as JSON, without the elements of the managed table's sets; None without
    nft; saves: what iptables-save prints, by program; unread: why a part could not be read, None where all was;
    guards: what "nft -a list table" prints of the managed table, empty where there is none; elements: those of the
    unmanaged sets that were read, None for one that is too large; asked: the sets that a packet was looked up in
    although they were not read.
    """

    ruleset: Ruleset = field(default_factory=Ruleset)
    listing: Optional[Mapping[str, Any]] = None
    saves: Mapping[str, str] = field(default_factory=dict)
    unread: Optional[str] = None
    guards: str = ""
    elements: Elements = field(default_factory=dict)
    asked: Set[nft_json.SetName] = field(default_factory=set)


def read_host_firewall(run: Runner, elements: Optional[Elements] = None) -> HostFirewall:
    """Read all but the elements of unmanaged sets. What cannot be read makes all verdicts that it may change unknown.

    elements: those of unmanaged sets that were read before. Raises EdgeError where the right to read is missing.
    """
    listing, unread = _read_nft(run)
    with understood("what nft -j list ruleset prints"):
        if listing and lacks_devices(listing):
            listing = with_devices(listing, _terse_text(run))
        # Where a rule jumps to has to be known for all packets.
        elements = read_sets(listing or {}, _verdict_maps(listing or {}), elements or {}, run)
    return _host_firewall(run, listing, unread, elements)


def has_unread_sets(firewall: HostFirewall) -> bool:
    """Return whether there are unmanaged sets whose elements are not known."""
    names = {
        (_table_of(one), one["name"]) for one in _entries(firewall.listing or {}, "set", "map") if "elem" not in one
    }
    return any(name not in firewall.elements for name in names if name[0] != TABLE)


def sets_marks(firewall: HostFirewall) -> bool:
    """Return whether a rule may set the mark of packets."""
    statements = [one for rule in _entries(firewall.listing or {}, "rule") for one in rule.get("expr") or ()]
    mangled = [one.get("mangle") for one in statements if isinstance(one, dict)]
    marked = any(isinstance(one, dict) and one.get("key") == {"meta": {"key": "mark"}} for one in mangled)
    return marked or any(_SETS_MARK.search(text) for text in firewall.saves.values())


def with_sets(firewall: HostFirewall, run: Runner) -> HostFirewall:
    """Return the firewall with the elements of all sets that a packet was looked up in. run: see Remembering."""
    listing = firewall.listing or {}
    with understood("what nft -j list set prints"):
        elements = read_sets(listing, firewall.asked, firewall.elements, run)
    if elements == firewall.elements:
        return firewall
    return _host_firewall(run, firewall.listing, firewall.unread, elements)


class Remembering:
    """Runner that runs a command once, for reading the same again with more sets."""

    def __init__(self, run: Runner) -> None:
        self._run = run
        self._known: Dict[Tuple[Tuple[str, ...], str], Completed] = {}

    def __call__(self, arguments: List[str], stdin: str) -> Completed:
        """Return what the command printed the first time."""
        key = tuple(arguments), stdin
        if key not in self._known:
            self._known[key] = self._run(arguments, stdin)
        return self._known[key]


def _host_firewall(
    run: Runner, listing: Optional[Mapping[str, Any]], unread: Optional[str], elements: Elements
) -> HostFirewall:
    asked: Set[nft_json.SetName] = set()
    with understood("what nft -j list ruleset prints"):
        guards = _listing_with_handles(TABLE, run) if TABLE in _tables_of(listing or {}) else ""
        whole = with_elements(_with_own_elements(listing or {}, guards), elements)
        ruleset = nft_json.read_ruleset(whole, asked, controls_in(guards))
    ruleset.owners.update({table: owner for table, owner in _OWNED.items() if table in ruleset.tables()})
    saves: Dict[str, str] = {}
    for family, program in _IPTABLES.items():
        table_names = [key for key in ruleset.tables() if _is_of_iptables(ruleset, listing or {}, key, family)]
        if table_names or listing is None:
            ruleset = _with_iptables(ruleset, listing or {}, saves, f"{program}-nft", table_names, run)
        if _has_content(_LEGACY_TABLES[family]):
            ruleset = _with_iptables(ruleset, listing or {}, saves, f"{program}-legacy", [], run)
    return HostFirewall(ruleset, listing, saves, unread, guards, elements, asked)


def variant_of(program: str, run: Runner) -> str:
    """Return nft or legacy, for what the program "iptables" or "ip6tables" stands for; empty where there is none."""
    path = find_program(program)
    if path is None:
        return ""
    return "nft" if "nf_tables" in run([path, "--version"], "").stdout else "legacy"


@dataclass(frozen=True)
class Explanation:
    """Words for verdicts. decided_by: by row, what decides, and where the row is not effective for which connection;
    None where nothing is known; guarded_by: the same for guards; denials: by row, some of the unmanaged rules that deny
    a part of its connections explicitly, and how many more there are.
    """

    decided_by: Mapping[str, Optional[str]]
    guarded_by: Mapping[str, Optional[str]] = field(default_factory=dict)
    denials: Mapping[str, Tuple[Sequence[str], int]] = field(default_factory=dict)


def explain(
    firewall: HostFirewall,
    verdicts: Mapping[str, RowVerdict],
    guards: Mapping[str, GuardVerdict],
    denials: Mapping[str, Sequence[Decision]],
    run: Runner,
) -> Explanation:
    """Return the words for the verdicts on rows and on their guards, and for the denials of rows."""
    if firewall.unread:
        why = f"not evaluated: {firewall.unread}"
        return Explanation(dict.fromkeys(verdicts, why), dict.fromkeys(guards, why))
    decisions = [one.decision for found in (verdicts, guards) for one in found.values() if one.decision]
    # A blocklist may have thousands of rules, and to find the words of one takes its time.
    named = {row: found[:MOST_DENIALS] for row, found in denials.items()}
    decisions += [decision for found in named.values() for decision in found]
    tables = {decision.chain.table for decision in decisions if decision.rule and decision.rule.handle is not None}
    listings = _with_handles(tables, firewall.guards, run)
    too_large = [name for name, found in firewall.elements.items() if found is None]
    return Explanation(
        {row: _explanation(verdict, listings, too_large) for row, verdict in verdicts.items()},
        {row: _guard_explanation(verdict, listings, too_large) for row, verdict in guards.items()},
        {
            row: ([_describe(decision, listings) for decision in found], len(denials[row]) - len(found))
            for row, found in named.items()
        },
    )


def _explanation(
    verdict: RowVerdict, listings: Mapping[str, str], too_large: Sequence[nft_json.SetName]
) -> Optional[str]:
    if verdict.decision is None:
        return verdict.reason or None
    text = _describe(verdict.decision, listings)
    if verdict.effective == YES:
        return text
    text += _about_sets(verdict.decision, text, too_large)
    rebuilder = rebuilder_of(verdict.decision.chain)
    remedy = f"; {rebuilder.program} rebuilds this chain, so {rebuilder.remedy}" if rebuilder else ""
    return f"{text}, for {verdict.subject}{remedy}"


def _guard_explanation(
    verdict: GuardVerdict, listings: Mapping[str, str], too_large: Sequence[nft_json.SetName]
) -> Optional[str]:
    if verdict.decision is None:
        return verdict.reason or None
    text = _describe(verdict.decision, listings)
    if verdict.guarded == YES:
        return text
    return f"{text}{_about_sets(verdict.decision, text, too_large)}, for {verdict.subject}"


def _about_sets(decision: Decision, text: str, too_large: Sequence[nft_json.SetName]) -> str:
    """Return the reason why a rule is not decided that looks up a packet in a set which is too large."""
    for table, name in too_large:
        if table == decision.chain.table and re.search(rf"@{re.escape(name)}\b", text):
            limits = f"{MOST_SECONDS} seconds and {MOST_MEGABYTES} MB"
            return f" (the set {name} was not read: nft could not list it within {limits})"
    return ""


def _describe(decision: Decision, listings: Mapping[str, str]) -> str:
    """Return a decision as people name it: the rule in the words in which its own tool lists it."""
    handle = decision.rule.handle if decision.rule else None
    if handle is None:
        return decision.label
    # Handles of rules are their own: a table, chain or set of the same listing may have the same number.
    found = re.search(rf"^\t\t(.*) # handle {handle}$", listings.get(decision.chain.table, ""), re.MULTILINE)
    return f"{decision.chain.label}: {_COUNTER.sub('counter ', found[1])}" if found else decision.label


def _listing_with_handles(table: str, run: Runner) -> str:
    program = find_program("nft")
    return run([program, "-a", "list", "table", *table.split(" ", 1)], "").stdout if program else ""


def _terse_text(run: Runner) -> str:
    program = find_program("nft")
    return run([program, "-a", "-t", "list", "ruleset"], "").stdout if program else ""


def _with_handles(tables: Set[str], guards: str, run: Runner) -> Mapping[str, str]:
    """Return what nft lists of tables, with handles. guards: the managed table, which was read already.

    Of a single table some releases of nft read all elements, even where they are told to leave them out.
    """
    listings = {TABLE: guards} if guards else {}
    if tables - set(listings):
        sections = re.split(r"^table (\S+ \S+) \{", _terse_text(run), flags=re.MULTILINE)
        listings = {**dict(zip(sections[1::2], sections[2::2])), **listings}
    return listings


def _read_nft(run: Runner) -> Tuple[Optional[Mapping[str, Any]], Optional[str]]:
    """Return what nft lists, without the elements of sets, and why it could not be read."""
    program = find_program("nft")
    if program is None:
        # Without the program there may be rules all the same, made by another one or left over.
        return None, "nft is not installed"
    done = run([program, "-j", "-t", "list", "ruleset"], "")
    if done.returncode != 0:
        if "Operation not permitted" in done.stderr:
            raise EdgeError("the firewall cannot be read: run as root (become: true), or give the right CAP_NET_ADMIN")
        return None, f"nft -j list ruleset failed: {done.complaint}"
    try:
        listing = json.loads(done.stdout)
    except (ValueError, RecursionError):
        return None, "nft -j list ruleset prints no JSON"
    if not isinstance(listing, dict) or not isinstance(listing.get("nftables"), list):
        return None, "nft -j list ruleset prints no list of rules"
    return listing, None


def _entries(listing: Mapping[str, Any], *kinds: str) -> Iterator[Mapping[str, Any]]:
    for entry in listing.get("nftables", ()):
        for kind in kinds:
            if kind in entry:
                yield entry[kind]


def _verdict_maps(listing: Mapping[str, Any]) -> List[nft_json.SetName]:
    return [(_table_of(one), one["name"]) for one in _entries(listing, "map") if one.get("map") == "verdict"]


def _table_of(entry: Mapping[str, Any]) -> str:
    return f"{entry['family']} {entry['table']}"


def _tables_of(listing: Mapping[str, Any]) -> List[str]:
    return [f"{table['family']} {table['name']}" for table in _entries(listing, "table")]


def _with_own_elements(listing: Mapping[str, Any], guards: str) -> Mapping[str, Any]:
    """Return the listing with the elements of the managed table's sets, which nft lists faster as text."""
    if not guards:
        return listing
    elements = {found[1]: found[2] for found in _SET_WITH_ELEMENTS.finditer(without_filled(guards))}
    entries = []
    for entry in listing.get("nftables", ()):
        one = entry.get("set", {})
        if one and f"{one['family']} {one['table']}" == TABLE and one["name"] != SINCE:
            texts = (text.strip() for text in elements.get(one["name"], "").split(","))
            entries.append({"set": {**one, "elem": [_element(text) for text in texts if text]}})
        else:
            entries.append(entry)
    return {"nftables": entries}


def _element(text: str) -> Any:
    """Return an element as nft's JSON has it."""
    first, dash, last = text.partition("-")
    if dash:
        return {"range": [first, last]}
    address, slash, length = text.partition("/")
    return {"prefix": {"addr": address, "len": int(length)}} if slash else address


def _is_of_iptables(ruleset: Ruleset, listing: Mapping[str, Any], table: str, family: str) -> bool:
    """Return whether a table is one that iptables-nft makes: by its name, its base chains, and its rules."""
    protocol, _space, name = table.partition(" ")
    return (
        protocol == PROTOCOLS[family]
        and name in _IPTABLES_TABLES
        and any(chain.hook.upper() == chain.name for chain in ruleset.of_table(table))
        and _has_rules_of_iptables(listing, table)
    )


def _has_rules_of_iptables(listing: Mapping[str, Any], table: str) -> bool:
    """Return whether the rules of a table look like those of iptables, which counts in every rule.

    Where rules do not tell, the administrator's script for nft does.
    """
    rules = [
        {keyword for statement in rule.get("expr", ()) if isinstance(statement, dict) for keyword in statement}
        for rule in _entries(listing, "rule")
        if f"{rule['family']} {rule['table']}" == table and not str(rule.get("comment", "")).startswith(COMMENT)
    ]
    if any("xt" in keywords for keywords in rules):
        return True
    if rules and not any("counter" in keywords for keywords in rules):
        return False
    protocol, _space, name = table.partition(" ")
    # The family "ip" may be left out.
    before = r"(?:ip\s+)?" if protocol == "ip" else rf"{protocol}\s+"
    declared = re.compile(rf"\btable\s+{before}{name}\s*\{{")
    return not any(declared.search(nft_script(path) or "") for path in _NFT_SCRIPTS)


def _with_iptables(
    ruleset: Ruleset,
    listing: Mapping[str, Any],
    saves: Dict[str, str],
    program: str,
    nft_tables: List[str],
    run: Runner,
) -> Ruleset:
    """Return the ruleset with what one variant has, in place of what nft lists of the same tables."""
    family_program, _dash, variant = program.partition("-")
    path = find_program(f"{program}-save")
    if path is None and variant_of(family_program, run) == variant:
        path = find_program(f"{family_program}-save")
    done = run([path], "") if path else None
    if done is None or done.returncode != 0:
        if variant == "legacy":
            # Rules that nobody can list may do anything.
            for hook in ("input", "output"):
                family: Family = "ipv6" if family_program == "ip6tables" else "ipv4"
                rule = FilterRule(f"{program}-save is not installed", lambda: Content((Unsupported(),)))
                ruleset.add(Chain(f"{program} filter", hook.upper(), (family,), [rule], hook))
        return ruleset
    with understood("what ipset save prints"):
        matched = set(_MATCHED_SETS.findall(done.stdout))
        sets = iptables_save.members_of(_ipset_listing(run), matched) if matched else {}
    saves[program] = text = done.stdout + _listed_by_chain(
        ruleset, nft_tables, done.stdout, (path or "")[: -len("-save")], run
    )
    with understood(f"what {program}-save prints"):
        saved = iptables_save.read_ruleset(text, program, sets)
    for table in nft_tables:
        name = table.partition(" ")[2]
        with understood("what nft -j list ruleset prints"):
            _put_exact_rules(ruleset, listing, table, saved, f"{program} {name}")
        ruleset = ruleset.without_tables([table])
    if variant == "nft" and listing:
        # What nft made by itself under a name of iptables stays nft's.
        names = [f"{program} {table.partition(' ')[2]}" for table in nft_tables]
        saved = saved.without_tables([table for table in saved.tables() if table not in names])
    ruleset.chains.update(saved.chains)
    return ruleset


def _listed_by_chain(ruleset: Ruleset, tables: Sequence[str], listing: str, program: str, run: Runner) -> str:
    """Return, as iptables-save lists them, the tables that it leaves out.

    It leaves out a whole table where nft put a single rule into it that iptables has no words for. Chain by chain, it
    lists all others.
    """
    lines: List[str] = []
    for table in tables:
        name = table.partition(" ")[2]
        chains = ruleset.of_table(table)
        if f"\n*{name}\n" in f"\n{listing}" or not chains:
            continue
        heads = [f":{chain.name} {chain.policy.upper() if chain.hook else '-'} [0:0]" for chain in chains]
        listed = [run([program, "-t", name, "--list-rules", chain.name], "") for chain in chains]
        rules = [line for done in listed if done.returncode == 0 for line in done.stdout.splitlines()]
        lines += [f"*{name}", *heads, *(line for line in rules if line.startswith("-A ")), "COMMIT"]
    return "".join(f"{line}\n" for line in lines)


def _put_exact_rules(
    ruleset: Ruleset, listing: Mapping[str, Any], nft_table: str, saved_ruleset: Ruleset, table: str
) -> None:
    """Take nft's word for every rule that nft can say, and iptables-save's for those with extensions of iptables only.

    Of a rule that nft made, iptables-save leaves out without a word what iptables has no option for.
    """
    extended = {
        (rule["chain"], rule["handle"])
        for rule in _entries(listing, "rule")
        if f"{rule['family']} {rule['table']}" == nft_table
        and any("xt" in statement for statement in rule.get("expr", ()) if isinstance(statement, dict))
    }
    for exact in ruleset.of_table(nft_table):
        saved = saved_ruleset.chains.get((table, exact.name))
        if saved is None:
            continue
        if len(saved.rules) != len(exact.rules):
            saved.rules = exact.rules
            continue
        saved.rules = [
            one if (exact.name, other.handle) in extended else FilterRule(one.text, other.read, None, one.comment)
            for one, other in zip(saved.rules, exact.rules)
        ]


def _ipset_listing(run: Runner) -> str:
    program = find_program("ipset")
    return run([program, "save"], "").stdout if program else ""


def _has_content(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return bool(file.read(1))
    except OSError:
        return False
