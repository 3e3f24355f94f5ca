#!/usr/bin/python
# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: probe
short_description: Try connections to XMPP servers from this host, and say what became of each
version_added: 1.1.0
description:
  - Tries all targets at once, so that many take no longer than the slowest one, and says of each what became of it in
    one word. It changes nothing, and it runs in check mode as well.
  - Whatever answers is taken for hostile. Every attempt has a deadline and a limit to what it reads.
  - Certificates are looked at, and not believed. Nothing is sent but the beginning of a stream.
author:
  - xmpp.edge authors (@xmpp-edge)
extends_documentation_fragment:
  - xmpp.edge.attributes
attributes:
  platform:
    description: Hosts that it works on.
    support: full
    platforms: posix
options:
  targets:
    description: What to try.
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description: IP address to connect to.
        type: str
        required: true
      port:
        description: TCP port.
        type: int
        required: true
      source:
        description: Address of this host to connect from. Left out, the host's routes decide.
        type: str
      level:
        description:
          - V(tcp) connects and no more.
          - V(xmpp) opens a stream between servers, has it secured by STARTTLS, and reads its features.
          - V(mtls) negotiates TLS at once, and finds out whether a client certificate is required.
        type: str
        choices:
          - tcp
          - xmpp
          - mtls
        default: tcp
      domain:
        description: Domain to ask for, in the stream and by TLS (server name indication).
        type: str
        default: ""
      origin:
        description: Domain to give as one's own in the stream.
        type: str
        default: ""
      direct_tls:
        description: Whether level V(xmpp) negotiates TLS before the stream, as XEP-0368 has it.
        type: bool
        default: false
      certificate:
        description: File on this host with a client certificate, in PEM form.
        type: path
      key:
        description: File with its key, where the certificate's own file does not have that.
        type: path
      expect:
        description:
          - V(open) or V(closed). Where it is otherwise, the task fails, with all results.
          - Open means at level V(tcp) that the port answers, at level V(xmpp) that a stream with TLS is open, and at
            level V(mtls) that a client certificate is required. Closed means that no connection is made.
        type: str
        choices:
          - open
          - closed
  routes:
    description: IP addresses of which to say whether this host has a route there. Nothing is sent to them.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds for each attempt, from the first packet to the last.
    type: float
    default: 5
seealso:
  - module: xmpp.edge.firewall
"""

EXAMPLES = r"""
- name: See what two servers say
  xmpp.edge.probe:
    timeout: 2
    targets:
      - {address: 127.0.0.1, port: 5269, level: xmpp, domain: example.org, origin: example.net}
      - {address: 127.0.0.1, port: 23456, level: mtls}
  register: probed

- name: See that nobody listens where nobody should
  xmpp.edge.probe:
    targets:
      - {address: 127.0.0.1, port: 23456, expect: closed}
"""

RETURN = r"""
routes:
  description: Whether the host has a route there, by address.
  returned: success, or when a target is not as expected
  type: dict
  sample: {198.51.100.7: true}
results:
  description: What became of each target, in the order of O(targets).
  returned: success, or when a target is not as expected
  type: list
  elements: dict
  contains:
    address:
      description: The target's address.
      type: str
    port:
      description: The target's port.
      type: int
    level:
      description: The target's level.
      type: str
    outcome:
      description:
        - As hoped for, V(open) at level V(tcp), V(xmpp) at level V(xmpp), and at level V(mtls)
          V(client_certificate_required), or V(complete) with a certificate.
        - V(client_certificate_optional) and V(no_client_certificate_request) where TLS is open to whoever has none.
        - No connection - V(filtered) without an answer in time, V(refused), V(prohibited), V(unreachable), V(no_route)
          and V(no_source).
        - No TLS - V(no_tls), V(tls_failed) and V(no_certificate). No XMPP - V(no_xmpp), V(xmpp_error), V(no_starttls)
          and V(starttls_refused).
        - Otherwise V(timeout), V(closed), V(reset), V(too_much) and V(error).
      type: str
    as_expected:
      description: Whether it is what was expected; none where nothing was.
      type: bool
    source:
      description: Address that the host connects from; none where it has no route.
      type: str
    latency_ms:
      description: Milliseconds until the port had answered.
      type: float
    seconds:
      description: Seconds that the attempt took.
      type: float
    detail:
      description: More on the outcome. It may hold what the peer sent.
      type: str
    facts:
      description:
        - What the peer said of itself - C(server), C(starttls), C(dialback), C(sasl), C(sasl_external), and in C(tls)
          C(version), C(cipher), C(sha256), C(names), C(expires) and C(self_signed).
      type: dict
  sample:
    - address: 127.0.0.1
      port: 23456
      level: mtls
      outcome: client_certificate_required
      as_expected: null
      source: 127.0.0.1
      latency_ms: 0.1
      seconds: 0.01
      detail: ""
      facts: {}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe.levels import EXPECTATIONS, LEVELS, attempt_all
from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe.targets import (
    complaint,
    read_targets,
    result_of,
    routes_to,
)


def argument_spec():
    return {
        "targets": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "address": {"type": "str", "required": True},
                "port": {"type": "int", "required": True},
                "source": {"type": "str"},
                "level": {"type": "str", "choices": list(LEVELS), "default": "tcp"},
                "domain": {"type": "str", "default": ""},
                "origin": {"type": "str", "default": ""},
                "direct_tls": {"type": "bool", "default": False},
                "certificate": {"type": "path"},
                "key": {"type": "path"},
                "expect": {"type": "str", "choices": list(EXPECTATIONS)},
            },
        },
        "routes": {"type": "list", "elements": "str", "default": []},
        "timeout": {"type": "float", "default": 5},
    }


def main():
    module = AnsibleModule(argument_spec(), supports_check_mode=True)
    try:
        targets = read_targets(module.params["targets"], module.params["timeout"])
        routes = routes_to(module.params["routes"])
    except EdgeError as error:
        module.fail_json(msg=str(error))
    attempts = attempt_all(targets)
    results = [result_of(target, made) for target, made in zip(targets, attempts)]
    wrong = complaint(targets, attempts)
    if wrong:
        module.fail_json(msg=wrong, results=results, routes=routes)
    module.exit_json(changed=False, results=results, routes=routes)


if __name__ == "__main__":
    main()
