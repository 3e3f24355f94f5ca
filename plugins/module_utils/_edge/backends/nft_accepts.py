# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accept rules in nftables chains that drop by default, as text: written, and read back from what nft lists.

In nftables an accept ends one base chain only, so that each base chain that drops needs rules of its own.
"""

from __future__ import annotations

import re
from shlex import quote
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..model.addresses import PROTOCOLS, merged, span_of
from ..model.literals import Direction, Family
from ..model.ownership import COMMENT
from ..model.rules import Group, Rule, make_group
from .placing import ChainKey

# A name ends up in a script for nft and in one for the shell.
_PLAIN_NAME = re.compile(r"[A-Za-z_.][A-Za-z0-9_./-]*")
# Words that nft 1.0.6 refuses as a name. A chain may have one all the same, made by other means than nft's language.
_WORDS = """
accept add ah all arp auto-merge bridge chain comment comp constant continue counter create ct day dccp delete
describe device dnat drop dst dup dynamic element elements esp ether exists export exthdr fib flags flowtable flush
frag fwd gc-interval geneve goto gre handle hbh hook hour icmp icmpv6 igmp import index inet insert interval ip ip6
ipsec jhash jump limit list log map mark masquerade meta missing monitor netdev notrack numgen osf policy position
priority queue quota redirect reject rename replace reset return rt rule ruleset sctp secmark set size snat socket
srh symhash synproxy table tcp th timeout tproxy type typeof udp udplite vlan vmap vxlan xt
"""
_KEYWORDS = frozenset(_WORDS.split())


Groups = Mapping[ChainKey, Sequence[Tuple[str, Sequence[str]]]]
"""By chain the text of unmanaged rules, empty for the chain's end, each with the managed rules that precede it."""


def is_plain(name: str) -> bool:
    """Return whether a name may stand in a script for nft as it is."""
    return _PLAIN_NAME.fullmatch(name) is not None and name not in _KEYWORDS


def write_rule(rule: Rule) -> str:
    """Return an accept rule in the words of nft."""
    protocol = PROTOCOLS[rule.family]
    source = f"{protocol} saddr {{ {', '.join(rule.source.networks)} }} " if rule.source else ""
    destination = f"{protocol} daddr {{ {', '.join(rule.destination.networks)} }} " if rule.destination else ""
    if rule.inside:
        # By what the client dialled: the next container may have another address.
        dialled = f"ct original {destination}" if destination else ""
        port = f"{dialled}ct original proto-dst {rule.port}"
        return f'meta l4proto tcp {source}{port} counter accept comment "{COMMENT}{rule.row}"'
    return f'{source}{destination}tcp dport {rule.port} counter accept comment "{COMMENT}{rule.row}"'


def read_listing(text: str) -> Dict[ChainKey, List[Tuple[int, str]]]:
    """Return the rules of each chain, each with its handle, out of what "nft -s -a list ruleset" prints."""
    found: Dict[ChainKey, List[Tuple[int, str]]] = {}
    table, chain = "", ""
    for line in text.splitlines():
        head = _HEAD.match(line)
        if head and not line.startswith("\t"):
            table = f"{head[2]} {head[3]}"
        elif head and head[1] == "chain":
            chain = head[3]
            found[(table, chain)] = []
        elif line == "\t}":
            chain = ""
        elif chain:
            rule = _RULE.match(line)
            if rule:
                found[(table, chain)].append((int(rule[2]), rule[1]))
    return found


_HEAD = re.compile(r"^\t?(table|chain) (?:(\w+) )?(.+?) \{(?: # handle \d+)?$")
_RULE = re.compile(r"^\t\t(.*) # handle (\d+)$")

# A chain's listing and then groups of rules go through awk. It prints the commands that put the rules in place of all
# managed ones: before the line that stands behind "# before", or at the end of the chain where there is no such line.
_EMIT = r"""emit() { # chain; the groups are read from standard input
  # shellcheck disable=SC2086 # A chain is three words.
  { "$nft" -s -a list chain $1 2> /dev/null; echo '# rules'; cat; } | CHAIN=$1 awk '
    BEGIN { chain = ENVIRON["CHAIN"] }
    begun && /^# before / { anchor = substr($0, 10); next }
    begun && listed { print (anchor in first ? "insert rule " chain " handle " first[anchor] : "add rule " chain), $0 }
    begun { next }
    /^# rules$/ { begun = 1; next }
    !match($0, / # handle [0-9]+$/) { next }
    { line = substr($0, 1, RSTART - 1); handle = substr($0, RSTART + 10); sub(/^[ \t]+/, "", line) }
    line ~ / \{$/ { listed = 1; next }
    index(line, " comment \"TAG") { print "delete rule " chain " handle " handle; next }
    !(line in first) { first[line] = handle }'
}
""".replace("TAG", COMMENT)


