# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reader of the output of "nft -j list ruleset" into the model.

Source: libnftables-json(5). An unsupported expression makes unknown whatever depends on it.
"""

from __future__ import annotations

import socket
from functools import partial
from typing import (
    Any,
    Callable,
    ClassVar,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from ..model.addresses import FAMILIES, family_of, number_of, point
from ..model.literals import Family, Side
from .fields import (
    OTHER_PROTOCOLS,
    REWRITTEN,
    SETS_MAY_CHANGE,
    ZONE,
    UnknownExpressionError,
    bits_of,
    compare,
    field_name,
    has_field,
    has_status,
    kind_of,
    matcher_of,
    state_after_notrack,
    value_of,
)
from .look_up import Finder, finder_of
from .ruleset import (
    KERNEL_CHOICE,
    Assign,
    Chain,
    Choice,
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
    ABSENT,
    UNKNOWN,
    Answer,
    Fields,
    Matcher,
    Value,
    bits_matcher,
    differs_from_zero,
    masked,
    number_matcher,
    opposite,
    spans_of,
)

_FAMILIES: Mapping[str, Tuple[Family, ...]] = {
    "inet": FAMILIES,
    "ip": ("ipv4",),
    "ip6": ("ipv6",),
    "netdev": FAMILIES,
    "arp": (),
    "bridge": (),
}
_KNOWN_TABLE_FLAGS = frozenset(("dormant", "owner", "persist"))
# Statements after which the packet goes on unchanged.
_NO_EFFECT = frozenset(
    ("counter", "log", "ct helper", "ct timeout", "ct expectation", "secmark", "last", "flow", "dup", "continue")
)
_UNKNOWN_MATCH = Match(lambda _fields: None)
_SIMPLE: Mapping[str, Step] = {
    "accept": Verdict("accept"),
    "drop": Verdict("drop"),
    "return": Verdict("return"),
    # These send the packet elsewhere, or hand it to a program, which the model does not follow.
    **dict.fromkeys(("tproxy", "queue", "synproxy", "fwd"), Verdict("other")),
    **dict.fromkeys(("limit", "quota", "ct count", "meter"), _UNKNOWN_MATCH),
    "notrack": Assign("ct state", state_after_notrack),
}
SetName = Tuple[str, str]
"""Table and name of a set or map, such as ("inet filter", "blocklist")."""
_Sets = Mapping[SetName, Mapping[str, Any]]
_REJECT_FAMILIES = {"icmp": int(socket.AF_INET), "icmpv6": int(socket.AF_INET6)}
_ANONYMOUS = "touched"
_CATCH_ALL = "*"
_LOOPBACK = {"meta iiftype": "meta iifname", "meta oiftype": "meta oifname"}
_DONT_FRAGMENT = 0x4000
_ORDERS = ("<", ">", "<=", ">=")
_PLAIN_ELEMENT_KEYS = frozenset(("val", "timeout", "expires", "comment", "counter", "last"))
_KEEPS_RECORDS = frozenset(("log", "counter", "last", "set"))
_CONDITIONS = frozenset(("match", "limit", "quota"))
# Statements that test nothing, or whose tests are matches of their own.
_WITHOUT_CONDITION = _NO_EFFECT | {*("accept", "drop", "return", "jump", "goto", "reject", "notrack", "mangle", "set")}


def read_ruleset(
    listing: Mapping[str, Any], asked: Optional[Set[SetName]] = None, harmless: FrozenSet[Tuple[str, int]] = frozenset()
) -> Ruleset:
    """Return the model of a listing, already parsed as JSON. Never fails on an unsupported expression.

    asked: for a terse listing, which leaves out what sets have; it gets the name of each such set that a packet is
    looked up in. That look-up is unknown. Without it, a set that lists no elements has none. harmless: table and handle
    of rules that are known to do nothing to the first packets of a source.
    """
    entries = [entry for entry in listing.get("nftables", ()) if isinstance(entry, dict)]
    sets = {
        (_table(entry[kind]), entry[kind]["name"]): entry[kind]
        for entry in entries
        for kind in ("set", "map")
        if kind in entry
    }
    flags = {_table_name(entry["table"]): _flags(entry["table"]) for entry in entries if "table" in entry}
    ruleset = Ruleset()
    finders: Dict[Tuple[str, ...], Finder] = {}
    conditional = _conditional_sets(entries)
    for entry in entries:
        if "chain" in entry and entry["chain"]["family"] in _FAMILIES:
            ruleset.add(_chain(entry["chain"]))
    for entry in entries:
        if "rule" in entry:
            rule = entry["rule"]
            chain = ruleset.chains.get((_table(rule), rule["chain"]))
            if chain is not None:
                if (_table(rule), rule.get("handle")) in harmless:
                    chain.rules.append(_harmless(rule))
                    continue
                chain.rules.append(_rule(rule, lambda table: _RuleReader(table, sets, asked, finders, conditional)))
    _heed_flags(ruleset, flags)
    return ruleset


def _conditional_sets(entries: Sequence[Mapping[str, Any]]) -> FrozenSet[SetName]:
    """Return the sets whose elements a rule makes with a condition of their own, such as a rate.

    Each rule that adds an element that is there asks that condition too (nft_dynset.c).
    """
    found = set()
    for rule in (entry["rule"] for entry in entries if "rule" in entry):
        for statement in rule.get("expr") or ():
            update = statement.get("set") if isinstance(statement, dict) else None
            if isinstance(update, dict) and update.get("stmt"):
                found.add((_table(rule), str(update.get("set", ""))[1:]))
    return frozenset(found)


def _heed_flags(ruleset: Ruleset, flags: Mapping[str, Sequence[str]]) -> None:
    for chain in list(ruleset.chains.values()):
        names = flags.get(chain.table, ())
        if "owner" in names:
            ruleset.owners[chain.table] = "a program that owns it"
        if "dormant" in names:
            del ruleset.chains[chain.key]
        elif not _KNOWN_TABLE_FLAGS.issuperset(names):
            # Some releases list unreadable flags: the table may be active or not.
            chain.rules = [FilterRule("a table with unreadable flags", lambda: Content((Unsupported(),)))]
            chain.policy = "accept"


def _table(entry: Mapping[str, Any]) -> str:
    return f"{entry['family']} {entry['table']}"


def _table_name(entry: Mapping[str, Any]) -> str:
    return f"{entry['family']} {entry['name']}"


def _flags(table: Mapping[str, Any]) -> Sequence[str]:
    flags = table.get("flags", ())
    return (flags,) if isinstance(flags, str) else tuple(flags)


def _chain(entry: Mapping[str, Any]) -> Chain:
    devices: Optional[Tuple[str, ...]] = ()
    if entry.get("hook") in ("ingress", "egress"):
        named = entry.get("dev")
        # A chain without a named device sees nothing now, or some release does not say what.
        devices = ((named,) if isinstance(named, str) else tuple(map(str, named))) if named else None
    words = [entry.get(key, "") for key in ("name", "hook", "type", "policy")]
    if not all(isinstance(word, str) for word in words) or not isinstance(entry.get("prio", 0), int):
        raise TypeError
    return Chain(
        table=_table(entry),
        name=entry["name"],
        families=_FAMILIES[entry["family"]],
        hook=entry.get("hook", ""),
        kind=entry.get("type", "filter"),
        priority=entry.get("prio", 0),
        policy=entry.get("policy", "accept"),
        devices=devices,
    )


def _rule(entry: Mapping[str, Any], reader: Callable[[str], _RuleReader]) -> FilterRule:
    comment = entry.get("comment", "")
    text = f"handle {entry.get('handle')}" + (f' comment "{comment}"' if comment else "")
    return FilterRule(text, lambda: reader(_table(entry)).read(entry.get("expr", ())), entry.get("handle"), comment)


def _harmless(entry: Mapping[str, Any]) -> FilterRule:
    content = Content((), is_record=True)
    return FilterRule(f"handle {entry.get('handle')}", lambda: content, entry.get("handle"), entry.get("comment", ""))


class _RuleReader:
    """Reader of the rules of one table."""

    def __init__(
        self,
        table: str,
        sets: _Sets,
        asked: Optional[Set[SetName]],
        finders: Dict[Tuple[str, ...], Finder],
        conditional: FrozenSet[SetName],
    ) -> None:
        self._table = table
        self._sets = sets
        self._asked = asked
        self._finders = finders
        self._conditional = conditional

    def read(self, statements: Sequence[Mapping[str, Any]]) -> Content:
        """Return what a rule's statements do."""
        steps = tuple(step for statement in statements for step in self._followed(statement))
        named = [kind for statement in statements for kind in self._kinds(statement)]
        targets = [target for statement in statements for target in self._targets(statement)]
        return Content(steps, frozenset(named) - {""}, tuple(targets), _is_record(statements))

    def _kinds(self, statement: Any) -> Iterator[str]:
        """Yield the kinds of what a statement's conditions name, unsupported ones included."""
        if not isinstance(statement, dict) or len(statement) != 1:
            yield "other"
            return
        ((keyword, content),) = statement.items()
        if keyword == "match":
            if not _is_everything(content):
                yield from _kinds_read(content.get("left") if isinstance(content, dict) else None)
        elif keyword == "vmap":
            yield from _kinds_read(content.get("key") if isinstance(content, dict) else None)
        elif keyword not in _WITHOUT_CONDITION or (
            isinstance(content, dict) and (content.get("stmt") or _looks_up(content))
        ):
            yield "other"

    def _targets(self, statement: Any) -> Iterator[str]:
        """Yield the chains that a statement may send packets to, one by one."""
        if isinstance(statement, list):
            for part in statement:
                yield from self._targets(part)
        elif isinstance(statement, dict):
            for keyword, content in statement.items():
                if keyword in ("jump", "goto") and isinstance(content, dict) and "target" in content:
                    yield content["target"]
                elif keyword == "data" and isinstance(content, str):
                    yield from self._targets(self._sets.get((self._table, content[1:]), {}).get("elem", []))
                else:
                    yield from self._targets(content)

    def _followed(self, statement: Mapping[str, Any]) -> List[Step]:
        """Return the steps of a statement, or the step for an unsupported one."""
        try:
            return self._statement(statement)
        except (UnknownExpressionError, KeyError, TypeError, ValueError, AttributeError, OSError):
            # A match may hold or not; anything else may also decide by itself.
            return [_UNKNOWN_MATCH if isinstance(statement, dict) and "match" in statement else Unsupported()]

    def _statement(self, statement: Mapping[str, Any]) -> List[Step]:
        ((kind, content),) = statement.items()
        if kind in _NO_EFFECT:
            # A name out of a map matches only where the map has an entry.
            return [_UNKNOWN_MATCH] if _looks_up(content) else []
        if kind in _SIMPLE:
            return [_SIMPLE[kind]]
        reader = self._READERS.get(kind)
        if reader is None:
            raise UnknownExpressionError
        return reader(self, content)

    def _matched(self, content: Mapping[str, Any]) -> List[Step]:
        return [Match(self._match(content))]

    def _set_update(self, content: Mapping[str, Any]) -> List[Step]:
        element = content["elem"]
        key = element["elem"]["val"] if "elem" in element else element
        names = [field_name(part) for part in key.get("concat", [key])]
        steps: List[Step] = [
            # A packet without the fields of the key does not match.
            Match(lambda fields: ABSENT not in [value_of(name, fields) for name in names]),
            Assign(f"touched {self._table} {content['set']}", lambda _fields: point(1)),
        ]
        named = self._sets[(self._table, content["set"][1:])]
        if (self._table, content["set"][1:]) in self._conditional:
            return [*steps, _UNKNOWN_MATCH]
        if "size" in named and self._is_unread(content["set"]):
            # A full set takes no more elements, and the rule ends there.
            asking = self._asking(names, content["set"])
            return [*steps, Match(lambda fields: asking(fields)[1])]
        full = "size" in named and len(named.get("elem", ())) >= named["size"]
        return [*steps, _UNKNOWN_MATCH] if full else steps

    def _match(self, content: Mapping[str, Any]) -> Callable[[Fields], Answer]:
        left, right, operator = content["left"], content["right"], content["op"]
        if "concat" in left or (isinstance(right, str) and right.startswith("@")):
            return self._negated(operator, self._lookup(left, right))
        left, mask_constant = left.get("&", (left, None))
        name = field_name(left)
        if name.partition(" ")[0] in OTHER_PROTOCOLS:
            return lambda _fields: False
        if name == "ct status" and operator in ("in", "!") and mask_constant is None:
            return has_status([right] if isinstance(right, str) else right, negated=operator == "!")
        if isinstance(right, bool) and name.startswith("fib "):
            name += " exists"  # The comparison is with a truth value instead of an interface.
        if name in _LOOPBACK and right == "loopback":
            name, right = _LOOPBACK[name], "lo"
        try:
            mask = None if mask_constant is None else bits_of(name, mask_constant)
            if name == "ip frag-off" and mask is not None and not mask & _DONT_FRAGMENT:
                # Packets of the model are no fragments; whether they may be fragmented is not known.
                name = "ip frag-off without flags"
            matcher = _matcher(name, operator, mask, right)
        except UnknownExpressionError:
            # A packet without the field does not match, whatever the constant is.
            matcher = _unknown_answer
        return compare(name, matcher)

    def _negated(self, operator: str, test: Callable[[Fields], Tuple[bool, Answer]]) -> Callable[[Fields], Answer]:
        if operator not in ("==", "in", "!="):
            raise UnknownExpressionError

        def answer(fields: Fields) -> Answer:
            there, found = test(fields)
            return False if not there else opposite(found) if operator == "!=" else found

        if operator != "!=":
            vars(answer).update(vars(test))
        return answer

    def _lookup(self, left: Any, right: Any) -> Callable[[Fields], Tuple[bool, Answer]]:
        """Return a test: does a packet have all fields of a key, and is the key in a set."""
        parts = [_masked_field(part) for part in left.get("concat", [left])]
        names = [name for name, _mask in parts]
        masks = [mask for _name, mask in parts]
        if isinstance(right, str) and self._is_unread(right):
            return self._asking(names, right)
        constants, touched = self._elements(right)
        find = self._finder(names, constants, touched)

        def test(fields: Fields) -> Tuple[bool, Answer]:
            values = [masked(value_of(name, fields), mask) for name, mask in zip(names, masks)]
            if ABSENT in values:
                return False, False
            if touched in fields or (touched != _ANONYMOUS and SETS_MAY_CHANGE in fields):
                return True, None
            return True, find(values)

        if len(names) == 1 and masks[0] is None:
            vars(test).update(spans=spans_of(find), field=names[0])
        return test

    def _finder(self, names: Sequence[str], constants: Sequence[Any], touched: str) -> Finder:
        """Return a finder of the elements of a set: one for each set, however many rules name it."""
        key = (touched, *names)
        if touched != _ANONYMOUS and key in self._finders:
            return self._finders[key]
        try:
            found = finder_of(names, [_parts(constant, len(names)) for constant in constants])
        except UnknownExpressionError:
            # A packet without one of the fields does not match any element.
            found = _unknown_element
        if touched != _ANONYMOUS:
            self._finders[key] = found
        return found

    def _is_unread(self, reference: str) -> bool:
        """Return whether a set is there whose elements the listing leaves out. reference: its name behind an "@"."""
        named = self._sets.get((self._table, reference[1:])) if reference.startswith("@") else None
        return self._asked is not None and named is not None and "elem" not in named

    def _asking(self, names: Sequence[str], reference: str) -> Callable[[Fields], Tuple[bool, Answer]]:
        """Return a look-up in a set that was not read, which notes that it is needed."""

        def test(fields: Fields) -> Tuple[bool, Answer]:
            if ABSENT in [value_of(name, fields) for name in names]:
                return False, False
            may_change = SETS_MAY_CHANGE in fields or f"touched {self._table} {reference}" in fields
            if self._asked is not None and not may_change:
                self._asked.add((self._table, reference[1:]))
            return True, None

        return test

    def _elements(self, right: Any) -> Tuple[List[Any], str]:
        """Return the constants of a set, and the field that says that the packet changed the set on its way."""
        if isinstance(right, str) and right.startswith("@"):
            named = self._sets[(self._table, right[1:])]
            return [_plain(element) for element in named.get("elem", ())], f"touched {self._table} {right}"
        if isinstance(right, dict) and "set" in right:
            return [_plain(element) for element in right["set"]], _ANONYMOUS
        return [_plain(right)], _ANONYMOUS

    def _verdict_map(self, content: Mapping[str, Any]) -> Callable[[Fields], Iterable[Tuple[Answer, Verdict]]]:
        data = content["data"]
        if isinstance(data, str) and self._is_unread(data):
            raise UnknownExpressionError
        pairs = self._sets[(self._table, data[1:])].get("elem", ()) if isinstance(data, str) else data["set"]
        tests = [
            (self._lookup(content["key"], {"set": [key]}), _verdict(verdict))
            for key, verdict in pairs
            if key != _CATCH_ALL
        ]
        # This element stands for all that no other one has, so that it comes last.
        others = [_verdict(verdict) for key, verdict in pairs if key == _CATCH_ALL]
        names = [field_name(part) for part in content["key"].get("concat", [content["key"]])]

        def options(fields: Fields) -> Iterator[Tuple[Answer, Verdict]]:
            if ABSENT not in [value_of(name, fields) for name in names]:
                yield from ((test(fields)[1], verdict) for test, verdict in tests)
                yield from ((True, verdict) for verdict in others)

        return options

    def _mangle(self, content: Mapping[str, Any]) -> List[Step]:
        ((kind, key),) = content["key"].items()
        if kind == "ct" and key.get("key") == "zone":
            return [Assign(ZONE, _computed(content["value"]) if "dir" not in key else unknown)]
        if kind not in ("meta", "ct", "payload"):
            return []  # No match of this model reads it, as with TCP options.
        steps: List[Step] = [_UNKNOWN_MATCH] if _looks_up(content["value"]) else []
        # A packet without the header that the value is taken from goes on with the next rule.
        headers = [f"{one['protocol']} {one.get('field', '')}" for one in _payloads(content["value"])]
        steps += [Match(partial(has_field, name)) for name in headers]
        if kind == "payload":
            return [*steps, *_write_header(key.get("protocol", ""), key.get("field", ""))]
        return [*steps, Assign(field_name(content["key"]), _computed(content["value"]))]

    _READERS: ClassVar[Mapping[str, Callable[[_RuleReader, Any], List[Step]]]] = {
        "match": _matched,
        "jump": lambda _self, content: [Verdict("jump", content["target"])],
        "goto": lambda _self, content: [Verdict("goto", content["target"])],
        "reject": lambda _self, content: _reject(content),
        "mangle": _mangle,
        "snat": lambda _self, content: _translation("source", content),
        "masquerade": lambda _self, content: _translation("source", {"addr": None, **(content or {})}, to_host=True),
        "dnat": lambda _self, content: _translation("destination", content),
        "redirect": lambda _self, content: _translation("destination", {"addr": None, **(content or {})}, to_host=True),
        "set": _set_update,
        "vmap": lambda self, content: [Choice(self._verdict_map(content))],
    }


