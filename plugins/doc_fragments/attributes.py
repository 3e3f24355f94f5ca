# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Documentation that the modules of this collection share."""

    DOCUMENTATION = r"""
options:
  state:
    description:
      - V(present) makes the rules on the host equal to the wanted ones.
      - V(absent) removes everything that this collection ever put on the host - live rules, files and units - and
        nothing else.
    type: str
    choices:
      - present
      - absent
    default: present
  backend:
    description:
      - The firewall manager that carries the rules.
      - V(auto) stands for V(nftables), the one that this version has.
    type: str
    choices:
      - auto
      - nftables
    default: auto
  persist:
    description:
      - Whether the rules survive a reboot of the host and a start, reload, restart or stop of its C(nftables.service).
      - They are kept in C(/etc/xmpp-edge/nftables.nft), loaded before the network is up by C(xmpp-edge.service), and
        loaded again by a drop-in of C(nftables.service), since that service flushes the tables of everybody.
      - V(false) removes these files and leaves the live rules as they are.
      - On a host without systemd nothing is kept, and the result has a warning that says so.
    type: bool
    default: true
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying the host.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change in check mode.
    support: full
  idempotent:
    description: When run twice in a row with the same options, the second run changes nothing.
    support: full
  platform:
    description: Hosts that it works on.
    support: full
    platforms: linux
"""
