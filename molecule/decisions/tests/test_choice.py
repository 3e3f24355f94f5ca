# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts on which several programs make rules: whose chains get the accept rules, and what is said where none do."""

from __future__ import annotations

import edge
import pytest
from decisions import load, result, site
from neighbours import OPEN, SHUT, reach

DROPPING = """
table inet filter {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iif lo accept
    meta l4proto { icmp, ipv6-icmp } accept
    tcp dport 22 accept
  }
}
"""
IPTABLES = """*filter
:INPUT {policy} [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
{chains}-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -p ipv6-icmp -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
{rules}COMMIT
"""


def restore(host, variant="nft", policy="DROP", chains="", rules=""):
    """Load rules of iptables into both families."""
    text = IPTABLES.format(policy=policy, chains=chains, rules=rules)
    for program in ("iptables", "ip6tables"):
        host.check_output("printf %%s %s | %s", text, f"{program}-{variant}-restore".replace(" ", ""))


def assert_opened(backend, reason):
    """Assert that a run opens the host by a backend, a second changes nothing, and a removal restores everything."""
    assert reach() == {"partner": SHUT, "outsider": SHUT}
    done = site()
    assert (done.failed, done.changed) == (False, 1), done.said
    assert reach() == {"partner": OPEN, "outsider": OPEN}
    found = result()
    assert (found["changed"], found["backend"], found["backend_reason"]) == (False, backend, reason)
    assert edge.changed_tasks(edge.play("remove")) == 1
    assert reach() == {"partner": SHUT, "outsider": SHUT}


LXD = (
    "-A INPUT -i lxdbr0 -p tcp -m tcp --dport 53 -m comment --comment 'generated for LXD network lxdbr0' -j ACCEPT",
    "-A INPUT -i lxdbr0 -p udp -m udp --dport 67 -m comment --comment 'generated for LXD network lxdbr0' -j ACCEPT",
    "-A OUTPUT -o lxdbr0 -p udp -m udp --sport 53 -j ACCEPT",
)
LIBVIRT = (
    "-N LIBVIRT_INP",
    "-A INPUT -j LIBVIRT_INP",
    "-A LIBVIRT_INP -i virbr0 -p udp -m udp --dport 53 -j ACCEPT",
)
BANS = ("-N f2b-sshd", "-I INPUT -p tcp -m multiport --dports 22 -j f2b-sshd", "-A f2b-sshd -s 198.19.9.9 -j REJECT")


@pytest.mark.parametrize("rules", [LXD, LIBVIRT, BANS])
def test_programs_that_drop_nothing_by_default_are_no_second_manager(host, rules):
    load(host, DROPPING)
    for rule in rules:
        host.check_output(f"iptables {rule} && ip6tables {rule.replace('198.19.9.9', '2001:db8:9::9')}")
    assert_opened("nftables", "chain inet filter input drops")


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_the_variant_of_iptables_whose_chains_drop_is_taken(host, variant):
    restore(host, variant)
    other = {"nft": "legacy", "legacy": "nft"}[variant]
    host.check_output(f"iptables-{other} -N DOCKER-USER && iptables-{other} -A FORWARD -j DOCKER-USER")
    host.check_output(f"iptables-{other} -P FORWARD DROP")
    host.check_output(f"iptables-{other} -t nat -A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE")
    assert_opened("iptables", f"chain iptables-{variant} filter INPUT drops")


NATIVE = """
table ip filter {{
  chain INPUT {{
    type filter hook input priority filter; policy drop;
    ct state established,related {count}accept
    iifname lo {count}accept
    ip protocol icmp {count}accept
    tcp dport 22 {count}accept
  }}
}}
table ip6 filter {{
  chain INPUT {{
    type filter hook input priority filter; policy drop;
    tcp flags & (fin | syn | rst | ack) != syn {count}accept
    meta l4proto ipv6-icmp {count}accept
    tcp dport 22 {count}accept
  }}
}}
"""


def test_a_table_of_nft_with_a_name_of_iptables_stays_nfts(host):
    plain = "tcp flags & (syn | ack) != syn accept"
    load(host, NATIVE.format(count="").replace("ct state established,related accept", plain))
    assert_opened("nftables", "chain ip filter INPUT drops")


