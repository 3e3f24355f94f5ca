#!/usr/bin/python
# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: probe
short_description: Attempt connections to XMPP servers from this host, and return the outcome of each
version_added: 1.1.0
description:
  - Attempts all targets in parallel, so that many take no longer than the slowest one. Returns one outcome for each.
  - Changes nothing, and runs in check mode as well.
  - Treats every peer as hostile. Every attempt has a deadline and a limit on the bytes that it reads.
  - Reports certificates. That one is not trusted is a fact, and no failure. Sends only the beginning of a stream.
  - A peer that has accepted a connection and then was not what was asked for gets further connections, which find out
    what it is. They have half of the time again.
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
  targets:
    description: Connections to attempt.
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
        description: Address of this host to connect from. By default the host's routes decide.
        type: str
      level:
        description:
          - V(tcp) only connects.
          - V(xmpp) opens a stream between servers, secures it by STARTTLS, and reads its features.
          - V(mtls) starts with TLS, and determines whether a client certificate is required. Where that is so and
            O(targets[].certificate) is given, a second connection determines whether it is accepted.
        type: str
        choices:
          - tcp
          - xmpp
          - mtls
        default: tcp
      domain:
        description: Domain to request, in the stream and by TLS (server name indication).
        type: str
        default: ""
      origin:
        description: Domain of the requesting server in the stream.
        type: str
        default: ""
      direct_tls:
        description: Whether level V(xmpp) negotiates TLS before the stream, as in XEP-0368.
        type: bool
        default: false
      tls:
        description:
          - What is demanded of a stream at level V(xmpp). V(required) is TLS. V(optional) is TLS where the
            peer offers it. V(none) ends with the features of the stream before TLS.
        type: str
        choices:
          - required
          - optional
          - none
        default: required
        version_added: 2.0.0
      certificate:
        description: File on this host with a client certificate, in PEM form.
        type: path
      key:
        description: File with the key of the certificate, unless O(targets[].certificate) has the key too.
        type: path
      expect:
        description:
          - The task fails, with all results, where the outcome does not fulfil this expectation.
          - V(open) means at level V(tcp) that the port accepts connections, and at level V(xmpp) that a stream with TLS
            is open, or TLS is up and the peer wants a certificate. At level V(mtls) it means that a client certificate
            is required.
          - V(closed) means that no connection is made.
        type: str
        choices:
          - open
          - closed
  routes:
    description: IP addresses to look up in this host's routes. Nothing is sent to them.
    type: list
    elements: str
    default: []
  sources:
    description: IP addresses for which the address is told that this host connects from. Nothing is sent to them.
    type: list
    elements: str
    default: []
    version_added: 2.0.0
  domains:
    description:
      - XMPP domains of which the records are looked up by this host's resolver, meanwhile. This needs the Python
        library dnspython on the host.
    type: list
    elements: str
    default: []
    version_added: 2.0.0
  pings:
    description:
      - Pings between servers, which the XMPP server of this host is asked to do meanwhile. So authentication and the
        policy of both servers are tried, by C(prosodyctl shell xmpp ping). Each may take 10 seconds.
    type: list
    elements: dict
    default: []
    version_added: 2.0.0
    suboptions:
      from:
        description: Domain of the server of this host.
        type: str
        required: true
      to:
        description: Domain of the other server.
        type: str
        required: true
  timeout:
    description: Seconds for each attempt, from the first packet to the last.
    type: float
    default: 5
seealso:
  - module: xmpp.edge.firewall
"""

EXAMPLES = r"""
- name: Probe two servers
  xmpp.edge.probe:
    timeout: 2
    targets:
      - {address: 127.0.0.1, port: 5269, level: xmpp, domain: example.org, origin: example.net}
      - {address: 127.0.0.1, port: 23456, level: mtls}
  register: probe_result

- name: Fail if the gateway port is open
  xmpp.edge.probe:
    targets:
      - {address: 127.0.0.1, port: 23456, expect: closed}
"""

RETURN = r"""
routes:
  description: Whether the host has a route to each address of O(routes).
  returned: success, or when a target is not as expected
  type: dict
  sample: {198.51.100.7: true}
sources:
  description: The address that a connection to each address of O(sources) comes from; none where there is no route.
  returned: success, or when a target is not as expected
  version_added: 2.0.0
  type: dict
  sample: {198.51.100.130: 198.51.100.7}
names:
  description:
    - The records of each of O(domains). C(services) has for C(_xmpp-server) and C(_xmpps-server) a list of C(target)
      and C(port). C(addresses) has those of each target, or of the domain itself where it has no services. C(fault)
      says why something is not known.
  returned: when O(domains) is given and dnspython is there
  version_added: 2.0.0
  type: dict
  sample:
    example.org:
      services: {_xmpp-server: [{target: xmpp.example.org, port: 5269}], _xmpps-server: []}
      addresses: {xmpp.example.org: [198.51.100.130]}
      fault: ""
names_not_asked:
  description: The reason why no records were looked up.
  returned: when O(domains) is given and could not be looked up
  version_added: 2.0.0
  type: str
pings:
  description:
    - The answer to each of O(pings), with C(from), C(to), C(detail) and C(answered). That is none where it is not
      known, for example because the host has no Prosody.
  returned: success, or when a target is not as expected
  version_added: 2.0.0
  type: list
  elements: dict
  sample: [{from: example.net, to: example.org, answered: true, detail: ""}]
results:
  description: The result of each target, in the order of O(targets).
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
        - Success - V(open) at level V(tcp), V(xmpp) at level V(xmpp), and at level V(mtls)
          V(client_certificate_required), or V(complete) with a certificate.
        - V(not_authenticated) at level V(xmpp) - TLS is up, and the peer wants a certificate before it goes on, which
          was not given. Authentication is not checked then.
        - V(certificate_refused) at level V(mtls) - a certificate is required, and the given one is refused.
        - V(client_certificate_optional) and V(no_client_certificate_request) where TLS is open to clients without one.
        - No connection - V(filtered) without an answer in time, V(refused), V(prohibited), V(unreachable), V(no_route)
          and V(no_source).
        - No TLS - V(no_tls), V(tls_failed), V(no_certificate) and V(bad_domain). No XMPP - V(no_xmpp), V(xmpp_error),
          V(no_starttls) and V(starttls_refused).
        - Otherwise V(timeout), V(closed), V(reset), V(too_much) and V(error).
      type: str
    as_expected:
      description: Whether the outcome fulfils O(targets[].expect); none where that is not given.
      type: bool
    source:
      description: Address that the host connects from; none where it has no route.
      type: str
    latency_ms:
      description: Milliseconds until the connection was established.
      type: float
    seconds:
      description: Seconds that the attempt took.
      type: float
    detail:
      description: More on the outcome. It may contain text from the peer.
      type: str
    facts:
      description:
        - Facts from the peer - C(server), C(starttls), C(dialback), C(sasl), C(sasl_external), and in C(tls)
          C(version), C(cipher), C(sha256), C(names), C(expires) and C(self_signed); at level V(xmpp) also C(trusted) by
          this host's store, and C(distrust) with the reason.
        - Facts on the attempt - C(stage), the last one that was reached; C(speaks), the protocol of a peer that speaks
          another one; C(lost_segments), where later segments came without an earlier one; C(source_port), C(packets)
          and C(rejected_by) of an attempt without a connection.
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
from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe.module import ARGUMENT_SPEC, run_module


def main() -> None:
    """Run the module."""
    run_module(AnsibleModule(ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
