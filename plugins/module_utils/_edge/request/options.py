# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation of what administrators give, before anything is done to any host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..model.errors import OptionError, shown
from ..model.port_table import (
    ACCESS,
    ADDRESS_ENDPOINTS,
    FRONT_ENDS,
    INTERNAL,
    NETWORK_ENDPOINTS,
    PORT_TABLE,
    ROW_IDS,
    Endpoint,
    Row,
)
from .address_input import (
    ANY,
    WHOLE_FAMILY,
    ByFamily,
    by_family,
    distinct,
    merge,
    parse_address,
    parse_network,
    text_of,
)
from .nearest import nearest
from .option_spec import OPTIONS

MAX_LIST_LENGTH = 10_000
"""Most entries that one list may have; the bench measures at this size."""

LONGEST_TIMEOUT = 3600
"""Most seconds that a change may wait for its confirmation; other runs on that host wait with it."""

_TRUE = frozenset(("true", "yes", "on", "1", "y", "t"))
_FALSE = frozenset(("false", "no", "off", "0", "n", "f"))


@dataclass(frozen=True)
class Options:
    """Options that have passed every check.

    rows: those of the port table that the host carries; endpoints: the networks of each endpoint option that one of
    them needs, by family, where "any" is the whole of both families; ports: the port of each port option that one of
    them needs. All are empty when the state is absent.
    """

    state: str
    mode: str
    backend: str
    integrate: str
    persist: bool
    on_ineffective: str
    cut_revoked: bool
    confirm_timeout: int
    on_policy_override: str
    allow_absent_addresses: bool
    rows: Tuple[Row, ...]
    endpoints: Mapping[str, ByFamily]
    ports: Mapping[str, int]

    @property
    def own_addresses(self) -> Dict[str, List[str]]:
        """Return the addresses that are taken for the host's own, by the option that lists them."""
        found = {one.option: self.endpoints.get(one.option, {}) for one in ADDRESS_ENDPOINTS}
        return {
            option: [text_of(network) for networks in by_families.values() for network in networks]
            for option, by_families in found.items()
            if by_families
        }


def parse_options(given: Mapping[str, Any]) -> Options:
    """Check what an administrator gave. Raises OptionError on the first thing that is wrong."""
    _check_names(given)
    # A default is for an option that is left out: one that is given without a value is a mistake.
    values = {name: given[name] if name in given else spec.get("default") for name, spec in OPTIONS.items()}
    state = _choice("state", values["state"])
    endpoints: Dict[str, ByFamily] = {}
    ports: Dict[str, int] = {}
    rows: Tuple[Row, ...] = ()
    if state == "present":  # Removal needs none of them, and a mistake in them must not stand in its way.
        rows = _rows("rows", values["rows"]) if "rows" in given else PORT_TABLE
        ports = {row.port_option: _port(row.port_option, values[row.port_option]) for row in rows}
        _check_ports_differ(ports)
        needed = {endpoint for row in rows for endpoint in (row.source, row.destination)}
        for endpoint in (*ADDRESS_ENDPOINTS, *NETWORK_ENDPOINTS):
            if endpoint in needed:
                endpoints[endpoint.option] = _networks(endpoint, values[endpoint.option])
        _check_sides(endpoints)
        for row in rows:
            _check_families_meet(row, endpoints)
    return Options(
        state=state,
        mode=_choice("mode", values["mode"]),
        backend=_choice("backend", values["backend"]),
        integrate=_choice("integrate", values["integrate"]),
        persist=read_flag("persist", values["persist"]),
        on_ineffective=_choice("on_ineffective", values["on_ineffective"]),
        cut_revoked=read_flag("cut_revoked", values["cut_revoked"]),
        confirm_timeout=_seconds("confirm_timeout", values["confirm_timeout"]),
        on_policy_override=_choice("on_policy_override", values["on_policy_override"]),
        allow_absent_addresses=read_flag("allow_absent_addresses", values["allow_absent_addresses"]),
        rows=rows,
        endpoints=endpoints,
        ports=ports,
    )


def family_warnings(options: Options) -> List[str]:
    """Return a sentence for each own address that no listed network can reach, since none is of its family."""
    rows_of: Dict[Tuple[str, str, str], List[str]] = {}
    for row in options.rows:
        remote = options.endpoints[row.remote.option]
        for family, networks in options.endpoints[row.local.option].items():
            if family not in remote:
                key = (row.local.option, row.remote.option, ", ".join(map(text_of, networks)))
                rows_of.setdefault(key, []).append(row.id)
    closed = "only the guard, which keeps it closed" if options.mode == "exclusive" else "no accept rule"
    return [
        f"{remote}: has no network of the family of {addresses} in {local}, so there {' and '.join(rows)} "
        f"{'get' if len(rows) > 1 else 'gets'} {closed}; list networks of that family, or leave the address out"
        for (local, remote, addresses), rows in rows_of.items()
    ]


