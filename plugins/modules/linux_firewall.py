#!/usr/bin/python
# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: linux_firewall
short_description: Make a Linux host's XMPP edge rules equal to compiled rules
version_added: 1.0.0
description:
  - The host side of M(xmpp.edge.firewall) for Linux. Use that one - it knows the port table, checks what you
    give before any host is touched, and calls this module with the rules that follow.
  - Reads what the host has, changes it in one transaction where it differs, and reads it again. Whatever differs after
    that is a failure.
  - Evaluates by the host's whole firewall whether the rules are effective. Changes and removes only what has an
    ownership tag of this collection.
author:
  - xmpp.edge authors (@xmpp-edge)
extends_documentation_fragment:
  - xmpp.edge.attributes
  - xmpp.edge.host_options
attributes:
  platform:
    description: Hosts that it works on.
    support: full
    platforms: linux
options:
  rules:
    description:
      - The desired rules, in their order. Empty with O(state=absent).
    type: list
    elements: dict
    default: []
    suboptions:
      row:
        description: Id of the port table's row that the rule serves. It becomes the rule's comment.
        type: str
        required: true
      action:
        description: What happens to a matching packet. V(block) spares loopback and established connections.
        type: str
        choices:
          - allow
          - block
        required: true
      direction:
        description: Seen from the host.
        type: str
        choices:
          - in
          - out
        required: true
      family:
        description: V(any) stands for both families, and only a block rule may have it.
        type: str
        choices:
          - ipv4
          - ipv6
          - any
        required: true
      source:
        description: Name of an entry of O(groups). Left out means any address.
        type: str
      destination:
        description: Name of an entry of O(groups). Left out means any address.
        type: str
      port:
        description: TCP destination port.
        type: int
        required: true
      forwarded:
        description: Whether the rule is for packets that the host passes on, rather than for its own.
        version_added: 2.0.0
        type: bool
        default: false
  groups:
    description:
      - Lists of IP addresses and CIDR networks by name. A name ends in V(_ipv4) or V(_ipv6), and its list is of that
        family.
    type: dict
    default: {}
  own_addresses:
    description:
      - Addresses that are taken for those of the host, by the option of M(xmpp.edge.firewall) that lists them. Without
        it they are those of O(rules).
    type: dict
    default: {}
    version_added: 2.0.0
  limits:
    description: Limits on the new connections of a row, as M(xmpp.edge.firewall) makes them from its options.
    type: dict
    version_added: 2.0.0
    suboptions:
      row:
        description: The row of the port table whose connections are limited.
        type: str
        required: true
      new:
        description: New connections a minute from each source; V(0) for any number.
        type: int
        default: 0
      burst:
        description: Those of them that may come at once.
        type: int
        default: 5
      open:
        description: Open connections of each source; V(0) for any number.
        type: int
        default: 0
      exempt:
        description: Networks that no limit holds for, by a name that ends in their family.
        type: dict
        default: {}
  partner_domains:
    description:
      - What the look-ups of partners by domain have told. Together with earlier answers, which the host keeps, it fills
        the groups that are named there.
    type: list
    elements: dict
    default: []
    version_added: 2.1.0
    suboptions:
      group:
        description: The name of the groups that the addresses are for, without their families.
        type: str
        required: true
      domain:
        description: The domain.
        type: str
        required: true
      port:
        description: The port that its servers have at the addresses.
        type: int
        required: true
      addresses:
        description: The addresses.
        type: list
        elements: str
        default: []
      fault:
        description: Why not all addresses are known; empty where they are.
        type: str
        default: ""
  look:
    description:
      - Whether the host is only looked at, as M(xmpp.edge.verify_flows) does. RV(rows) is then as it is found, and
        RV(drift) has how the host differs from O(rules). Nothing is changed or predicted.
    type: bool
    default: false
    version_added: 2.0.0
  rollback_after:
    description:
      - Seconds after which the host undoes the change by itself, unless the shell command in RV(confirmation) is run
        on it before. With V(0) it does not.
      - What undoes the change is armed on the host before the change is made, and needs neither Ansible nor Python.
    version_added: 1.1.0
    type: int
    default: 0
seealso:
  - module: xmpp.edge.firewall
"""

EXAMPLES = r"""
- name: Let one partner network reach one address on the server-to-server port
  xmpp.edge.linux_firewall:
    rules:
      - row: federation_in
        action: allow
        direction: in
        family: ipv4
        source: partner_networks_ipv4
        destination: access_addresses_ipv4
        port: 5269
    groups:
      partner_networks_ipv4: [198.51.100.0/24]
      access_addresses_ipv4: [198.18.0.2]

- name: Remove all that this collection put on the host
  xmpp.edge.linux_firewall:
    state: absent
