# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that this host carries, asked of the kernel in the cheapest way: by binding to them."""

from __future__ import annotations

import errno
import socket
from typing import Iterable, List

from ..model.rules import Rule


def addresses_not_carried(rules: Iterable[Rule]) -> List[str]:
    """Addresses that the rules take for the host's own although no interface has them, in order of first use.

    Where the host may bind to addresses of others (net.ipv4.ip_nonlocal_bind, usual with virtual addresses
    that move between hosts) none is reported.
    """
    named = [rule.local for rule in rules]
    addresses = dict.fromkeys(address for group in named if group for address in group.networks)
    return [address for address in addresses if not _is_carried(address)]


def _is_carried(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError as error:
        # Any other failure (a link-local address without its interface, say) says nothing about the address.
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True
