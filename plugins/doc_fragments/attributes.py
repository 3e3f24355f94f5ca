# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Documentation that the modules of this collection share."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying the host.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change in check mode.
    support: full
  idempotent:
    description: When run twice in a row with the same options, the second run changes nothing.
    support: full
"""

    INFO = r"""
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying the host.
    support: full
    details:
      - Only reads, and so does the same in check mode.
  diff_mode:
    description: Returns details on what has changed, or would change in check mode.
    support: N/A
    details:
      - Changes nothing.
  idempotent:
    description: When run twice in a row with the same options, the second run changes nothing.
    support: full
    details:
      - Changes nothing in any run.
"""
