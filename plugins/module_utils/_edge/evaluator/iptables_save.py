# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reader of the output of iptables-save and ip6tables-save into the model.

Sources: iptables(8), iptables-extensions(8); priorities from the kernel's netfilter_ipv4.h.
An unsupported match or target makes unknown whatever depends on it.
"""

from __future__ import annotations

import re
import shlex
from functools import partial
from typing import Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from ..model.addresses import Span, family_of, is_address, number_of, point, span_of
from ..model.literals import Side
from .fields import (
    CT_STATES,
    FIB_TYPES,
    PROTOCOLS,
    SETS_MAY_CHANGE,
    TCP_FLAGS,
    ZONE,
    compare,
    has_field,
    has_status,
    kind_of,
    state_after_notrack,
    value_of,
)
from .ruleset import (
    KERNEL_CHOICE,
    Assign,
    Chain,
    Content,
    FilterRule,
    Match,
    Ruleset,
    Step,
    Translate,
    Unsupported,
    Verdict,
)
from .values import (
    UNKNOWN,
    Answer,
    Fields,
    Matcher,
    Value,
    any_of,
    bits_matcher,
    differs_from_zero,
    name_matcher,
    number_matcher,
    opposite,
)

IpSets = Mapping[str, Sequence[str]]
"""Members of the host's ipsets of addresses and networks, by name."""

MOST_MEMBERS = 200_000
"""Members of an ipset that are read, for the sake of time and memory."""

_HOOKS: Mapping[Tuple[str, str], Tuple[str, int]] = {
    **{
        (table, chain.upper()): (chain, priority)
        for table, priority in (("raw", -300), ("mangle", -150))
        for chain in ("prerouting", "input", "forward", "output", "postrouting")
    },
    **{
        (table, chain.upper()): (chain, priority)
        for table, priority in (("filter", 0), ("security", 50))
        for chain in ("input", "forward", "output")
    },
    ("nat", "PREROUTING"): ("prerouting", -100),
    ("nat", "INPUT"): ("input", 100),
    ("nat", "OUTPUT"): ("output", -100),
    ("nat", "POSTROUTING"): ("postrouting", 100),
}

# Options whose argument may look like an option.
_ONE_ARGUMENT = ("--comment", "--string", "--hex-string", "--log-prefix", "--nflog-prefix")
_COMMENT = re.compile(r'--comment (?:"([^"]*)"|(\S+))')
_ENDS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "drop", "RETURN": "return"}
_ENDS.update(dict.fromkeys(("TPROXY", "NFQUEUE", "QUEUE", "SYNPROXY", "NETMAP"), "other"))
_GO_ON = frozenset(
    (
        *("LOG", "NFLOG", "TRACE", "AUDIT", "CLASSIFY", "TOS", "DSCP", "TTL", "HL", "TCPMSS", "TCPOPTSTRIP"),
        *("SECMARK", "CONNSECMARK", "CHECKSUM", "LED", "IDLETIMER"),
    )
)
_KEEPS_RECORDS = frozenset(("LOG", "NFLOG", "ULOG", "AUDIT", "TRACE"))
# Matches on headers that a plain TCP packet does not have.
_OTHER_HEADERS = frozenset(("rt", "frag", "hbh", "dst", "mh", "ah", "esp", "icmp", "udp", "sctp", "dccp"))


def read_ruleset(text: str, program: str, sets: Optional[IpSets] = None) -> Ruleset:
    """Return the model of a listing. program: iptables or ip6tables, or a variant's name, which tables are named after.

    sets: members of ipsets, where they are known. Never fails on something that it does not know.
    """
    six = program.startswith("ip6")
    ruleset = Ruleset()
    table = ""
    for line in text.split("\n"):
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":"):
            name, policy = line[1:].split()[:2]
            hook, priority = _HOOKS.get((table, name), ("", 0))
            ruleset.add(
                Chain(
                    table=f"{program} {table}",
                    name=name,
                    families=("ipv6",) if six else ("ipv4",),
                    hook=hook,
                    kind="nat" if table == "nat" else "filter",
                    priority=priority,
                    policy="drop" if policy == "DROP" else "accept",
                )
            )
        elif "-A " in line:
            text_of_rule = line[line.index("-A ") :]
            name = text_of_rule.split(None, 2)[1]
            chain = ruleset.chains.get((f"{program} {table}", name))
            if chain is not None:
                chain.rules.append(_rule(text_of_rule, six, sets or {}))
    return ruleset


