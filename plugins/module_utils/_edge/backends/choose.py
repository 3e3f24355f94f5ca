# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The choice of the firewall manager that carries the accept rules: one that is live on the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..evaluator.placement import bases_that_drop
from ..evaluator.rows import Routes
from ..evaluator.ruleset import Ruleset
from ..host.facts import Facts
from ..host.runner import Runner
from ..model.desired import Desired
from ..model.errors import EdgeError, understood
from ..model.ownership import CHAIN_PREFIX, COMMENT, TABLE
from ..model.rules import Rule
from .base import Backend
from .registry import MANAGERS, manager

_JUMP = f" -j {CHAIN_PREFIX}"
_UFW_CHAIN = ":ufw-user-input "


@dataclass(frozen=True)
class Choice:
    """The backend that carries the rules, why it is that one, and others, which may have some and are to have none."""

    backend: Backend[Any]
    reason: str
    others: Sequence[Backend[Any]]


def choose_backend(facts: Facts, run: Runner, name: str, desired: Desired) -> Choice:
    """Return the backend for this host. name: as in the option backend.

    Raises EdgeError where two managers are live.
    """
    with understood("the firewall of this host"):
        traces = [one.name for one in MANAGERS if one.may_have_traces(facts, run)]
        backends = {one: manager(one).make(run) for one in traces}
        if name != "auto":
            reason = "it was asked for"
        elif desired.present:
            name, reason = _live(facts, run, desired)
        else:
            name, reason = _with_traces(facts, list(backends.values()))
    backend = backends.pop(name, None) or manager(name).make(run)
    return Choice(backend, reason, list(backends.values()))


def live_managers(
    ruleset: Ruleset,
    active_units: Sequence[str],
    ufw_is_active: bool,
    rules: Sequence[Rule] = (),
    routes: Optional[Routes] = None,
) -> List[Tuple[str, str]]:
    """Return the firewall managers that are live, each with what shows it.

    rules: the accept rules that are desired; routes: as facts have them. Programs that ban addresses, or that accept
    traffic of bridges of their own (libvirt, LXD, container engines), drop nothing by default: they are no managers.
    """
    names: Dict[str, str] = {}
    for one in MANAGERS:
        for unit in one.units:
            if unit in active_units:
                names.setdefault(one.name, f"{unit} is active")
    if any(table.endswith(" firewalld") for table in ruleset.tables()):
        names.setdefault("firewalld", "its table is live")
    if ufw_is_active:
        names["ufw"] = "ufw status is active"
    if not names.keys() & {"firewalld", "ufw"}:
        for chain in bases_that_drop(_unmanaged(ruleset), rules, routes or {}):
            if chain.table not in ruleset.owners:
                name = "iptables" if chain.table.startswith(("iptables-", "ip6tables-")) else "nftables"
                names.setdefault(name, f"{chain.label} drops")
    return list(names.items())


def _unmanaged(ruleset: Ruleset) -> Ruleset:
    """Return the ruleset without managed rules, which would keep connections from what drops by default."""
    for chain in list(ruleset.chains.values()):
        kept = [rule for rule in chain.rules if not rule.comment.startswith(COMMENT) and _JUMP not in f"{rule.text} "]
        if len(kept) != len(chain.rules):
            ruleset = ruleset.with_rules(chain.key, kept)
    return ruleset.without_tables([TABLE])


def _live(facts: Facts, run: Runner, desired: Desired) -> Tuple[str, str]:
    active = [unit for one in MANAGERS for unit in one.units if facts.persistence.is_active(unit)]
    names = live_managers(facts.firewall.ruleset, active, _ufw_is_active(facts, run), desired.accepts, facts.routes)
    if len(names) > 1:
        named = " and ".join(f"{name} ({why})" for name, why in names)
        raise EdgeError(
            f"backend: auto finds {len(names)} live firewall managers, {named}; "
            f"say which is to carry the rules, as backend: {' or '.join(name for name, _why in names)}"
        )
    return names[0] if names else ("nftables", "no firewall manager is live on this host")


def _ufw_is_active(facts: Facts, run: Runner) -> bool:
    if not any(_UFW_CHAIN in listing for listing in facts.firewall.saves.values()):
        return False
    return bool(manager("ufw").make(run).observe(facts).active)


def _with_traces(facts: Facts, backends: Sequence[Backend[Any]]) -> Tuple[str, str]:
    """Return the backend that has something to be removed."""
    for backend in backends:
        if backend.has_traces(backend.observe(facts)):
            return backend.name, "it has managed rules"
    return "nftables", "there is nothing to be removed"
