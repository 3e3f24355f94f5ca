# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first cause of a flow without a connection, by the packets that were seen on its way and by what hosts tell."""

from __future__ import annotations

from argparse import Namespace

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.controls import Blocked, with_controls
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.evaluate import Finding
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.flows import Edge
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.inventory import read_inventory
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.passage import Passage
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.ping_findings import ping_findings
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.problems import source_problems
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.provenance import Provenance
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.report import groups_of, table
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.services import Service

ACCESS, PARTNER, PORT, CLIENT = "198.18.0.2", "198.18.0.10", 5269, 40000
EDGE = {
    "xmpp_edge_access_addresses": [ACCESS],
    "xmpp_edge_internal_addresses": ["198.18.1.2"],
    "xmpp_edge_partner_networks": [PARTNER],
    "xmpp_edge_front_end_networks": ["198.18.1.10"],
}
HOSTS = {"edge": EDGE, "partner": {"xmpp_edge_verify_addresses": [PARTNER]}}
GROUPS = {"xmpp_edge": ["edge"], "xmpp_partner": ["partner"]}
GOOD = {"tcp": "open", "xmpp": "xmpp"}


def inventory(hosts):
    return read_inventory({"hostvars": hosts, "groups": GROUPS, "ansible_play_hosts_all": list(hosts)})


def results_of(name, hosts, outcome, facts, detail=""):
    """Return the results of a host, of which each required one has an outcome."""
    found = []
    for flow in inventory(hosts).flows_from(name, deep=True):
        has_failed = flow.required
        found.append(
            {
                "outcome": outcome if has_failed else "filtered",
                "source": flow.source or PARTNER,
                "latency_ms": None,
                "detail": detail if has_failed else "",
                "facts": {"source_port": CLIENT, "packets": 1, **(facts if has_failed else {})},
            }
        )
    return found


def packet(kind, sent, source=PARTNER, destination=ACCESS, device="eth0"):
    """Return a packet of an attempt from the partner; of its answer with the ends exchanged."""
    ends = (CLIENT, PORT) if kind == "SYN" else (PORT, CLIENT)
    return {
        "kind": kind,
        "sent": sent,
        "device": device,
        "source": source,
        "source_port": ends[0],
        "destination": destination,
        "port": ends[1],
    }


SENT, ARRIVED = packet("SYN", True), packet("SYN", False)
ANSWER_SENT, ANSWER_ARRIVED = packet("SYN-ACK", True, ACCESS, PARTNER), packet("SYN-ACK", False, ACCESS, PARTNER)
RESET_SENT, RESET_ARRIVED = packet("RST", True, ACCESS, PARTNER), packet("RST", False, ACCESS, PARTNER)


def cause(outcome="filtered", partner=(SENT,), edge=(), facts=None, detail="", rows=None, **told):
    """Return the cause of the failed inbound flow, with its remedy.

    partner, edge: packets seen there, None where nobody watched; told: what the edge tells of its connections.
    """
    hosts = {name: dict(variables) for name, variables in HOSTS.items()}
    for name, seen in (("partner", partner), ("edge", edge)):
        hosts[name]["xmpp_edge_verify_afterwards"] = {"information": {} if seen is None else {"packets": list(seen)}}
    hosts["edge"]["xmpp_edge_verify_afterwards"]["information"].update(told)
    rules = {"rows": {"federation_in": {"effective": "yes", "decided_by": "our rule", **(rows or {})}}, "drift": []}
    hosts["edge"]["xmpp_edge_verify_afterwards"]["rules"] = rules
    for name, variables in hosts.items():
        results = results_of(name, hosts, outcome if name == "partner" else "xmpp", facts or {}, detail)
        variables["xmpp_edge_verify_attempts"] = {"results": results, "routes": {PARTNER: True}}
    (finding,) = [
        one for one in inventory(hosts).report(Provenance(""), deep=True).failed if one.flow.row == "federation_in"
    ]
    return finding.cause.text, finding.cause.what_to_do


LISTENER = {"address": "0.0.0.0", "port": PORT, "process": "lua5.4"}
LOCAL = {"address": "127.0.0.1", "port": PORT, "process": "lua5.4"}
PATHS = {PARTNER: {"device": "eth1", "source": ACCESS, "from": {ACCESS: "eth1"}}}