def _rule(text: str, six: bool, sets: IpSets) -> FilterRule:
    comment = _COMMENT.search(text)
    return FilterRule(
        text,
        lambda: _content(text, six, sets),
        None,
        (comment[1] or comment[2]) if comment else "",
    )


def _content(text: str, six: bool, sets: IpSets) -> Content:
    """Return what a rule does; a rule that is not written as expected is unsupported."""
    try:
        return _RuleReader(six, sets).read(words_of(text)[2:])
    except (IndexError, KeyError, ValueError, OSError):
        return Content((Unsupported(),), frozenset(("other",)))


def words_of(text: str) -> List[str]:
    """Return the words of a rule without their quotes."""
    return shlex.split(text) if any(character in text for character in "\"'\\") else text.split()


class _RuleReader:
    """Reader of one rule, option by option."""

    def __init__(self, six: bool, sets: IpSets) -> None:
        self._protocol = "ip6" if six else "ip"
        self._sets = sets
        self._steps: List[Step] = []
        self._kinds: Set[str] = set()
        self._module = ""

    def read(self, words: List[str]) -> Content:
        """Return what the rule does. words: those behind the chain's name."""
        target, target_options = ("", ""), []  # type: Tuple[str, str], List[str]
        position = 0
        while position < len(words):
            negated = words[position] == "!"
            position += negated
            option = words[position]
            end = position + 1
            if option in _ONE_ARGUMENT:
                end += 1
            while end < len(words) and not (words[end].startswith("-") and len(words[end]) > 1) and words[end] != "!":
                end += 1
            arguments = words[position + 1 : end]
            if option in ("-j", "-g"):
                target, target_options = (option, arguments[0]), words[end:]
                break
            if option == "-m" and arguments == ["rpfilter"]:
                flags = [word for word in words[end : end + len(_RPFILTER_FLAGS)] if word in _RPFILTER_FLAGS]
                self._reverse_path(flags)
                position = end + len(flags)
                continue
            try:
                self._match(option, arguments, negated)
            except (KeyError, IndexError, ValueError, OSError):
                self._steps.append(Match(lambda _fields: None))
                self._kinds.add(_KINDS_OF_OPTIONS.get(option, "other"))
            position = end
        self._steps += self._target(*target, target_options)
        targets = (target[1],) if target[1] and not _is_extension(target[1], target_options) else ()
        is_record = not target[1] or target[1] in _KEEPS_RECORDS
        return Content(tuple(self._steps), frozenset(self._kinds - {""}), targets, is_record)

    def _match(self, option: str, arguments: List[str], negated: bool) -> None:
        """Add the test that an option asks for. Raises KeyError for an unsupported one, and what its reader raises."""
        if option == "-m":
            self._enter_module(arguments[0])
        elif option == "-f":
            # Packets of the model are no fragments.
            self._steps.append(Match(lambda _fields: negated))
        elif option == "--comment" or (option == "-p" and arguments[0] in ("all", "0")):
            pass  # It tests nothing.
        elif option == "--ports":
            self._kinds.add("port")
            matcher = number_matcher(_ports(arguments[0]))
            self._any([compare(f"th {side}", matcher) for side in ("sport", "dport")], negated)
        elif option == "--match-set":
            self._set(arguments[0], arguments[1], negated=negated)
        elif option == "--mss":
            self._segment_size(arguments[0], negated=negated)
        elif option == "--mark":
            number, mask = _marked(arguments[0])
            self._test(_MARKS[self._module], bits_matcher(mask, number_matcher([point(number)])), negated)
        elif option in ("--ctstate", "--state", "--ctstatus"):
            self._state(option, arguments[0].split(","), negated)
        elif option in ("--dst-type", "--src-type"):
            self._address_type("fib daddr type" if option == "--dst-type" else "fib saddr type", arguments[0], negated)
        else:
            name, read = _OPTIONS[option]
            self._test(name.format(ip=self._protocol), read(arguments), negated)

    def _set(self, name: str, sides: str, *, negated: bool) -> None:
        """Add the test of an ipset. Several sides stand for parts of one member, such as an address and a port."""
        self._kinds.update({"src": "source", "dst": "destination"}[side] for side in sides.split(","))
        self._kinds.update(["port"] if "," in sides else [])
        members, side = self._sets[name], {"src": "s", "dst": "d"}[sides]
        ports = [member for member in members if _PORTS_OF_SET.fullmatch(member)]
        if ports and len(ports) < len(members):
            raise KeyError(name)  # A list of sets of both kinds.
        if ports:
            test = self._compared(
                f"th {side}port", number_matcher(_ports(",".join(members).replace("-", ":"))), negated
            )
        else:
            family = "ipv6" if self._protocol == "ip6" else "ipv4"
            spans = [span_of(member) for member in members if family_of(member) == family]
            test = self._compared(f"{self._protocol} {side}addr", number_matcher(spans), negated)
        self._steps.append(Match(lambda fields: None if SETS_MAY_CHANGE in fields else test(fields)))

    def _segment_size(self, text: str, *, negated: bool) -> None:
        """Add the test of the maximum segment size. A packet that names none passes the negation."""
        name = "tcp option maxseg size"
        test = self._compared(name, number_matcher(_ports(text)), negated)
        self._steps.append(
            Match((lambda fields: test(fields) if has_field(name, fields) else True) if negated else test)
        )

    def _address_type(self, name: str, types: str, negated: bool) -> None:
        names = types.lower().split(",")
        if "unicast" in names and self._protocol == "ip6":
            names.append("local")  # For IPv6 an address of this host has both types.
        self._test(name, number_matcher(point(FIB_TYPES[one]) for one in names), negated)

    def _enter_module(self, module: str) -> None:
        """Note a match extension: some never match, and of some only the options test anything."""
        self._module = module
        if module in _OTHER_HEADERS:
            self._steps.append(Match(lambda _fields: False))
        elif module == "icmp6":
            self._test("meta l4proto", number_matcher([point(PROTOCOLS["icmpv6"])]), False)
        elif module not in _MODULES_WITH_OPTIONS:
            raise KeyError(module)

    def _state(self, option: str, names: Sequence[str], negated: bool) -> None:
        """Add the test of a connection's state or status. Among states DNAT and SNAT stand for translated ones."""
        bits = [_STATUS_BITS[name] for name in names if option == "--ctstatus" or name in ("DNAT", "SNAT")]
        if option == "--ctstatus":
            self._steps.append(Match(has_status(bits, negated=negated)))
        else:
            matcher = number_matcher(point(CT_STATES[name.lower()]) for name in names if name not in ("DNAT", "SNAT"))
            self._any([compare("ct state", matcher), *([has_status(bits)] if bits else [])], negated)

    def _any(self, tests: Sequence[Callable[[Fields], Answer]], negated: bool) -> None:
        """Add the test whether one of some tests holds, or none."""
        either = partial(_either, tests)
        self._steps.append(Match((lambda fields: opposite(either(fields))) if negated else either))

    def _reverse_path(self, flags: Sequence[str]) -> None:
        """Add the test whether the host reaches the source by the interface that the packet came by."""
        name = f"fib saddr{'.mark' if '--validmark' in flags else ''}.iif oif exists"
        inverted = "--invert" in flags
        if "--loose" in flags:
            # Any interface will do: where that of the packet is the one, the test holds.
            self._steps.append(Match(lambda fields: _loosely(compare(name, differs_from_zero)(fields), inverted)))
        else:
            self._test(name, differs_from_zero, inverted)

    def _test(self, name: str, matcher: Matcher, negated: bool) -> None:
        self._steps.append(Match(self._compared(name, matcher, negated)))

    def _compared(self, name: str, matcher: Matcher, negated: bool) -> Callable[[Fields], Answer]:
        """Return the test of one field, and note what kind of thing it names."""
        self._kinds.add(kind_of(name))
        # Even the negation does not match a packet without the field, such as a mark of no connection.
        return compare(name, (lambda value: opposite(matcher(value))) if negated else matcher)

    def _target(self, option: str, name: str, words: List[str]) -> List[Step]:
        if not name or name in _GO_ON:
            return []
        if name in _ENDS:
            return [Verdict(_ENDS[name])]
        if name in _ASSIGNING:
            return _ASSIGNING[name](name, words)
        if _is_extension(name, words):
            return [Unsupported()]
        return [Verdict("jump" if option == "-j" else "goto", name)]