"""

RETURN = r"""
backend:
  description: The firewall manager that carries the rules.
  returned: success, or when a row is not effective
  type: str
  sample: nftables
backend_reason:
  description: Why it is that one.
  returned: success, or when a row is not effective
  version_added: 1.1.0
  type: str
  sample: no other firewall manager is live on this host
persisted:
  description:
    - Whether the rules survive a reboot of the host, and a reload or restart of every service that is known to load
      rules. It is true only where RV(persistence) says V(yes) of each part.
  returned: success, or when a row is not effective
  type: bool
  sample: true
persistence:
  description:
    - The same for the guards and for the accept rules, as V(yes), V(no) or V(unknown). A part that the host does not
      have is left out. Whatever stands in the way is a warning, with what to do.
  returned: success, or when a row is not effective
  version_added: 2.0.0
  type: dict
  sample:
    guards: "yes"
    accepts: "yes"
rows:
  description: What is true of each row that has a rule, by row id. In check mode it is what would be true.
  returned: success, or when a row is not effective
  type: dict
  contains:
    present:
      description: Whether the row's rules are on the host.
      type: bool
    effective:
      description: Whether the row's packets pass everything else on the host - V(yes), V(no) or V(unknown).
      type: str
    decided_by:
      description: The chain and rule that decide, and where the row is not effective the connection that shows it.
      type: str
    guarded:
      description: Whether all that the table forbids of the row is closed - V(yes), V(no) or V(unknown).
      returned: with a guard
      version_added: 2.0.0
      type: str
    guarded_by:
      description: The chain and rule that decide that, and where something passes the connection that shows it.
      returned: with a guard
      version_added: 2.0.0
      type: str
    packets:
      description:
        - Packets of new connections that were C(allowed), C(blocked) by a guard and C(limited), and C(since) when they
          are counted, by the managed nftables table.
      version_added: 1.1.0
      type: dict
  sample:
    federation_in:
      present: true
      effective: "yes"
      decided_by: 'chain inet xmpp_edge input: ip daddr @access_addresses_ipv4 tcp dport 5269 accept'
      packets: {allowed: 12, blocked: 3, limited: 0, since: "2026-11-26T18:20:40Z"}
notes:
  description: Sentences for the administrator, which M(xmpp.edge.firewall) shows as warnings.
  returned: success, or failure
  version_added: 2.0.0
  type: list
  elements: str
  sample: []
drift:
  description: Differences that a run would end. Each has its sign, its diff line, and the rule where it is one.
  returned: with O(look)
  version_added: 2.0.0
  type: list
  elements: dict
  sample: []
not_compared:
  description: The reason why the host could not be compared with O(rules), if there is one.
  returned: with O(look)
  version_added: 2.0.0
  type: str
blocked:
  description: Packets that the guards of each row have blocked since the table was loaded, by row id.
  returned: with O(look)
  version_added: 2.0.0
  type: dict
  sample: {federation_in: 3}
partner_addresses:
  description: All addresses of partners by domain that the rules have, by the name of their groups without the family.
  returned: with O(partner_domains)
  version_added: 2.1.0
  type: dict
  sample: {partner_domains: ['198.51.100.7']}
absent:
  description: Addresses that O(groups) take for those of the host and that it does not have.
  returned: with O(look)
  version_added: 2.0.0
  type: list
  elements: str
  sample: []
confirmation:
  description: The shell command that confirms the change. It is to be run on the host, as the user that made it.
  returned: when O(rollback_after) is not 0 and a change was made
  version_added: 1.1.0
  type: str
cut:
  description: Established connections that are not allowed any more, and are closed once the change is to stand.
  returned: success, or when a row is not effective
  version_added: 1.1.0
  type: list
  elements: str
  sample: ['198.18.0.2:5269 with 198.51.100.7:41256']
steps:
  description: The exact steps that are done on the host, or in check mode would be.
  returned: with C(-v), and when something is to be done on a Linux host
  version_added: 2.0.0
  type: list
  elements: str
  sample: ["/usr/sbin/nft -f - <<'END'\ndelete table inet xmpp_edge\nEND"]
missing_package:
  description: Package to install, where the failure is that a tool is missing.
  returned: failure
  type: str
  sample: nftables
diff:
  description:
    - The rules before and after, one line per rule in the table's words, then one line for whatever else is repaired.
  returned: success, or when a package is missing or a row is not effective
  type: dict
  contains:
    before:
      description: What was found.
      type: str
    after:
      description: What is there now.
      type: str
  sample:
    before: ""
    after: "federation_in  allow in tcp any -> 198.18.0.2 port 5269\n"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.xmpp.edge.plugins.module_utils._edge.linux_side import ARGUMENT_SPEC, run_module


def main() -> None:
    """Run the module."""
    run_module(AnsibleModule(ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
