# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes of a new administrator: one sentence for each, and a host that is as it was, byte for byte."""

from __future__ import annotations

import ipaddress

import edge
import pytest
from mistakes import first_sentence

ACCESS, ACCESS6 = edge.TOPOLOGY.addresses("edge", "external")
INTERNAL, INTERNAL6 = edge.TOPOLOGY.addresses("edge", "internal")
GATEWAY = edge.TOPOLOGY.prefix("internal", "ipv4") + "1"
OTHER = edge.TOPOLOGY.prefix("external", "ipv4") + "99"
STATE = """
nft -s -a list ruleset; iptables-save -t filter | grep -v '^#'; dpkg-query -W; ip address show; ip route show
find /etc /usr/lib/systemd /var/lib/xmpp-edge -type f -exec md5sum {} + 2>&1 | sort
find /etc -printf '%p %M %u %l\\n' | sort; systemctl list-unit-files; :
"""

pytestmark = pytest.mark.usefixtures("host")

REFUSED = [
    ({"frontend_networks": ["any"]}, "frontend_networks: is no variable of the role; say xmpp_edge_front_end_"),
    ({"partner_network": ["198.18.7.1"]}, "partner_network: is no variable of the role; say xmpp_edge_partner_"),
    (
        {"modus": "permit"},
        "modus: is no variable of the role; say xmpp_edge_mode, or list it in xmpp_edge_ignore",
    ),
    ({"access_address": [ACCESS]}, "access_address: is no variable of the role; say xmpp_edge_access_addresses"),
    (
        {"access_addresses": ["198.18.4.2"]},
        "access_addresses: '198.18.4.2' is not on this host, which carries 198.18.",
    ),
    ({"internal_addresses": ["198.18.4.2"]}, "internal_addresses: '198.18.4.2' is not on this host, which carries"),
    (
        {"access_addresses": [ACCESS], "internal_addresses": [ACCESS], "front_end_networks": ["any"]},
        "internal_addresses",
    ),
    ({"partner_networks": "198.18.4.10-198.18.4.20"}, "partner_networks: '198.18.4.10-198.18.4.20' is a range; list"),
    ({"partner_networks": ["Any"]}, "partner_networks: 'Any' is not an IP address or CIDR network; say any, in lower"),
    ({"partner_networks": "*"}, "partner_networks: '*' is not an IP address or CIDR network; say any, in lower case"),
    ({"partner_networks": "198.18.7.1 198.18.7.2"}, "partner_networks: '198.18.7.1 198.18.7.2' is several entries in"),
    ({"partner_networks": "198.18.7.1\n198.18.7.2"}, r"partner_networks: '198.18.7.1\n198.18.7.2' is several entries"),
    ({"partner_networks": []}, "partner_networks: [] is empty; say any or name networks"),
    ({"backend": "ufw"}, "ufw is not active on this host, and is not activated by us"),
    ({"ignore_variables": [[1]]}, "ignore_variables: "),
    ({"mode": "open"}, "mode: 'open' is not a choice; say exclusive or permit"),
    ({"federation_port": "abc"}, "federation_port: 'abc' is not a TCP port; give a number from 1 to 65535"),
    ({"install": "perhaps"}, "install: 'perhaps' is not a boolean; say true or false"),
    ({"partner_networks": {"a": "b"}}, "partner_networks: {'a': 'b'} is not a list; say any or name networks"),
    ({"rows": ["gateway"]}, "rows: 'gateway' is not a row of the port table; say federation_in or"),
]


@pytest.mark.parametrize(("given", "words"), REFUSED, ids=lambda value: value if isinstance(value, str) else None)
def test_a_mistake_is_told_and_nothing_is_touched(host, given, words):
    before = host.check_output(STATE)
    variables = {f"xmpp_edge_{name}": value for name, value in given.items()}
    said = [first_sentence(edge.play("site", *mode, **variables)) for mode in ([], ["--check"])]
    assert said[0].startswith(words if words.startswith("ufw") else f"xmpp_edge_{words}")
    # Check mode says what a run says.
    assert said[0] == said[1]
    assert host.check_output(STATE) == before