def _is_extension(name: str, words: Sequence[str]) -> bool:
    """Return whether a target is an extension. Chains have no options."""
    known = name in _GO_ON or name in _ENDS or name in _ASSIGNING
    return known or any(word.startswith("--") for word in words)


_PORTS_OF_SET = re.compile(r"\d+(-\d+)?")
_SET_TYPES = frozenset(("hash:net", "hash:ip", "bitmap:ip", "bitmap:port", "list:set"))
_MARKS = {"mark": "meta mark", "connmark": "ct mark"}
_STATUS_BITS = {
    **{name: name.lower() for name in ("DNAT", "SNAT", "EXPECTED", "ASSURED", "CONFIRMED")},
    "SEEN_REPLY": "seen-reply",
}
_RPFILTER_FLAGS = ("--loose", "--validmark", "--accept-local", "--invert")
_KINDS_OF_OPTIONS = {"--mac-source": "mac", "--rsource": "source", "--rdest": "destination"}
"""Kinds of what unsupported options name."""

_MODULES_WITH_OPTIONS = frozenset(
    (
        "hl",
        "tcp",
        "comment",
        "conntrack",
        "state",
        "multiport",
        "addrtype",
        "mark",
        "connmark",
        "iprange",
        "pkttype",
        "set",
        "tcpmss",
    )
)
"""Matches of which only the options test anything; any other match may hold by itself or not."""


