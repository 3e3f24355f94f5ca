# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of xmpp.edge.verify_flows, verify_report and doctor, as argument specs of Ansible."""

from __future__ import annotations

from typing import Any, Dict

from ..model.port_table import ROW_IDS

_DEPTH: Dict[str, Any] = {"type": "str", "choices": ["service", "tcp"], "default": "service"}

BEFORE, ATTEMPTS, AFTERWARDS = PHASES = ("before", "attempts", "afterwards")
"""What a host does in turn: it begins to watch, attempts its flows, and tells what it has seen."""

FLOWS_OPTIONS: Dict[str, Dict[str, Any]] = {
    "depth": _DEPTH,
    "timeout": {"type": "float", "default": 2},
    "dns": {"type": "bool", "default": True},
    "ask_servers": {"type": "bool", "default": True},
    "phase": {"type": "str", "choices": list(PHASES), "default": ATTEMPTS},
}
DOCTOR_OPTIONS: Dict[str, Dict[str, Any]] = {
    "domain": {"type": "str", "required": True},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "float", "default": 5},
    "fail": {"type": "bool", "default": True},
}
REPORT_OPTIONS: Dict[str, Dict[str, Any]] = {
    "depth": _DEPTH,
    "evidence": {"type": "path", "default": ""},
    "fail": {"type": "bool", "default": True},
    "allow_unchecked": {"type": "list", "elements": "str", "choices": list(ROW_IDS), "default": []},
}