def test_swapped_addresses_are_refused_where_they_open_the_gateway_port(host):
    host.check_output("ip route add default via %s", GATEWAY)
    before = host.check_output(STATE)
    swapped = {"xmpp_edge_access_addresses": [ACCESS], "xmpp_edge_internal_addresses": [INTERNAL], **edge.ANY}
    done = edge.play("site", **swapped)
    assert f"xmpp_edge_internal_addresses: '{INTERNAL}' is on " in first_sentence(done)
    assert "swapped, or name the Front End's networks in xmpp_edge_front_end_networks" in first_sentence(done)
    assert host.check_output(STATE) == before
    done = edge.play("site", **{**swapped, "xmpp_edge_front_end_networks": [INTERNAL]})
    assert edge.changed_tasks(done) == 1
    assert "swapped" in done.stdout


def test_a_source_that_the_kernel_takes_is_named_and_the_guard_rejects_it(host):
    target = edge.TOPOLOGY.address("partner", "external", "ipv4")
    host.check_output(f"ip address add {OTHER}/32 dev lo")
    host.check_output(
        f"ip route replace {target} dev $(ip -o route get {target} | grep -o 'dev [^ ]*' | cut -c5-) src {OTHER}"
    )
    try:
        done = edge.play("site")
        assert edge.changed_tasks(done) == 1
        said = " ".join(done.stdout.split())
        assert f"this host connects to {target} from {OTHER}, which is not listed" in said
        assert f"bind the server to {ACCESS}" in said
        dial = 'python3 -c \'import socket; socket.create_connection(("%s", 5269), 5, ("%s", 0))\''
        assert host.run(dial % (target, "")).rc != 0
        assert host.run(dial % (target, ACCESS)).rc == 0
        listed = edge.play("site", xmpp_edge_access_addresses=[ACCESS, ACCESS6, OTHER])
        assert edge.changed_tasks(listed) == 1
        assert "which is not listed" not in listed.stdout
    finally:
        host.check_output(f"ip route del {target}")


def test_an_address_that_the_host_does_not_have_yet_is_unknown(host):
    done = edge.play("site", xmpp_edge_access_addresses=[ACCESS, OTHER])
    assert edge.changed_tasks(done) == 1
    assert f"no interface of this host has the address {OTHER}, so rules for it match nothing now" in done.stdout
    assert "edge: changed, nftables, effective unknown (federation_in, federation_out), guarded yes" in done.stdout
    host.check_output(f"ip address add {OTHER}/32 dev lo")
    done = edge.play("site", xmpp_edge_access_addresses=[ACCESS, OTHER])
    assert edge.changed_tasks(done) == 0
    assert "edge: no change, nftables, effective yes, guarded yes, confirmed not needed, persisted yes" in done.stdout


def test_the_passive_host_of_a_failover_can_insist():
    options = {"xmpp_edge_access_addresses": [OTHER], "xmpp_edge_rows": ["federation_in", "federation_out"]}
    assert edge.play("site", **options).returncode != 0
    done = edge.play("site", xmpp_edge_allow_absent_addresses=True, **options)
    assert edge.changed_tasks(done) == 1
    assert "effective unknown (federation_in, federation_out)" in done.stdout


def test_a_family_without_partners_is_a_warning():
    done = edge.play("site", xmpp_edge_partner_networks=edge.TOPOLOGY.addresses("partner", "external")[:1])
    assert edge.changed_tasks(done) == 1
    said = " ".join(done.stdout.split())
    # Messages have the canonical form, which that of the inventory may not be.
    assert f"xmpp_edge_partner_networks: has no network of the family of {ipaddress.ip_address(ACCESS6)}" in said


