# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts that stand around the edges of a rehearsal, each with addresses that the lists of the edges call for."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from itertools import chain, count
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple, Union

from ..model.addresses import FAMILIES
from ..model.port_table import ACCESS, FRONT_ENDS, INTERNAL, PARTNERS
from ..request.address_input import Network, text_of
from ..verify.flows import GROUP_OF, OUTSIDERS
from ..verify.report import FAMILY_NAMES
from .subject import Listed, Subject

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

_POOLS: Mapping[str, Tuple[str, ...]] = {
    "ipv4": ("100.64.0.0/16", "198.19.0.0/16", "172.31.0.0/16", "10.255.0.0/16", "192.168.255.0/24"),
    "ipv6": ("2001:db8:ffff::/48", "fd00:ffff::/48"),
}
"""Networks whose addresses are in few lists: shared, for benchmarks, private, for documentation."""

_FIRST, _LAST = 10, 250
"""Numbers in a network of the addresses that are tried. The first ones are often those of routers."""


@dataclass(frozen=True)
class Extra:
    """A host that is there for the rehearsal alone, or a Front End of the inventory.

    group: of the inventory; addresses: its own; stands_for: the network that it stands for, "any" or "none"; is_inside:
    true on the internal side of the edges.
    """

    name: str
    group: str
    addresses: Tuple[str, ...]
    stands_for: str
    is_inside: bool


@dataclass(frozen=True)
class Cast:
    """The hosts around the edges, and notes on what could not be had."""

    extras: Tuple[Extra, ...]
    notes: Tuple[str, ...]


def cast(subject: Subject, most: int) -> Cast:
    """Return who stands around the edges. most: networks of each list and family that get a host."""
    return _Casting(subject, most).run()


