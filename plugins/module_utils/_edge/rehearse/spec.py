# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of xmpp.edge.rehearsal, as an argument spec of Ansible."""

from __future__ import annotations

from typing import Any, Dict

from ..request.host_options import BACKENDS

OPTIONS: Dict[str, Dict[str, Any]] = {
    "name": {"type": "str", "default": "xmpp-rehearsal"},
    "backend": {"type": "str", "choices": list(BACKENDS), "default": "auto"},
    "most": {"type": "int", "default": 8},
}
