# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""xmpp.edge.firewall on a host that has pwsh in place of a Windows shell; tests put this before the real one."""

from __future__ import annotations

from ansible_collections.xmpp.edge.plugins.action.front_door import ActionModule as FrontDoor


class ActionModule(FrontDoor):
    """The real one, which is told that this is a Windows host wherever the inventory names an interpreter."""

    @property
    def _is_windows(self) -> bool:
        return "ansible_pwsh_interpreter" in self._templar.available_variables