class _Casting:
    """The addresses that are taken meanwhile, and the names."""

    def __init__(self, subject: Subject, most: int) -> None:
        self.subject, self.most = subject, most
        self.taken: Set[Address] = {
            ipaddress.ip_address(address)
            for edge in subject.edges
            for option in (ACCESS.option, INTERNAL.option)
            for address in edge.addresses(option)
        }
        self.names: Set[str] = set(subject.variables)
        self.notes: List[str] = []
        self.chosen: Dict[str, Dict[str, List[Network]]] = {}

    def run(self) -> Cast:
        """Return the hosts."""
        extras = self._of_list(self.subject.partners, PARTNERS.option, "partner")
        extras += self._with_front_ends(self._of_list(self.subject.inside, FRONT_ENDS.option, "front-end"))
        extras += self._unlisted("outsider", self._families(ACCESS.option), is_inside=False)
        extras += self._unlisted("intruder", self._families(INTERNAL.option), is_inside=True)
        return Cast(tuple(extras), tuple(self.notes))

    def _of_list(self, listed: Listed, option: str, word: str) -> List[Extra]:
        """Return one host for each listed network that is sampled, and one for any."""
        group, is_inside = GROUP_OF[option], option == FRONT_ENDS.option
        families = self._families(INTERNAL.option if is_inside else ACCESS.option)
        extras = self._unlisted(word, families, is_inside, group) if listed.any else []
        chosen = {family: self._sampled(listed, family, option) for family in families}
        self.chosen[option] = chosen
        for family, networks in chosen.items():
            for number, network in enumerate(networks):
                own = self._pick(network)
                if own is None:
                    self.notes.append(f"{option}: {text_of(network)} has no host here, since its addresses are taken")
                    continue
                # A host that tries the edges in every family, from a listed network of each where there is one.
                others = [self._other(chosen[other], number, other) for other in families if other != family]
                addresses = (own, *(address for address in others if address))
                extras.append(Extra(self._name(word), group, addresses, text_of(network), is_inside))
        return extras

    def _sampled(self, listed: Listed, family: str, option: str) -> List[Network]:
        """Return the listed networks of a family that get a host, with a note where not all of them do."""
        networks = [network for network in listed.networks if f"ipv{network.version}" == family]
        chosen = sampled(networks, self.most)
        if len(chosen) < len(networks):
            of_all = f"{len(chosen)} of {len(networks)} networks of {FAMILY_NAMES[family]}"
            self.notes.append(f"{option}: {of_all} have a host here, spread over the list; the others have none")
        return chosen

    def _other(self, networks: Sequence[Network], number: int, family: str) -> Optional[str]:
        """Return an address of another family for a host, by preference one that is listed."""
        listed = self._pick(networks[number % len(networks)]) if networks else None
        return listed or self._pick_unlisted(family)

    def _with_front_ends(self, generated: Sequence[Extra]) -> Iterator[Extra]:
        """Yield the Front Ends. Those of the inventory that carry the table take the first places."""
        for number, name in enumerate(self.subject.front_ends):
            if number < len(generated):
                place = generated[number]
                yield Extra(name, place.group, place.addresses, place.stands_for, is_inside=True)
                continue
            addresses = [
                self._pick(networks[number % len(networks)]) if networks else self._pick_unlisted(family)
                for family, networks in self.chosen[FRONT_ENDS.option].items()
                if networks or self.subject.inside.any
            ]
            found = tuple(address for address in addresses if address)
            if found:
                yield Extra(name, GROUP_OF[FRONT_ENDS.option], found, "another of its list", is_inside=True)
            else:
                self.notes.append(f"{name}: has no place here, since no address of its list is free")
        yield from generated[len(self.subject.front_ends) :]

    def _unlisted(self, word: str, families: Sequence[str], is_inside: bool, group: str = OUTSIDERS) -> List[Extra]:
        """Return a host with an address of each family that is in no list, or none."""
        addresses = []
        for family in families:
            picked = self._pick_unlisted(family)
            if picked is None:
                self.notes.append(f"{word}: has no address of {FAMILY_NAMES[family]}, since the lists leave none")
            else:
                addresses.append(picked)
        if not addresses:
            return []
        stands_for = "none" if group == OUTSIDERS else "any"
        return [Extra(self._name(word), group, tuple(addresses), stands_for, is_inside)]

    def _pick_unlisted(self, family: str) -> Optional[str]:
        """Return a free address in no list, None where there is none."""
        listed = [*self.subject.partners.networks, *self.subject.inside.networks]
        pools = [ipaddress.ip_network(pool) for pool in _POOLS[family]]
        free = [pool for pool in pools if not any(_overlap(pool, network) for network in listed)]
        return next(filter(None, map(self._pick, free)), None)

    def _families(self, option: str) -> List[str]:
        """Return the families that the edges have on one side."""
        edges = self.subject.edges
        return [
            family for family in FAMILIES if any(family in edge.options.endpoints.get(option, {}) for edge in edges)
        ]

    def _pick(self, network: Network) -> Optional[str]:
        """Return a free address of a network, None where there is none."""
        size, first = network.num_addresses, int(network.network_address)
        # The first and the last number of an IPv4 network are no hosts.
        usable = range(size) if size <= 2 or network.version == 6 else range(1, size - 1)
        numbers = [number for number in range(_FIRST, _LAST) if number in usable] or [*usable[:_LAST]]
        for number in numbers:
            address = type(network.network_address)(first + number)
            if address not in self.taken:
                self.taken.add(address)
                return str(address)
        return None

    def _name(self, word: str) -> str:
        """Return a name that no host has yet."""
        alone = [word] if word in ("outsider", "intruder") else []
        numbered = (f"{word}-{number}" for number in count(1))
        name = next(one for one in chain(alone, numbered) if one not in self.names)
        self.names.add(name)
        return name


def sampled(networks: Sequence[Network], most: int) -> List[Network]:
    """Return at most so many networks, evenly from the first to the last."""
    if len(networks) <= most:
        return list(networks)
    if most == 1:
        return [networks[0]]
    return [networks[index * (len(networks) - 1) // (most - 1)] for index in range(most)]


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)
