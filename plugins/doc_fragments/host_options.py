# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options that concern the host's half as they are."""

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
      - V(auto) finds the one that is live on the host, by running services and loaded rules, never by what is
        installed. Where two are live it fails and names both; where none is, it stands for V(nftables).
      - V(nftables) has a table of its own, V(iptables) chains of its own with a jump to each at the top, V(ufw) rules
        before the user's own, and V(firewalld) two policies and some ipsets. A host that has rules of another of these
        from an earlier run loses those.
      - V(firewalld) needs firewalld 0.9, and with firewalld stopped it changes the permanent configuration only.
        V(ufw) needs ufw to be active.
    type: str
    choices:
      - auto
      - nftables
      - firewalld
      - ufw
      - iptables
    default: auto
  integrate:
    description:
      - What the backend V(nftables) does where an nftables chain of somebody else would drop by default what the rules
        allow - by its policy, or by a rule that singles out neither ports nor addresses.
      - V(auto) puts accept rules, with a comment that marks them as this collection's, at the head of just these
        chains.
      - V(never) leaves them alone, so that the task fails where such a chain drops.
      - Rules that single out ports or addresses were meant, and are never overruled. Neither are chains that a program
        manages.
    type: str
    choices:
      - auto
      - never
    default: auto
  persist:
    description:
      - Whether the rules survive a reboot of the host, and whatever the firewall service of the host does.
      - With V(nftables) and V(iptables) they are kept in C(/etc/xmpp-edge) and loaded before the network is up by
        C(xmpp-edge.service), and again by a drop-in of C(nftables.service) or C(netfilter-persistent.service), since
        these flush the rules of everybody. V(false) removes these files and leaves the live rules as they are. On a
        host without systemd nothing is kept, and the result has a warning that says so.
      - With V(firewalld) they are in the permanent configuration too. With V(ufw) they are always kept.
    type: bool
    default: true
  on_ineffective:
    description:
      - What happens when a row turns out not to be effective because something else on the host drops its packets.
        Either way the chain and the rule that decide are named.
      - V(rollback) fails the task, and undoes what it changed. On Windows hosts it fails the task, and what was changed
        stays.
      - V(warn) lets the rules stand, with a warning.
    type: str
    choices:
      - rollback
      - warn
    default: rollback
  cut_revoked:
    description:
      - Linux hosts only. Whether established connections on the table's ports are closed once their source or their
        destination is not allowed any more. Without it they live on until one side ends them.
      - Only connections that a rule of the former run allowed and that a guard refuses now are closed, at the socket,
        by C(ss --kill). That needs iproute2 and a kernel with C(CONFIG_INET_DIAG_DESTROY), as distributions build it.
    type: bool
    default: false
"""
