# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ownership tags by which managed resources are known on a host."""

from __future__ import annotations

from .port_table import PORT_TABLE

TABLE_NAME = "xmpp_edge"
TABLE = f"inet {TABLE_NAME}"
"""The managed nftables table."""

COMMENT = f"{TABLE_NAME} "
"""Prefix of the comments of managed rules in unmanaged chains and files."""

CHAIN_PREFIX = "XMPP-EDGE-"
"""Prefix of the names of managed iptables chains."""

NAME_PREFIX = "xmpp-edge-"
"""Prefix of the names of ipsets and of policies of firewalld that releases before 1.2 made."""

TAGS = (TABLE_NAME, CHAIN_PREFIX, NAME_PREFIX)
"""One of these is in the name of each managed chain, or of its table."""

DIRECTIONS_OF_ROWS = {row.id: row.direction for row in PORT_TABLE}
"""Direction of a forwarded rule by its row, where a manager has one chain for both."""

RICH_RULE_PRIORITIES = {row.id: 32101 + number for number, row in enumerate(PORT_TABLE)}
"""Priorities of managed rich rules of firewalld, by row: rich rules have no comment, so these are their tags.

Positive ones stand behind all other rules of a zone, and before its target.
"""
