# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The desired state of a host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Sequence, Tuple

from .controls import NO_CONTROLS, Controls
from .errors import EdgeError
from .rules import Rule, own_addresses_of


@dataclass(frozen=True)
class Desired:
    """Rules that a host is to have. Raises EdgeError where state and rules contradict each other.

    state: present or absent; rules: in their order, inbound before outbound; persist: whether they are to survive a
    reboot; integrate: whether accept rules may stand in unmanaged chains; own: the addresses that are taken for the
    host's own, by option, where they are more than those of the rules; controls: limits and log.
    """

    state: str
    rules: Tuple[Rule, ...] = ()
    persist: bool = True
    integrate: bool = True
    own: Mapping[str, Sequence[str]] = field(default_factory=dict)
    controls: Controls = NO_CONTROLS

    @property
    def named(self) -> Mapping[str, Sequence[str]]:
        """Return the addresses that are taken for the host's own, by the option that lists them."""
        return self.own or own_addresses_of(self.accepts)

    def __post_init__(self) -> None:
        """Refuse rules without the state present, and the state present without rules."""
        if (self.state == "present") != bool(self.rules):
            raise EdgeError(f"rules: {len(self.rules)} rules with state {self.state}; give rules exactly when present")

    @property
    def present(self) -> bool:
        """Return whether the host is to have rules."""
        return self.state == "present"

    @property
    def accepts(self) -> Tuple[Rule, ...]:
        """The rules that let packets pass which may come from or go to other hosts."""
        return tuple(rule for rule in self.rules if rule.action == "allow" and not rule.is_inner)

    @property
    def guarded(self) -> bool:
        """Return whether some port is to be guarded."""
        return any(rule.action == "block" for rule in self.rules)


ABSENT = Desired("absent")
