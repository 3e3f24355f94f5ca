# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that has the edges of a Lync or Skype for Business topology as variables of the role."""

from __future__ import annotations

import base64 as base64_coding
import binascii
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError, shown
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.cs_topology import import_topology
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.topology_document import REMEDY


def cs_topology(document: t.Any, base64: bool = False) -> dict[str, t.Any]:
    """Return edges, Front Ends and notes of a topology. Raises AnsibleFilterError with one sentence."""
    if not isinstance(document, (str, bytes)):
        raise AnsibleFilterError(f"cs_topology: {shown(document)} is no text; {REMEDY}")
    try:
        found = import_topology(_bytes_of(document) if base64 else document)
    except EdgeError as error:
        raise AnsibleFilterError(f"cs_topology: {error}") from None
    edges = {name: dict(variables) for name, variables in found.edges.items()}
    return {"edges": edges, "front_ends": list(found.front_ends), "notes": list(found.notes)}


def _bytes_of(document: str | bytes) -> bytes:
    """Return what a text in base64 stands for. Raises EdgeError."""
    try:
        return base64_coding.b64decode(document, validate=True)
    except (binascii.Error, ValueError):
        raise EdgeError("the topology is no base64; leave base64 out for a text") from None


class FilterModule:
    """The filter, by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return it."""
        return {"cs_topology": cs_topology}
