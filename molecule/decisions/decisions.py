# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers of the tests of decisions: an edge without any manager, and runs with what they say."""

from __future__ import annotations

from dataclasses import dataclass

import edge

CLEAN = """
systemctl stop xmpp-edge fail2ban
systemctl disable --quiet --now firewalld nftables
ufw --force disable
find /var/lib/fail2ban -mindepth 1 -delete
rm -rf /etc/xmpp-edge; find /etc/systemd -name '*xmpp-edge*' -delete; systemctl daemon-reload
for program in iptables-legacy ip6tables-legacy; do
  for chain in INPUT OUTPUT FORWARD; do $program -P $chain ACCEPT; done
  for table in filter mangle nat raw; do $program -t $table -F; $program -t $table -X; done
done
nft flush ruleset
rm -rf /etc/ufw /etc/firewalld
cp -a /root/before/ufw /root/before/firewalld /root/before/nftables.conf /etc/
cp -a /root/before/default-ufw /etc/default/ufw
true
"""


@dataclass(frozen=True)
class Run:
    """A run of the playbook. said: its output on one line; failed, changed: what became of it."""

    said: str
    failed: bool
    changed: int


def site(*arguments, **variables):
    """Run the playbook, open to any."""
    done = edge.play("site", *arguments, **{**edge.ANY, **variables})
    said = " ".join(done.stdout.split()).replace('\\"', '"')
    return Run(said, done.returncode != 0, 0 if done.returncode else edge.changed_tasks(done))


def result(**options):
    """Return the result of a run that warns of what is not effective."""
    return edge.result(
        **{"partner_networks": ["any"], "front_end_networks": ["any"], "on_ineffective": "warn", **options}
    )


def load(host, text):
    """Load a ruleset of nft."""
    host.check_output("printf %%s %s > /root/rules.nft && nft -f /root/rules.nft", text)
