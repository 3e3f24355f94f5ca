# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partners by domain: what a host keeps of the answers of DNS, and the rules with their addresses.

An answer never widens a row to what nobody named, and a look-up that fails never empties it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from .addresses import FAMILIES, family_of, network_order, overlap, span_of
from .addresses import merged as merged_spans
from .errors import EdgeError, OptionError
from .rules import Group, Rule, group_from_payload, make_group

OPTION = "partner_domains"
"""Option that lists the domains, and beginning of the names of groups with their addresses."""

MOST_OF_A_DOMAIN = 64
"""Most addresses of one domain."""
MOST = 1_000
"""Most addresses of all domains."""
LONGEST = 24 * 60 * 60
"""Seconds for which an address stays that the domain's answers do not have any more."""

Kept = Mapping[str, Mapping[str, int]]
"""By domain and port, the seconds since the epoch at which each address was seen last."""


@dataclass(frozen=True)
class Answer:
    """What the look-up of a domain has told.

    group: the name of the groups that it is for, without their families; port: that the addresses serve; addresses: in
    canonical text; fault: why not all is known, empty where all is.
    """

    group: str
    domain: str
    port: int
    addresses: Tuple[str, ...] = ()
    fault: str = ""

    @property
    def key(self) -> str:
        """Return the name under which a host keeps it."""
        return f"{self.domain}:{self.port}"


@dataclass(frozen=True)
class Merged:
    """Answers together with what a host has kept of earlier ones.

    addresses: by the name of their group, without its family; kept: what is to be kept of them; notes: sentences for
    the administrator.
    """

    addresses: Mapping[str, Sequence[str]]
    kept: Kept
    notes: Tuple[str, ...] = ()


def merged(answers: Sequence[Answer], kept: Kept, now: int, *, must_be_known: bool = True) -> Merged:
    """Return the answers with the addresses that stay of earlier ones.

    now: in seconds since the epoch; must_be_known: whether a domain of which no address is known is refused. Raises
    OptionError.
    """
    addresses: Dict[str, List[str]] = {answer.group: [] for answer in answers}
    keeps: Dict[str, Dict[str, int]] = {}
    notes: List[str] = []
    for answer in answers:
        # A clock that was set back must not keep an address for longer.
        before = {address: min(seen, now) for address, seen in kept.get(answer.key, {}).items()}
        fault = answer.fault or ("" if answer.addresses else "it has no address")
        if fault and must_be_known:
            if not before and not answer.addresses:
                raise OptionError(
                    OPTION,
                    answer.domain,
                    f"gives no address to allow ({fault}), and this host has no earlier answer",
                    "mend its records or the resolver, or leave it out",
                )
            notes.append(
                f"{OPTION}: {answer.domain} is not known as a whole ({fault}); the addresses known so far stay"
            )
        stay = before if fault else {address: seen for address, seen in before.items() if now - seen < LONGEST}
        found = _newest({**stay, **dict.fromkeys(answer.addresses, now)})
        keeps[answer.key] = found
    beyond = frozenset(_beyond(keeps, now))
    keeps = {key: {one: seen for one, seen in kept.items() if one not in beyond} for key, kept in keeps.items()}
    for answer in answers:
        addresses[answer.group] += keeps[answer.key]
    return Merged(addresses, keeps, tuple(notes))


def _beyond(keeps: Kept, now: int) -> List[str]:
    """Return the addresses that are too many: those not seen now, the oldest first."""
    seen: Dict[str, int] = {}
    for kept in keeps.values():
        for address, last in kept.items():
            seen[address] = max(last, seen.get(address, 0))
    older = sorted((address for address, last in seen.items() if last < now), key=lambda one: (seen[one], _order(one)))
    return older[: max(0, len(seen) - MOST)]


def _newest(seen: Mapping[str, int]) -> Dict[str, int]:
    """Return the addresses that were seen last, no more than a domain may have, in numeric order."""
    newest = sorted(seen, key=lambda address: (-seen[address], _order(address)))[:MOST_OF_A_DOMAIN]
    return {address: seen[address] for address in sorted(newest, key=_order)}


def _order(address: str) -> Tuple[int, Tuple[int, str]]:
    return FAMILIES.index(family_of(address)), network_order(address)


def filled(
    rules: Sequence[Mapping[str, Any]], groups: Mapping[str, Any], addresses: Mapping[str, Sequence[str]]
) -> Tuple[List[Dict[str, Any]], Dict[str, Any]]:
    """Return the payload of rules with the addresses in their groups, without rules that none are for."""
    full = {name: _with(networks, name, addresses) for name, networks in groups.items()}
    left = [dict(rule) for rule in rules if all(full.get(name, [""]) for name in (rule["source"], rule["destination"]))]
    return left, {name: networks for name, networks in full.items() if networks}


def _with(networks: Sequence[str], name: str, addresses: Mapping[str, Sequence[str]]) -> Sequence[str]:
    base, family = _base(name), name.rpartition("_")[2]
    if base not in addresses:
        return networks
    spans = merged_spans(span_of(network) for network in networks)
    own = [address for address in dict.fromkeys(addresses[base]) if family_of(address) == family]
    return [*networks, *(address for address in own if not overlap(spans, [span_of(address)]))]


def by_group(answers: Iterable[Answer]) -> Dict[str, List[str]]:
    """Return the addresses of answers by the name of their group, without its family."""
    found: Dict[str, List[str]] = {}
    for answer in answers:
        found.setdefault(answer.group, []).extend(answer.addresses)
    return found


def with_addresses(rules: Iterable[Rule], addresses: Mapping[str, Sequence[str]]) -> Tuple[Rule, ...]:
    """Return rules with the addresses in their groups, without rules that none are for.

    A group of which nothing is said stays as it is.
    """
    found = []
    for rule in rules:
        source, destination = (_group(group, addresses) for group in (rule.source, rule.destination))
        if all(
            group is None or group.networks or _base(group.name) not in addresses for group in (source, destination)
        ):
            found.append(replace(rule, source=source, destination=destination))
    return tuple(found)


def _base(name: str) -> str:
    """Return the name of a group without its family."""
    return name.rpartition("_")[0]


def _group(group: Optional[Group], addresses: Mapping[str, Sequence[str]]) -> Optional[Group]:
    return make_group(group.name, _with(group.networks, group.name, addresses)) if group else None


def answers_from_payload(given: Sequence[Mapping[str, Any]]) -> List[Answer]:
    """Return answers as the controller sends them. Raises EdgeError on anything that it cannot have sent."""
    answers = []
    for one in given:
        for family in FAMILIES:
            own = [address for address in one["addresses"] if (":" in address) is (family == "ipv6")]
            if own:
                group_from_payload(f"{one['group']}_{family}", own)
        answers.append(Answer(one["group"], one["domain"], one["port"], tuple(one["addresses"]), one["fault"]))
    if len({address for answer in answers for address in answer.addresses}) > MOST:
        raise EdgeError(f"{OPTION}: the answers have more than {MOST} addresses")
    return answers
