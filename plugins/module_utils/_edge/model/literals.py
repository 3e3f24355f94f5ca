# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Types of the words that rules and verdicts are made of."""

from __future__ import annotations

from typing import Literal

Direction = Literal["in", "out"]
"""Direction of a connection's first packet, seen from this host."""

Action = Literal["allow", "block"]

Family = Literal["ipv4", "ipv6"]
PacketFamily = Literal["ipv4", "ipv6", "arp"]
"""Family of a packet: of one that carries a connection, or that discovers an IPv4 neighbour."""

RuleFamily = Literal["ipv4", "ipv6", "any"]
"""Family of a rule; a block rule is for both."""

Side = Literal["source", "destination"]
"""Side of a packet whose address or port is translated."""

Outcome = Literal["accept", "drop", "unknown"]
"""Verdict on a packet or connection."""

Effective = Literal["yes", "no", "unknown"]
"""Verdict on a row."""
