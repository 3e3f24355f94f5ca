# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rulesets, and the places that accept rules need in each.

A case is a name, a ruleset, the rules to place, and the expected places: "CHAIN before COMMENT" or "CHAIN end", each
with the rules that it needs. COMMENT is the comment of a rule; with iptables, where it has none, the whole rule.

The rules, all for port 5269 on or from 198.18.0.2 and 2001:db8::2: in4, in6 from anywhere; net4 from 203.0.113.0/24;
out4, out6 to anywhere; far4 to 203.0.113.0/24. Every address is reached by eth0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Optional


@dataclass(frozen=True)
class Case:
    """One case. interface: by which the host reaches every address, None where that is not known."""

    name: str
    ruleset: str
    expected: Dict[str, str]
    rules: str = "in4 in6"
    interface: Optional[str] = "eth0"


def nft(name, body, expected, *, rules="in4 in6", interface="eth0", head="policy drop;", sets="", inner=""):
    """Return a case of one table "inet t" with a base chain "input"; inner: the other chains."""
    text = f"table inet t {{ {sets} {inner}\nchain input {{ type filter hook input priority 0; {head}\n{body}\n}}\n}}"
    return Case(name, text, expected, rules, interface)


def iptables(name, body, expected, *, rules="in4", policy="ACCEPT", interface="eth0"):
    """Return a case of the table filter of iptables; names of chains are taken from the rules."""
    rules_of = [line.split() for line in body.strip().splitlines() if line.startswith("-A ")]
    # A chain may be empty. Targets that are none have capital letters.
    chains = {name: None for words in rules_of for name in (words[1], words[-1]) if name.islower() or name == words[1]}
    base = {"INPUT": policy, "FORWARD": "ACCEPT", "OUTPUT": policy}
    heads = [f":{chain} {target} [0:0]" for chain, target in {**dict.fromkeys(chains, "-"), **base}.items()]
    return Case(name, "\n".join(["*filter", *heads, body.strip(), "COMMIT", ""]), expected, rules, interface)


BANS = "set bans { type ipv4_addr; flags interval; elements = { 203.0.113.0/24 }; }"
SOME_BANS = "set bans { type ipv4_addr; flags interval; elements = { 203.0.113.0/25 }; }"
ESTABLISHED = "ct state established,related accept"