def _masked_field(expression: Any) -> Tuple[str, Optional[int]]:
    """Return the field that a look-up reads, and the mask that it is joined with, None for no mask."""
    if isinstance(expression, dict) and "&" in expression:
        inner, mask = expression["&"]
        name = field_name(inner)
        return name, bits_of(name, mask)
    return field_name(expression), None


def _kinds_read(expression: Any) -> Iterator[str]:
    """Yield the kind of every field that an expression reads; an empty one for a general field."""
    if isinstance(expression, dict) and len(expression) == 1:
        ((keyword, content),) = expression.items()
        if keyword in ("concat", "&", "|", "^", "<<", ">>") and isinstance(content, list):
            # A mask is a constant.
            for part in content if keyword == "concat" else content[:1]:
                yield from _kinds_read(part)
            return
        try:
            yield kind_of(f"ct {content['key']}" if keyword == "ct" and "dir" in content else field_name(expression))
        except (UnknownExpressionError, KeyError, TypeError):
            yield "other"
    else:
        yield "other"


def _is_everything(content: Any) -> bool:
    """Return whether a match is one of all addresses of a family, which singles out nothing."""
    right = content.get("right") if isinstance(content, dict) else None
    prefix = right.get("prefix") if isinstance(right, dict) else None
    return isinstance(prefix, dict) and prefix.get("len") == 0 and content.get("op") == "=="


