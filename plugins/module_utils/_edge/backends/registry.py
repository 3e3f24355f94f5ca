# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall managers that are known: the one place that lists them."""

from __future__ import annotations

import binascii
import os
from dataclasses import dataclass
from typing import Any, Callable, Tuple

from ..host.facts import Facts
from ..host.files import read_text
from ..host.loaders import LOADERS
from ..host.runner import Runner, find_program
from ..host.units import FIREWALLD
from ..model.ownership import CHAIN_PREFIX, COMMENT, NAME_PREFIX, RICH_RULE_PRIORITIES
from .base import Backend

_UFW_FILES = ("/etc/ufw/user.rules", "/etc/ufw/user6.rules")
_FIREWALLD_FOLDERS = ("/etc/firewalld/zones", "/etc/firewalld/policies", "/etc/firewalld/ipsets")


@dataclass(frozen=True)
class Manager:
    """A firewall manager. units: those that show it when they are active; make: imports and makes its backend, given
    what runs programs; may_have_traces: a quick look, without the backend's code. A yes may be nothing; a no is
    certain.
    """

    name: str
    units: Tuple[str, ...]
    make: Callable[[Runner], Backend[Any]]
    may_have_traces: Callable[[Facts, Runner], bool]


# Each is imported where it is needed: a host compiles what it imports anew on every run.


def _nftables(run: Runner) -> Backend[Any]:
    from .nftables import NftablesBackend

    return NftablesBackend(run)


def _iptables(run: Runner) -> Backend[Any]:
    from .iptables import IptablesBackend

    return IptablesBackend(run)


def _ufw(_run: Runner) -> Backend[Any]:
    from .ufw import UfwBackend

    return UfwBackend()


def _firewalld(run: Runner) -> Backend[Any]:
    from .firewalld import FirewalldBackend

    return FirewalldBackend(run)


def _traces_of_nftables(facts: Facts, _run: Runner) -> bool:
    chains = facts.firewall.ruleset.chains.values()
    return any(rule.comment.startswith(COMMENT) for chain in chains for rule in chain.rules)


def _traces_of_iptables(facts: Facts, run: Runner) -> bool:
    if any(CHAIN_PREFIX in text for text in facts.firewall.saves.values()):
        return True
    # Without any rules of iptables nothing can be made of its sets.
    program = find_program("ipset") if facts.firewall.saves else None
    return program is not None and NAME_PREFIX in run([program, "list", "-name"], "").stdout


def _traces_of_ufw(_facts: Facts, _run: Runner) -> bool:
    in_hexadecimal = binascii.hexlify(COMMENT.encode()).decode()
    return any(in_hexadecimal in (read_text(path) or "") for path in _UFW_FILES)


def _traces_of_firewalld(facts: Facts, _run: Runner) -> bool:
    tables = facts.firewall.ruleset.tables()
    if any(table.endswith(" firewalld") for table in tables) or facts.persistence.is_active(FIREWALLD):
        return True
    folders = filter(os.path.isdir, _FIREWALLD_FOLDERS)
    files = [os.path.join(folder, name) for folder in folders for name in os.listdir(folder)]
    if any(os.path.basename(path).startswith(NAME_PREFIX) for path in files):
        return True
    marks = [f'priority="{priority}"' for priority in RICH_RULE_PRIORITIES.values()]
    texts = (read_text(path) or "" for path in files if path.endswith(".xml"))
    return any(mark in text for text in texts for mark in marks)


def _units_of(name: str) -> Tuple[str, ...]:
    """Return the services that load rules of a manager that has no service of its own."""
    return tuple(unit for unit, gone in LOADERS.items() if name in gone)


MANAGERS: Tuple[Manager, ...] = (
    Manager("nftables", _units_of("nftables"), _nftables, _traces_of_nftables),
    Manager("firewalld", (FIREWALLD,), _firewalld, _traces_of_firewalld),
    Manager("ufw", (), _ufw, _traces_of_ufw),
    Manager("iptables", _units_of("iptables"), _iptables, _traces_of_iptables),
)
"""The managers, in the order in which they are named to people."""


def manager(name: str) -> Manager:
    """Return a manager by its name."""
    return next(one for one in MANAGERS if one.name == name)
