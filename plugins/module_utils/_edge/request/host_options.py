# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, types and defaults of the options that concern the host side as they are."""

from __future__ import annotations

from typing import Any, Dict, Tuple

STATES: Tuple[str, ...] = ("present", "absent")
BACKENDS: Tuple[str, ...] = ("auto", "nftables", "firewalld", "ufw", "iptables")
INTEGRATE: Tuple[str, ...] = ("auto", "never")
ON_INEFFECTIVE: Tuple[str, ...] = ("rollback", "warn")

HOST_OPTIONS: Dict[str, Dict[str, Any]] = {
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "backend": {"type": "str", "choices": list(BACKENDS), "default": "auto"},
    "integrate": {"type": "str", "choices": list(INTEGRATE), "default": "auto"},
    "persist": {"type": "bool", "default": True},
    "on_ineffective": {"type": "str", "choices": list(ON_INEFFECTIVE), "default": "rollback"},
    "cut_revoked": {"type": "bool", "default": False},
    "allow_absent_addresses": {"type": "bool", "default": False},
    "log_blocked": {"type": "bool", "default": False},
    "metrics_file": {"type": "path"},
}