def _is_record(statements: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a rule only keeps records of packets, or drops what it logs."""
    names: Set[str] = {name for statement in statements if isinstance(statement, dict) for name in statement}
    dropped = names & {"drop", "reject"}
    return (
        bool(names & _KEEPS_RECORDS)
        and names - dropped <= _KEEPS_RECORDS | _CONDITIONS
        and (not dropped or "log" in names)
    )


def _translation(side: Side, content: Mapping[str, Any], *, to_host: bool = False) -> List[Step]:
    """Return the steps of a translation. to_host: to whichever address this host has on the interface."""
    address, port = content.get("addr"), content.get("port")
    family: Optional[Family] = {"ip": "ipv4", "ip6": "ipv6"}.get(content.get("family", ""))  # type: ignore[assignment]
    steps: List[Step] = [_UNKNOWN_MATCH] if _looks_up(content) else []
    if isinstance(address, str):
        family = family or family_of(address)
    if family:
        steps.append(_family_match(int(socket.AF_INET6 if family == "ipv6" else socket.AF_INET)))
    new_address: Optional[Value] = None
    if "addr" in content:
        new_address = point(number_of(address)) if isinstance(address, str) else UNKNOWN
    if _looks_up(content):
        new_port: Optional[Value] = UNKNOWN  # A map may name the port besides the address.
    elif port is None:
        new_port = KERNEL_CHOICE if side == "source" else None
    else:
        new_port = point(port) if isinstance(port, int) else UNKNOWN
    return [*steps, Translate(side, new_address, new_port, family, to_host)]


def _payloads(expression: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the header fields that an expression reads by name."""
    if isinstance(expression, dict):
        for keyword, content in expression.items():
            if keyword == "payload" and isinstance(content, dict) and "protocol" in content:
                yield content
            else:
                yield from _payloads(content)
    elif isinstance(expression, list):
        for part in expression:
            yield from _payloads(part)


_ADDRESSING = ("saddr", "daddr", "sport", "dport", "protocol", "nexthdr")
"""Fields of headers that decide where a packet goes, and what it is."""


def _write_header(protocol: str, field: str) -> List[Step]:
    """Return the steps of a change of a header. What it changes is unknown from then on: one field, or where that has
    no name every field.
    """
    if protocol in ("ip", "ip6") and field and field not in _ADDRESSING:
        # Of the other family, a packet goes on with the next rule.
        return [Match(partial(has_field, f"{protocol} saddr")), Assign(f"{protocol} {field}", unknown)]
    rewritten = Assign(REWRITTEN, lambda _fields: point(1))
    named = {"ip": ("ip",), "ip6": ("ip6",), "tcp": ("tcp", "th"), "th": ("tcp", "th")}.get(protocol)
    if named and protocol != "th" and field in ("saddr", "daddr", "sport", "dport"):
        names = [f"{header} {field}" for header in named]
        return [Match(partial(has_field, names[0])), *(Assign(name, unknown) for name in names), rewritten]
    if protocol and named is None:
        return []  # Packets of the evaluated connections lack this header, or no match of this model reads it.
    fields = ("saddr", "daddr", "sport", "dport", "flags", "protocol", "nexthdr")
    # An unnamed header may be any.
    names = [f"{header} {field}" for header in named or ("ip", "ip6", "tcp", "th") for field in fields]
    own = f"{protocol} saddr" if protocol in ("ip", "ip6") else "meta l4proto"
    guard = Match(lambda fields: False if value_of(own, fields) is ABSENT else None)
    return [guard, *(Assign(name, unknown) for name in names), rewritten]


def _looks_up(expression: Any) -> bool:
    """Return whether an expression takes a value from a map; where the map has none, the rule ends."""
    if isinstance(expression, dict):
        return "map" in expression or any(_looks_up(part) for part in expression.values())
    return isinstance(expression, list) and any(_looks_up(part) for part in expression)


def unknown(_fields: Fields) -> Value:
    """Return the value of a field after an unsupported change."""
    return UNKNOWN


def _reject(content: Optional[Mapping[str, Any]]) -> List[Step]:
    # A rejection in the ICMP of one family is for packets of that family only, even without a match for it.
    family = _REJECT_FAMILIES.get((content or {}).get("type", ""))
    return [Verdict("drop")] if family is None else [_family_match(family), Verdict("drop")]


def _family_match(family: int) -> Match:
    return Match(compare("meta nfproto", number_matcher([point(family)])))


def _matcher(name: str, operator: str, mask: Optional[int], right: Any) -> Matcher:
    """Return a matcher of a field's values, with or without a mask. Raises UnknownExpressionError."""
    in_set = isinstance(right, dict) and "set" in right
    if operator in _ORDERS:
        matcher = _order_matcher(operator, bits_of(name, right))
    elif operator in ("in", "!") and not in_set:
        matcher = bits_matcher(bits_of(name, right), differs_from_zero)
    else:
        matcher = matcher_of(name, [_plain(constant) for constant in (right["set"] if in_set else [right])])
    if mask is not None:
        matcher = bits_matcher(mask, matcher)
    return matcher if operator not in ("!", "!=") else lambda value: opposite(matcher(value))


def _unknown_element(_values: Sequence[Value]) -> Answer:
    """Match elements that cannot be read."""
    return None


def _unknown_answer(_value: Value) -> Answer:
    """Match a constant that cannot be read."""
    return None


def _order_matcher(operator: str, limit: int) -> Matcher:
    def match(value: Value) -> Answer:
        if not isinstance(value, tuple):
            return None
        first, last = value
        if operator in ("<", "<="):
            bound = limit if operator == "<=" else limit - 1
            return True if last <= bound else False if first > bound else None
        bound = limit if operator == ">=" else limit + 1
        return True if first >= bound else False if last < bound else None

    return match


def _plain(element: Any) -> Any:
    """Return the value of a set's element. Raises UnknownExpressionError where its lookup does more than match."""
    if isinstance(element, dict) and "elem" in element:
        content = element["elem"]
        if not _PLAIN_ELEMENT_KEYS.issuperset(content):
            raise UnknownExpressionError
        return content["val"]
    return element


def _parts(constant: Any, count: int) -> List[Any]:
    if count == 1:
        return [constant]
    if not isinstance(constant, dict) or len(constant.get("concat", ())) != count:
        raise UnknownExpressionError
    return list(constant["concat"])


def _verdict(expression: Mapping[str, Any]) -> Verdict:
    ((kind, content),) = expression.items()
    target = content["target"] if kind in ("jump", "goto") else ""
    if kind not in ("accept", "drop", "return", "jump", "goto", "continue") or not isinstance(target, str):
        raise UnknownExpressionError
    return Verdict(kind, target)


def _computed(expression: Any) -> Callable[[Fields], Value]:
    """Return the value that a statement assigns: a number, another field, or both joined by a bit operation."""
    if isinstance(expression, int):
        return lambda _fields: point(expression)
    if isinstance(expression, dict) and len(expression) == 1:
        ((operator, operands),) = expression.items()
        operation = _BIT_OPERATIONS.get(operator)
        if operation and len(operands) == 2 and isinstance(operands[1], int):
            inner = _computed(operands[0])
            return lambda fields: _combined(inner(fields), operands[1], operation)
        try:
            name = field_name(expression)
        except UnknownExpressionError:
            return lambda _fields: UNKNOWN
        return lambda fields: value_of(name, fields)
    return lambda _fields: UNKNOWN


_BIT_OPERATIONS: Dict[str, Callable[[int, int], int]] = {
    "|": lambda left, right: left | right,
    "&": lambda left, right: left & right,
    "^": lambda left, right: left ^ right,
}


def _combined(value: Value, number: int, operation: Callable[[int, int], int]) -> Value:
    return point(operation(value[0], number)) if isinstance(value, tuple) and value[0] == value[1] else UNKNOWN