NFT_CASES = [
    nft("no rule at all", "", {}, head=""),
    nft("policy drop", f"{ESTABLISHED}\ntcp dport 22 accept", {"input end": "in4 in6"}),
    nft("empty chain with policy drop", "", {"input end": "in4 in6"}),
    nft("final drop", 'tcp dport 22 accept\ndrop comment "all"', {"input before all": "in4 in6"}, head=""),
    nft("final drop before a policy that drops too", 'drop comment "all"', {"input before all": "in4 in6"}),
    nft(
        "final reject",
        f'{ESTABLISHED}\nreject with icmpx type admin-prohibited comment "all"',
        {"input before all": "in4 in6"},
        head="",
    ),
    nft(
        "reject of one family only",
        'meta nfproto ipv4 reject comment "four"\naccept',
        {"input before four": "in4"},
        head="",
    ),
    nft(
        "invalid packets are dropped before accepts",
        f'ct state invalid drop comment "invalid"\n{ESTABLISHED}\ntcp dport 22 accept\ndrop comment "all"',
        {"input before all": "in4 in6"},
        head="",
    ),
    nft(
        "all new connections are dropped",
        f'{ESTABLISHED}\nct state new drop comment "new"\ntcp dport 22 accept',
        {"input before new": "in4 in6"},
        head="",
    ),
    nft(
        "connections known by their first packet",
        'tcp flags & (fin|syn|rst|ack) == syn drop comment "syn"',
        {"input before syn": "in4 in6"},
        head="",
    ),
    nft("another protocol's drop", "meta l4proto udp drop\nudp dport 53 drop\nicmp type 8 drop", {}, head=""),
    nft("its own protocol's drop", 'meta l4proto tcp drop comment "tcp"', {"input before tcp": "in4 in6"}, head=""),
    nft(
        "drops of two interfaces",
        'iifname "eth1" drop comment "one"\niifname "eth0" drop comment "zero"',
        {"input before zero": "in4 in6"},
        head="",
    ),
    nft(
        "drop of every interface but the loopback one, where routes are not known",
        'iifname != "lo" drop comment "outside"',
        {"input before outside": "in4 in6"},
        head="",
        interface=None,
    ),
    nft(
        "drop of one interface, where routes are not known",
        'iifname "eth1" drop comment "one"\ndrop comment "all"',
        {"input before all": "in4 in6"},
        head="",
        interface=None,
    ),
    nft(
        "an address of the host",
        'ip daddr 198.18.0.2 drop comment "access"\nip daddr 198.18.1.2 drop comment "internal"',
        {"input before access": "in4"},
        head="",
    ),
    nft(
        "every address of the host",
        'fib daddr type local drop comment "local"',
        {"input before local": "in4 in6"},
        head="",
    ),
    nft("packets to this host", 'meta pkttype host drop comment "here"', {"input before here": "in4 in6"}, head=""),
    nft("sure accept before the drop", "tcp dport 5269 accept\ndrop", {}),
    nft("accept of one family", 'meta nfproto ipv4 accept\ndrop comment "all"', {"input before all": "in6"}, head=""),
    nft(
        "accept of half of the network",
        'ip saddr 203.0.113.0/25 tcp dport 5269 accept\ndrop comment "all"',
        {"input before all": "net4"},
        rules="net4",
    ),
    nft("accept of the whole network", "ip saddr 203.0.113.0/24 tcp dport 5269 accept\ndrop", {}, rules="net4"),
    # Explicit denials.
    nft(
        "denial of the port",
        'tcp dport 5269 drop\ndrop comment "all"',
        {},
    ),
    nft("denial of a range of ports", "tcp dport 5000-6000 drop", {}),
    nft("denial of all other ports", "tcp dport != 22 drop", {}),
    nft("denial of low client ports", 'tcp sport < 1024 drop\ndrop comment "all"', {"input before all": "in4 in6"}),
    nft(
        "denial of a set that holds the network",
        'ip saddr @bans drop\ndrop comment "all"',
        {"input before all": "in4 in6 net4"},
        rules="in4 in6 net4",
        sets=BANS,
    ),
    nft(
        "denial of a set that holds a part of the network",
        'ip saddr @bans drop\ndrop comment "all"',
        {"input before all": "net4"},
        rules="net4",
        sets=SOME_BANS,
    ),
    nft(
        "denial of all but one network",
        'ip saddr != 203.0.113.0/24 drop\ndrop comment "all"',
        {"input before all": "in4 in6 net4"},
        rules="in4 in6 net4",
    ),
    nft(
        "denial of all but a set",
        'ip saddr != @bans drop\ndrop comment "all"',
        {"input before all": "in4 in6 net4"},
        rules="in4 in6 net4",
        sets=BANS,
    ),
    nft("denial of an address and port", "ip saddr . tcp dport { 203.0.113.0/24 . 5269 } drop", {}, rules="net4"),
    nft("denial of a mark", 'meta mark 0 drop\ndrop comment "all"', {}),
    nft(
        "denial of a MAC address, which may be the sender's",
        'ether saddr 02:00:00:00:00:01 drop\ndrop comment "all"',
        {"input before all": "in4 in6"},
    ),
    nft("denial by a verdict map", "tcp dport vmap { 22 : accept, 5269 : drop }\ndrop", {}),
    nft("denial by a return that leads to the policy", "ip saddr 203.0.113.0/24 return", {}, rules="net4"),
    nft("return of everything", 'return comment "back"', {"input before back": "in4 in6"}),
    # Conditions that a listing does not decide.
    nft(
        "rate limit before the drop",
        'limit rate over 10/second drop comment "limit"\ntcp dport 22 accept\ndrop comment "all"',
        {"input before all": "in4 in6"},
    ),
    nft(
        "rate limit directly before the drop",
        'limit rate over 10/second drop comment "limit"\ndrop comment "all"',
        {"input before all": "in4 in6"},
    ),
    nft(
        "counted rate limit directly before the drop",
        'limit rate over 10/second counter drop comment "limit"\ndrop comment "all"',
        {"input before all": "in4 in6"},
    ),
    nft("a rate limit alone", "limit rate over 10/second drop", {}, head=""),
    nft("a limit for each source alone", "ip saddr 203.0.113.0/24 ct count over 10 drop", {}, rules="net4", head=""),
    nft("accept that may hold", 'meta skuid 0 accept\ndrop comment "all"', {"input before all": "in4 in6"}),
    nft(
        "way by a condition that a listing does not decide",
        'limit rate over 10/second jump flood\ntcp dport 22 accept\ndrop comment "all"',
        {"input before all": "in4 in6"},
        inner='chain flood { drop comment "flood"; }',
    ),
    nft(
        "way by a MAC address, which may be the sender's",
        'ether saddr 02:00:00:00:00:01 jump own\ndrop comment "all"',
        {"input before all": "in4 in6"},
        inner="chain own { drop; }",
    ),
    # Records.
    nft(
        "log before the drop",
        'tcp dport 22 accept\nlog prefix "drop " comment "log"\ncounter comment "count"\ndrop',
        {"input before log": "in4 in6"},
        head="",
    ),
    nft(
        "limited log before the policy",
        'tcp dport 22 accept\nlimit rate 5/minute log prefix "drop " comment "log"',
        {"input before log": "in4 in6"},
    ),
    nft(
        "limited log with its own drop",
        'tcp dport 22 accept\nlimit rate 5/minute log prefix "drop " drop comment "log"\ndrop',
        {"input before log": "in4 in6"},
    ),
    nft(
        "log of one port",
        'tcp dport 22 log prefix "ssh "\ndrop comment "all"',
        {"input before all": "in4 in6"},
    ),
    nft(
        "set of dropped sources",
        'add @seen { ip saddr } comment "memory"\ndrop',
        {"input before memory": "in4 in6"},
        sets="set seen { type ipv4_addr; flags dynamic; }",
    ),
    nft("mark before the drop", 'meta mark set 1\ndrop comment "all"', {"input before all": "in4 in6"}),
    # Inner chains.
    nft(
        "inner chain by a jump",
        'iifname "eth0" jump wan\naccept',
        {"wan before rest": "in4 in6"},
        head="",
        inner='chain wan { tcp dport 22 accept; drop comment "rest"; }',
    ),
    nft(
        "inner chain that returns",
        'jump own\ndrop comment "all"',
        {"input before all": "in4 in6"},
        inner="chain own { tcp dport 22 accept; return; }",
    ),
    nft(
        "inner chain by a goto",
        "goto own",
        {"own before rest": "in4 in6"},
        inner='chain own { tcp dport 22 accept; drop comment "rest"; }',
    ),
    nft(
        "goto that leads to the policy",
        'iifname "eth0" goto own\naccept',
        {"own end": "in4 in6"},
        inner="chain own { tcp dport 22 accept; }",
    ),
    nft(
        "goto out of an inner chain leads back",
        'jump own\ndrop comment "all"',
        {"input before all": "in4 in6"},
        inner="chain more { tcp dport 80 accept; }\nchain own { goto more; }",
    ),
    nft(
        "inner chain by a verdict map of interfaces",
        'iifname vmap { "lo" : accept, "eth0" : jump wan, "eth1" : goto lan }',
        {"wan before rest": "in4 in6"},
        inner='chain wan { drop comment "rest"; }\nchain lan { drop; }',
    ),
    nft(
        "every chain of a verdict map, where routes are not known",
        'iifname vmap { "lo" : accept, "eth0" : jump wan, "eth1" : jump lan }\ndrop comment "all"',
        {"wan before rest": "in4 in6", "lan before too": "in4 in6", "input before all": "in4 in6"},
        inner='chain wan { drop comment "rest"; }\nchain lan { drop comment "too"; }',
        interface=None,
    ),
    nft(
        "inner chain by a named verdict map",
        "iifname vmap @ways",
        {"wan before rest": "in4 in6"},
        inner='chain wan { drop comment "rest"; }\n'
        'map ways { type ifname : verdict; elements = { "eth0" : jump wan, "lo" : accept }; }',
    ),
    nft(
        "narrow way to the inner chain",
        'tcp dport { 22, 5269 } jump own\ndrop comment "all"',
        {},
        inner="chain own { drop; }",
    ),
    nft(
        "narrow way of some sources",
        'ip saddr 203.0.113.0/24 jump own\ndrop comment "all"',
        {"input before all": "in4"},
        rules="in4 net4",
        inner="chain own { drop; }",
    ),
    nft(
        "a drop two chains deep",
        "jump outer",
        {"deepest before rest": "in4 in6"},
        inner='chain deepest { drop comment "rest"; }\nchain outer { tcp dport 22 accept; goto deepest; }',
    ),
    nft(
        "shared logdrop",
        'tcp dport 23 jump logdrop\ntcp dport 22 accept\njump logdrop comment "rest"',
        {"input before rest": "in4 in6"},
        inner='chain logdrop { log prefix "drop "; drop; }',
    ),
    nft(
        "shared logdrop, reached by goto out of an inner chain",
        "tcp dport 23 goto logdrop\njump own\naccept",
        {"own before rest": "in4 in6"},
        inner='chain logdrop { log; drop; }\nchain own { tcp dport 22 accept; goto logdrop comment "rest"; }',
    ),
    nft(
        "chain that is reached once, from a shared one",
        'tcp dport 23 jump shared\njump shared comment "rest"',
        {"input before rest": "in4 in6"},
        inner="chain logdrop { log; drop; }\nchain shared { jump logdrop; }",
    ),
    nft(
        "shared with an element of a verdict map",
        'tcp dport vmap { 23 : jump logdrop }\njump logdrop comment "rest"',
        {"input before rest": "in4 in6"},
        inner="chain logdrop { drop; }",
    ),
    nft(
        "shared with an element of a named verdict map",
        'tcp dport vmap @ports\njump logdrop comment "rest"',
        {"input before rest": "in4 in6"},
        inner="chain logdrop { drop; }\nmap ports { type inet_service : verdict; elements = { 23 : jump logdrop }; }",
    ),
    nft(
        "log before a jump to a shared chain",
        'tcp dport 23 jump refuse\nlog prefix "rest " comment "log"\njump refuse',
        {"input before log": "in4 in6"},
        inner="chain refuse { meta l4proto tcp reject with tcp reset; reject; }",
    ),
    # Shared chains with denials inside.
    nft(
        "denial in a shared chain that every interface leads to",
        'iifname "eth0" jump wan\niifname "eth1" jump wan',
        {"wan before rest": "in4"},
        rules="in4",
        inner='chain wan { ip saddr 203.0.113.0/24 drop; tcp dport 22 accept; drop comment "rest"; }',
    ),
    nft(
        "denial in a shared chain that some ports lead to",
        "tcp dport 23 jump refuse\njump refuse",
        {},
        inner='chain refuse { ip saddr 203.0.113.0/24 drop; drop comment "rest"; }',
        rules="in4",
    ),
    nft(
        "denial of others in a shared chain that some ports lead to",
        'tcp dport 23 jump refuse\njump refuse comment "rest"',
        {"input before rest": "in6 net4"},
        inner="chain refuse { ip saddr 203.0.112.0/24 drop; ip saddr 224.0.0.0/4 drop; drop; }",
        rules="in4 in6 net4",
    ),
    nft(
        "set of bans, empty now, in a shared chain that some ports lead to",
        "tcp dport 23 jump refuse\njump refuse",
        {},
        inner="set bans { type ipv4_addr; }\nchain refuse { ip saddr @bans drop; drop; }",
        rules="in4 net4",
    ),
    nft(
        "denial in a shared chain whose caller some ports lead to",
        "tcp dport 23 jump ports\njump refuse",
        {},
        inner="chain refuse { ip saddr 203.0.113.0/24 drop; drop; }\nchain ports { jump refuse; }",
        rules="in4",
    ),
    nft(
        "rate limit in a shared chain that some ports lead to",
        'tcp dport 23 jump refuse\njump refuse comment "rest"',
        {"input before rest": "in4 in6"},
        inner="chain refuse { limit rate over 10/second drop; drop; }",
    ),
    # Several base chains.
    Case(
        "two base chains that drop",
        "table inet a { chain one { type filter hook input priority -5; policy drop; } }\n"
        'table ip b { chain two { type filter hook input priority 5; tcp dport 22 accept; drop comment "all"; }\n}',
        {"one end": "in4 in6", "two before all": "in4"},
    ),
    Case(
        "denial in another base chain",
        f"table inet a {{ {BANS}; chain one {{ type filter hook input priority -5; ip saddr @bans drop; }} }}\n"
        'table ip b { chain two { type filter hook input priority 5; drop comment "all"; }\n}',
        {"two before all": "in4 net4"},
        rules="in4 net4",
    ),
    Case(
        "other hooks and other directions",
        "table inet a { chain pre { type filter hook prerouting priority 0; policy drop; }\n"
        "chain forwarded { type filter hook forward priority 0; policy drop; }\n"
        "chain out { type filter hook output priority 0; policy drop; }\n}",
        {},
    ),
    Case(
        "translation of addresses, which is no filter",
        "table inet a { chain input { type nat hook input priority 100; policy drop; }\n}",
        {},
    ),
    Case(
        "a mark that an earlier chain sets",
        "table inet a { chain pre { type filter hook prerouting priority 0; meta mark set 1; }\n"
        'chain input { type filter hook input priority 0; meta mark 1 accept; drop comment "all"; }\n}',
        {},
    ),
    Case(
        "output",
        "table inet t { chain output { type filter hook output priority 0; policy drop;\n"
        'oifname "lo" accept; ct state established accept; tcp dport 443 accept; }\n}',
        {"output end": "out4 out6"},
        rules="in4 out4 out6",
    ),
    Case(
        "denial of a destination, and of the host's own address, on the way out",
        "table inet t { chain output { type filter hook output priority 0; policy accept;\n"
        'ip daddr 203.0.113.0/24 drop; ip saddr 198.18.0.2 drop comment "own"; }\n}',
        {"output before own": "out4"},
        rules="out4 far4",
    ),
    Case(
        "networks of the other side in one place",
        "table ip t { chain input { type filter hook input priority 0;\n"
        'ip saddr 10.0.0.0/8 accept; drop comment "all"; }\n}',
        {"input before all": "net4 in4"},
        rules="net4 in4 in6",
    ),
]

