# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router before the edge, which has no rules of its own: each manager, plain routing and NAT."""

from __future__ import annotations

import edge
import pytest
from perimeter import FEDERATION, addresses, attempts, changed, play, wrong

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
FIREWALLD = """
systemctl start firewalld
firewall-cmd --permanent --zone=external --remove-masquerade
firewall-cmd --permanent --zone=external --add-interface=eth0
firewall-cmd --permanent --zone=dmz --add-interface=eth1
firewall-cmd --reload
"""
DROPS = {
    "nftables": NFT_DROP,
    "iptables": IPTABLES_DROP,
    "iptables-legacy": LEGACY_DROP,
    "ufw": UFW,
    "firewalld": FIREWALLD,
}


@pytest.mark.parametrize("manager", DROPS)
def test_a_router_that_drops_by_default_lets_pass_what_the_table_says(router, manager):
    router.check_output(DROPS[manager])
    assert wrong(opened=False)
    assert not set(wrong(opened=False).values()) & {"open"}  # Nothing passes yet.
    if manager == "nftables":
        done = play("site", *ROUTER, xmpp_edge_integrate="never")
        assert done.returncode != 0
        assert "federation_in: chain inet filter forward: policy drop" in " ".join(done.stdout.split())
    done = play("site", *ROUTER)
    assert changed(done) == 1, done.stdout
    assert f"router: changed, {manager.partition('-')[0]}, effective yes, guarded yes" in done.stdout
    assert wrong(opened=False) == {}
    assert changed(play("site", *ROUTER)) == 0
    # A second edge, of which other partners may federate.
    both = {"xmpp_edge_of": ["server", "other"]}
    assert changed(play("site", *ROUTER, **both)) == 1
    assert changed(play("site", *ROUTER, **both)) == 0
    assert attempts("gateway", "other", FEDERATION) == ["open", "open"]
    assert attempts("partner", "other", FEDERATION) == ["filtered", "filtered"]
    assert attempts("partner", "server", FEDERATION) == ["open", "open"]
    assert attempts("gateway", "server", FEDERATION) == ["filtered", "filtered"]
    assert changed(play("remove", *ROUTER)) == 1
    assert not set(wrong(opened=False).values()) & {"open"}


NAT = """
nft -f - << END
table inet nat {
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iifname eth0 ip daddr PUBLIC4 tcp dport 5269 dnat ip to SERVER4
    iifname eth0 ip6 daddr PUBLIC6 tcp dport 5269 dnat ip6 to SERVER6
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname eth0 ip saddr SERVER4 snat ip to PUBLIC4
    oifname eth0 ip6 saddr SERVER6 snat ip6 to PUBLIC6
  }
}
END
"""


def with_addresses(script):
    """Return a script with the addresses of the perimeter."""
    for name in ("public", "server"):
        for family, address in addresses(name).items():
            script = script.replace(f"{name.upper()}{family[-1]}", address)
    return script


@pytest.mark.parametrize("manager", ["", "nftables", "ufw"])
def test_translation_of_both_sides_changes_nothing(router, manager):
    router.check_output(f"{DROPS.get(manager, 'true')}\n{with_addresses(NAT)}")
    opened = not manager
    done = play("site", *ROUTER)
    assert changed(done) == 1, done.stdout
    assert "effective yes, guarded yes" in done.stdout
    assert "WARNING" not in done.stdout
    assert {flow: word for flow, word in wrong(opened, "public").items() if "5222" not in flow} == {}
    assert changed(play("site", *ROUTER)) == 0


def test_a_changed_source_is_told(router):
    router.check_output(
        "nft 'table inet nat { chain post { type nat hook postrouting priority srcnat; oifname eth1 masquerade; }; }'"
    )
    done = play("site", *ROUTER)
    said = " ".join(done.stdout.split())
    assert "federation_in: this router changes the source of connections to" in said
    assert f"arrive there from {edge.TOPOLOGY.address('edge', 'internal', 'ipv4')}" in said
    # The router itself sees the source as it was.
    assert wrong() == {}


def test_a_router_that_has_the_address_itself_is_refused(router):
    address = addresses("public")["ipv4"]
    done = play("site", *ROUTER, xmpp_edge_access_addresses=[address])
    said = " ".join(done.stdout.split())
    # Variables of the edge's host are those that count.
    assert f"xmpp_edge_access_addresses: '{address}' is an address of this router itself" in said
    assert "xmpp" not in router.check_output("nft list ruleset")
