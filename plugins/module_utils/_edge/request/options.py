# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation of what administrators give, before anything is done to any host."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..model.controls import Limits
from ..model.errors import OptionError, shown
from ..model.partner_domains import OPTION as PARTNER_DOMAINS
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
from .limits import LIMITED, read_limits
from .narrowing import NOT_NARROWED, NOTHING_LISTED, Narrowing, read_narrowing, without_local_subnet
from .nearest import nearest
from .option_spec import OPTIONS, PLACEMENTS
from .partner_domains import ROW as DIALLED
from .partner_domains import Domains, read_domains
from .scalars import entries_of, number_of, texts_of

LONGEST_TIMEOUT = 3600
"""Most seconds that a change may wait for its confirmation; other runs on that host wait with it."""

_TRUE = frozenset(("true", "yes", "on", "1", "y", "t"))
_FALSE = frozenset(("false", "no", "off", "0", "n", "f"))


EDGE, FIREWALL, FRONT_END = PLACEMENTS


@dataclass(frozen=True)
class Inputs:
    """What the rules of one edge are made of, or those of several edges that agree in all but their own addresses.

    names: of those edges in the inventory, empty for this host itself; rows: those of the port table that are carried;
    endpoints: the networks of each endpoint option that one of them needs, by family, where "any" is the whole of both
    families; ports: the port of each port option that one of them needs; domains: partners by domain.
    """

    names: Tuple[str, ...]
    rows: Tuple[Row, ...]
    endpoints: Mapping[str, ByFamily]
    ports: Mapping[str, int]
    domains: Tuple[str, ...] = ()


NO_INPUTS = Inputs((), (), {}, {})


@dataclass(frozen=True)
class Options:
    """Options that have passed every check.

    placement: which host of the table this is; inputs: those of this host, or of each edge that it stands before;
    empty when the state is absent; limits: None where nothing is limited.
    """

    state: str
    mode: str
    placement: str
    backend: str
    integrate: str
    persist: bool
    on_ineffective: str
    cut_revoked: bool
    confirm_timeout: int
    on_policy_override: str
    allow_absent_addresses: bool
    inputs: Tuple[Inputs, ...]
    limits: Optional[Limits] = None
    log_blocked: bool = False
    metrics_file: Optional[str] = None
    narrowing: Narrowing = NOT_NARROWED

    @property
    def rows(self) -> Tuple[Row, ...]:
        """Return the rows of the port table that the host carries."""
        carried = {row.id for one in self.inputs for row in one.rows}
        return tuple(row for row in PORT_TABLE if row.id in carried)

    @property
    def endpoints(self) -> Mapping[str, ByFamily]:
        """Return the networks of each endpoint option of an edge."""
        return next(iter(self.inputs), NO_INPUTS).endpoints

    @property
    def ports(self) -> Mapping[str, int]:
        """Return the port of each port option of an edge."""
        return next(iter(self.inputs), NO_INPUTS).ports

    @property
    def numbered(self) -> Dict[str, Inputs]:
        """Return the inputs of each edge by the end of the names of its groups, without their families."""
        return {f"_{number}" if number > 1 else "": one for number, one in enumerate(self.inputs, 1)}

    @property
    def domains(self) -> Domains:
        """Return the partners by domain, and the port at which they are, by the name of their groups."""
        return {
            f"{PARTNER_DOMAINS}{suffix}": (one.domains, one.ports[DIALLED.port_option])
            for suffix, one in self.numbered.items()
            if one.domains
        }

    @property
    def own_addresses(self) -> Dict[str, List[str]]:
        """Return the addresses that are taken for the host's own, by the option that lists them."""
        if self.placement != EDGE:
            return {}
        found = {one.option: self.endpoints.get(one.option, {}) for one in ADDRESS_ENDPOINTS}
        return {
            option: [text_of(network) for networks in by_families.values() for network in networks]
            for option, by_families in found.items()
            if by_families
        }