CASES = {
    "own firewall": ({"partner": ()}, "firewall: it does not leave partner"),
    "lost on the way": ({}, "firewall: it does not arrive at edge"),
    "reset on the way": ({"outcome": "refused"}, "firewall: a box before edge resets it"),
    "rejected on the way": (
        {"outcome": "prohibited", "facts": {"rejected_by": "198.18.9.1"}, "detail": "ICMP type 3 code 13"},
        "firewall: 198.18.9.1 rejects it (ICMP type 3 code 13)",
    ),
    "dropped by the edge": (
        {"edge": (ARRIVED,)},
        "firewall: edge drops it, though its rules let it pass (our rule)",
    ),
    "dropped by a rule that is known": (
        {"edge": (ARRIVED,), "rows": {"effective": "no", "decided_by": "chain other"}},
        "firewall: chain other",
    ),
    "translated on the way": (
        {"edge": (packet("SYN", False, source="198.18.0.99"),)},
        "firewall: it arrives at edge with the source 198.18.0.99",
    ),
    "the answer is lost": (
        {"edge": (ARRIVED, ANSWER_SENT)},
        "route: edge answers, and the answer does not come",
    ),
    "the answer is dropped at the end": (
        {"edge": (ARRIVED, ANSWER_SENT), "partner": (SENT, ANSWER_ARRIVED)},
        "firewall: the answer comes to partner, which drops it",
    ),
    "wrong way back": (
        {"edge": (ARRIVED,), "paths": PATHS, "devices": {ACCESS: "eth0"}, "strict_devices": ["eth0"]},
        "route: edge drops it by rp_filter, since it arrives by eth0 and the way back is by eth1",
    ),
    "nobody listens": (
        {"outcome": "refused", "edge": (ARRIVED, RESET_SENT), "partner": (SENT, RESET_ARRIVED), "listeners": []},
        "listener: nobody listens on port 5269 of edge",
    ),
    "listens elsewhere only": (
        {"outcome": "refused", "edge": (ARRIVED, RESET_SENT), "listeners": [LOCAL]},
        "listener: lua5.4 listens on port 5269 of 127.0.0.1 only",
    ),
    "listens in the other family only": (
        {"outcome": "refused", "edge": (ARRIVED, RESET_SENT), "listeners": [{**LISTENER, "address": "::"}]},
        "listener: lua5.4 listens on port 5269 of :: only",
    ),
    "a rule resets, and both families are served": (
        {"outcome": "refused", "edge": (ARRIVED, RESET_SENT), "listeners": [{**LISTENER, "address": "*"}]},
        "firewall: a rule of edge resets it, though lua5.4 listens",
    ),
    "a rule resets": (
        {"outcome": "refused", "edge": (ARRIVED, RESET_SENT), "listeners": [LISTENER]},
        "firewall: a rule of edge resets it, though lua5.4 listens",
    ),
    "the wrong way back is another device than each that saw it": (
        {
            "edge": (packet("SYN", False, device="eth0"), packet("SYN", False, device="eth0.10"), ANSWER_SENT),
            "paths": {PARTNER: {"device": "eth0.10", "source": ACCESS, "from": {ACCESS: "eth0.10"}}},
        },
        "route: edge answers, and the answer does not come",
    ),
    "a reset that nobody has seen": (
        {"outcome": "refused", "partner": None, "edge": None, "listeners": [LISTENER]},
        "firewall: a rule of edge, or a box before it, resets it, though lua5.4 listens",
    ),
    "no route, though it has left": ({"outcome": "no_route"}, "route: a router on the way has no way to 198.18.0.2"),
    "no route": ({"outcome": "no_route", "partner": ()}, "route: partner has no route to 198.18.0.2"),
    "no socket": (
        {"outcome": "error", "detail": "Too many open files", "partner": None},
        "route: partner could not make the attempt (Too many open files)",
    ),
    "no rule decides": (
        {"partner": None, "edge": None, "rows": {"effective": "no", "decided_by": None}},
        "firewall: no rule decides it",
    ),
    "neighbour discovery is dropped": (
        {
            "outcome": "unreachable",
            "rows": {"effective": "no", "decided_by": "chain x drops ICMPv6 neighbour solicitation from eth0"},
        },
        "firewall: chain x drops ICMPv6 neighbour solicitation from eth0",
    ),
    "no way on the own host": (
        {"outcome": "unreachable", "rows": {"effective": "no", "decided_by": "chain x drops TCP"}},
        "route: partner, or a router on the way, cannot reach 198.18.0.2",
    ),
    "a router has no way": (
        {"outcome": "unreachable", "facts": {"rejected_by": "198.18.9.1"}, "detail": "ICMP type 3 code 1"},
        "route: 198.18.9.1 says that there is no way to 198.18.0.2 (ICMP type 3 code 1)",
    ),
    "nobody watches": (
        {"partner": None, "edge": None},
        "firewall: no answer, though edge lets it pass (our rule)",
    ),
    "only the edge watches": ({"partner": None}, "firewall: it does not arrive at edge"),
    "only the partner watches": (
        {"edge": None},
        "firewall: no answer, though edge lets it pass (our rule)",
    ),
}


