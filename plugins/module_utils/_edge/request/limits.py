# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation of the options that limit new connections."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Tuple

from ..model.addresses import canonical_network
from ..model.controls import DEFAULT_BURST, EXEMPT, Limits
from ..model.errors import OptionError
from ..model.port_table import ACCESS, PORT_TABLE
from ..model.rules import Group
from .address_input import ANY, WHOLE_FAMILY, by_family, merge, parse_network, text_of
from .scalars import entries_of, number_of, texts_of

LIMITED = next(row for row in PORT_TABLE if row.direction == "in" and row.local is ACCESS)
"""The row of the port table that is open to the internet."""

MOST = 60_000
"""Most connections of one limit. That is a thousand a second, which few servers bear."""


def read_limits(values: Mapping[str, Any], mode: str, is_carried: bool) -> Optional[Limits]:
    """Return the limits that options say, None for none. Raises OptionError.

    mode: of the task; is_carried: whether the host carries the row that is limited.
    """
    new = _count("limit_new", values["limit_new"], "new connections a minute")
    burst = _count("limit_burst", values["limit_burst"], "connections at once")
    most = _count("limit_open", values["limit_open"], "open connections")
    if burst and not new:
        raise OptionError("limit_burst", burst, "limits nothing without limit_new", "say that too, or leave it out")
    exempt = _exempt(values[EXEMPT])
    for option, value in (("limit_new", new), ("limit_open", most)):
        if value and mode == "permit":
            raise OptionError(option, value, "needs guards, which mode: permit has not", "say mode: exclusive")
        if value and not is_carried:
            raise OptionError(
                option, value, f"is for row {LIMITED.id}, which this host does not carry", "leave it out here"
            )
    return Limits(LIMITED.id, new, burst or DEFAULT_BURST, most, exempt) if new or most else None


def _count(option: str, value: Any, what: str) -> int:
    number = number_of(value)
    if number is None or number > MOST:
        raise OptionError(option, value, f"is not a number of {what}", f"give one from 1 to {MOST}, or 0 for no limit")
    return number


def _exempt(value: Any) -> Tuple[Group, ...]:
    """Return the networks that no limit holds for, a group for each family."""
    if value in ([], ""):
        return ()
    texts = texts_of(EXEMPT, entries_of(EXEMPT, value, "name networks, or leave it out"))
    if ANY in texts:
        raise OptionError(EXEMPT, ANY, "would exempt everybody", "name networks, or leave the limits out")
    networks = merge(by_family(parse_network(EXEMPT, text) for text in texts))
    for family, found in networks.items():
        if found == (WHOLE_FAMILY[family],):
            raise OptionError(EXEMPT, value, f"would exempt all {family} addresses", "leave the limits out")
    return tuple(
        Group(f"{EXEMPT}_{family}", tuple(canonical_network(text_of(network)) for network in found))
        for family, found in networks.items()
        if found
    )
