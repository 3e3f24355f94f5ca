# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's filter by reverse path. Source: rp_filter in the kernel's ip-sysctl."""

from __future__ import annotations

from typing import Iterable, List

_RP_FILTER = "/proc/sys/net/ipv4/conf/{}/rp_filter"


def strict_devices(devices: Iterable[str]) -> List[str]:
    """Return the devices that drop packets whose answer would leave by another one (rp_filter 1)."""
    return [device for device in sorted(set(devices)) if max(_rp_filter("all"), _rp_filter(device)) == 1]


def _rp_filter(device: str) -> int:
    try:
        with open(_RP_FILTER.format(device), encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0