@pytest.mark.parametrize(("seen", "expected"), CASES.values(), ids=CASES)
def test_the_first_cause_on_the_way(seen, expected):
    sentence, remedy = cause(**seen)
    assert sentence.startswith(expected), sentence
    assert remedy and "{" not in sentence + remedy


def test_a_packet_of_another_attempt_is_none_of_this_one():
    other = {**ARRIVED, "source_port": CLIENT + 1, "source": "198.18.0.66"}
    assert cause(edge=(other,))[0].startswith("firewall: it does not arrive at edge")
    # From the same address, which may be the attempt after a translation of its port: nothing is known then.
    other = {**ARRIVED, "source_port": CLIENT + 1}
    assert cause(edge=(other,))[0].startswith("firewall: no answer, though edge lets it pass")
    # The gateway port of the same edge, tried from the same port.
    other = {**ARRIVED, "port": 23456}
    assert cause(edge=(other,))[0].startswith("firewall: it does not arrive at edge")


SERVICE_CASES = [
    ("no_xmpp", {"speaks": "TLS"}, "", "TLS: port 5269 of 198.18.0.2 speaks TLS at once, and no STARTTLS"),
    ("closed", {"speaks": "the PROXY protocol"}, "", "XMPP: port 5269 of 198.18.0.2 expects the PROXY protocol"),
    ("no_xmpp", {"speaks": "HTTP"}, "", "XMPP: port 5269 of 198.18.0.2 speaks HTTP"),
    ("timeout", {"stage": "proceed"}, "", "TLS: no answer to the handshake after the agreement on TLS"),
    (
        "timeout",
        {"stage": "proceed", "lost_segments": True},
        "",
        "TLS: large packets are lost on the way, and small ones pass",
    ),
    ("xmpp_error", {}, "host-unknown: no such host", "XMPP: the server does not serve 'edge' (host-unknown"),
    ("xmpp_error", {}, "policy-violation: {braces}", "XMPP: the server ended the stream: policy-violation: {braces}"),
    ("certificate_refused", {}, "alert", "TLS: the server refuses the certificate of partner (alert)"),
    ("closed", {"stage": "features after TLS"}, "", "XMPP: the server closed the connection after the features after"),
    ("bad_domain", {}, "", "XMPP: 'edge' is no host name that TLS can ask for"),
]


@pytest.mark.parametrize(("outcome", "facts", "detail", "expected"), SERVICE_CASES)
def test_the_cause_of_a_server_that_is_not_as_the_table_says(outcome, facts, detail, expected):
    sentence, remedy = cause(outcome, facts=facts, detail=detail)
    assert sentence.startswith(expected), sentence
    assert remedy


def report_of(hosts, groups, outcome, facts=None):
    """Return the report on hosts whose required flows all have an outcome."""
    inventory_of = {"hostvars": hosts, "groups": groups, "ansible_play_hosts_all": list(hosts)}
    read = read_inventory(inventory_of)
    for name, variables in hosts.items():
        variables["xmpp_edge_verify_attempts"] = {
            "results": [
                {
                    "outcome": outcome if flow.required else "filtered",
                    "source": flow.source or (variables.get("xmpp_edge_verify_addresses") or [ACCESS])[0],
                    "latency_ms": 1.0,
                    "detail": "",
                    "facts": {"source_port": CLIENT, "packets": 1, **(facts or {})},
                }
                for flow in read.flows_from(name, deep=True)
            ]
        }
    return read_inventory(inventory_of).report(Provenance("2026-01-01T00:00:00+00:00"), deep=True)


