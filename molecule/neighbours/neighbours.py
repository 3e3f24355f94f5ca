# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers of the tests beside other programs: a clean edge, what it has, and who reaches it."""

from __future__ import annotations

from ipaddress import ip_address

import edge

UNITS = "ferm shorewall shorewall6 firehol foomuuri nftables netfilter-persistent fail2ban"
CLEAN = f"""
systemctl stop xmpp-edge own
systemctl disable --quiet --now {UNITS}
rm -f /etc/systemd/system/*.wants/own.service
rm -f /etc/systemd/system/own.service
# Bans and snapshots of earlier tests.
find /var/lib/fail2ban /var/lib/shorewall /var/lib/shorewall6 /var/lib/foomuuri -mindepth 1 -delete
rm -rf /etc/xmpp-edge; find /etc/systemd -name '*xmpp-edge*' -delete; systemctl daemon-reload
nft flush ruleset
for program in iptables-legacy ip6tables-legacy; do
  $program -P INPUT ACCEPT; $program -P OUTPUT ACCEPT; $program -P FORWARD ACCEPT
  for table in filter mangle nat raw; do $program -t $table -F; $program -t $table -X; done
done 2> /dev/null
true
"""
UNMANAGED = """
nft -s list ruleset | sed 's/ # handle .*//; s/counter packets [0-9]* bytes [0-9]*/counter/'
# Whether the kernel has legacy tables that are empty is nobody's decision.
for program in iptables-legacy ip6tables-legacy; do $program-save | sed -n '/^-A/p; /^:.* DROP/s/\\[.*//p'; done
"""
ACCESS = edge.TOPOLOGY.addresses("edge", "external")
OUTSIDER = [str(ip_address(one)) for one in edge.TOPOLOGY.addresses("outsider", "external")]


def reach():
    """Return the outcome of a connection from each vantage point to port 5269 of the edge, by family."""
    words = {}
    for vantage in ("partner", "outsider"):
        found = edge.connect(vantage, [(None, address, 5269) for address in ACCESS])
        # How a neighbour refuses is its own decision.
        words[vantage] = ["shut" if word in ("filtered", "refused") else word for word in found]
    return words


OPEN, SHUT = ["open", "open"], ["shut", "shut"]


def site(*arguments, **variables):
    """Run the playbook, open to any."""
    return edge.changed_tasks(edge.play("site", *arguments, **edge.ANY, **variables))


def each_family(command):
    """Return a command for the outsider's address of each family."""
    words = [("ip", "", "iptables"), ("ip6", "6", "ip6tables")]
    return "; ".join(
        command.format(address=address, family=family, version=version, iptables=iptables)
        for address, (family, version, iptables) in zip(OUTSIDER, words)
    )
