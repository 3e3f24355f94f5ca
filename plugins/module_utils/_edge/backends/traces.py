# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A quick look for traces of each backend on a host, by ownership tags alone."""

from __future__ import annotations

import binascii
import os

from ..host.files import read_text
from ..host.firewall import Host
from ..host.runner import find_program
from ..model.ownership import CHAIN_PREFIX, COMMENT, NAME_PREFIX, TABLE_NAME

_UFW_FILES = ("/etc/ufw/user.rules", "/etc/ufw/user6.rules")
_FIREWALLD_FOLDERS = ("/etc/firewalld/policies", "/etc/firewalld/ipsets")


def may_have_traces(backend: str, host: Host) -> bool:
    """Whether a host may have something of a backend's, told by marks alone and without the backend's code.

    A yes may turn out to be nothing of ours; a no is certain.
    """
    listings = (host.firewall.listing_text, *host.firewall.saves.values())
    if backend == "nftables":
        return TABLE_NAME in host.firewall.listing_text
    if backend == "iptables":
        return any(CHAIN_PREFIX in text for text in listings) or NAME_PREFIX in _ipsets(host)
    if backend == "ufw":
        in_hexadecimal = binascii.hexlify(COMMENT.encode()).decode()
        return any(in_hexadecimal in (read_text(path) or "") for path in _UFW_FILES)
    names = (name for folder in _FIREWALLD_FOLDERS if os.path.isdir(folder) for name in os.listdir(folder))
    return any(name.startswith(NAME_PREFIX) for name in names) or any(f"_{NAME_PREFIX}" in text for text in listings)


def _ipsets(host: Host) -> str:
    program = find_program("ipset")
    return host.run([program, "list", "-name"], "").stdout if program else ""
