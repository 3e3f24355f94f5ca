# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router before the edge, which has no rules of its own: each manager, plain routing and NAT."""

from __future__ import annotations

import pytest
from perimeter import changed, play, wrong

ROUTER = ("--limit", "router")


def test_a_router_that_drops_nothing_guards_the_edge_alone(router):
    done = play("site", *ROUTER)
    assert changed(done) == 1, done.stdout
    assert "effective yes, guarded yes" in done.stdout
    assert wrong() == {}
    assert changed(play("site", *ROUTER)) == 0
    assert changed(play("remove", *ROUTER)) == 1
    assert "xmpp" not in router.check_output("nft list ruleset; find /etc -name '*xmpp*'")


NFT_DROP = """
nft -f - << END
table inet filter {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
  }
}
END
"""
IPTABLES_DROP = """
for program in iptables ip6tables; do
  $program -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
  $program -P FORWARD DROP
done
"""
LEGACY_DROP = IPTABLES_DROP.replace("ip6tables", "ip6tables-legacy").replace(" iptables", " iptables-legacy")
UFW = "ufw --force enable"
FIREWALLD = "systemctl start firewalld; firewall-cmd --zone=external --change-interface=eth0; firewall-cmd --zone=dmz --change-interface=eth1"
DROPS = {
    "nftables": NFT_DROP,
    "iptables": IPTABLES_DROP,
    "iptables-legacy": LEGACY_DROP,
    "ufw": UFW,
}


@pytest.mark.parametrize("manager", DROPS)
def test_a_router_that_drops_by_default_lets_pass_what_the_table_says(router, manager):
    router.check_output(DROPS[manager])
    assert set(wrong(opened=False).values()) == {"filtered"}  # Nothing passes yet.
    done = play("site", *ROUTER)
    assert changed(done) == 1, done.stdout
    assert f"router: changed, {manager.partition('-')[0]}, effective yes, guarded yes" in done.stdout
    assert wrong(opened=False) == {}
    assert changed(play("site", *ROUTER)) == 0
    assert changed(play("remove", *ROUTER)) == 1
    assert set(wrong(opened=False).values()) == {"filtered"}
