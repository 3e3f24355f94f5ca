# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partners by domain: what DNS says, what the rules are then, and what packets do."""

from __future__ import annotations

import ipaddress
import json

import edge
import pytest
from names import ANSWERS

PORT = 5269
PARTNER, OUTSIDER, ACCESS = (
    [str(ipaddress.ip_address(address)) for address in edge.TOPOLOGY.addresses(name, "external")]
    for name in ("partner", "outsider", "edge")
)
DOMAIN = "one.example"
SERVICE = f"_xmpp-server._tcp.one SRV 5 0 {PORT} xmpp.one.example."
OTHER_PORT = "_xmpps-server._tcp.one SRV 5 0 5270 xmpp.one.example."
ALONE = {"xmpp_edge_partner_domains": [DOMAIN], "xmpp_edge_partner_networks": ["any"]}


def at(addresses, name="xmpp.one"):
    """Return the records of a server."""
    return [f"{name} {'AAAA' if ':' in address else 'A'} {address}" for address in addresses]


def open_to(addresses):
    """Return what the edge sees of the port at addresses, from its own of the same family."""
    own = {":" in address: address for address in ACCESS}
    return set(edge.connect("edge", [(own[":" in address], address, PORT) for address in addresses]))


def words(done):
    return " ".join(done.stdout.split()).replace('\\"', '"')


@pytest.fixture
def site(play):
    def run(*arguments, **variables):
        return play("site", "--limit", "edge", *arguments, **{**ALONE, **variables})

    return run


def test_the_outbound_row_leads_to_the_domain_and_nowhere_else(host, names, site, play, tmp_path):
    names.publish(SERVICE, *at(PARTNER))
    predicted = site("--check", "--diff")
    assert edge.changed_tasks(predicted) == 1
    assert f"-> {PARTNER[0]} port {PORT}" in predicted.stdout
    assert not host.file(ANSWERS).exists
    done = site()
    assert edge.changed_tasks(done) == 1
    assert "effective yes, guarded yes" in words(done)
    assert open_to(PARTNER) == {"open"}
    assert open_to(OUTSIDER) == {"refused"}
    # The inbound row is as it was said, open to any.
    assert set(edge.connect("outsider", [(None, address, PORT) for address in ACCESS])) == {"open"}
    kept = json.loads(host.file(ANSWERS).content_string)["domains"]
    assert set(kept) == {f"{DOMAIN}:{PORT}"}
    assert set(kept[f"{DOMAIN}:{PORT}"]) == set(PARTNER)
    # What is listed stands beside it.
    assert edge.changed_tasks(site(xmpp_edge_partner_networks=[f"{OUTSIDER[0]}/32"])) == 1
    assert open_to(OUTSIDER[:1]) == {"open"}
    assert open_to(OUTSIDER[1:]) == {"refused"}
    assert edge.changed_tasks(site()) == 1
    edge.reboot()
    assert open_to(PARTNER) == {"open"}
    assert open_to(OUTSIDER) == {"refused"}
    # Nothing here is an XMPP server, so that verify as a whole fails.
    play("verify", "--limit", "!edge_bare", **ALONE, xmpp_edge_verify_evidence=str(tmp_path))
    found = json.loads((tmp_path / "evidence.json").read_text())
    outward = {
        flow["address"]: (flow["expected"], flow["verdict"])
        for flow in found["flows"]
        if (flow["row"], flow["from"]) == ("federation_out", "edge") and flow["address"] in (*PARTNER, *OUTSIDER)
    }
    assert outward == {**dict.fromkeys(PARTNER, ("open", "FAILS")), **dict.fromkeys(OUTSIDER, ("closed", "holds"))}
    assert [one["drift"] for one in found["edges"] if one["name"] == "edge"] == [[]]


@pytest.mark.usefixtures("host")
def test_what_tells_nothing_new_changes_nothing(names, site):
    more = ["198.19.7.3", "198.19.7.20", "198.19.7.1"]
    records = [*at([*PARTNER, *more]), "_xmpp-server._tcp.one SRV 1 9 5269 b.one.example.", "b.one A 198.19.7.9"]
    names.publish(SERVICE, *records)
    assert edge.changed_tasks(site()) == 1
    names.publish(*reversed(records), SERVICE)
    again = site("--diff")
    assert edge.changed_tasks(again) == 0
    assert "---" not in again.stdout
    for failure in (names.fail, names.publish, names.end):
        failure()
        again = site("--diff")
        assert edge.changed_tasks(again) == 0
        assert f"partner_domains: {DOMAIN} is not known as a whole (" in words(again)
        assert "the addresses known so far stay" in words(again)
    assert open_to(PARTNER) == {"open"}