def parse_options(given: Mapping[str, Any], edges: Optional[Mapping[str, Mapping[str, Any]]] = None) -> Options:
    """Check what an administrator gave. Raises OptionError on the first thing that is wrong.

    edges: by name what was given for each edge that the host stands before, None for what is given here.
    """
    _check_names(given)
    # A default is for an option that is left out: one that is given without a value is a mistake.
    values = {name: given[name] if name in given else spec.get("default") for name, spec in OPTIONS.items()}
    state, placement = _choice("state", values["state"]), _choice("placement", values["placement"])
    mode = _choice("mode", values["mode"])
    inputs: List[Inputs] = []
    narrowing = NOT_NARROWED
    if state == "present":  # Removal needs none of them, and a mistake in them must not stand in its way.
        rows = _rows_of_placement(placement, given)
        narrowing = _narrow(values, mode, placement)
        if edges is None or placement == EDGE:
            inputs = [_inputs((), rows, values, placement)]
        else:
            inputs = _joined([_inputs_of_edge(name, rows, one, placement) for name, one in edges.items()])
            if not inputs:
                wanted = ", ".join(row.id for row in rows)
                raise OptionError("rows", wanted, "is carried by none of the edges", "name rows that they have")
    carried = {row for one in inputs for row in one.rows} if placement != FRONT_END else set()
    return Options(
        state=state,
        mode=mode,
        placement=placement,
        backend=_choice("backend", values["backend"]),
        integrate=_choice("integrate", values["integrate"]),
        persist=read_flag("persist", values["persist"]),
        on_ineffective=_choice("on_ineffective", values["on_ineffective"]),
        cut_revoked=read_flag("cut_revoked", values["cut_revoked"]),
        confirm_timeout=_seconds("confirm_timeout", values["confirm_timeout"]),
        on_policy_override=_choice("on_policy_override", values["on_policy_override"]),
        allow_absent_addresses=read_flag("allow_absent_addresses", values["allow_absent_addresses"]),
        inputs=tuple(inputs),
        limits=read_limits(values, mode, LIMITED in carried) if state == "present" else None,
        log_blocked=_log(values["log_blocked"], mode) if state == "present" else False,
        metrics_file=_path("metrics_file", values["metrics_file"], state),
        narrowing=narrowing,
    )


def _narrow(values: Dict[str, Any], mode: str, placement: str) -> Narrowing:
    """Return what is for Windows only, and take the keyword out of the values."""
    option = FRONT_ENDS.option
    refused = "" if placement == EDGE else f"is for the Windows hosts of edges, and not for placement {placement}"
    values[option], local_subnet = without_local_subnet(values[option], mode, refused)
    return read_narrowing(values, local_subnet, has_inbound=placement != FRONT_END)


def _log(value: Any, mode: str) -> bool:
    log = read_flag("log_blocked", value)
    if log and mode == "permit":
        raise OptionError("log_blocked", value, "needs guards, which mode: permit has not", "say mode: exclusive")
    return log


def _path(option: str, value: Any, state: str) -> Optional[str]:
    """Return the path of a file on the host, None where there is to be none."""
    if value is None or value == "":
        return None
    text = str(value)
    if not isinstance(value, str) or not text.startswith("/") or text.endswith("/") or not text.isprintable():
        if state == "absent":
            return None
        raise OptionError(option, value, "is not the absolute path of a file", "name one such as /var/lib/edge.prom")
    return text


def _rows_of_placement(placement: str, given: Mapping[str, Any]) -> Tuple[Row, ...]:
    """Return the rows that are asked for, which the placement has to have."""
    # A front end is the source of one row.
    known = tuple(row for row in PORT_TABLE if placement != FRONT_END or row.remote is FRONT_ENDS)
    if "rows" not in given:
        return known
    rows = _rows("rows", given["rows"])
    for row in rows:
        if row not in known:
            names = " or ".join(one.id for one in known)
            raise OptionError("rows", row.id, f"is no row of placement {placement}", f"say {names}, or leave it out")
    return rows


def _inputs(names: Tuple[str, ...], rows: Sequence[Row], values: Mapping[str, Any], placement: str) -> Inputs:
    """Return the checked inputs of one edge."""
    ports = {row.port_option: _port(row.port_option, values[row.port_option]) for row in rows}
    _check_ports_differ(ports)
    needed = {endpoint for row in rows for endpoint in (row.source, row.destination)}
    if placement == FRONT_END:
        needed = {INTERNAL}
    if placement == FIREWALL:
        # The other addresses of the edge are guarded as well.
        needed |= {endpoint for endpoint in ADDRESS_ENDPOINTS if values[endpoint.option] is not None}
    endpoints: Dict[str, ByFamily] = {}
    for endpoint in (*ADDRESS_ENDPOINTS, *NETWORK_ENDPOINTS):
        if endpoint in needed:
            endpoints[endpoint.option] = _networks(endpoint, values[endpoint.option])
    _check_sides(endpoints)
    # A router carries some of the rows of its edges, and a Front End none that the domains are for.
    is_carried = DIALLED in rows or bool(names) or placement == FRONT_END
    domains = read_domains(values[PARTNER_DOMAINS], is_carried)
    domains = domains if DIALLED in rows and placement != FRONT_END else ()
    for row in rows if placement != FRONT_END else ():
        if not (row is DIALLED and domains):
            _check_families_meet(row, endpoints)
    return Inputs(names, tuple(rows), endpoints, ports, domains)


def _inputs_of_edge(name: str, rows: Sequence[Row], given: Mapping[str, Any], placement: str) -> Inputs:
    """Return the inputs of an edge that another host stands before. Raises OptionError that names the edge."""
    values = {option: given.get(option, spec.get("default")) for option, spec in OPTIONS.items()}
    try:
        theirs = _rows("rows", given["rows"]) if "rows" in given else PORT_TABLE
        return _inputs((name,), [row for row in rows if row in theirs], values, placement)
    except OptionError as error:
        raise error.about(name) from None


