# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replacement for the action plugin of xmpp.edge.firewall, for hosts with pwsh instead of a Windows shell."""

from __future__ import annotations

from ansible_collections.xmpp.edge.plugins.action.front_door import ActionModule as FrontDoor


class ActionModule(FrontDoor):
    """The real action plugin. It treats a host as a Windows host where the inventory names an interpreter of pwsh."""

    @property
    def _is_windows(self) -> bool:
        return "ansible_pwsh_interpreter" in self._templar.available_variables
