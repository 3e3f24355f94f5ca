# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partners by domain: what may be said, and what records of DNS mean."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import OptionError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import family_warnings, parse_options
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.partner_domains import answers_of, unasked

SOUND = {"access_addresses": ["198.18.0.2", "2001:db8::2"], "internal_addresses": ["198.18.1.2"]}
GROUP = "partner_domains"
STARTTLS, DIRECT = "_xmpp-server", "_xmpps-server"


def options(**given):
    return parse_options({**SOUND, **given})


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (["any"], "'any' is one word, and no domain; name one such as example.org"),
        (["198.18.7.2"], "'198.18.7.2' is an address, and no domain; list it in partner_networks"),
        (["2001:db8::7"], "'2001:db8::7' is not a domain"),
        (["https://example.org"], "is not a domain"),
        (["example.org:5269"], "is not a domain"),
        (["*.example.org"], "is not a domain"),
        (["-a.example.org"], "is not a domain"),
        (["a..example.org"], "is not a domain"),
        (["a\n.example.org"], "is not a domain"),
        (["example.org\nx.example.org"], "is not a domain"),
        (["bücher.example"], "has letters beyond ASCII; write the form that DNS has, with xn--"),
        (["a" * 64 + ".example"], "is not a domain"),
        ([".".join(["abcdefg"] * 40)], "is not a domain"),
        ([""], "is not a domain"),
        ([None], "is not text; write every entry as a domain, in quotes if need be"),
        ([7], "is not text"),
        (7, "is not a list"),
        ({"a": 1}, "is not a list"),
        ([f"d{number}.example" for number in range(1001)], "has 1001 domains; name at most 1000"),
    ],
)
def test_what_is_no_domain_is_refused(value, problem):
    with pytest.raises(OptionError) as refused:
        options(partner_domains=value)
    assert str(refused.value).startswith("partner_domains: ")
    assert problem in str(refused.value)


def test_domains_are_sorted_and_said_once():
    found = options(partner_domains="B.example.org., a.example.org,b.example.org")
    assert found.domains == {GROUP: (("a.example.org", "b.example.org"), 5269)}
    assert options(partner_domains=[]).domains == {}
    assert options(partner_domains=["xn--bcher-kva.example"], federation_port=5270).domains == {
        GROUP: (("xn--bcher-kva.example",), 5270)
    }


def test_a_host_without_the_row_refuses_them():
    with pytest.raises(OptionError, match="is for row federation_out, which this host does not carry"):
        options(partner_domains=["example.org"], rows=["federation_in"])
    assert options(partner_domains=["example.org"], state="absent").domains == {}


def test_an_edge_behind_a_router_says_them():
    edges = {"one": {**SOUND, "partner_domains": ["a.example"]}, "two": {**SOUND, "access_addresses": ["198.18.0.3"]}}
    found = parse_options({"placement": "firewall"}, edges)
    assert found.domains == {GROUP: (("a.example",), 5269)}
    assert len(found.inputs) == 2
    without = parse_options({"placement": "firewall", "rows": ["federation_in"]}, edges)
    assert without.domains == {}


@pytest.mark.parametrize("networks", [["any"], ["198.19.7.0/24"], ["198.19.7.0/24", "2001:db8:7::/48"]])
def test_only_the_outbound_row_leads_to_them(networks):
    with_domains = compile_rules(options(partner_domains=["example.org"], partner_networks=networks))
    without = compile_rules(options(partner_networks=networks))
    assert [rule for rule in with_domains if rule.row != "federation_out"] == [
        rule for rule in without if rule.row != "federation_out"
    ]
    allows = [rule for rule in with_domains if rule.row == "federation_out" and rule.action == "allow"]
    listed = {"ipv4": [one for one in networks if "." in one], "ipv6": [one for one in networks if ":" in one]}
    assert {rule.family: list(rule.destination.networks) for rule in allows} == listed
    assert {rule.destination.name for rule in allows} == {f"{GROUP}_ipv4", f"{GROUP}_ipv6"}
    assert not any("federation_out" in said for said in family_warnings(options(partner_domains=["example.org"])))