def test_a_variable_of_others_is_a_warning_until_it_is_listed():
    assert "xmpp_edge_owner: is no variable of the role" in edge.play("site", xmpp_edge_owner="mail team").stdout
    others = {"xmpp_edge_owner": "mail team", "xmpp_edge_modus": "of another role"}
    done = edge.play("site", xmpp_edge_ignore_variables=list(others), **others)
    assert edge.changed_tasks(done) == 0
    assert "no variable of the role" not in done.stdout


def test_an_edge_without_a_gateway_leaves_the_gateway_port_alone(host):
    done = edge.play("site", xmpp_edge_rows=["federation_in", "federation_out"], xmpp_edge_internal_addresses=[])
    assert edge.changed_tasks(done) == 1
    rules = host.check_output("nft list table inet xmpp_edge")
    assert "5269" in rules
    assert "23456" not in rules
    assert "gateway" not in done.stdout
    assert edge.changed_tasks(edge.play("site")) == 1
    assert "23456" in host.check_output("nft list table inet xmpp_edge")


@pytest.mark.parametrize("folder", ["/etc/systemd/system", "/var/lib"])
def test_a_disk_that_cannot_be_written_fails_check_mode_too(host, folder):
    host.check_output(f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}")
    before = host.check_output(STATE)
    said = [first_sentence(edge.play("site", *mode)) for mode in ([], ["--check"])]
    assert "read-only" in said[0]
    assert folder in said[0]
    assert said[0] == said[1]
    assert host.check_output(STATE) == before


def test_a_mistake_does_not_stand_in_the_way_of_removal(host):
    assert edge.changed_tasks(edge.play("site")) == 1
    wrong = {"xmpp_edge_federation_port": "abc", "xmpp_edge_modus": "x", "xmpp_edge_access_addresses": ["198.18.4.2"]}
    assert edge.changed_tasks(edge.play("remove", **wrong)) == 1
    assert "xmpp_edge" not in host.check_output("nft list tables")


def test_a_stopped_firewalld_keeps_no_rule_behind_a_removal(host):
    host.check_output("systemctl start firewalld")
    try:
        assert edge.changed_tasks(edge.play("site")) == 1
        assert "priority" in host.check_output("cat /etc/firewalld/zones/*.xml")
        host.check_output("systemctl stop firewalld")
        assert edge.changed_tasks(edge.play("remove")) == 1
        assert "32101" not in host.check_output("cat /etc/firewalld/zones/*.xml; :")
    finally:
        host.check_output("systemctl stop firewalld; rm -f /etc/firewalld/zones/*.xml*")


def test_a_row_that_would_be_dropped_fails_check_mode_too(host):
    host.check_output("nft 'table inet own { chain in { type filter hook input priority 0; tcp dport 5269 drop; }; }'")
    before = host.check_output(STATE)
    done, checked = edge.play("site"), edge.play("site", "--check")
    assert done.returncode == checked.returncode == 2
    assert "another rule of this host still drops" in first_sentence(done)
    assert "another rule of this host would still drop" in first_sentence(checked)
    assert host.check_output(STATE) == before


def test_results_of_check_mode_say_that_they_are_predictions():
    assert edge.result("--check")["predicted"] is True
    assert "predicted" not in edge.result()


def test_an_ordinary_change_accuses_nobody_and_an_edit_is_told(host):
    assert edge.changed_tasks(edge.play("site")) == 1
    done = edge.play("site", "--diff", **edge.ANY)
    assert edge.changed_tasks(done) == 1
    assert "-file /etc/xmpp-edge/guards.nft  is as an earlier run wrote it" in done.stdout
    assert "was edited" not in done.stdout
    assert "--- before: edge (nftables)" in done.stdout
    host.check_output("echo '# mine' >> /etc/xmpp-edge/guards.nft")
    done = edge.play("site", "--diff", **edge.ANY)
    assert edge.changed_tasks(done) == 1
    assert "-file /etc/xmpp-edge/guards.nft  was edited" in done.stdout