def test_a_domain_that_was_never_known_is_refused(host, names, site):
    before = host.check_output("nft list ruleset")
    for failure in (names.fail, names.publish):
        failure()
        done = site()
        assert done.returncode != 0
        assert f"partner_domains: '{DOMAIN}' gives no address to allow (" in words(done)
        assert "this host has no earlier answer; mend its records or the resolver, or leave it out" in words(done)
    assert host.check_output("nft list ruleset") == before
    assert not host.file(ANSWERS).exists


def test_a_replaced_address_goes_after_a_day(host, names, site):
    names.publish(SERVICE, *at(OUTSIDER))
    assert edge.changed_tasks(site()) == 1
    names.publish(SERVICE, *at(PARTNER))
    assert edge.changed_tasks(site()) == 1
    assert open_to([*PARTNER, *OUTSIDER]) == {"open"}
    # The day passes.
    kept = json.loads(host.file(ANSWERS).content_string)
    for address in OUTSIDER:
        kept["domains"][f"{DOMAIN}:{PORT}"][address] -= 24 * 60 * 60
    host.check_output("printf %%s %s > %s", json.dumps(kept), ANSWERS)
    assert edge.changed_tasks(site("--check")) == 1
    assert json.loads(host.file(ANSWERS).content_string) == kept
    assert edge.changed_tasks(site()) == 1
    assert open_to(PARTNER) == {"open"}
    assert open_to(OUTSIDER) == {"refused"}
    assert edge.changed_tasks(site()) == 0


def test_five_thousand_addresses_are_refused_before_any_host_is_asked(host, names, site):
    domains = [f"d{number}.example" for number in range(100)]
    names.publish(*(f"d{number} A 198.19.{number}.{last}" for number in range(100) for last in range(1, 51)))
    done = site(xmpp_edge_partner_domains=domains)
    assert done.returncode != 0
    assert "partner_domains: has domains with 5000 addresses; name domains of at most 1000, or list networks" in words(
        done
    )
    names.publish(*(f"one A 198.19.{number // 250}.{number % 250 + 1}" for number in range(3000)))
    done = site()
    assert done.returncode != 0
    assert f"partner_domains: '{DOMAIN}' has 3000 addresses, which is more than 64; list networks instead" in words(
        done
    )
    assert "table inet xmpp_edge" not in host.check_output("nft list ruleset")


def test_a_change_that_is_undone_keeps_no_answer(host, names, site):
    names.publish(SERVICE, *at(PARTNER))
    host.check_output("nft add table inet own; nft 'add chain inet own in { type filter hook input priority 20; }'")
    host.check_output("nft add rule inet own in tcp dport 5269 drop")
    done = site()
    assert done.returncode != 0
    host.check_output("nft delete table inet own")
    assert not host.file(ANSWERS).exists
    assert edge.changed_tasks(site()) == 1
    # Without the option nothing is kept.
    assert edge.changed_tasks(site(xmpp_edge_partner_domains=[])) == 1
    assert not host.file(ANSWERS).exists
    assert open_to(OUTSIDER) == {"open"}


@pytest.mark.usefixtures("host")
def test_a_server_at_another_port_is_a_finding_and_the_doctor_knows_the_addresses(names, site, play):
    names.publish(SERVICE, OTHER_PORT, *at(PARTNER), "two A " + OUTSIDER[0])
    done = site()
    assert edge.changed_tasks(done) == 1
    assert f"{DOMAIN} names xmpp.one.example:5270 too, and row federation_out opens port 5269 only" in words(done)
    inside = play("doctor", "--limit", "edge", **ALONE, domain=DOMAIN)
    assert "row federation_out passes" in words(inside), inside.stdout
    outside = play("doctor", "--limit", "edge", **ALONE, domain="two.example")
    assert f"{OUTSIDER[0]} is not in xmpp_edge_partner_domains, so row federation_out is closed to it" in words(outside)
    names.publish(OTHER_PORT, *at(PARTNER))
    again = site()
    assert edge.changed_tasks(again) == 0
    assert f"{DOMAIN} is not known as a whole (no server at port 5269)" in words(again)