def test_a_table_that_nftables_service_loads_is_nfts_however_plain_its_rules_are(host):
    text = NATIVE.format(count="counter ").replace(
        "ct state established,related counter accept", "tcp flags & (fin | syn | rst | ack) != syn counter accept"
    )
    host.check_output("printf %%s %s > /etc/nftables.conf && systemctl enable --now nftables", f"flush ruleset\n{text}")
    # iptables can list all of it.
    assert "--dport 22" in host.check_output("iptables-save")
    assert_opened("nftables", "nftables.service is active")


def test_a_table_of_ufw_that_another_program_has_put_rules_of_nft_into(host):
    host.check_output("ufw allow 22/tcp && ufw --force enable")
    host.check_output("nft add chain ip filter netbird-acl-input-rules")
    host.check_output("nft add rule ip filter netbird-acl-input-rules iifname wt0 ct state established,related accept")
    host.check_output("nft insert rule ip filter INPUT iifname wt0 jump netbird-acl-input-rules")
    # iptables-save leaves the table out.
    assert "ufw" not in host.check_output("iptables-save 2> /dev/null")
    assert_opened("ufw", "ufw status is active")


def test_a_rule_of_nft_in_the_very_chain_is_named(host):
    restore(host)
    host.check_output("nft insert rule ip filter INPUT iifname wt0 ct state established accept")
    done = site()
    assert done.failed
    assert "chain iptables-nft filter INPUT has a rule that was made by nft" in done.said
    assert reach() == {"partner": SHUT, "outsider": SHUT}
    assert not host.run("nft list table inet xmpp_edge").succeeded


PROXMOX = (
    ":PVEFW-INPUT - [0:0]\n:PVEFW-HOST-IN - [0:0]\n:PVEFW-Drop - [0:0]\n",
    "-A INPUT -j PVEFW-INPUT\n-A PVEFW-INPUT -j PVEFW-HOST-IN\n-A PVEFW-HOST-IN -p tcp --dport 8006 -j ACCEPT\n"
    "-A PVEFW-HOST-IN -j PVEFW-Drop\n-A PVEFW-HOST-IN -j DROP\n-A PVEFW-Drop -p tcp --dport 43 -j REJECT\n",
)


def test_a_chain_that_a_program_rebuilds_is_left_alone_and_its_remedy_named(host):
    restore(host, "nft", "ACCEPT", *PROXMOX)
    before = host.check_output("iptables -S; ip6tables -S")
    done = site()
    assert done.failed
    assert "the Proxmox VE firewall rebuilds this chain, so add a rule such as" in done.said
    assert host.check_output("iptables -S; ip6tables -S") == before
    found = result()
    assert (found["backend"], found["backend_reason"]) == ("iptables", "chain iptables-nft filter INPUT drops")
    assert found["rows"]["federation_in"]["effective"] == "no"


ODD = """
table inet {table} {{
  chain {chain} {{
    ct state established,related accept
    meta l4proto {{ icmp, ipv6-icmp }} accept
    tcp dport 22 accept
    drop
  }}
  chain at {{
    type filter hook input priority filter; policy accept;
    iif lo accept
    jump {chain}
  }}
}}
"""


@pytest.mark.parametrize(("table", "chain"), [("nat", "wan/in"), ("wan.net", "state"), ("fw", "in-put")])
def test_chains_with_odd_names(host, table, chain):
    load(host, ODD.format(table=table, chain=chain))
    assert_opened("nftables", f"chain inet {table} at drops")


TRAFFIC = """
table inet seen {
  set recent { type ipv4_addr; size 1000; flags dynamic,timeout; timeout 1s; }
  set recent6 { type ipv6_addr; size 1000; flags dynamic,timeout; timeout 1s; }
  chain pre {
    type filter hook prerouting priority -150;
    update @recent { ip saddr }
    update @recent6 { ip6 saddr }
  }
}
"""


def test_elements_that_traffic_adds_and_time_removes_are_no_drift(host):
    load(host, DROPPING)
    host.check_output("printf %%s %s > /root/rules.nft", TRAFFIC.replace("; }", ";\n}").replace("; ", ";\n"))
    host.check_output("nft -f /root/rules.nft")
    assert_opened("nftables", "chain inet filter input drops")