def test_one_cause_over_many_partners_is_told_once():
    partners = [f"partner{number}" for number in range(25)]
    networks = [f"198.18.2.{number + 1}" for number in range(25)]
    hosts = {"edge": {**EDGE, "xmpp_edge_partner_networks": networks}}
    hosts.update({name: {"xmpp_edge_verify_addresses": [one]} for name, one in zip(partners, networks)})
    report = report_of(hosts, {"xmpp_edge": ["edge"], "xmpp_partner": partners}, "no_starttls")
    groups = groups_of(report.failed)
    assert [len(group.findings) for group in groups] == [50]
    text = table(report)
    assert text.count("the server offers no TLS") == 1
    assert "    and 49 more flows with the same cause\n" in text
    assert text.count("To do:") == 1


def partner_entry(**more):
    return {"name": "Example", "domain": "example.org", "addresses": ["198.18.3.1"], **more}


def test_partners_that_nobody_logs_in_to_are_tried_by_the_edge():
    entries = [
        partner_entry(),
        partner_entry(name="talk", tls="none", port=5270, addresses=["198.18.3.2", "2001:db8::9"]),
        partner_entry(name="direct", direct_tls=True, domain="direct.example"),
    ]
    hosts = {"edge": {**EDGE, "xmpp_edge_verify_partners": entries, "xmpp_edge_partner_networks": ["any"]}}
    read = read_inventory({"hostvars": hosts, "groups": {"xmpp_edge": ["edge"]}, "ansible_play_hosts_all": ["edge"]})
    flows = read.flows_from("edge", deep=True)
    assert [(one.target, one.address, one.port, one.served.tls, one.served.direct_tls) for one in flows] == [
        ("Example", "198.18.3.1", 5269, "required", False),
        ("talk", "198.18.3.2", 5270, "none", False),
        ("direct", "198.18.3.1", 5269, "required", True),
    ]
    assert {flow.required for flow in flows} == {True}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ("example.org", "edge: xmpp_edge_verify_partners: 'example.org' is no list"),
        (["example.org"], "edge: xmpp_edge_verify_partners: 'example.org' is no partner"),
        ([{"domain": "example.org"}], "edge: xmpp_edge_verify_partners.addresses: is missing"),
        ([partner_entry(adresses=[])], "edge: xmpp_edge_verify_partners.adresses: is not known"),
        ([partner_entry(addresses=["example.org"])], "edge: xmpp_edge_verify_partners.addresses: 'example.org'"),
        ([partner_entry(port=70000)], "edge: xmpp_edge_verify_partners.port: 70000 is not a TCP port"),
        ([partner_entry(tls="maybe")], "edge: xmpp_edge_verify_partners.tls: 'maybe' is not known"),
        ([partner_entry(direct_tls="perhaps")], "edge: xmpp_edge_verify_partners.direct_tls: 'perhaps' is neither"),
    ],
)
def test_a_partner_that_cannot_be_read_is_refused(entries, message):
    hosts = {"edge": {**EDGE, "xmpp_edge_verify_partners": entries}}
    with pytest.raises(Exception) as told:
        read_inventory({"hostvars": hosts, "groups": {"xmpp_edge": ["edge"]}, "ansible_play_hosts_all": ["edge"]})
    assert str(told.value).startswith(message), str(told.value)


def test_public_addresses_are_dialled_in_place_of_those_they_lead_to():
    edge = {
        **EDGE,
        "xmpp_edge_access_addresses": [ACCESS, "198.18.0.3", "2001:db8::2"],
        "xmpp_edge_verify_public_addresses": ["203.0.113.5", "203.0.113.6", "203.0.113.7"],
    }
    hosts = {**HOSTS, "edge": edge}
    flows = [flow for flow in inventory(hosts).flows_from("partner", deep=True) if flow.required]
    assert [(flow.address, flow.own) for flow in flows] == [
        ("203.0.113.5", ACCESS),
        ("203.0.113.6", "198.18.0.3"),
        ("203.0.113.7", "198.18.0.3"),
        ("2001:db8::2", "2001:db8::2"),
    ]


