# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partners by domain: the option, and what the records of DNS say of each.

Sources: RFC 6120 3.2 (SRV records, and addresses without them), XEP-0368 (_xmpps-server), RFC 1123 2.1 (names).
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ..model.errors import OptionError
from ..model.partner_domains import MOST, MOST_OF_A_DOMAIN, OPTION, Answer
from ..model.port_table import PARTNERS, PORT_TABLE
from .address_input import parse_address, text_of
from .scalars import entries_of, texts_of

ROW = next(row for row in PORT_TABLE if row.destination is PARTNERS)
"""The row of the port table whose other side is dialled."""

Domains = Mapping[str, Tuple[Sequence[str], int]]
"""Domains, and the port at which they are, by the name of the groups of their addresses, without its family."""

_NOT_LOOKED_UP = "it was not looked up"
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_LONGEST = 253
_EXAMPLE = "name one such as example.org"


def read_domains(value: Any, is_carried: bool) -> Tuple[str, ...]:
    """Return the domains that an administrator names, in order, without duplicates. Raises OptionError.

    is_carried: whether the host carries the row that they are for.
    """
    if value in ([], "", None):
        return ()
    entries = entries_of(OPTION, value, "name domains, or leave it out")
    if len(entries) > MOST:
        raise OptionError(OPTION, None, f"has {len(entries)} domains", f"name at most {MOST}")
    domains = tuple(sorted({_domain(text) for text in texts_of(OPTION, entries, "a domain")}))
    if not is_carried:
        raise OptionError(OPTION, value, f"is for row {ROW.id}, which this host does not carry", "leave it out here")
    return domains


def _domain(text: str) -> str:
    name = text.strip().lower().rstrip(".")
    if not name.isascii():
        raise OptionError(OPTION, text, "has letters beyond ASCII", "write the form that DNS has, with xn--")
    labels = name.split(".")
    if any(not label for label in labels) or not all(map(_LABEL.fullmatch, labels)) or len(name) > _LONGEST:
        raise OptionError(OPTION, text, "is not a domain", _EXAMPLE)
    if len(labels) < 2:
        raise OptionError(OPTION, text, "is one word, and no domain", _EXAMPLE)
    if labels[-1].isdigit():
        raise OptionError(OPTION, text, "is an address, and no domain", f"list it in {PARTNERS.option}")
    return name


def unasked(groups: Domains) -> List[Answer]:
    """Return answers that tell nothing, for a host that is only looked at."""
    return [
        Answer(group, domain, port, fault=_NOT_LOOKED_UP)
        for group, (domains, port) in groups.items()
        for domain in domains
    ]


def answers_of(
    groups: Domains, records: Mapping[str, Mapping[str, Any]], own: Sequence[str]
) -> Tuple[List[Answer], List[str]]:
    """Return what records say of each domain, and what is to be said of them.

    records: by domain, as look_up returns them; own: addresses of the edges. Raises
    OptionError on more addresses than a list may have.
    """
    answers: List[Answer] = []
    notes: Dict[str, None] = {}
    for group, (domains, port) in groups.items():
        for domain in domains:
            answer, said = _answer_of(Answer(group, domain, port), records[domain], own)
            answers.append(answer)
            notes.update(dict.fromkeys(said))
    count = len({address for answer in answers for address in answer.addresses})
    if count > MOST:
        raise OptionError(
            OPTION, None, f"has domains with {count} addresses", f"name domains of at most {MOST}, or list networks"
        )
    return answers, list(notes)


def _answer_of(empty: Answer, record: Mapping[str, Any], own: Sequence[str]) -> Tuple[Answer, List[str]]:
    services = [one for found in record["services"].values() for one in found]
    addresses: Mapping[str, Sequence[str]] = record["addresses"]
    targets = [one["target"] for one in services if one["port"] == empty.port] if services else list(addresses)
    _refuse_many(empty.domain, {one["target"] for one in services}, "servers")
    notes: List[str] = []
    elsewhere = sorted({f"{one['target']}:{one['port']}" for one in services if one["port"] not in (0, empty.port)})
    if elsewhere:
        notes.append(
            f"{OPTION}: {empty.domain} names {', '.join(elsewhere)} too, and row {ROW.id} opens port {empty.port} only"
        )
    usable: Dict[str, None] = {}
    for text in [address for target in targets for address in addresses.get(target, ())]:
        fault = "is an address of the edge itself" if text in own else ""
        try:
            usable.update({} if fault else {text_of(parse_address(OPTION, text)): None})
        except OptionError as error:
            fault = error.problem.partition(" ")[2]
        if fault:
            notes.append(f"{OPTION}: {empty.domain} has the address {text}, which {fault}, so it is left out")
    _refuse_many(empty.domain, usable, "addresses")
    fault = record["fault"]
    if not fault and not usable:
        fault = f"no server at port {empty.port}" if services else "it has no address"
    return Answer(empty.group, empty.domain, empty.port, tuple(sorted(usable)), fault), notes


def _refuse_many(domain: str, found: Any, what: str) -> None:
    if len(found) > MOST_OF_A_DOMAIN:
        raise OptionError(
            OPTION, domain, f"has {len(found)} {what}, which is more than {MOST_OF_A_DOMAIN}", "list networks instead"
        )
