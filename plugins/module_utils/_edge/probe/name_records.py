# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records by which servers find the server of an XMPP domain, as the resolver of this host returns them.

Sources: RFC 6120 3.2 (SRV records, and addresses without them), XEP-0368 (_xmpps-server).
"""

from __future__ import annotations

import ipaddress
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from .domains import in_ascii

try:
    import dns.exception
    import dns.resolver
except ImportError:
    HAS_DNSPYTHON = False
else:
    HAS_DNSPYTHON = True

SERVICES: Tuple[str, ...] = ("_xmpp-server", "_xmpps-server")
"""The SRV services of XMPP between servers: STARTTLS, and TLS at once."""

NOT_THERE = "."
"""The target of a service that a domain does not have (RFC 2782)."""

LACK = "dnspython 2 is not installed"

_TYPES = ("A", "AAAA")
_SLOW = "did not answer in time"
_HOSTS = "/etc/hosts"
_MAX_PARALLEL = 32

_MOST_TARGETS = 64
"""Most servers of a domain whose addresses are looked up."""

Answers = Tuple[List[Any], str]
"""The records of a query, and why there are none that are known: empty where the answer is that there are none."""

Ask = Callable[[str, str], Answers]
"""A function that queries a name for a type of records."""


def look_up(domains: Sequence[str], seconds: float, ask: Optional[Ask] = None) -> Dict[str, Dict[str, Any]]:
    """Return the records of each domain. seconds: for each query.

    services: by SERVICES, a list of target and port; addresses: by target, of the domain itself where it has no
    services; fault: why something is not known, empty where all is.
    """
    asks = ask or _resolver(seconds)
    if not domains:
        return {}
    with ThreadPoolExecutor(_MAX_PARALLEL) as pool:
        found = pool.map(lambda domain: _records_of(domain, asks), domains)
        return dict(zip(domains, found))


def _records_of(domain: str, ask: Ask) -> Dict[str, Any]:
    faults: List[str] = []

    def asked(name: str, kind: str) -> List[Any]:
        # A resolver that does not answer costs its time once.
        records, fault = ([], "") if any(_SLOW in told for told in faults) else ask(name, kind)
        if fault:
            faults.append(fault)
        return records

    try:
        name = in_ascii(domain).rstrip(".")
    except UnicodeError:
        return {"services": {}, "addresses": {}, "fault": "it is no domain name"}
    services: Dict[str, List[Dict[str, Any]]] = {
        service: [
            {"target": str(one.target).rstrip(".") or NOT_THERE, "port": int(one.port)}
            for one in asked(f"{service}._tcp.{name}", "SRV")
        ]
        for service in SERVICES
    }
    if faults and not any(services.values()):
        # Whether the domain has services is not known, and its addresses may be a web server's.
        return {"services": services, "addresses": {}, "fault": faults[0]}
    listed = [one["target"] for records in services.values() for one in records if one["target"] != NOT_THERE]
    targets = list(dict.fromkeys(listed if any(services.values()) else [name]))
    if len(targets) > _MOST_TARGETS:
        faults.append(f"it has {len(targets)} servers, of which {_MOST_TARGETS} were looked up")
    addresses = {
        target: [str(one.address) for kind in _TYPES for one in asked(target, kind)] or _of_the_host(target)
        for target in targets[:_MOST_TARGETS]
    }
    return {"services": services, "addresses": addresses, "fault": faults[0] if faults else ""}


def _of_the_host(name: str) -> List[str]:
    """Return the addresses in this host's own table of names (hosts(5)), which many servers read as well."""
    try:
        with open(_HOSTS, encoding="utf-8", errors="replace") as file:
            lines = [line.partition("#")[0].split() for line in file]
    except OSError:
        return []
    return [line[0] for line in lines if name.lower() in map(str.lower, line[1:]) and not _is_own(line[0])]


def _is_own(address: str) -> bool:
    """Return whether an address is this host's own for itself alone."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return True


def _resolver(seconds: float) -> Ask:
    """Return a function that asks the resolver of this host."""
    try:
        resolver = dns.resolver.Resolver()
    except dns.exception.DNSException as error:
        reason = f"this host has no resolver ({error})"
        return lambda _name, _kind: ([], reason)

    def ask(name: str, kind: str) -> Answers:
        try:
            return list(resolver.resolve(f"{name}.", kind, lifetime=seconds)), ""
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return [], ""
        except dns.exception.Timeout:
            return [], f"the resolver {_servers(resolver)} {_SLOW}"
        except dns.resolver.NoNameservers:
            return [], f"the resolver {_servers(resolver)} refuses {name} ({kind}), or fails"
        except (dns.exception.DNSException, OSError) as error:
            return [], str(error)

    return ask


def _servers(resolver: Any) -> str:
    return ", ".join(map(str, resolver.nameservers))