def _check_names(given: Mapping[str, Any]) -> None:
    for name in given:
        if name not in OPTIONS:
            near = nearest(str(name), OPTIONS)
            remedy = f"say {near}" if near else f"the options are {', '.join(sorted(OPTIONS))}"
            raise OptionError(shown(str(name)), None, "is not an option", remedy)


def _rows(option: str, value: Any) -> Tuple[Row, ...]:
    """Return the named rows, in the order of the table."""
    names = _entries(option, value, f"name rows of {', '.join(ROW_IDS)}, or leave it out for all")
    for name in names:
        if name not in ROW_IDS:
            raise OptionError(option, name, "is not a row of the port table", f"say {' or '.join(ROW_IDS)}")
    return tuple(row for row in PORT_TABLE if row.id in names)


def _entries(option: str, value: Any, remedy: str) -> Sequence[Any]:
    """Return the entries of a list that is not empty, or of a text with commas between them."""
    if isinstance(value, str):
        entries = [entry.strip() for entry in value.split(",")]
        # A comma at the end is no entry, and nothing but commas is no list.
        value = [entry for entry in entries if entry] or entries
    if not isinstance(value, (list, tuple)):
        raise OptionError(option, value, "is not a list", remedy)
    if not value:
        raise OptionError(option, value, "is empty", remedy)
    return value


def _choice(option: str, value: Any) -> str:
    choices: List[str] = OPTIONS[option]["choices"]
    if not isinstance(value, str) or value not in choices:
        raise OptionError(option, value, "is not a choice", f"say {' or '.join(choices)}")
    return str(value)


def read_flag(option: str, value: Any) -> bool:
    """Return a boolean as people write it. Raises OptionError."""
    text = str(value).lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise OptionError(option, value, "is not a boolean", "say true or false")


def _port(option: str, value: Any) -> int:
    number = _number(value)
    if number is None or not 1 <= number <= 65535:
        raise OptionError(option, value, "is not a TCP port", "give a number from 1 to 65535")
    return number


def _seconds(option: str, value: Any) -> int:
    number = _number(value)
    if number is None or number > LONGEST_TIMEOUT:
        raise OptionError(
            option, value, "is not a number of seconds", f"give one from 1 to {LONGEST_TIMEOUT}, or 0 to go without"
        )
    return number


def _number(value: Any) -> Optional[int]:
    """A number that is not negative; None for whatever else."""
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    return int(text)


def _check_ports_differ(ports: Mapping[str, int]) -> None:
    taken: Dict[int, str] = {}
    for option, port in ports.items():
        if taken.setdefault(port, option) != option:
            raise OptionError(option, port, f"is the port of {taken[port]} too", "give two different ports")


def _networks(endpoint: Endpoint, value: Any) -> ByFamily:
    option = endpoint.option
    remedy = f"list the IP addresses of the {endpoint.title}" if endpoint.local else f"say {ANY} or name networks"
    if value is None:
        raise OptionError(option, value, "is missing", remedy)
    value = _entries(option, value, remedy)
    if len(value) > MAX_LIST_LENGTH:
        raise OptionError(
            option, value, f"has {len(value)} entries", f"give at most {MAX_LIST_LENGTH}, by naming wider networks"
        )
    texts = [_text(option, entry) for entry in value]
    if endpoint.local:
        return distinct(by_family(parse_address(option, text) for text in texts))
    if ANY in texts:
        if len(texts) > 1:
            raise OptionError(
                option, value, f"has {ANY} beside other entries", f"say {ANY} alone or only name networks"
            )
        return by_family(WHOLE_FAMILY.values())
    return merge(by_family(parse_network(option, text) for text in texts))


def _text(option: str, entry: Any) -> str:
    if not isinstance(entry, str):
        shown_entry = "null" if entry is None else entry
        raise OptionError(
            option, shown_entry, "is not text", "write every entry as an IP address, in quotes if need be"
        )
    return str(entry)


def _check_sides(endpoints: Mapping[str, ByFamily]) -> None:
    """An address on both sides gets the gateway port too: with any source that opens it to the world."""
    for family, networks in endpoints.get(ACCESS.option, {}).items():
        shared = set(networks) & set(endpoints.get(INTERNAL.option, {}).get(family, ()))
        if shared and WHOLE_FAMILY[family] in endpoints[FRONT_ENDS.option].get(family, ()):
            raise OptionError(
                INTERNAL.option,
                text_of(min(shared)),
                f"stands in {ACCESS.option} too while {FRONT_ENDS.option} is {ANY}",
                f"name the Front End's networks in {FRONT_ENDS.option}, or the gateway port is open to the world",
            )


def _check_families_meet(row: Row, endpoints: Mapping[str, ByFamily]) -> None:
    local, remote = endpoints[row.local.option], endpoints[row.remote.option]
    if not set(local) & set(remote):
        raise OptionError(
            row.remote.option,
            [text_of(network) for networks in remote.values() for network in networks],
            f"has no network of a family in which {row.local.option} has one, so row {row.id} would allow nothing",
            f"add {' or '.join(sorted(local))} networks, or say {ANY}",
        )
