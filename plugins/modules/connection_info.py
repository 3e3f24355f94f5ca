#!/usr/bin/python
# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: connection_info
short_description: Tell what this host itself knows of connections - packets that cross it, listeners, and routes
version_added: 2.0.0
description:
  - Part of the role P(xmpp.edge.xmpp_edge_verify#role), which so learns how far a connection has come that got no
    answer.
  - A watch sees the packets that open connections. It sees those that arrive before any firewall of the host, and those
    that leave behind it. A process watches until it is asked for what it has seen, or its time is over.
  - Changes nothing, leaves no file, and runs in check mode as well.
  - A watch needs root and Linux. Where it cannot be, the result says why, and the task does not fail.
author:
  - xmpp.edge authors (@xmpp-edge)
extends_documentation_fragment:
  - xmpp.edge.attributes.info
attributes:
  platform:
    description: Hosts that it works on.
    support: full
    platforms: posix
options:
  watch_ports:
    description: TCP ports, of either end, of which a watch is started.
    type: list
    elements: int
    default: []
  seconds:
    description: Seconds after which a watch ends, unless it was ended before.
    type: int
    default: 600
  watch:
    description: Name of a watch to end, as RV(watch) had it.
    type: str
  listeners:
    description: TCP ports of which the listeners are asked for.
    type: list
    elements: int
    default: []
  connected_to:
    description: TCP port of other hosts, of which the connections of this host are asked for.
    type: int
  accepted_at:
    description: TCP port of this host, of which the established connections are asked for.
    type: int
  paths:
    description: IP addresses to which the routes are asked for.
    type: list
    elements: str
    default: []
  sources:
    description: Addresses of this host, of which the devices are asked for, and the routes from there.
    type: list
    elements: str
    default: []
seealso:
  - module: xmpp.edge.probe
"""

EXAMPLES = r"""
- name: Watch the port between servers
  xmpp.edge.connection_info:
    watch_ports: [5269]
  register: info_begun

- name: End the watch, and tell who listens
  xmpp.edge.connection_info:
    watch: "{{ info_begun.watch }}"
    listeners: [5269]
  register: info_result
"""

RETURN = r"""
watch:
  description: Name of the watch that was started.
  returned: when one was started
  type: str
  sample: xmpp-edge-watch-0f3a5c1e9d7b42688a1cfe5d3b902e74
packets:
  description: Packets that the ended watch has seen, each once.
  returned: when a watch was ended
  type: list
  elements: dict
  contains:
    kind:
      description: V(SYN), V(SYN-ACK) or V(RST).
      type: str
    sent:
      description: Whether it left this host.
      type: bool
    device:
      description: The device that it crossed.
      type: str
    source:
      description: Its source address.
      type: str
    source_port:
      description: Its source port.
      type: int
    destination:
      description: Its destination address.
      type: str
    port:
      description: Its destination port.
      type: int
  sample: []
not_watched:
  description: The reason why nothing was watched.
  returned: when a watch was asked for and could not be
  type: str
listeners:
  description: The listeners, each with C(address), C(port) and C(process). None where the host does not tell.
  returned: when O(listeners) is given
  type: list
  elements: dict
  sample: [{address: "0.0.0.0", port: 5269, process: lua5.4}]
connected_from:
  description: The local addresses of connections to the port of O(connected_to).
  returned: when O(connected_to) is given
  type: list
  elements: str
  sample: [198.51.100.7]
accepted_from:
  description: The addresses of those that are connected to the port of O(accepted_at).
  returned: when O(accepted_at) is given
  type: list
  elements: str
  sample: [198.51.100.130]
paths:
  description:
    - By address, C(source) and C(device) of a connection that is bound to nothing, and in C(from) the device for each
      of O(sources). What the host does not tell is missing.
  returned: when O(paths) is given
  type: dict
  sample: {198.51.100.130: {source: 198.51.100.7, device: eth0, from: {198.51.100.7: eth0}}}
devices:
  description: The device that carries each of O(sources).
  returned: when O(paths) is given
  type: dict
  sample: {198.51.100.7: eth0}
strict_devices:
  description: Those of the devices that drop packets whose answer would leave by another one.
  returned: when O(paths) is given
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe.information import ARGUMENT_SPEC, run_module


def main() -> None:
    """Run the module."""
    run_module(AnsibleModule(ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
