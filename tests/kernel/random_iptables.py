# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random iptables rulesets about a few addresses and ports, in the language of iptables-restore."""

from __future__ import annotations

from network import EDGE, INNER, INTERFACE, PEER

PORTS = (22, 80, 5269, 23456)
_STATES = ("NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED")
_CHAINS = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
}
_DISCOVERY = (
    "-p ipv6-icmp",
    "-p ipv6-icmp -m icmp6 --icmpv6-type 135",
    "-p ipv6-icmp -m icmp6 --icmpv6-type 136",
    "-p ipv6-icmp -m icmp6 ! --icmpv6-type 128 -m hl --hl-eq 255",
    "! -p tcp -m conntrack --ctstate UNTRACKED,INVALID",
)
"""Matches of neighbour discovery, of which most IPv6 chains accept one."""


class Generator:
    """Source of rulesets out of a random number generator; six: for ip6tables."""

    def __init__(self, random, six):
        self._random = random
        self._family = "ipv6" if six else "ipv4"

    def ruleset(self):
        """Return the input of iptables-restore for every table."""
        return "".join(self._table(name) for name in _CHAINS)

    def _table(self, table):
        random = self._random
        own = [f"c{number}" for number in range(random.randint(0, 2))]
        lines = [f"*{table}"]
        policies = ("ACCEPT",) * 11 + (("ACCEPT",) if table == "nat" else ("DROP",))
        lines += [f":{chain} {random.choice(policies)} [0:0]" for chain in _CHAINS[table]]
        lines += [f":{chain} - [0:0]" for chain in own]
        busy = random.random() < {"filter": 1, "nat": 0.6}.get(table, 0.2)
        for index, chain in enumerate((*_CHAINS[table], *own)):
            later = own[index - len(_CHAINS[table]) + 1 :] if chain in own else own
            if chain not in own and random.random() < 0.6:
                lines.append(f"-A {chain} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
            if chain not in own and self._family == "ipv6" and random.random() < 0.7:
                lines.append(f"-A {chain} {random.choice(_DISCOVERY)} -j ACCEPT")
            lines += [self._rule(table, chain, later) for _number in range(random.randint(0, 5) if busy else 0)]
        return "\n".join([*lines, "COMMIT\n"])

    def _rule(self, table, chain, targets):
        matches = [self._match(chain) for _number in range(self._random.choice((0, 1, 1, 2, 2, 3)))]
        kinds = [match.split()[-2] for match in matches]
        if len(set(kinds)) < len(kinds) or sum("-p " in match for match in matches) > 1:
            matches = matches[:1]
        if table == "nat" and chain in _CHAINS["nat"] and self._random.random() < 0.6:
            return f"-A {chain} {self._translation(chain)}"
        ends = ("ACCEPT", "ACCEPT", "ACCEPT", "RETURN" if table == "nat" else "DROP", "RETURN")
        target = self._random.choice((*ends, *targets, *targets))
        if target in targets and self._random.random() < 0.3:
            return f"-A {chain} {' '.join(matches)} -g {target}"
        if table == "mangle" and self._random.random() < 0.3:
            target = self._random.choice(
                ("MARK --set-mark 0x7", "CONNMARK --set-mark 0x3", "MARK --set-xmark 0x10/0x10")
            )
        if table == "raw" and self._random.random() < 0.2:
            target = self._random.choice(("CT --notrack", "CT --zone 1"))
        if table == "filter" and target == "DROP" and self._random.random() < 0.5:
            target = "REJECT"
        return f"-A {chain} {' '.join(matches)} -j {target}"

    def _translation(self, chain):
        """Return match and target of a rule that translates."""
        random = self._random
        port, other = random.choice(PORTS), random.choice(PORTS)
        match = f"-p tcp -m tcp --dport {port} {random.choice(('', f'-s {random.choice(PEER[self._family])}'))}"
        brackets = "[{}]" if self._family == "ipv6" else "{}"
        if chain in ("PREROUTING", "OUTPUT"):
            here = (*EDGE[self._family], *INNER[self._family])
            to = random.choice(here if chain == "PREROUTING" else PEER[self._family])
            targets = (f"DNAT --to-destination {to}", f"DNAT --to-destination {brackets.format(to)}:{other}")
            return f"{match} -j {random.choice((*targets, f'REDIRECT --to-ports {other}', 'REDIRECT'))}"
        to = random.choice(PEER[self._family] if chain == "INPUT" else EDGE[self._family])
        targets = [f"SNAT --to-source {to}"] + (["MASQUERADE"] if chain == "POSTROUTING" else [])
        return f"{match} -j {random.choice(targets)}"

    def _match(self, chain):
        random = self._random
        port = random.choice(PORTS)
        not_ = random.choice(("", "", "! "))
        network = {
            "ipv4": (*PEER["ipv4"], "198.18.50.0/25", "198.18.50.64/26", "198.18.0.0/255.255.0.255", "10.0.0.0/8"),
            "ipv6": (*PEER["ipv6"], "2001:db8:50::/120", "2001:db8:50::/64", "fe80::/10"),
        }[self._family]
        address = (*EDGE[self._family], *PEER[self._family])
        first = PEER[self._family][0]
        choices = [
            f"-p tcp -m tcp {not_}--dport {port}",
            f"-p tcp -m tcp {not_}--dport {port - 5}:{port + 100}",
            "-p tcp -m tcp --sport 1024:65535",
            f"-p tcp -m multiport {not_}--dports {port},6000:7000",
            f"-p udp -m udp {not_}--dport {port}",
            f"-p tcp -m tcp {not_}--tcp-flags FIN,SYN,RST,ACK SYN",
            f"{not_}-s {random.choice(network)}",
            f"{not_}-d {random.choice(address)}",
            f"-m iprange {not_}--src-range {first}-{PEER[self._family][1]}",
            f"-m conntrack {not_}--ctstate {','.join(random.sample(_STATES, 2))}",
            f"-m state {not_}--state {random.choice(_STATES[:4])}",
            f"-m conntrack {not_}--ctstate {random.choice(('DNAT', 'SNAT', 'DNAT,NEW', 'ESTABLISHED,SNAT'))}",
            f"-m conntrack {not_}--ctstatus {random.choice(('SEEN_REPLY', 'CONFIRMED', 'EXPECTED,ASSURED'))}",
            f"-m conntrack {not_}--ctorigdstport {port}",
            f"-m conntrack {not_}--ctorigsrc {random.choice(PEER[self._family])}",
            f"-m conntrack --ctdir {random.choice(('ORIGINAL', 'REPLY'))}",
            f"-m mark {not_}--mark {random.choice(('0x0', '0x7', '0x10/0x10'))}",
            f"-m connmark {not_}--mark {random.choice(('0x0', '0x3'))}",
            f"-m addrtype {not_}--dst-type {random.choice(('LOCAL', 'UNICAST', 'MULTICAST'))}",
            "-m pkttype --pkt-type unicast",
            "-m limit --limit 1/hour --limit-burst 1",
            '-m comment --comment "two words"',
        ]
        if chain in ("PREROUTING", "INPUT"):
            choices += [f"{not_}-i {random.choice(('lo', INTERFACE, 'edge+'))}"] * 2
        if chain in ("OUTPUT", "POSTROUTING"):
            choices += [f"{not_}-o {random.choice(('lo', INTERFACE, 'edge+'))}"] * 2
        if self._family == "ipv6":
            choices.append("-m rt --rt-type 0 --rt-segsleft 0")
        return random.choice(choices)