CERTIFICATE = {"names": ["other.example"], "expires": "Jan  5 00:00:00 2026 GMT", "trusted": True}


@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        ({**CERTIFICATE, "names": ["edge"]}, "expires within 4 days, on Jan  5 00:00:00 2026 GMT"),
        ({**CERTIFICATE, "names": ["edge"], "expires": "Dec 31 00:00:00 2025 GMT"}, "has expired on Dec 31"),
        ({**CERTIFICATE, "expires": "Jan  5 00:00:00 2027 GMT"}, "is for other.example, and not for edge"),
        (
            {"names": ["edge"], "trusted": False, "distrust": "self-signed"},
            "is not trusted: self-signed",
        ),
    ],
)
def test_a_certificate_that_others_refuse_is_a_note_and_no_failure(facts, fault):
    hosts = {name: dict(variables) for name, variables in HOSTS.items()}
    report = report_of(hosts, GROUPS, "xmpp", {"tls": facts})
    assert report.failed == []
    found = [note for note in report.notes if note.startswith("the certificate of edge ")]
    assert len(found) == 1 and fault in found[0], report.notes


def test_a_server_that_wants_a_certificate_is_a_note_and_no_failure():
    hosts = {name: dict(variables) for name, variables in HOSTS.items()}
    report = report_of(hosts, GROUPS, "not_authenticated")
    assert report.failed == []
    assert (
        "TLS to edge is up, and its server wants the certificate of partner: authentication is not checked; set "
        "xmpp_edge_verify_certificate of partner, a file there"
    ) in report.notes


def told_sources(packets=(), connected=(), chosen=ACCESS):
    """Return the report on an edge that tells which source addresses its connections have."""
    hosts = {name: dict(variables) for name, variables in HOSTS.items()}
    information = {"packets": list(packets), "connected_from": list(connected)}
    hosts["edge"]["xmpp_edge_verify_afterwards"] = {"information": information}
    read = inventory(hosts)
    results = [
        {"outcome": "xmpp", "source": flow.source, "latency_ms": 1.0, "detail": "", "facts": {}}
        for flow in read.flows_from("edge", deep=True)
    ]
    hosts["edge"]["xmpp_edge_verify_attempts"] = {"results": results, "sources": {PARTNER: chosen}}
    return inventory(hosts).report(Provenance(""), deep=True)


def test_connections_from_another_address_of_the_edge_fail_and_name_the_row():
    away = packet("SYN", True, "198.18.1.2", PARTNER)
    for report in (told_sources(packets=[away]), told_sources(connected=["198.18.1.2", ACCESS])):
        (problem,) = report.problems
        assert problem.sentence == (
            "federation_out: connections of edge to partners come from 198.18.1.2, no access address"
        )
        assert problem.remedy == "have the server bind to an access address"
    # A packet that this host forwards is none of its own.
    through = [
        packet("SYN", sent, "198.18.0.77", "198.18.1.10", device) for sent, device in ((False, "eth0"), (True, "eth1"))
    ]
    assert told_sources(packets=through).problems == []
    # What the kernel would choose matters to a server that binds to nothing; none was seen.
    report = told_sources(chosen="198.18.1.2")
    assert report.problems == [] and "binds to no address connects to partners from 198.18.1.2" in report.notes[0]
    report = told_sources(packets=[packet("SYN", True, ACCESS, PARTNER)], connected=[ACCESS])
    assert report.problems == [] and list(report.notes) == []


def pinged(answered, detail="", outcome="xmpp"):
    """Return the report on an edge whose server was asked to ping the partner's."""
    hosts = {name: dict(variables) for name, variables in HOSTS.items()}
    read = inventory(hosts)
    results = [
        {"outcome": outcome, "source": flow.source, "latency_ms": 1.0, "detail": "", "facts": {}}
        for flow in read.flows_from("edge", deep=True)
    ]
    pings = [{"from": "edge", "to": "partner", "answered": answered, "detail": detail}]
    hosts["edge"]["xmpp_edge_verify_attempts"] = {"results": results, "pings": pings}
    return inventory(hosts).report(Provenance(""), deep=True)