def _joined(inputs: Sequence[Inputs]) -> List[Inputs]:
    """Return the inputs of edges, with those as one that differ in nothing but the edges' own addresses."""
    found: Dict[str, List[Inputs]] = {}
    for one in inputs:
        remotes = {end.option: one.endpoints.get(end.option) for end in NETWORK_ENDPOINTS}
        if one.rows:
            found.setdefault(str((one.rows, remotes, one.ports, one.domains)), []).append(one)
    return [_as_one(alike) for alike in found.values()]


def _as_one(alike: Sequence[Inputs]) -> Inputs:
    endpoints = dict(alike[0].endpoints)
    for end in ADDRESS_ENDPOINTS:
        found = [network for one in alike for part in one.endpoints.get(end.option, {}).values() for network in part]
        if found:
            endpoints[end.option] = distinct(by_family(found))
    return replace(alike[0], names=tuple(name for one in alike for name in one.names), endpoints=endpoints)


def family_warnings(options: Options) -> List[str]:
    """Return a sentence for each own address that no listed network can reach, since none is of its family."""
    rows_of: Dict[Tuple[str, str, str], List[str]] = {}
    for inputs, row in ((one, row) for one in options.inputs for row in one.rows if options.placement != FRONT_END):
        if row is DIALLED and inputs.domains:
            continue  # Their families are known once they are looked up.
        remote = inputs.endpoints[row.remote.option]
        for family, networks in inputs.endpoints[row.local.option].items():
            if remote and family not in remote:
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
    names = entries_of(option, value, f"name rows of {', '.join(ROW_IDS)}, or leave it out for all")
    for name in names:
        if name not in ROW_IDS:
            raise OptionError(option, name, "is not a row of the port table", f"say {' or '.join(ROW_IDS)}")
    return tuple(row for row in PORT_TABLE if row.id in names)


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
    number = number_of(value)
    if number is None or not 1 <= number <= 65535:
        raise OptionError(option, value, "is not a TCP port", "give a number from 1 to 65535")
    return number


def _seconds(option: str, value: Any) -> int:
    number = number_of(value)
    if number is None or number > LONGEST_TIMEOUT:
        raise OptionError(
            option, value, "is not a number of seconds", f"give one from 1 to {LONGEST_TIMEOUT}, or 0 to go without"
        )
    return number


def _check_ports_differ(ports: Mapping[str, int]) -> None:
    taken: Dict[int, str] = {}
    for option, port in ports.items():
        if taken.setdefault(port, option) != option:
            raise OptionError(option, port, f"is the port of {taken[port]} too", "give two different ports")


def _networks(endpoint: Endpoint, value: Any) -> ByFamily:
    option = endpoint.option
    remedy = f"list the IP addresses of the {endpoint.title}" if endpoint.local else f"say {ANY} or name networks"
    if value is NOTHING_LISTED:
        return {}
    if value is None:
        raise OptionError(option, value, "is missing", remedy)
    value = entries_of(option, value, remedy)
    texts = texts_of(option, value)
    if endpoint.local:
        return distinct(by_family(parse_address(option, text) for text in texts))
    if ANY in texts:
        if len(texts) > 1:
            raise OptionError(
                option, value, f"has {ANY} beside other entries", f"say {ANY} alone or only name networks"
            )
        return by_family(WHOLE_FAMILY.values())
    return merge(by_family(parse_network(option, text) for text in texts))


def _check_sides(endpoints: Mapping[str, ByFamily]) -> None:
    """An address on both sides gets the gateway port too: with any source that opens it to the world."""
    for family, networks in endpoints.get(ACCESS.option, {}).items():
        shared = set(networks) & set(endpoints.get(INTERNAL.option, {}).get(family, ()))
        if shared and WHOLE_FAMILY[family] in endpoints.get(FRONT_ENDS.option, {}).get(family, ()):
            raise OptionError(
                INTERNAL.option,
                text_of(min(shared)),
                f"stands in {ACCESS.option} too while {FRONT_ENDS.option} is {ANY}",
                f"name the Front End's networks in {FRONT_ENDS.option}, or the gateway port is open to the world",
            )


def _check_families_meet(row: Row, endpoints: Mapping[str, ByFamily]) -> None:
    local, remote = endpoints[row.local.option], endpoints[row.remote.option]
    if not remote:
        return  # It has LocalSubnet alone.
    if not set(local) & set(remote):
        raise OptionError(
            row.remote.option,
            [text_of(network) for networks in remote.values() for network in networks],
            f"has no network of a family in which {row.local.option} has one, so row {row.id} would allow nothing",
            f"add {' or '.join(sorted(local))} networks, or say {ANY}",
        )
