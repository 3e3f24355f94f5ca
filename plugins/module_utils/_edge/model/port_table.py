# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The port table of XMPP federation at an edge server: the one place that knows its rows and ports.

Source: Microsoft, "Port summary - Extensible messaging and presence protocol (XMPP) federation in
Lync Server 2013", last modified 2012-10-20.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from .literals import Direction


@dataclass(frozen=True)
class Endpoint:
    """One side of a row.

    option: the option that lists its addresses; title: the source's words for it;
    local: whether the addresses are the edge server's own.
    """

    option: str
    title: str
    local: bool


@dataclass(frozen=True)
class Row:
    """One row of the table; transport is what a packet filter sees of the protocol."""

    id: str
    title: str
    protocol: str
    transport: str
    port_option: str
    default_port: int
    direction: Direction
    source: Endpoint
    destination: Endpoint

    @property
    def local(self) -> Endpoint:
        """The side that is the edge server's own."""
        return self.source if self.source.local else self.destination

    @property
    def remote(self) -> Endpoint:
        """The side that "any" stands on in the source."""
        return self.destination if self.source.local else self.source


ACCESS = Endpoint("access_addresses", "Access Edge service interface", True)
INTERNAL = Endpoint("internal_addresses", "internal Edge interface", True)
PARTNERS = Endpoint("partner_networks", "federated partners", False)
FRONT_ENDS = Endpoint("front_end_networks", "Front End Server or Front End pool", False)

PORT_TABLE: Tuple[Row, ...] = (
    Row(
        id="federation_in",
        title="Federated XMPP partners to the Edge Server's XMPP proxy",
        protocol="XMPP",
        transport="tcp",
        port_option="federation_port",
        default_port=5269,
        direction="in",
        source=PARTNERS,
        destination=ACCESS,
    ),
    Row(
        id="federation_out",
        title="The Edge Server's XMPP proxy to federated XMPP partners",
        protocol="XMPP",
        transport="tcp",
        port_option="federation_port",
        default_port=5269,
        direction="out",
        source=ACCESS,
        destination=PARTNERS,
    ),
    Row(
        id="gateway_in",
        title="The XMPP gateway on the Front End Server or Front End pool to the Edge Server",
        protocol="MTLS",
        transport="tcp",
        port_option="gateway_port",
        default_port=23456,
        direction="in",
        source=FRONT_ENDS,
        destination=INTERNAL,
    ),
)

ADDRESS_ENDPOINTS: Tuple[Endpoint, ...] = (ACCESS, INTERNAL)
NETWORK_ENDPOINTS: Tuple[Endpoint, ...] = (PARTNERS, FRONT_ENDS)

ROW_IDS: Tuple[str, ...] = tuple(row.id for row in PORT_TABLE)

DEFAULT_PORTS = {row.port_option: row.default_port for row in PORT_TABLE}