def test_what_a_server_says_itself_fails_only_where_nothing_before_it_does():
    assert inventory(HOSTS).pings_of("edge") == [{"from": "edge", "to": "partner"}]
    assert inventory(HOSTS).pings_of("partner") == [{"from": "partner", "to": "edge"}]
    # The partner has tried nothing here, and so the flows from it are not known.
    assert [one.verdict for one in pinged(True).findings if one.expected == "open"].count("not checked") == 1


@pytest.mark.parametrize(
    ("pings", "verdict", "problem", "note"),
    [
        ({"answered": True, "detail": ""}, "holds", "", ""),
        (
            {"answered": False, "detail": "not-authorized"},
            "holds",
            "XMPP: the server of edge does not reach partner.example, as it says itself: not-authorized",
            "",
        ),
        ({"answered": False, "detail": "not-authorized"}, "FAILS", "", ""),
        (
            {"answered": None, "detail": "no server is there"},
            "holds",
            "",
            "authentication and policy were not tried from edge to partner.example: no server is there",
        ),
    ],
)
def test_a_ping_of_the_server_itself(pings, verdict, problem, note):
    flow = Namespace(
        edge="edge", origin="edge", target="partner", shown=Namespace(domain="edge.example"), domain="partner.example"
    )
    finding = Namespace(flow=flow, expected="open", verdict=verdict)
    told = ping_findings([finding], [("edge", [{"from": "edge.example", "to": "partner.example", **pings}])])
    assert [one.sentence for one in told.problems] == ([problem] if problem else [])
    assert list(told.notes) == ([note] if note else [])
    assert all(one.edge == "edge" and one.remedy for one in told.problems)


def test_what_a_windows_host_says_is_short():
    encoded = "JABzAGMAcgBpAHAAdA" * 3000
    hosts = {name: dict(variables) for name, variables in HOSTS.items()}
    hosts["edge"]["xmpp_edge_verify_attempts"] = {
        "msg": f"the command powershell -EncodedCommand {encoded} failed\nmore"
    }
    (text,) = [one for one in inventory(hosts).report(Provenance(""), deep=True).not_checked if "powershell" in one]
    assert len(text) < 300 and text.endswith("... failed")


def test_the_address_that_edges_see_is_no_translation_to_tell():
    """A partner behind a translation that the inventory names, and a rule of the edge that drops."""
    hosts = {name: dict(variables) for name, variables in HOSTS.items()}
    results = results_of("partner", hosts, "filtered", {})
    for result in results:
        result["source"] = "10.9.9.5"
    hosts["partner"]["xmpp_edge_verify_attempts"] = {"results": results}
    rules = {"rows": {"federation_in": {"effective": "no", "decided_by": "chain other"}}, "drift": []}
    information = {"packets": [ARRIVED]}
    hosts["edge"]["xmpp_edge_verify_afterwards"] = {"rules": rules, "information": information}
    (finding,) = [
        one for one in inventory(hosts).report(Provenance(""), deep=True).failed if one.flow.origin == "partner"
    ]
    assert finding.cause.text == "firewall: chain other"


def test_an_address_that_only_ansible_uses_is_not_what_edges_see():
    hosts = {"edge": dict(EDGE), "partner": {"ansible_host": "10.0.0.8"}}
    results = results_of("partner", hosts, "refused", {})
    hosts["partner"]["xmpp_edge_verify_attempts"] = {"results": results}
    (finding,) = [
        one for one in inventory(hosts).report(Provenance(""), deep=True).failed if one.flow.origin == "partner"
    ]
    assert finding.source == PARTNER and finding.cause.text.startswith("listener: ")


def test_a_partner_behind_a_translation_has_seen_what_came():
    """Its own device sees another destination than the edge has dialled."""
    there = [
        {**packet("SYN", False, ACCESS, "10.9.9.5"), "port": PORT},
        packet("RST", True, "10.9.9.5", ACCESS),
    ]
    hosts = {name: dict(variables) for name, variables in HOSTS.items()}
    hosts["edge"]["xmpp_edge_verify_attempts"] = {"results": results_of("edge", hosts, "refused", {})}
    hosts["partner"]["xmpp_edge_verify_afterwards"] = {"information": {"packets": there, "listeners": []}}
    (finding,) = [one for one in inventory(hosts).report(Provenance(""), deep=True).failed if one.flow.origin == "edge"]
    assert finding.cause.text == "listener: nobody listens on port 5269 of partner"


