# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two forms of an internationalised domain.

XMPP has U-labels (RFC 7622 3.2). TLS and DNS have A-labels (RFC 5890). The standard library knows those of IDNA 2003.
"""

from __future__ import annotations

_ACE = "xn--"


def in_unicode(domain: str) -> str:
    """Return a domain with U-labels; one that has no such form as it is."""
    try:
        return domain.encode("ascii").decode("idna") if _ACE in domain.lower() else domain
    except UnicodeError:
        return domain


def in_ascii(domain: str) -> str:
    """Return a domain with A-labels. Raises UnicodeError for what is no domain."""
    return domain.encode("idna").decode("ascii") if domain else ""
