# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table against its source, row by row."""

from __future__ import annotations

from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.port_table import DEFAULT_PORTS, PORT_TABLE


def test_rows_are_those_of_the_source():
    rows = [
        (
            row.id,
            row.protocol,
            row.transport,
            row.default_port,
            row.direction,
            row.source.option,
            row.destination.option,
        )
        for row in PORT_TABLE
    ]
    assert rows == [
        ("federation_in", "XMPP", "tcp", 5269, "in", "partner_networks", "access_addresses"),
        ("federation_out", "XMPP", "tcp", 5269, "out", "access_addresses", "partner_networks"),
        ("gateway_in", "MTLS", "tcp", 23456, "in", "front_end_networks", "internal_addresses"),
    ]


def test_rows_of_one_port_option_agree_on_its_default():
    assert all(DEFAULT_PORTS[row.port_option] == row.default_port for row in PORT_TABLE)


def test_each_row_has_one_local_and_one_remote_side():
    assert all(row.local.local and not row.remote.local for row in PORT_TABLE)