def closed(passage, observed="prohibited", **more):
    """Return the verdict on a closed inbound flow of the gateway port, while the guard has counted much."""
    flow = Namespace(edge="edge", row="gateway_in", direction="in", origin="partner")
    finding = Finding(flow, PARTNER, "closed", observed, "holds", passage=passage, sent_from="10.9.9.5", **more)
    (found,) = with_controls([finding], {("edge", "gateway_in"): Blocked(0, more.pop("counted", 0))})
    return found.verdict


def test_what_does_not_reach_the_edge_proves_nothing_about_it():
    by = {"rejected_by": PARTNER}
    assert closed(Passage(), facts={"rejected_by": "198.18.9.1"}) == "holds"
    # Rejected by the host itself, by whatever of its addresses, or by nobody who is known.
    assert closed(Passage(), facts=by) == closed(Passage(), facts={"rejected_by": "10.9.9.5"}) == "not checked"
    assert closed(Passage()) == "not checked"
    # The edge has watched, and has not seen it: whatever answered was another box.
    assert closed(Passage(arrived=False), observed="refused") == "not checked"
    assert closed(Passage(arrived=True), facts=by) == closed(Passage(arrived=True), observed="filtered") == "holds"


def test_an_outbound_flow_that_the_edge_lets_leave_is_not_closed():
    hosts = {"edge": dict(EDGE), "outsider": {"xmpp_edge_verify_addresses": ["198.18.0.20"]}}
    groups = {"xmpp_edge": ["edge"], "xmpp_outsider": ["outsider"]}
    given = {"hostvars": hosts, "groups": groups, "ansible_play_hosts_all": list(hosts)}
    sent = packet("SYN", True, ACCESS, "198.18.0.20")
    result = {
        "outcome": "refused",
        "source": ACCESS,
        "latency_ms": None,
        "detail": "",
        "facts": {"source_port": CLIENT},
    }
    hosts["edge"]["xmpp_edge_verify_attempts"] = {"results": [result]}
    for packets, verdict in (([sent], "FAILS"), ([], "holds")):
        hosts["edge"]["xmpp_edge_verify_afterwards"] = {"information": {"packets": packets}}
        report = read_inventory(given).report(Provenance(""), deep=True)
        (finding,) = [one for one in report.findings if one.flow.direction == "out"]
        assert finding.verdict == verdict
        if verdict == "FAILS":
            assert (
                finding.cause.text
                == "firewall: edge lets it leave, though row federation_out does not name 198.18.0.20"
            )


def test_a_host_without_flows_and_without_results_is_told():
    hosts = {"edge": {**EDGE, "xmpp_edge_verify_attempts": {"failed": True, "msg": "MODULE FAILURE"}}}
    given = {"hostvars": hosts, "groups": {"xmpp_edge": ["edge"]}, "ansible_play_hosts_all": ["edge"]}
    read = read_inventory(given)
    assert read.to_ask_afterwards("edge", deep=True)
    assert "what edge can reach: MODULE FAILURE" in read.report(Provenance(""), deep=True).not_checked


def test_a_date_that_nobody_can_read_is_a_note():
    hosts = {name: dict(variables) for name, variables in HOSTS.items()}
    facts = {"names": ["edge", "partner"], "expires": "Bad time value", "trusted": True}
    report = report_of(hosts, GROUPS, "xmpp", {"tls": facts})
    assert "the certificate of edge has a date that cannot be read (Bad time value), as partner can see" in report.notes


def test_sources_that_nobody_has_seen_fail_only_where_no_server_answers():
    report = told_sources(connected=["127.0.0.1", "::1"])
    assert report.problems == [] and list(report.notes) == []
    for answers, fails in (([False, True], False), ([False, None], True), ([True], False)):
        edge = Edge("edge", parsed(), (), Service("edge"))
        result = {"sources": {PARTNER: "198.18.1.2"}, "pings": [{"answered": one} for one in answers]}
        told = source_problems(edge, result, {})
        assert bool(told.problems) is fails
    # A connection from the right address was seen.
    told = source_problems(edge, {**result, "pings": [{"answered": False}]}, {"connected_from": [ACCESS]})
    assert not told.problems and told.notes


def parsed():
    return inventory(HOSTS).edge("edge").options
