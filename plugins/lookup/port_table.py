# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: port_table
author:
  - xmpp.edge authors (@xmpp-edge)
short_description: The port table of XMPP federation at an edge server
version_added: 1.0.0
description:
  - Returns the rows of the port table, or the selection of a query, for templates and documents.
  - Source of the table is Microsoft, "Port summary - Extensible messaging and presence protocol (XMPP) federation in
    Lync Server 2013".
requirements:
  - jmespath (only with O(query))
options:
  _terms:
    description: The lookup takes no terms.
  query:
    description: A JMESPath expression that is applied to the list of rows.
    type: str
seealso:
  - name: JMESPath
    description: The query language.
    link: https://jmespath.org
"""

EXAMPLES = r"""
- name: Show the table
  ansible.builtin.debug:
    msg: "{{ lookup('xmpp.edge.port_table') }}"

- name: Show the ports that a perimeter router has to let in
  ansible.builtin.debug:
    msg: "{{ query('xmpp.edge.port_table', query='[?direction==`in`].port') }}"
"""

RETURN = r"""
_list:
  description: The rows, or the selection of O(query). A selection that is no list becomes a list with one element.
  type: list
  elements: raw
  sample:
    - id: federation_in
      title: Federated XMPP partners to the Edge Server's XMPP proxy
      protocol: XMPP
      transport: tcp
      port: 5269
      port_option: federation_port
      direction: in
      source: any
      source_option: partner_networks
      source_title: federated partners
      destination: Access Edge service interface
      destination_option: access_addresses
      destination_title: Access Edge service interface
"""

import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.port_table import PORT_TABLE, Endpoint, Row
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.address_input import ANY

try:
    import jmespath
    import jmespath.exceptions
except ImportError:
    HAS_JMESPATH = False
else:
    HAS_JMESPATH = True


class LookupModule(LookupBase):
    """Lookup that returns the rows of the port table."""

    def run(self, terms: t.Any, variables: t.Any = None, **kwargs: t.Any) -> list[t.Any]:
        """Return the rows, or the selection of the query."""
        self.set_options(var_options=variables, direct=kwargs)
        if terms:
            raise AnsibleError(f"xmpp.edge.port_table takes no terms, but was given {terms!r}; select rows with query=")
        unknown = sorted(kwargs.keys() - {"query"})
        if unknown:
            raise AnsibleError(f"xmpp.edge.port_table has no option {unknown[0]!r}; the only one is query")
        rows = [_row_result(row) for row in PORT_TABLE]
        query = self.get_option("query")
        if query is None:
            return rows
        if not HAS_JMESPATH:
            raise AnsibleError("query needs the Python package jmespath on the controller; install it with pip")
        try:
            selected = jmespath.search(query, rows)
        except jmespath.exceptions.JMESPathError as error:
            reason = str(error).splitlines()[0]
            raise AnsibleError(
                f"query: {query!r} is not a JMESPath expression ({reason}); write one like [].port"
            ) from None
        return selected if isinstance(selected, list) else [selected]


def _row_result(row: Row) -> dict[str, t.Any]:
    return {
        "id": row.id,
        "title": row.title,
        "protocol": row.protocol,
        "transport": row.transport,
        "port": row.default_port,
        "port_option": row.port_option,
        "direction": row.direction,
        **_side("source", row.source),
        **_side("destination", row.destination),
    }


def _side(name: str, endpoint: Endpoint) -> dict[str, str]:
    return {
        name: endpoint.title if endpoint.local else ANY,
        f"{name}_option": endpoint.option,
        f"{name}_title": endpoint.title,
    }