def write_loader(program: str, groups: Groups) -> str:
    """Return a shell script that puts groups of rules in place of all managed rules of their chains.

    It does so in one transaction, as often as it is run; chains that are not there are left out.
    """
    blocks = [
        "".join([f"emit '{' '.join(key)}' <<'END'\n", *map(_write_group, found), "END\n"])
        for key, found in groups.items()
    ]
    return f'nft={quote(program)}\n{_EMIT}{{\n{"".join(blocks)}}} | "$nft" -f -\n'


def _write_group(group: Tuple[str, Sequence[str]]) -> str:
    before, rules = group
    return "".join(f"{line}\n" for line in (f"# before {before}", *rules))


def groups_in(listing: Sequence[Tuple[int, str]]) -> List[Tuple[str, List[str]]]:
    """Return the managed rules of a listed chain, in groups by the unmanaged rule that they precede."""
    groups: List[Tuple[str, List[str]]] = []
    pending: List[str] = []
    for _handle, text in listing:
        if f' comment "{COMMENT}' in text:
            pending.append(text)
        elif pending:
            groups.append((text, pending))
            pending = []
    return [*groups, ("", pending)] if pending else groups


def read_rule(
    entry: Mapping[str, Any], direction: Optional[Direction], forwarded: Optional[bool], desired: Sequence[Rule]
) -> Optional[Rule]:
    """Return an accept rule out of nft's JSON; None where it is not as it would be written.

    direction, forwarded: of the chain it stands in, None where its hook does not say; desired: the desired rules.
    """
    row = entry["comment"][len(COMMENT) :]
    try:
        *matches, counter, verdict = entry["expr"]
        matches = [m for m in matches if m["match"]["left"] != _PROTOCOL]
        dialled = any(m["match"]["left"] == _DIALLED_PORT for m in matches)
        port_field = _DIALLED_PORT if dialled else _PORT
        (port,) = (m["match"]["right"] for m in matches if m["match"]["left"] == port_field)
        sides = {_side(m["match"]["left"], dialled): m["match"] for m in matches if m["match"]["left"] != port_field}
        family: Family = "ipv6" if any(protocol == "ip6" for protocol, _side in sides) else "ipv4"
        networks = {side: _networks(match["right"]) for (_protocol, side), match in sides.items()}
        likes = [
            rule
            for rule in desired
            if (rule.row, rule.family, bool(rule.inside)) == (row, family, dialled)
            and direction in (None, rule.direction)
            and forwarded in (None, rule.forwarded)
        ]
        like = next((rule for rule in likes if _is_like(rule, networks)), next(iter(likes), None))
        groups = {side: _group(like, side, family, found) for side, found in networks.items()}
        sound = (
            isinstance(port, int)
            and set(groups) <= {"saddr", "daddr"}
            and all(m["match"]["op"] == "==" for m in matches)
            and "counter" in counter
            and "accept" in verdict
        )
    except (KeyError, TypeError, ValueError, OSError):
        return None
    if not sound:
        return None
    direction = direction or (like.direction if like else "in")
    forwarded = forwarded if forwarded is not None else bool(like and like.forwarded)
    inside = like.inside if like and dialled else None
    sides_of_rule = groups.get("saddr"), groups.get("daddr")
    return Rule(row, "allow", direction, family, *sides_of_rule, port, forwarded, inside)


_PORT = {"payload": {"protocol": "tcp", "field": "dport"}}
_PROTOCOL = {"meta": {"key": "l4proto"}}
_DIALLED_PORT = {"ct": {"key": "proto-dst", "dir": "original"}}


def _side(left: Mapping[str, Any], dialled: bool) -> Tuple[str, str]:
    """Return protocol and side of an address. Raises KeyError for any other field."""
    if dialled and "ct" in left and left["ct"].get("dir") == "original":
        protocol, _space, side = left["ct"]["key"].partition(" ")
        if side == "daddr":
            return protocol, side
    return left["payload"]["protocol"], left["payload"]["field"]


def _is_like(rule: Rule, networks: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a rule has just these networks on both sides."""
    return all(
        (group is None) == (side not in networks)
        and (group is None or merged(map(span_of, networks[side])) == merged(group.spans))
        for side, group in (("saddr", rule.source), ("daddr", rule.destination))
    )


def _group(like: Optional[Rule], side: str, family: str, networks: Sequence[str]) -> Group:
    """Return the group of networks; if it means the same, the one that a desired rule like this has.

    nft merges neighbours in a set that has no name, so that equal sets may be listed in different words.
    """
    desired = None if like is None else like.source if side == "saddr" else like.destination
    if desired and merged(map(span_of, networks)) == merged(map(span_of, desired.networks)):
        return desired
    return make_group(desired.name if desired else f"{side}_{family}", networks)


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
