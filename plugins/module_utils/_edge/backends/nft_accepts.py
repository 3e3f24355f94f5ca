# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our accept rules in nftables chains of somebody else, whose own last word would be to drop.

In nftables an accept ends one base chain only, so that each base chain that drops needs one of its own.
"""

from __future__ import annotations

import re
from shlex import quote
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..evaluator.managed import span_of_network
from ..evaluator.ruleset import Ruleset
from ..evaluator.values import Span, merged
from ..evaluator.walk import Decision
from ..model.ownership import COMMENT, TABLE, TABLE_NAME
from ..model.plan import Placed, Unmanaged
from ..model.rules import Group, Rule, make_group

ChainKey = Tuple[str, str]
"""Table, such as "inet filter", and chain."""

_PROTOCOLS = {"ipv4": "ip", "ipv6": "ip6"}
_TABLE_FAMILIES = {"inet": ("ipv4", "ipv6"), "ip": ("ipv4",), "ip6": ("ipv6",)}
_DIRECTIONS = {"input": "in", "output": "out"}
# A name ends up in a script for nft and in one for the shell.
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
# Words of nft's language that somebody may have for a name by other means than that language.
_KEYWORDS = frozenset(
    (
        *(
            "accept",
            "drop",
            "reject",
            "return",
            "continue",
            "jump",
            "goto",
            "queue",
            "log",
            "counter",
            "limit",
            "quota",
        ),
        *(
            "policy",
            "hook",
            "type",
            "priority",
            "device",
            "comment",
            "handle",
            "position",
            "index",
            "flags",
            "elements",
        ),
        *("ct", "meta", "fib", "rt", "socket", "tcp", "udp", "icmp", "ip", "ip6", "inet", "arp", "bridge", "netdev"),
        *("table", "chain", "rule", "set", "map", "element", "flowtable", "add", "delete", "insert", "list", "flush"),
        *("nat", "snat", "dnat", "masquerade", "redirect", "mark", "state", "ether", "vlan", "th", "sctp", "at"),
    )
)


def may_have_ours(ruleset: Ruleset, decision: Decision) -> bool:
    """Whether an accept of ours may stand in the base chain that drops by this decision.

    It may overrule what a chain does with whatever nobody spoke of: its policy, or a rule for all the rest. A rule that
    singles out ports or addresses was meant, and is left to its author. So are chains that a program manages, and
    those before or behind the usual hooks of a filter.
    """
    base = decision.base
    family, _space, table = base.table.partition(" ")
    return (
        base.hook in _DIRECTIONS
        and base.kind == "filter"
        and family in _TABLE_FAMILIES
        and base.table not in ruleset.owners
        and not decision.narrow
        and _is_plain(table)
        and _is_plain(base.name)
    )


def wanted_accepts(ruleset: Ruleset, chains: Sequence[ChainKey], rules: Sequence[Rule]) -> List[Placed]:
    """The accept rules that belong at the head of some base chains."""
    return [
        Placed(place_of(key), rule)
        for key in chains
        for rule in rules
        if rule.action == "allow"
        and rule.direction == _DIRECTIONS[ruleset.chains[key].hook]
        and rule.family in ruleset.chains[key].families
    ]


def observed_accepts(listing: Mapping[str, Any], wanted: Sequence[Rule]) -> Dict[ChainKey, List[Any]]:
    """What foreign chains have of ours, as Placed or, where it is not as we write it, Unmanaged; by chain."""
    hooks = {
        (_table(entry["chain"]), entry["chain"]["name"]): entry["chain"].get("hook", "")
        for entry in listing.get("nftables", ())
        if "chain" in entry
    }
    known = {(rule.row, rule.family): rule for rule in wanted}
    found: Dict[ChainKey, List[Any]] = {}
    at_head: Dict[ChainKey, bool] = {}
    for entry in listing.get("nftables", ()):
        rule = entry.get("rule", {})
        key = (_table(rule), rule.get("chain", "")) if rule else ("", "")
        if not _is_ours(rule):
            at_head[key] = False
        else:
            read = _read(rule, _DIRECTIONS.get(hooks.get(key, ""), ""), known) if at_head.get(key, True) else None
            text = f'comment "{rule["comment"]}" is not at the head as we write it'
            found.setdefault(key, []).append(Placed(place_of(key), read) if read else Unmanaged(place_of(key), text))
    return found


def handles_of(listing: Mapping[str, Any]) -> Iterator[Tuple[ChainKey, int]]:
    """Chain and handle of every rule of ours in a foreign chain."""
    for entry in listing.get("nftables", ()):
        rule = entry.get("rule", {})
        if _is_ours(rule):
            yield (_table(rule), rule["chain"]), rule["handle"]


def write_removals(listing: Mapping[str, Any]) -> str:
    """Script lines that take all of ours out of foreign chains."""
    return "".join(f"delete rule {table} {chain} handle {handle}\n" for (table, chain), handle in handles_of(listing))


def write_accepts(accepts: Sequence[Placed]) -> str:
    """Script lines that put accept rules at the heads of their chains, in their order."""
    return "".join(
        f"insert rule {accept.place[len('chain ') :]} {_text(accept.rule)}\n" for accept in reversed(accepts)
    )


def write_loader(accepts: Sequence[Placed], nft: str) -> str:
    """Shell commands that put back what is missing, chain by chain; empty where nothing is to be put anywhere."""
    by_place: Dict[str, List[Placed]] = {}
    for accept in accepts:
        by_place.setdefault(accept.place[len("chain ") :], []).append(accept)
    blocks = [
        f"if {nft} list chain {place} 2> /dev/null | grep --quiet --invert-match 'comment \"{COMMENT}' &&\n"
        f"  ! {nft} list chain {place} | grep --quiet 'comment \"{COMMENT}'; then\n"
        f"  {nft} -f - <<'END'\n{write_accepts(group)}END\nfi\n"
        for place, group in by_place.items()
    ]
    return "".join(blocks)


def write_restoration(nft: str, table: str, listings: Mapping[str, str]) -> Tuple[Dict[str, str], Tuple[str, ...]]:
    """Data and shell commands that make our table, and our rules in chains of others, as they are listed.

    table: the listing of our table, empty where there is none; listings: of each chain that may have rules of ours then
    or now, by its place. Where the chains are no more what they were the table alone is put back, and where that fails
    too, which only a table that others have worked on can bring about, it is removed: what matters is a way in.
    """
    ours = f' comment "{COMMENT}'
    accepts = [
        f"insert rule {place[len('chain ') :]} {line.strip()}\n"
        for place, listing in listings.items()
        for line in reversed(listing.splitlines())
        if ours in line
    ]
    data = {
        "nftables.nft": f"add table {TABLE}\ndelete table {TABLE}\n{table}",
        "accepts.nft": "".join(accepts),
    }
    find = [
        f"{quote(nft)} -a list {place} 2> /dev/null | "
        f"sed -n 's/^.*{ours}[^\"]*\" # handle \\([0-9]*\\)$/delete rule {place[len('chain ') :]} handle \\1/p'"
        for place in listings
    ]
    script = "; ".join(["cat nftables.nft", *find, "cat accepts.nft"])
    # By pipes, since SELinux may keep nft from files where these stand.
    load = f"{quote(nft)} -f -"
    return data, (f"{{ {script}; }} | {load} || cat nftables.nft | {load} || {quote(nft)} delete table {TABLE}",)


def _is_ours(rule: Mapping[str, Any]) -> bool:
    return (
        bool(rule)
        and rule.get("table") != TABLE_NAME
        and str(rule.get("comment", "")).startswith(COMMENT)
        # We put none where names are of another kind.
        and all(_is_plain(rule.get(key, "")) for key in ("table", "chain"))
    )


def _is_plain(name: str) -> bool:
    """Whether a name may stand in a script as it is."""
    return _PLAIN_NAME.fullmatch(name) is not None and name not in _KEYWORDS


def _table(entry: Mapping[str, Any]) -> str:
    return f"{entry['family']} {entry['table']}"


def place_of(key: ChainKey) -> str:
    """A chain as people name it."""
    return f"chain {key[0]} {key[1]}"


def _text(rule: Rule) -> str:
    protocol = _PROTOCOLS[rule.family]
    source = f"{protocol} saddr {{ {', '.join(rule.source.networks)} }} " if rule.source else ""
    destination = f"{protocol} daddr {{ {', '.join(rule.destination.networks)} }} " if rule.destination else ""
    return f'{source}{destination}tcp dport {rule.port} counter accept comment "{COMMENT}{rule.row}"'


def _read(rule: Mapping[str, Any], direction: str, known: Mapping[Tuple[str, str], Rule]) -> Optional[Rule]:
    """A rule of ours out of nft's JSON; None where it is not as we would write it."""
    row = rule["comment"][len(COMMENT) :]
    try:
        *matches, counter, verdict = rule["expr"]
        (port,) = (m["match"]["right"] for m in matches if m["match"]["left"] == _PORT)
        sides = {
            (m["match"]["left"]["payload"]["protocol"], m["match"]["left"]["payload"]["field"]): m["match"]
            for m in matches
            if m["match"]["left"] != _PORT
        }
        family = "ipv6" if any(protocol == "ip6" for protocol, _side in sides) else "ipv4"
        like = known.get((row, family))
        groups = {
            side: _group(like, side, family, _networks(match["right"])) for (_protocol, side), match in sides.items()
        }
        sound = (
            direction != ""
            and isinstance(port, int)
            and set(groups) <= {"saddr", "daddr"}
            and all(m["match"]["op"] == "==" for m in matches)
            and "counter" in counter
            and "accept" in verdict
        )
    except (KeyError, TypeError, ValueError):
        return None
    if not sound:
        return None
    return Rule(row, "allow", direction, family, groups.get("saddr"), groups.get("daddr"), port)


_PORT = {"payload": {"protocol": "tcp", "field": "dport"}}


def _group(like: Optional[Rule], side: str, family: str, networks: Sequence[str]) -> Group:
    """The group of networks; if it means the same, the one that a wanted rule like this has.

    nft merges neighbours in a set that has no name, so that equal sets may be listed in different words.
    """
    wanted = None if like is None else like.source if side == "saddr" else like.destination
    if wanted and merged(map(_span, networks)) == merged(map(span_of_network, wanted.networks)):
        return wanted
    return make_group(wanted.name if wanted else f"{side}_{family}", networks)


def _span(text: str) -> Span:
    first, dash, last = text.partition("-")
    return (span_of_network(first)[0], span_of_network(last)[1]) if dash else span_of_network(text)


def _networks(right: Any) -> List[str]:
    if isinstance(right, dict) and "set" in right:
        return [text for member in right["set"] for text in _networks(member)]
    if isinstance(right, dict) and "prefix" in right:
        return [f"{right['prefix']['addr']}/{right['prefix']['len']}"]
    if isinstance(right, dict) and "range" in right:
        return ["-".join(right["range"])]
    if not isinstance(right, str):
        raise TypeError
    return [right]