def _loosely(answer: Answer, inverted: bool) -> Answer:
    """Return the answer to a test that holds wherever a stricter one does."""
    return None if answer is not True else not inverted


def _either(tests: Sequence[Callable[[Fields], Answer]], fields: Fields) -> Answer:
    return any_of(test(fields) for test in tests)


def _mark_target(name: str, words: List[str]) -> List[Step]:
    target = "meta mark" if name == "MARK" or "--restore-mark" in words else "ct mark"
    if "--set-xmark" not in words:
        return [Assign(target, lambda _fields: UNKNOWN)]
    number, mask = _marked(words[words.index("--set-xmark") + 1])
    return [Assign(target, lambda fields: _marked_anew(value_of(target, fields), number, mask))]


def _tracking_target(name: str, words: List[str]) -> List[Step]:
    if any(word.startswith("--zone") for word in words):
        zone = words[words.index("--zone") + 1] if "--zone" in words else ""
        number = point(int(zone)) if zone.isdigit() else UNKNOWN
        return [Assign(ZONE, lambda _fields: number)]
    return [Assign("ct state", state_after_notrack)] if name == "NOTRACK" or "--notrack" in words else []


def _translating_target(name: str, words: List[str]) -> List[Step]:
    side: Side = "destination" if name in ("DNAT", "REDIRECT") else "source"
    option = {"DNAT": "--to-destination", "SNAT": "--to-source"}.get(name, "--to-ports")
    given = words[words.index(option) + 1] if option in words else ""
    if option == "--to-ports":
        address, port = "", given
    elif given.startswith("["):
        address, _bracket, port = given[1:].partition("]")
        port = port.lstrip(":")
    else:
        address, _colon, port = given.partition(":") if given.count(":") < 2 else (given, "", "")
    new_address: Optional[Value] = None
    if address or option == "--to-ports":
        new_address = point(number_of(address)) if is_address(address) else UNKNOWN
    new_port: Optional[Value] = KERNEL_CHOICE if side == "source" else None
    if port:
        new_port = point(int(port)) if port.isdigit() else UNKNOWN
    family = family_of(address) if isinstance(new_address, tuple) else None
    return [Translate(side, new_address, new_port, family, to_host=name in ("REDIRECT", "MASQUERADE"))]


_ASSIGNING: Mapping[str, Callable[[str, List[str]], List[Step]]] = {
    **dict.fromkeys(("MARK", "CONNMARK"), _mark_target),
    **dict.fromkeys(("CT", "NOTRACK"), _tracking_target),
    **dict.fromkeys(("SNAT", "MASQUERADE", "DNAT", "REDIRECT"), _translating_target),
}


def members_of(listing: str, names: Iterable[str]) -> Dict[str, List[str]]:
    """Return the members of sets of addresses, networks or ports that "ipset save" lists.

    A set with more than MOST_MEMBERS is left out, as are those whose members are anything else. A list of sets comes
    after its sets, and has what these have.
    """
    sets: Dict[str, List[str]] = {}
    lists: Set[str] = set()
    for line in listing.splitlines():
        words = line.split()
        if words[:1] == ["create"] and words[2] in _SET_TYPES:
            # With these options a member stands for a whole network.
            if not {"netmask", "bitmask"} & set(words):
                sets[words[1]] = []
            lists.update([words[1]] if words[2] == "list:set" else [])
        elif words[:1] == ["add"] and words[1] in sets:
            own = sets[words[1]]
            members = [words[2]] if words[1] not in lists else sets.get(words[2])
            if "nomatch" in words or members is None or len(own) + len(members) > MOST_MEMBERS:
                del sets[words[1]]
            else:
                own += members
    return {name: sets[name] for name in names if name in sets}