IPTABLES_CASES = [
    iptables("policy drop", "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT", {"INPUT end": "in4"}, policy="DROP"),
    iptables(
        "final reject",
        "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
        "-A INPUT -p icmp -j ACCEPT\n-A INPUT -i lo -j ACCEPT\n"
        "-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT\n"
        "-A INPUT -j REJECT --reject-with icmp-host-prohibited",
        {"INPUT before -A INPUT -j REJECT --reject-with icmp-host-prohibited": "in4"},
    ),
    iptables(
        "bans of fail2ban",
        "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n-A INPUT -j f2b-recidive\n"
        "-A INPUT -m limit --limit 5/min -j LOG\n-A INPUT -j DROP\n"
        "-A f2b-sshd -j RETURN\n"
        "-A f2b-recidive -s 203.0.113.0/24 -j REJECT --reject-with icmp-port-unreachable\n-A f2b-recidive -j RETURN",
        {"INPUT before -A INPUT -m limit --limit 5/min -j LOG": "in4"},
        rules="in4 net4",
    ),
    iptables(
        "invalid and malformed packets first",
        "-A INPUT -m conntrack --ctstate INVALID -j DROP\n-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN FIN,SYN -j DROP\n"
        "-A INPUT -p udp -j DROP\n-A INPUT -j DROP",
        {"INPUT before -A INPUT -j DROP": "in4"},
    ),
    iptables(
        "a shared chain that leads to one for bans, which is empty",
        "-A INPUT -i eth0 -j world\n-A INPUT -i eth1 -j world\n"
        "-A world -j dynamic\n-A world -p tcp -m tcp --dport 22 -j ACCEPT\n-A world -j DROP",
        {"world before -A world -j DROP": "in4"},
    ),
    iptables(
        "negated source",
        "-A INPUT ! -s 203.0.113.0/24 -j DROP\n-A INPUT -j DROP",
        {"INPUT before -A INPUT -j DROP": "in4 net4"},
        rules="in4 net4",
    ),
    iptables(
        "range of sources",
        "-A INPUT -m iprange --src-range 203.0.113.0-203.0.113.255 -j DROP\n-A INPUT -j DROP",
        {"INPUT before -A INPUT -j DROP": "in4"},
        rules="in4 net4",
    ),
    iptables("denial of several ports", "-A INPUT -p tcp -m multiport --dports 23,5269 -j DROP", {}, policy="DROP"),
    iptables(
        "recent senders, MAC addresses and countries are not general",
        "-A INPUT -m recent --update --seconds 60 --name bad --mask 255.255.255.255 --rsource -j DROP\n"
        "-A INPUT -m mac --mac-source 02:00:00:00:00:01 -j DROP\n-A INPUT -m geoip --source-country XX -j DROP\n"
        "-A INPUT -m set --match-set unknown src -j DROP",
        {},
    ),
    iptables("denial of a port on either side", "-A INPUT -p tcp -m multiport --ports 5269 -j DROP", {}, policy="DROP"),
    iptables(
        "way by a MAC address, which may be the sender's",
        "-A INPUT -m mac --mac-source 02:00:00:00:00:01 -j own\n-A INPUT -j DROP\n-A own -j DROP",
        {"INPUT before -A INPUT -j DROP": "in4"},
    ),
    iptables(
        "host's own address",
        "-A INPUT -d 198.18.0.2/32 -i eth0 -j DROP",
        {"INPUT before -A INPUT -d 198.18.0.2/32 -i eth0 -j DROP": "in4"},
    ),
    iptables(
        "set of bans in a shared chain that some ports lead to",
        "-A INPUT -p tcp -m tcp --dport 23 -j refuse\n-A INPUT -j refuse\n"
        "-A refuse -m set --match-set bans src -j DROP\n-A refuse -j DROP",
        {},
        rules="in4 net4",
    ),
    iptables(
        "shorewall",
        """
-A INPUT -i eth0 -j net-fw
-A INPUT -i eth1 -j loc-fw
-A INPUT -i lo -j ACCEPT
-A INPUT -j LOG --log-prefix "INPUT REJECT "
-A INPUT -g reject
-A OUTPUT -j ACCEPT
-A net-fw -m conntrack --ctstate INVALID,NEW,UNTRACKED -j dynamic
-A net-fw -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A net-fw -p tcp -m tcp --dport 22 -j ACCEPT
-A net-fw -p tcp -m tcp --dport 113 -g reject
-A net-fw -m addrtype --dst-type BROADCAST -j DROP
-A net-fw -j LOG --log-prefix "net-fw DROP "
-A net-fw -j DROP
-A loc-fw -j ACCEPT
-A reject -m addrtype --src-type BROADCAST -j DROP
-A reject -s 224.0.0.0/4 -j DROP
-A reject -p tcp -j REJECT --reject-with tcp-reset
-A reject -j REJECT --reject-with icmp-host-prohibited
-A dynamic -s 203.0.113.0/24 -j DROP
""",
        {'net-fw before -A net-fw -j LOG --log-prefix "net-fw DROP "': "in4"},
        rules="in4 net4",
        policy="DROP",
    ),
    iptables(
        "shorewall, where another zone's policy rejects",
        """
-A INPUT -i eth0 -j net-fw
-A INPUT -i eth1 -j loc-fw
-A INPUT -g reject
-A net-fw -p tcp -m tcp --dport 22 -j ACCEPT
-A net-fw -j LOG --log-prefix "net-fw REJECT "
-A net-fw -g reject
-A loc-fw -j reject
-A reject -s 224.0.0.0/4 -j DROP
-A reject -p tcp -j REJECT --reject-with tcp-reset
-A reject -j REJECT --reject-with icmp-host-prohibited
""",
        {'net-fw before -A net-fw -j LOG --log-prefix "net-fw REJECT "': "in4"},
        policy="DROP",
    ),
    iptables(
        "ferm",
        """
-A INPUT -m conntrack --ctstate INVALID -j DROP
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 23 -j logdrop
-A INPUT -p tcp -m multiport --dports 22,80,443 -j ACCEPT
-A INPUT -j logdrop
-A logdrop -m limit --limit 3/min -j LOG --log-prefix "drop "
-A logdrop -j DROP
""",
        {"INPUT before -A INPUT -j logdrop": "in4"},
        policy="DROP",
    ),
    iptables(
        "a chain for new connections and one for each zone",
        """
-A INPUT -m conntrack --ctstate NEW -j new_in
-A new_in -i eth0 -p tcp -j from_net
-A new_in -i eth1 -p tcp -j from_lan
-A from_net -p tcp -m tcp --dport 22 -j ACCEPT
-A from_net -m comment --comment "rest" -j DROP
-A from_lan -j ACCEPT
""",
        {"from_net before rest": "in4"},
    ),
    iptables(
        "output",
        "-A OUTPUT -o lo -j ACCEPT\n-A OUTPUT -d 203.0.113.0/24 -j REJECT\n"
        "-A OUTPUT -p tcp -m tcp --dport 443 -j ACCEPT",
        {"OUTPUT end": "out4"},
        rules="out4 far4",
        policy="DROP",
    ),
]
