# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State that version 1.1.0 left on hosts, for the options named here: the next run has to convert it."""

from __future__ import annotations

OPTIONS = {
    "access_addresses": ["198.18.0.2", "2001:db8::2"],
    "internal_addresses": ["198.18.1.2"],
    "partner_networks": ["198.18.7.0/24", "2001:db8:7::/48"],
}

TABLE = """
table inet xmpp_edge {
  set partner_networks_ipv4 { type ipv4_addr; flags interval; elements = { 198.18.7.0/24 }; }
  set access_addresses_ipv4 { type ipv4_addr; flags interval; elements = { 198.18.0.2 }; }
  set partner_networks_ipv6 { type ipv6_addr; flags interval; elements = { 2001:db8:7::/48 }; }
  set access_addresses_ipv6 { type ipv6_addr; flags interval; elements = { 2001:db8::2 }; }
  set internal_addresses_ipv4 { type ipv4_addr; flags interval; elements = { 198.18.1.2 }; }
  chain input {
    type filter hook input priority filter - 10; policy accept;
    ip saddr @partner_networks_ipv4 ip daddr @access_addresses_ipv4 tcp dport 5269 counter accept comment "federation_in"
    ip6 saddr @partner_networks_ipv6 ip6 daddr @access_addresses_ipv6 tcp dport 5269 counter accept comment "federation_in"
    ip daddr @internal_addresses_ipv4 tcp dport 23456 counter accept comment "gateway_in"
    iifname != "lo" tcp dport 5269 ct state != established counter drop comment "federation_in guard"
    iifname != "lo" tcp dport 23456 ct state != established counter drop comment "gateway_in guard"
  }
  chain output {
    type filter hook output priority filter - 10; policy accept;
    ip saddr @access_addresses_ipv4 ip daddr @partner_networks_ipv4 tcp dport 5269 counter accept comment "federation_out"
    ip6 saddr @access_addresses_ipv6 ip6 daddr @partner_networks_ipv6 tcp dport 5269 counter accept comment "federation_out"
    oifname != "lo" tcp dport 5269 ct state != established counter reject with tcp reset comment "federation_out guard"
  }
}
"""

IN = """\
ip saddr 198.18.7.0/24 ip daddr 198.18.0.2 tcp dport 5269 counter accept comment "xmpp_edge federation_in"
ip6 saddr 2001:db8:7::/48 ip6 daddr 2001:db8::2 tcp dport 5269 counter accept comment "xmpp_edge federation_in"
ip daddr 198.18.1.2 tcp dport 23456 counter accept comment "xmpp_edge gateway_in"
"""
OUT = """\
ip saddr 198.18.0.2 ip daddr 198.18.7.0/24 tcp dport 5269 counter accept comment "xmpp_edge federation_out"
ip6 saddr 2001:db8::2 ip6 daddr 2001:db8:7::/48 tcp dport 5269 counter accept comment "xmpp_edge federation_out"
"""
"""Accept rules at the head of chains of the administrator."""

_GUARD_IN = """\
-A XMPP-EDGE-IN ! -i lo -p tcp -m tcp --dport 5269 -m conntrack ! --ctstate ESTABLISHED -m comment --comment "federation_in guard" -j DROP
-A XMPP-EDGE-IN ! -i lo -p tcp -m tcp --dport 23456 -m conntrack ! --ctstate ESTABLISHED -m comment --comment "gateway_in guard" -j DROP
"""
_GUARD_OUT = """\
-A XMPP-EDGE-OUT ! -o lo -p tcp -m tcp --dport 5269 -m conntrack ! --ctstate ESTABLISHED \
-m comment --comment "federation_out guard" -j REJECT --reject-with tcp-reset
"""
_HEAD = """\
*filter
:XMPP-EDGE-IN - [0:0]
:XMPP-EDGE-OUT - [0:0]
-I INPUT 1 -j XMPP-EDGE-IN
-I OUTPUT 1 -j XMPP-EDGE-OUT
"""
IPTABLES = (
    _HEAD
    + """\
-A XMPP-EDGE-IN -s 198.18.7.0/24 -d 198.18.0.2/32 -p tcp -m tcp --dport 5269 -m comment --comment federation_in -j ACCEPT
-A XMPP-EDGE-IN -d 198.18.1.2/32 -p tcp -m tcp --dport 23456 -m comment --comment gateway_in -j ACCEPT
"""
    + _GUARD_IN
    + """\
-A XMPP-EDGE-OUT -s 198.18.0.2/32 -d 198.18.7.0/24 -p tcp -m tcp --dport 5269 -m comment --comment federation_out -j ACCEPT
"""
    + _GUARD_OUT
    + "COMMIT\n"
)
IP6TABLES = (
    _HEAD
    + """\
-A XMPP-EDGE-IN -s 2001:db8:7::/48 -d 2001:db8::2/128 -p tcp -m tcp --dport 5269 -m comment --comment federation_in -j ACCEPT
"""
    + _GUARD_IN
    + """\
-A XMPP-EDGE-OUT -s 2001:db8::2/128 -d 2001:db8:7::/48 -p tcp -m tcp --dport 5269 -m comment --comment federation_out -j ACCEPT
"""
    + _GUARD_OUT
    + "COMMIT\n"
)
SETS = """\
create xmpp-edge-partner_ipv4 hash:net family inet
add xmpp-edge-partner_ipv4 198.18.7.0/24
"""
IPTABLES_WITH_SET = IPTABLES.replace("-s 198.18.7.0/24 -d 198.18.0.2/32", "-d 198.18.0.2/32").replace(
    "-A XMPP-EDGE-IN -d 198.18.0.2/32 -p tcp -m tcp --dport 5269",
    "-A XMPP-EDGE-IN -d 198.18.0.2/32 -p tcp -m tcp --dport 5269 -m set --match-set xmpp-edge-partner_ipv4 src",
)
"""Long lists were ipsets."""