def record(services=None, addresses=None, fault=""):
    found = {
        kind: [{"target": target, "port": port} for target, port in (services or {}).get(kind, [])]
        for kind in (STARTTLS, DIRECT)
    }
    return {"services": found, "addresses": addresses or {}, "fault": fault}


def asked(found, port=5269, own=()):
    (answer,), notes = answers_of({GROUP: (("example.org",), port)}, {"example.org": found}, own)
    return answer, notes


def test_servers_at_the_port_of_the_row_count_and_others_are_told():
    services = {STARTTLS: [("a.example", 5269), ("b.example", 5270)], DIRECT: [("c.example", 5269), ("a.example", 443)]}
    addresses = {
        "a.example": ["198.18.7.9", "2001:db8::9"],
        "b.example": ["198.18.7.8"],
        "c.example": ["198.18.7.10", "2001:DB8:0::9"],
    }
    answer, notes = asked(record(services, addresses))
    assert answer.addresses == ("198.18.7.10", "198.18.7.9", "2001:db8::9")
    assert answer.fault == ""
    assert notes == [
        "partner_domains: example.org names a.example:443, b.example:5270 too, "
        "and row federation_out opens port 5269 only"
    ]


def test_a_domain_at_other_ports_alone_is_one_without_an_answer():
    answer, notes = asked(record({DIRECT: [("b.example", 5270)]}, {"b.example": ["198.18.7.8"]}))
    assert (answer.addresses, answer.fault) == ((), "no server at port 5269")
    assert "b.example:5270" in notes[0]


def test_a_domain_without_services_is_reached_at_its_own_addresses():
    answer, notes = asked(record(addresses={"example.org": ["198.18.7.8"]}))
    assert (answer.addresses, answer.fault, notes) == (("198.18.7.8",), "", [])
    assert asked(record())[0].fault == "it has no address"
    assert asked(record({STARTTLS: [(".", 0)]}))[0].fault == "no server at port 5269"
    assert asked(record(fault="the resolver failed"))[0].fault == "the resolver failed"


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "is a loopback address"),
        ("::1", "is a loopback address"),
        ("0.0.0.0", "is the unspecified address"),
        ("224.0.0.1", "is a multicast address"),
        ("::ffff:198.18.7.8", "is an IPv4-mapped IPv6 address"),
        ("198.18.0.2", "is an address of the edge itself"),
        ("fe80::1%eth0", "has a zone id"),
    ],
)
def test_what_no_partner_can_be_at_is_left_out(address, why):
    answer, notes = asked(record(addresses={"example.org": ["198.18.7.8", address]}), own=["198.18.0.2"])
    assert answer.addresses == ("198.18.7.8",)
    assert notes == [f"partner_domains: example.org has the address {address}, which {why}, so it is left out"]


def test_more_than_a_list_may_have_is_refused():
    many = [f"198.18.{number // 250}.{number % 250 + 1}" for number in range(65)]
    with pytest.raises(
        OptionError, match=r"'example.org' has 65 addresses, which is more than 64; list networks instead"
    ):
        asked(record(addresses={"example.org": many}))
    with pytest.raises(OptionError, match=r"'example.org' has 5000 servers, which is more than 64"):
        asked(record({STARTTLS: [(f"n{number}.example", 5269) for number in range(5000)]}))
    domains = tuple(f"d{number}.example" for number in range(20))
    records = {
        domain: record(addresses={domain: [f"198.18.{number}.{last}" for last in range(1, 61)]})
        for number, domain in enumerate(domains)
    }
    with pytest.raises(
        OptionError, match=r"^partner_domains: has domains with 1200 addresses; name domains of at most 1000"
    ):
        answers_of({GROUP: (domains, 5269)}, records, ())


def test_a_host_that_is_looked_at_is_asked_for_what_it_keeps():
    (answer,) = unasked({GROUP: (("example.org",), 5269)})
    assert (answer.addresses, answer.fault) == ((), "it was not looked up")
