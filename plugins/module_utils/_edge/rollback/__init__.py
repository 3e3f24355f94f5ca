# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock, rollback and recovery: protection of a host whose run is killed, cut off, repeated or raced."""

from __future__ import annotations

from typing import List

HOME = "/var/lib/xmpp-edge"
"""Folder of pending changes on a host; it exists only while there is one, or a note about one."""

ROLLED_BACK_STATUS = 3
"""Exit status of the confirmation command when the host has rolled the change back."""

OVER_STATUS = 4
"""Exit status of the confirmation command when the host has no trace of the change any more."""

_MARK = "xmpp-edge: "


def line_of_the_script(text: str) -> str:
    """Return a line for people, marked so that nothing is taken for one that sudo or a login banner prints."""
    return f"{_MARK}{text}"


def lines_of_the_script(output: str) -> List[str]:
    """Return the lines for people in what a script has printed."""
    return [line[len(_MARK) :] for line in output.splitlines() if line.startswith(_MARK)]
