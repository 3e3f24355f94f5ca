# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ownership tags by which managed resources are known on a host."""

from __future__ import annotations

TABLE_NAME = "xmpp_edge"
TABLE = f"inet {TABLE_NAME}"
"""Our nftables table."""

COMMENT = f"{TABLE_NAME} "
"""What the comments of our rules begin with, where they stand among those of others."""

CHAIN_PREFIX = "XMPP-EDGE-"
"""What the names of our iptables chains begin with."""

NAME_PREFIX = "xmpp-edge-"
"""What the names of our ipsets and firewalld policies begin with."""

TAGS = (TABLE_NAME, CHAIN_PREFIX, NAME_PREFIX)
"""One of these is in the name of each managed chain, or of its table."""
