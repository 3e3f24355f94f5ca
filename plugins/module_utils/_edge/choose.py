# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which firewall manager is to carry the rules: the one that is live on the host, never one that is just installed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Dict, List, Mapping, Sequence, Tuple

from .backends import Backend
from .backends.firewalld import FirewalldBackend
from .backends.iptables import IptablesBackend
from .backends.nftables import NftablesBackend
from .backends.ufw import UfwBackend
from .effective.ruleset import Chain, Ruleset, Verdict
from .errors import EdgeError
from .host_firewall import Host
from .rules import Rule
from .runner import find_program

_UNITS = {
    "firewalld.service": "firewalld",
    "nftables.service": "nftables",
    "netfilter-persistent.service": "iptables",
    "iptables.service": "iptables",
}
_OURS = ("xmpp-edge", "XMPP-EDGE", "xmpp_edge")


@dataclass(frozen=True)
class Choice:
    """The backend that carries the rules, why it is that one, and the others, which are to carry none."""

    backend: Backend
    reason: str
    others: Sequence[Backend]


def choose_backend(host: Host, name: str, persist: bool, integrate: str, wanted: Sequence[Rule]) -> Choice:
    """The backend for this host. name: as in the option backend. Raises EdgeError where two managers are live."""
    backends: Dict[str, Backend] = {
        "nftables": NftablesBackend.on_this_host(host, persist, integrate == "auto"),
        "firewalld": FirewalldBackend(host, persist),
        "ufw": UfwBackend(host, persist),
        "iptables": IptablesBackend.on_this_host(host, persist),
    }
    if name == "auto":
        name, reason = _found(host, backends) if wanted else _with_traces(backends)
    else:
        reason = "it was asked for"
    return Choice(backends[name], reason, [backend for backend in backends.values() if backend.name != name])


def live_managers(ruleset: Ruleset, active_units: Sequence[str], ufw_is_active: bool) -> List[Tuple[str, str]]:
    """The firewall managers that are live, each with what shows it."""
    managers: Dict[str, str] = {}
    for unit in active_units:
        managers.setdefault(_UNITS[unit], f"{unit} is active")
    if any(table.endswith(" firewalld") for table in ruleset.tables()):
        managers.setdefault("firewalld", "its table is live")
    if ufw_is_active:
        managers["ufw"] = "ufw status is active"
    if not managers.keys() & {"firewalld", "ufw"}:
        bases = [
            chain
            for hook in ("input", "output")
            for family in ("ipv4", "ipv6")
            for chain in ruleset.base_chains(hook, family)
        ]
        for chain in bases:
            if chain.table not in ruleset.owners and _filters(chain):
                name = "iptables" if _is_of_iptables(chain) else "nftables"
                managers.setdefault(name, f"{chain.label} {'drops' if chain.policy == 'drop' else 'decides'}")
    return list(managers.items())


def _filters(chain: Chain) -> bool:
    """Whether an administrator filters traffic of the host itself by this base chain.

    Programs that guard one thing of theirs (fail2ban, container engines) hook chains of their own, and drop nothing by
    default: they are no managers.
    """
    direct = _is_of_iptables(chain) and any(
        isinstance(step, Verdict) and step.kind in ("accept", "drop")
        for rule in chain.rules
        for step in rule.content.steps
    )
    return chain.kind == "filter" and not _is_ours(chain) and (chain.policy == "drop" or direct)


def _is_of_iptables(chain: Chain) -> bool:
    return chain.table.startswith(("iptables-", "ip6tables-"))


def _is_ours(chain: Chain) -> bool:
    return any(mark in chain.table or mark in chain.name for mark in _OURS)


def _found(host: Host, backends: Mapping[str, Backend]) -> Tuple[str, str]:
    ufw = backends["ufw"]
    is_active = isinstance(ufw, UfwBackend) and ufw.is_active
    managers = live_managers(host.firewall.ruleset, _active_units(host), is_active)
    if len(managers) > 1:
        named = " and ".join(f"{name} ({why})" for name, why in managers)
        raise EdgeError(
            f"backend: auto finds {len(managers)} live firewall managers, {named}; "
            f"say which is to carry the rules, as backend: {' or '.join(name for name, _why in managers)}"
        )
    return managers[0] if managers else ("nftables", "no firewall manager is live on this host")


def _with_traces(backends: Mapping[str, Backend]) -> Tuple[str, str]:
    """For removal, the backend that has something to be removed."""
    for name, backend in backends.items():
        if backend.has_traces:
            return name, "it has rules of ours"
    return "nftables", "there is nothing to be removed"


def _active_units(host: Host) -> List[str]:
    program = find_program("systemctl")
    if program is None or not os.path.isdir("/run/systemd/system"):
        return []
    done = host.run([program, "show", "--property=Id,ActiveState", *_UNITS], "")
    states = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in done.stdout.split("\n\n")]
    return [state["Id"] for state in states if state.get("ActiveState") == "active" and state.get("Id") in _UNITS]
