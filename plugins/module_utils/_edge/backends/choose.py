# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which firewall manager is to carry the rules: the one that is live on the host, never one that is just installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, List, Sequence, Tuple

from ..evaluator.ruleset import Chain, Ruleset, Verdict
from ..host.firewall import Host
from ..host.units import FIREWALLD, IPTABLES, NETFILTER_PERSISTENT, NFTABLES
from ..model.errors import EdgeError, understood
from ..model.ownership import TAGS
from ..model.rules import Rule
from .base import Backend
from .traces import may_have_traces

_UNITS = {FIREWALLD: "firewalld", NFTABLES: "nftables", NETFILTER_PERSISTENT: "iptables", IPTABLES: "iptables"}
_UFW_CHAIN = ":ufw-user-input "


@dataclass(frozen=True)
class Choice:
    """The backend that carries the rules, why it is that one, and others, which may have some and are to have none."""

    backend: Backend
    reason: str
    others: Sequence[Backend]


def choose_backend(host: Host, name: str, persist: bool, integrate: str, wanted: Sequence[Rule]) -> Choice:
    """The backend for this host. name: as in the option backend. Raises EdgeError where two managers are live."""
    with understood("the firewall of this host"):
        traces = [other for other in _MAKERS if may_have_traces(other, host)]
        backends = {other: _MAKERS[other](host, persist, integrate) for other in traces}
        if name == "auto":
            name, reason = _found(host) if wanted else _with_traces(list(backends.values()))
        else:
            reason = "it was asked for"
    backend = backends.pop(name, None) or _MAKERS[name](host, persist, integrate)
    return Choice(backend, reason, list(backends.values()))


# Each is imported where it is needed: a host compiles what it imports anew on every run.


def _nftables(host: Host, persist: bool, integrate: str) -> Backend:
    from .nftables import NftablesBackend

    return NftablesBackend.on_this_host(host, persist, integrate == "auto")


def _firewalld(host: Host, persist: bool, _integrate: str) -> Backend:
    from .firewalld import FirewalldBackend

    return FirewalldBackend(host, persist)


def _ufw(host: Host, persist: bool, _integrate: str) -> Backend:
    from .ufw import UfwBackend

    return UfwBackend(host, persist)


def _iptables(host: Host, persist: bool, _integrate: str) -> Backend:
    from .iptables import IptablesBackend

    return IptablesBackend.on_this_host(host, persist)


_MAKERS: Dict[str, Callable[[Host, bool, str], Backend]] = {
    "nftables": _nftables,
    "firewalld": _firewalld,
    "ufw": _ufw,
    "iptables": _iptables,
}


def _ufw_is_active(host: Host) -> bool:
    if not any(_UFW_CHAIN in listing for listing in host.firewall.saves.values()):
        return False
    from .ufw import UfwBackend

    return UfwBackend(host, persist=True).is_active


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
    return any(mark in chain.table or mark in chain.name for mark in TAGS)


def _found(host: Host) -> Tuple[str, str]:
    managers = live_managers(host.firewall.ruleset, _active_units(host), _ufw_is_active(host))
    if len(managers) > 1:
        named = " and ".join(f"{name} ({why})" for name, why in managers)
        raise EdgeError(
            f"backend: auto finds {len(managers)} live firewall managers, {named}; "
            f"say which is to carry the rules, as backend: {' or '.join(name for name, _why in managers)}"
        )
    return managers[0] if managers else ("nftables", "no firewall manager is live on this host")


def _with_traces(backends: Sequence[Backend]) -> Tuple[str, str]:
    """For removal, the backend that has something to be removed."""
    for backend in backends:
        if backend.has_traces:
            return backend.name, "it has rules of ours"
    return "nftables", "there is nothing to be removed"


def _active_units(host: Host) -> List[str]:
    return [unit for unit in _UNITS if host.units.get(unit, {}).get("ActiveState") == "active"]
