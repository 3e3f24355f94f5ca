# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options that concern the host side as they are."""

    DOCUMENTATION = r"""
options:
  state:
    description:
      - V(present) makes the rules on the host equal to the desired ones.
      - V(absent) removes everything that this collection ever put on the host - live rules, files and units - and
        nothing else.
    type: str
    choices:
      - present
      - absent
    default: present
  backend:
    description:
      - The firewall manager that carries the accept rules. Guards stand in an nftables table of their own beside it.
      - V(auto) finds the one that is live on the host, by running services and loaded rules, never by what is
        installed. Where two are live it fails and names both; where none is, it stands for V(nftables).
      - V(nftables) has rules in the chains that drop by default, V(iptables) chains of its own with a jump to
        each there,
        V(ufw) rules behind the user's own, and V(firewalld) rich rules in the zones. A host that has rules
        of another of
        these from an earlier run loses those.
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
      - What the backend V(nftables) does where an unmanaged nftables chain would drop by default what the
        rules allow - by
        its policy, or by a rule that names neither a source nor a port.
      - V(auto) puts accept rules, with a comment that is their ownership tag, immediately before what drops.
      - V(never) leaves them alone, so that the task fails where such a chain drops.
      - Rules that name a source or a port were meant, and are not overruled. Neither are chains that a program manages.
    version_added: 1.1.0
    type: str
    choices:
      - auto
      - never
    default: auto
  persist:
    description:
      - Whether the rules survive a reboot of the host, and whatever the firewall service of the host does.
      - Guards, and accept rules of V(nftables) and V(iptables), are kept in C(/etc/xmpp-edge) and loaded before the
        network is up by C(xmpp-edge.service), and again by a drop-in of C(nftables.service) or
        C(netfilter-persistent.service), since these flush the rules of everybody. V(false) removes these
        files and leaves the live rules as they are. On a
        host without systemd nothing is kept, and the result has a warning that says so.
      - With V(firewalld) they are in the permanent configuration too. With V(ufw) they are always kept.
    type: bool
    default: true
  on_ineffective:
    description:
      - What happens when a row turns out not to be effective because something else on the host drops its packets.
        Either way the chain and the rule that decide are named.
      - V(rollback) fails the task, and rolls its change back. On Windows hosts it fails the task, and what was changed
        stays.
      - V(warn) commits the change, with a warning.
    version_added: 1.1.0
    type: str
    choices:
      - rollback
      - warn
    default: rollback
  log_blocked:
    description:
      - Linux hosts only, and only where there are guards. Whether the kernel logs what they block, with the prefix
        C(xmpp-edge ROW blocked).
      - There are at most 5 lines at once and 6 a minute about one source, and at most 5 at once and one a second from
        one guard.
    type: bool
    default: false
    version_added: 2.0.0
  metrics_file:
    description:
      - Linux hosts only. Absolute path of a file on the host for the textfile collector of node exporter. Each run that
        comes to its end writes its figures there, in the text format of Prometheus. Check mode does not. The folder has
        to exist.
      - Writing it is no change. The rollback of a change restores it. V(state=absent) removes it.
    type: path
    version_added: 2.0.0
  allow_absent_addresses:
    description:
      - Whether the rules are made although the host has none of the addresses in one of the lists, as on the passive
        host of a failover. Without it that is refused, since the addresses are most likely those of another host.
    type: bool
    default: false
    version_added: 2.0.0
  cut_revoked:
    description:
      - Linux hosts only. Whether established connections on the table's ports are closed once their source or their
        destination is not allowed any more. Without it they live on until one side ends them.
      - Only connections that a rule of the former run allowed and that a guard refuses now are closed, at the socket,
        by C(ss --kill). That needs iproute2 and a kernel with C(CONFIG_INET_DIAG_DESTROY), as distributions build it.
    version_added: 1.1.0
    type: bool
    default: false
"""