def _network_matcher(text: str) -> Matcher:
    address, _slash, mask = text.partition("/")
    if mask and not mask.isdigit():
        return bits_matcher(number_of(mask), number_matcher([point(number_of(address) & number_of(mask))]))
    return number_matcher([span_of(text)])


def _ports(text: str) -> Iterable[Span]:
    for part in text.split(","):
        first, colon, last = part.partition(":")
        yield int(first or 0), int((last or 65535) if colon else first)


def _flag(name: str) -> int:
    return {"ALL": 63, "NONE": 0}[name] if name in ("ALL", "NONE") else TCP_FLAGS[name.lower()]


def _marked(text: str) -> Tuple[int, int]:
    number, _slash, mask = text.partition("/")
    return int(number, 0), int(mask or "0xffffffff", 0)


def _marked_anew(value: Value, number: int, mask: int) -> Value:
    if not isinstance(value, tuple) or value[0] != value[1]:
        return point(number) if mask == 0xFFFFFFFF else UNKNOWN
    return point(value[0] & ~mask & 0xFFFFFFFF ^ number)


def _numbers(names: Mapping[str, int]) -> Callable[[List[str]], Matcher]:
    """Return a reader of lists of names, in whatever case."""
    return lambda arguments: number_matcher(point(names[name.lower()]) for name in arguments[0].split(","))


def _protocol(arguments: List[str]) -> Matcher:
    name = arguments[0]
    number = int(name) if name.isdigit() else PROTOCOLS.get(name, -1)
    return number_matcher([point(number)])


def _icmpv6_type(arguments: List[str]) -> Matcher:
    """Return a matcher of a type; what names a code as well may match or not."""
    kind, slash, _code = arguments[0].partition("/")
    matcher = number_matcher([point(int(kind))])
    return (lambda value: None if matcher(value) else matcher(value)) if slash else matcher


def _range(arguments: List[str]) -> Matcher:
    first, last = arguments[0].split("-")
    return number_matcher([(number_of(first), number_of(last))])


def _tcp_flags(arguments: List[str]) -> Matcher:
    mask, expected = (sum(_flag(name) for name in text.split(",")) for text in arguments)
    return bits_matcher(mask, number_matcher([point(expected)]))


_OPTIONS: Mapping[str, Tuple[str, Callable[[List[str]], Matcher]]] = {
    "-s": ("{ip} saddr", lambda arguments: _network_matcher(arguments[0])),
    "-d": ("{ip} daddr", lambda arguments: _network_matcher(arguments[0])),
    "--src-range": ("{ip} saddr", _range),
    "--dst-range": ("{ip} daddr", _range),
    "-i": ("meta iifname", lambda arguments: name_matcher(arguments, "+")),
    "-o": ("meta oifname", lambda arguments: name_matcher(arguments, "+")),
    "-p": ("meta l4proto", _protocol),
    **{
        f"--{side}{plural}": (f"th {side}", lambda arguments: number_matcher(_ports(arguments[0])))
        for side in ("sport", "dport")
        for plural in ("", "s")
    },
    "--tcp-flags": ("tcp flags", _tcp_flags),
    "--icmpv6-type": ("icmpv6 type", _icmpv6_type),
    "--hl-eq": ("ip6 hoplimit", lambda arguments: number_matcher([point(int(arguments[0]))])),
    **{
        f"--ctorig{side}": (f"ct original {{ip}} {side[0]}addr", lambda arguments: _network_matcher(arguments[0]))
        for side in ("src", "dst")
    },
    **{
        f"--ctorig{side}port": (f"ct original proto-{side}", lambda arguments: number_matcher(_ports(arguments[0])))
        for side in ("src", "dst")
    },
    "--ctdir": ("ct direction", _numbers({"original": 0, "reply": 1})),
    "--pkt-type": ("meta pkttype", _numbers({"unicast": 0, "broadcast": 1, "multicast": 2})),
}
"""Field that each option of a match tests, and the reader of its arguments."""
