# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a host right when a run is killed, cut off, repeated or raced."""

HOME = "/var/lib/xmpp-edge"
"""Where changes are kept on a host while they are under way; it is there only as long as one is."""

TAKEN_BACK_STATUS = 3
"""Exit status of the command that confirms a change, when the host has taken the change back."""

OVER_STATUS = 4
"""Exit status of that command, when there is nothing of the change any more."""
