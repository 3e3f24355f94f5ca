# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, types and defaults of the options that administrators set; every argument spec is composed from here."""

from __future__ import annotations

from typing import Any, Dict, Tuple

from ..model.partner_domains import OPTION as PARTNER_DOMAINS
from ..model.port_table import ADDRESS_ENDPOINTS, DEFAULT_PORTS, NETWORK_ENDPOINTS
from .address_input import ANY
from .host_options import HOST_OPTIONS
from .narrowing import PROFILES

MODES: Tuple[str, ...] = ("exclusive", "permit")
PLACEMENTS: Tuple[str, ...] = ("edge", "firewall", "front_end")
ON_POLICY_OVERRIDE: Tuple[str, ...] = ("fail", "warn")

OPTIONS: Dict[str, Dict[str, Any]] = {
    **HOST_OPTIONS,
    "on_policy_override": {"type": "str", "choices": list(ON_POLICY_OVERRIDE), "default": "fail"},
    "confirm_timeout": {"type": "int", "default": 30},
    "mode": {"type": "str", "choices": list(MODES), "default": "exclusive"},
    "placement": {"type": "str", "choices": list(PLACEMENTS), "default": "edge"},
    # Without choices: the role would have them checked before, and tell a mistake in other words.
    "rows": {"type": "list", "elements": "str"},
    **{end.option: {"type": "list", "elements": "str"} for end in ADDRESS_ENDPOINTS},
    **{end.option: {"type": "list", "elements": "str", "default": [ANY]} for end in NETWORK_ENDPOINTS},
    **{option: {"type": "int", "default": port} for option, port in DEFAULT_PORTS.items()},
    PARTNER_DOMAINS: {"type": "list", "elements": "str", "default": []},
    **{f"limit_{kind}": {"type": "int", "default": 0} for kind in ("new", "burst", "open")},
    "limit_exempt": {"type": "list", "elements": "str", "default": []},
    # Without choices, as for rows.
    "profiles": {"type": "list", "elements": "str", "default": list(PROFILES)},
    "program": {"type": "str", "default": ""},
    "service": {"type": "str", "default": ""},
}
"""Every option of xmpp.edge.firewall, as an Ansible argument spec."""
