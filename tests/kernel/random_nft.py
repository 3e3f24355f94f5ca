# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random nftables rulesets about a few addresses and ports, in nft's own language."""

from __future__ import annotations

from network import EDGE, INNER, INTERFACE, PEER

PORTS = (22, 80, 5269, 23456)
_STATES = ("new", "established", "related", "invalid", "untracked")
_PRIORITIES = {
    "prerouting": (-300, -250, -150, -10, 0, 10),
    "input": (-150, -10, 0, 5, 50),
    "forward": (-150, 0, 5),
    "output": (-300, -150, -10, 0, 5, 50),
    "postrouting": (-150, 0, 50, 100),
}
_NAT_PRIORITIES = {
    "prerouting": (-110, -100, -100, -90),
    "output": (-110, -100, -100, -90),
    "input": (90, 100, 110),
    "postrouting": (90, 100, 100, 110),
}
_DISCOVERY = (
    "meta l4proto ipv6-icmp accept",
    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
    "icmpv6 type 133-137 ip6 hoplimit 255 accept",
    "ip6 nexthdr icmpv6 ct state untracked,invalid accept",
    "icmpv6 type nd-neighbor-solicit accept",
    "icmpv6 type nd-neighbor-advert accept",
    "icmpv6 type . ip6 hoplimit { nd-neighbor-solicit . 255, nd-neighbor-advert . 255 } accept",
    "icmpv6 type vmap { nd-neighbor-solicit : accept, nd-neighbor-advert : accept, echo-request : drop }",
    "ip6 saddr 2001:db8:50::/64 icmpv6 type 135-136 accept",
    "icmpv6 type != { echo-request, 133 } accept",
)
"""Rules about neighbour discovery, of which one is in most base chains: without it all of IPv6 would be dead."""


_METER = "update @{} {{ {} limit rate over 2/hour }}"
_ARP = (
    "arp operation request accept",
    "arp operation reply accept",
    "arp operation { request, reply } accept",
    f"arp saddr ip {EDGE['ipv4'][0]} accept",
    f"arp daddr ip {PEER['ipv4'][1]} drop",
    f"arp saddr ip != {PEER['ipv4'][0]} counter drop",
    f'iifname "{INTERFACE}" arp htype 1 accept',
    f'oifname != "{INTERFACE}" drop',
)
"""Rules of ARP, as random as others."""


class Generator:
    """Source of rulesets out of a random number generator."""

    def __init__(self, random):
        self._random = random

    def ruleset(self):
        """Return a script that loads a whole ruleset in place of the one before."""
        tables = [self._table(number) for number in range(self._random.choice((1, 1, 2, 3)))]
        return "flush ruleset\n" + "".join([*tables, self._arp_table() if self._random.random() < 0.1 else ""])

    def _arp_table(self):
        random = self._random
        hook = random.choice(("input", "output"))
        head = f"type filter hook {hook} priority 0; policy {random.choice(('accept', 'drop'))};"
        rules = random.sample(_ARP, random.randint(0, 3))
        return "\n".join(["table arp a {", "  chain c {", *(f"    {line}" for line in (head, *rules)), "  }", "}\n"])

    def _table(self, number):
        family = self._random.choice(("inet", "inet", "ip", "ip6"))
        self._family = family
        self._sets = {}
        lines = [f"table {family} t{number} {{"]
        for key in self._random.sample(("dport", "saddr", "ifname", "pair", "dynamic"), self._random.randint(0, 3)):
            lines += self._set(key)
        regular = [f"c{n}" for n in range(self._random.randint(0, 3))]
        base = [f"b{n}" for n in range(self._random.randint(1, 3))]
        # A chain may jump to later ones only, so that there is no loop.
        bodies = []
        for index, name in enumerate(regular):
            bodies.append((name, [], regular[index + 1 :]))
        for name in base:
            hook = self._random.choice(tuple(_PRIORITIES))
            kind = "nat" if hook in _NAT_PRIORITIES and self._random.random() < 0.25 else "filter"
            if hook == "output" and kind == "filter" and self._random.random() < 0.2:
                kind = "route"
            policy = self._random.choice(("accept", "accept", "drop" if kind == "filter" else "accept"))
            priority = self._random.choice((_NAT_PRIORITIES if kind == "nat" else _PRIORITIES)[hook])
            bodies.append((name, [f"type {kind} hook {hook} priority {priority}; policy {policy};"], regular))
        lines += [f"  chain {name} {{\n  }}" for name in regular]
        if regular and self._random.random() < 0.5:
            self._sets["vmap"] = "vm"
            elements = ", ".join(
                f"{port} : {self._verdict(regular)}" for port in self._random.sample(PORTS, self._random.randint(1, 3))
            )
            lines.append(f"  map vm {{\n    type inet_service : verdict\n    elements = {{ {elements} }}\n  }}")
        for name, head, targets in bodies:
            lines.append(f"  chain {name} {{")
            lines += [f"    {line}" for line in head]
            if head and self._random.random() < 0.7:
                lines.append("    ct state established,related accept")
            if head and family != "ip" and self._random.random() < 0.7:
                lines.append(f"    {self._random.choice(_DISCOVERY)}")
            self._hook = head[0].split()[3] if head else ""
            lines += [f"    {self._rule(targets)}" for _number in range(self._random.randint(0, 6))]
            if head and head[0].startswith("type nat"):
                lines += [f"    {self._translation()}" for _number in range(self._random.randint(1, 3))]
            lines.append("  }")
        return "\n".join([*lines, "}\n"])

    def _set(self, key):
        name = f"set_{key}"
        random = self._random
        if key == "dport":
            elements = [str(port) for port in random.sample(PORTS, 2)] + ["6000-7000"]
            definition = "type inet_service; flags interval"
        elif key == "saddr":
            family = self._address_family()
            elements = [self._network(family) for _number in range(2)]
            definition = f"type {family}_addr; flags interval; auto-merge"
            name += f"_{family}"
            key += f"_{family}"
        elif key == "ifname":
            elements = random.choice((['"lo"'], [f'"{INTERFACE}"'], ['"lo"', '"eth0"']))
            definition = "type ifname"
        elif key == "pair":
            family = self._address_family()
            elements = [f"{self._network(family)} . {random.choice((22, 80, 5269, '5000-6000'))}"]
            definition = f"type {family}_addr . inet_service; flags interval"
            name += f"_{family}"
            key += f"_{family}"
        else:
            family = self._address_family()
            elements = [random.choice(PEER[family])]
            definition = f"type {family}_addr; flags dynamic,timeout; timeout 10m"
            name += f"_{family}"
            key += f"_{family}"
        self._sets[key] = name
        return [
            f"  set {name} {{",
            *(f"    {part.strip()}" for part in definition.split(";")),
            f"    elements = {{ {', '.join(elements)} }}",
            "  }",
        ]

    def _address_family(self):
        return {"ip": "ipv4", "ip6": "ipv6"}.get(self._family) or self._random.choice(("ipv4", "ipv6"))

    def _network(self, family):
        random = self._random
        if family == "ipv4":
            return random.choice((*PEER["ipv4"], "198.18.50.0/25", "198.18.50.64/26", "198.18.0.0/16", "10.0.0.0/8"))
        return random.choice((*PEER["ipv6"], "2001:db8:50::/120", "2001:db8:50::/64", "fe80::/10"))

    def _address(self, family):
        return self._random.choice((*EDGE[family], *PEER[family]))

    def _rule(self, targets):
        matches = [self._match() for _number in range(self._random.choice((0, 1, 1, 1, 2, 2, 3)))]
        extra = self._random.choice(
            ("", "", "", "counter ", "meta mark set 0x7 ", "meta mark set mark | 0x10 ", "ct mark set 0x3 ")
        )
        if self._random.random() < 0.04:
            extra = self._random.choice(
                ("tcp dport set 80 ", "tcp sport set 2000 ", "limit rate 1/hour burst 2 packets ")
            )
        if not matches and self._family != "inet":
            extra = self._random.choice((extra, f"{self._family} dscp set cs1 ", extra))
        # nft refuses a rule that asks for two protocols at once.
        for clashing in (("ip ", "icmp ", "ip6 ", "icmpv6 ", "exthdr"), ("tcp ", "udp ", "icmp ", "icmpv6 ")):
            if sum(word in " ".join(matches) for word in clashing) > 1:
                matches = matches[:1]
        choice = self._random.random()
        if choice < 0.07 and "vmap" in self._sets:
            matches = [match for match in matches if match.startswith(("tcp", "ct", "meta mark", "ii", "oi"))]
            return f"{' '.join(matches)} tcp dport vmap @vm"
        if choice < 0.14:
            pairs = ", ".join(f"{state} : {self._verdict(targets)}" for state in self._random.sample(_STATES, 2))
            return f"{' '.join(matches)} ct state vmap {{ {pairs} }}"
        if choice < 0.2:
            family = self._address_family()
            protocol = "ip" if family == "ipv4" else "ip6"
            key = f"{self._random.choice(PEER[family])} . {self._random.choice(PORTS)}"
            return f"{protocol} saddr . tcp dport vmap {{ {key} : {self._verdict(targets)} }}"
        verdict = self._verdict(targets)
        if verdict == "drop" and self._hook in ("input", "output"):
            verdict = self._random.choice(("drop", "reject"))
        return f"{' '.join(matches)} {extra}{verdict}".strip()

    def _translation(self):
        """Return a rule of a base chain of type nat."""
        random = self._random
        family = self._address_family()
        protocol = "ip" if family == "ipv4" else "ip6"
        matches = f"{protocol} {random.choice(('saddr', 'daddr'))} {self._network(family)} "
        matches = f"{random.choice(('', '', matches))}tcp dport {random.choice(PORTS)}"
        port, brackets = random.choice(PORTS), "[{}]" if family == "ipv6" else "{}"
        if self._hook in ("prerouting", "output"):
            here = (*EDGE[family], *INNER[family])
            to = random.choice(here if self._hook == "prerouting" else PEER[family])
            return random.choice(
                (
                    f"{matches} dnat {protocol} to {to}",
                    f"{matches} dnat {protocol} to {brackets.format(to)}:{port}",
                    f"{matches} dnat to :{port}",
                    f"{matches} redirect to :{port}",
                    f"{matches} redirect",
                )
            )
        to = random.choice(PEER[family] if self._hook == "input" else EDGE[family])
        if self._hook == "postrouting" and random.random() < 0.4:
            return f"{matches} masquerade"
        return f"{matches} snat {protocol} to {to}"

    def _verdict(self, targets):
        plain = ("accept", "accept", "drop", "return", "continue")
        jumps = [f"{word} {target}" for target in targets for word in ("jump", "goto")]
        return self._random.choice((*plain, *jumps))

    def _match(self):
        random = self._random
        family = self._address_family()
        protocol = "ip" if family == "ipv4" else "ip6"
        port = random.choice(PORTS)
        not_ = random.choice(("", "", "!= "))
        choices = [
            f"tcp dport {not_}{port}",
            f"tcp dport {not_}{{ {port}, 6000-7000 }}",
            f"tcp dport {not_}{port - 5}-{port + 100}",
            f"tcp sport {not_}{port}",
            "tcp sport 1024-65535",
            f"tcp dport {random.choice(('<', '>', '<=', '>='))} {port}",
            f"th dport {port}",
            f"udp dport {not_}{port}",
            f"{protocol} saddr {not_}{self._network(family)}",
            f"{protocol} daddr {not_}{self._address(family)}",
            f"{protocol} daddr {not_}{{ {self._address(family)}, {self._address(family)} }}".replace(", ", ", "),
            f"{protocol} saddr . tcp dport {{ {self._address(family)} . {port} }}",
            f"ct state {not_}{random.choice(_STATES)}",
            f"ct state {{ {', '.join(random.sample(_STATES, 2))} }}",
            f"ct state {', '.join(random.sample(_STATES, 2))}".replace(", ", ","),
            f"ct direction {random.choice(('original', 'reply'))}",
            f'iifname {not_}"{random.choice(("lo", INTERFACE, "edge*", "edge1"))}"',
            f'oifname {not_}"{random.choice(("lo", INTERFACE, "edge*", "edge1"))}"',
            f'iifname {{ "lo", "{random.choice((INTERFACE, "eth0"))}" }}',
            'iif "lo"',
            f"meta l4proto {not_}{random.choice(('tcp', 'udp'))}",
            "meta l4proto { tcp, udp }",
            f"meta mark {not_}{random.choice(('0x0', '0x7', '0x17'))}",
            f"meta mark and 0x10 == {random.choice(('0x10', '0x0'))}",
            f"ct mark {not_}{random.choice(('0x0', '0x3'))}",
            "tcp flags syn",
            "tcp flags & (fin|syn|rst|ack) == syn",
            "tcp flags & (fin|syn|rst|ack) != syn",
            "tcp flags ! syn",
            "tcp flags { syn, syn | ack }",
            "tcp flags == syn",
            f"tcp option maxseg size {random.choice(('1-535', '< 536', '>= 536', '1-1000'))}",
            "udp length 20-100",
            f"tcp dport . {protocol} saddr {{ {port} . {self._address(family)} }}",
            f"ct original {protocol} {random.choice(('saddr', 'daddr'))} {not_}{self._network(family)}",
            f"meta l4proto tcp ct original proto-dst {not_}{port}",
            f"fib daddr type {not_}local",
            f"ct status {random.choice(('dnat', 'snat', 'dnat,snat', 'seen-reply', 'confirmed', 'expected'))}",
            "icmp type echo-request" if family == "ipv4" else f"icmpv6 type {random.choice((128, 135, 136))}",
            "meta l4proto vmap { udp : drop, 58 : accept }",
            "udp dport { 53, 5269 }",
            "icmp type { echo-request, echo-reply }" if family == "ipv4" else "icmpv6 code 0",
        ]
        choices += self._choices_here(family, not_)
        for key, name in self._sets.items():
            choices += self._choices_of_set(key, name, not_)
        return random.choice(choices)

    def _choices_here(self, family, not_):
        """Return the choices that only some tables and hooks take."""
        choices = []
        if self._hook in ("prerouting", "input"):
            choices.append("fib saddr . iif oif missing")
        if self._hook in ("prerouting", "output"):
            choices.append("notrack")
            choices.append("ct zone set 1")
        if self._family == "inet":
            choices.append(f"meta nfproto {self._random.choice(('ipv4', 'ipv6'))}")
        if family == "ipv6":
            return [*choices, "exthdr frag exists", "exthdr frag missing", f"ip6 nexthdr {not_}tcp"]
        return [*choices, f"ip protocol {not_}tcp"]

    @staticmethod
    def _choices_of_set(key, name, not_):
        source = f"{'ip' if key.endswith('4') else 'ip6'} saddr"
        mask = "255.255.255.192" if key.endswith("4") else "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00"
        return {
            "dport": [f"tcp dport {not_}@{name}"] * 3,
            "ifname": [f"iifname {not_}@{name}"] * 3,
            "saddr": [f"{source} {not_}@{name}"] * 3 + [f"{source} & {mask} {not_}@{name}"],
            "pair": [f"{source} . tcp dport @{name}"] * 3,
            "dynamic": [
                f"{source} {not_}@{name}",
                f"{source} {not_}@{name}",
                f"add @{name} {{ {source} }}",
                _METER.format(name, source),
            ],
            "vmap": [],
        }[key.partition("_")[0]]
