# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says of an edge and a partner, by what the edge has told."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import OptionError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.doctor import (
    FAULT,
    HOLDS,
    NOT_LOOKED_AT,
    Seen,
    diagnose,
    lines_of,
    read_case,
    result_of,
)

TIME = "2026-01-01T00:00:00+00:00"
ACCESS, INTERNAL, PARTNER = "198.18.0.2", "198.18.1.2", "198.18.0.10"
EDGE = {
    "xmpp_edge_access_addresses": [ACCESS],
    "xmpp_edge_internal_addresses": [INTERNAL],
    "xmpp_edge_partner_networks": [PARTNER],
    "xmpp_edge_front_end_networks": ["198.18.1.10"],
    "xmpp_edge_verify_domain": "edge.example",
}
ROWS = {
    row: {"effective": "yes", "decided_by": f"rule of {row}"}
    for row in ("federation_in", "federation_out", "gateway_in")
}
LOOK = {"rows": ROWS, "drift": [], "absent": [], "not_compared": None}


def case_of(edge=None, options=None, **hosts):
    variables = {"edge": {**EDGE, **(edge or {})}, **hosts}
    groups = {"xmpp_edge": ["edge"], "xmpp_partner": list(hosts)}
    given = {"domain": "partner.example", "addresses": [], **(options or {})}
    return read_case({"inventory_hostname": "edge", "hostvars": variables, "groups": groups}, given)


def records(addresses, port=5269, service="_xmpp-server"):
    services = {"_xmpp-server": [], "_xmpps-server": [], service: [{"target": "x.example", "port": port}]}
    return {"services": services, "addresses": {"x.example": list(addresses)}, "fault": ""}


TLS = {
    "version": "TLSv1.3",
    "names": ["edge.example", "partner.example"],
    "expires": "Jan  5 00:00:00 2027 GMT",
    "trusted": True,
}


def attempt(outcome, detail="", **facts):
    shown = {"tls": TLS} if outcome == "xmpp" else {}
    return {"outcome": outcome, "source": ACCESS, "latency_ms": 1.0, "detail": detail, "facts": {**shown, **facts}}


def listener(address, port, process="lua5.4"):
    return {"address": address, "port": port, "process": process}


def seen(case=None, results=("xmpp", "xmpp", "client_certificate_required"), **changed):
    """Return what a sound edge tells, but for what is changed."""
    case = case or case_of()
    names = changed.pop("names", {"names": {"edge.example": records([ACCESS]), "partner.example": records([PARTNER])}})
    case = case.with_names(names)
    probed = {
        "results": [one if isinstance(one, dict) else attempt(one) for one in results],
        "routes": {PARTNER: True},
        "sources": {PARTNER: ACCESS},
        "pings": [{"from": "edge.example", "to": "partner.example", "answered": True, "detail": ""}],
        **changed.pop("probed", {}),
    }
    told = {
        "listeners": [listener("0.0.0.0", 5269), listener("*", 23456, "gateway")],
        "packets": [],
        "accepted_from": [PARTNER],
        "connected_from": [ACCESS],
        "paths": {},
        "devices": {},
        "strict_devices": [],
        **changed.pop("told", {}),
    }
    rules = {"rules": LOOK, "peer_rules": LOOK, **changed}
    return case, Seen(case, names, probed, told, **rules)


def diagnosis_of(**changed):
    case, found = seen(**changed)
    return diagnose(case, found, TIME)


def test_an_edge_that_is_sound_holds():
    diagnosis = diagnosis_of()
    assert [check for check in diagnosis.checks if check.state != HOLDS] == []
    assert diagnosis.holds and diagnosis.first is None
    topics = [
        "inputs",
        "own DNS",
        "DNS of the partner",
        "own server for federation_in",
        "source address and route",
        "rules as found",
        "the whole firewall, for this partner",
        "the whole firewall, for this partner",
        "connection to the partner",
        "certificates",
        "authentication and policy",
        "connections from the partner",
        "own server for gateway_in",
    ]
    assert [check.topic for check in diagnosis.checks] == topics
    assert lines_of(diagnosis)[2] == "All was looked at, and holds."
    result = result_of(diagnosis, fail=True)
    assert result["holds"] is True and "failed" not in result and result["msg"] == "no fault was found"


def rows(**changed):
    return {**LOOK, "rows": {**ROWS, **changed}}


MISSING = {"sign": "+", "line": "federation_in  allow", "rule": None}
FOREIGN_PACKET = {
    "kind": "SYN",
    "sent": False,
    "device": "eth0",
    "source": PARTNER,
    "source_port": 40000,
    "destination": ACCESS,
    "port": 5269,
}
RESET = {**FOREIGN_PACKET, "kind": "RST", "sent": True, "source": ACCESS, "destination": PARTNER}
RESET.update(source_port=5269, port=40000)
UNTRUSTED = {**TLS, "trusted": False, "distrust": "x"}
SOON = {**TLS, "expires": "Jan  5 00:00:00 2026 GMT"}
FAULTS = {
    "own DNS": (
        {"names": {"names": {"edge.example": records([ACCESS], 5270), "partner.example": records([PARTNER])}}},
        "own DNS: DNS: edge.example is to be dialled at port 5270",
    ),
    "no partner there": (
        {"names": {"names": {"edge.example": records([ACCESS]), "partner.example": records([PARTNER], 0)}}},
        "DNS of the partner: DNS: partner.example is to be dialled at port 0",
    ),
    "nobody listens": ({"told": {"listeners": []}}, "own server for federation_in: nobody listens on port 5269 of"),
    "another protocol": (
        {"results": ("xmpp", attempt("no_xmpp", speaks="HTTP"), "client_certificate_required")},
        f"own server for federation_in: {ACCESS}: XMPP: port 5269 of {ACCESS} speaks HTTP",
    ),
    "no route": ({"probed": {"routes": {PARTNER: False}}}, f"source address and route: edge has no route to {PARTNER}"),
    "another source": (
        {"told": {"connected_from": ["198.18.1.2"]}},
        "source address and route: federation_out: connections of edge to partners come from 198.18.1.2",
    ),
    "drift": (
        {"rules": {**LOOK, "drift": [MISSING]}},
        "rules as found: the rules of edge are not those of its inventory: 1 line (+federation_in  allow)",
    ),
    "another table": (
        {"peer_rules": rows(federation_out={"effective": "no", "decided_by": "chain x"})},
        "the whole firewall, for this partner: row federation_out is dropped: chain x",
    ),
    "refused": (
        {"results": ("refused", "xmpp", "client_certificate_required")},
        f"connection to the partner: {PARTNER} port 5269: listener: nobody listens on port 5269 of {PARTNER}",
    ),
    "certificate": (
        {
            "results": (attempt("xmpp", tls=UNTRUSTED), "xmpp", "complete"),
            "probed": {"pings": [{"from": "edge.example", "to": "partner.example", "answered": False, "detail": "no"}]},
        },
        "certificates: the certificate of partner.example is not trusted: x",
    ),
    "reset": (
        {"told": {"accepted_from": [], "packets": [FOREIGN_PACKET, RESET]}},
        f"connections from the partner: {PARTNER} tries to connect, and is reset",
    ),
    "authentication": (
        {"probed": {"pings": [{"from": "edge.example", "to": "partner.example", "answered": False, "detail": "no"}]}},
        "authentication and policy: XMPP: the server of edge does not reach partner.example, as it says itself: no",
    ),
    "inbound": (
        {"told": {"accepted_from": [], "packets": [FOREIGN_PACKET]}},
        f"connections from the partner: packets from {PARTNER} arrive, and get no answer",
    ),
    "gateway": (
        {"results": ("xmpp", "xmpp", "client_certificate_optional")},
        f"own server for gateway_in: {INTERNAL}: TLS: the server asks for a client certificate, and goes on",
    ),
}


@pytest.mark.parametrize(("changed", "first"), FAULTS.values(), ids=FAULTS)
def test_the_first_cause_is_named_with_a_remedy(changed, first):
    diagnosis = diagnosis_of(**changed)
    check = diagnosis.first
    assert f"{check.topic}: {check.sentence}".startswith(first), (check, first)
    assert check.remedy
    assert f"First cause: {check.topic}: {check.sentence}" in lines_of(diagnosis)
    assert result_of(diagnosis, fail=True)["failed"] is True
    assert "failed" not in result_of(diagnosis, fail=False)


UNKNOWN = {
    # Without an address of the partner only the own servers are attempted.
    "no dnspython": (
        {"names": {"names_not_asked": "dnspython 2 is not installed"}, "results": ("xmpp", "complete")},
        "own DNS",
    ),
    "a local attempt is dropped": (
        {"results": ("xmpp", "filtered", "complete")},
        "own server for federation_in",
    ),
    "ejabberd": (
        {"probed": {"pings": [{"from": "a", "to": "b", "answered": None, "detail": "no server is there"}]}},
        "authentication and policy",
    ),
    "nobody has come": ({"told": {"accepted_from": [], "packets": []}}, "connections from the partner"),
    "no watch": ({"told": {"accepted_from": [], "packets": None}}, "connections from the partner"),
    "unknown row": (
        {"peer_rules": rows(federation_in={"effective": "unknown"})},
        "the whole firewall, for this partner",
    ),
    "rules are not read": ({"rules": {"msg": "run as root"}}, "rules as found"),
    "nothing is probed": ({"not_probed": "probes run on Linux hosts only"}, "everything else"),
    "no result": ({"probed": {"results": None, "msg": "no Python"}}, "everything"),
}


@pytest.mark.parametrize(("changed", "topic"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_could_not_be_looked_at_is_no_success(changed, topic):
    case, found = seen(**changed)
    if found.probed.get("results", ()) is None:
        del found.probed["results"]
    diagnosis = diagnose(case, found, TIME)
    assert diagnosis.first is None and not diagnosis.holds
    assert topic in {check.topic for check in diagnosis.checks if check.state == NOT_LOOKED_AT}
    assert result_of(diagnosis, fail=True)["failed"] is True
    assert lines_of(diagnosis)[2] == "No fault was found; not all could be looked at."


def test_a_partner_outside_the_networks_is_a_fault_of_both_rows():
    case = case_of(options={"addresses": ["198.18.0.66"]})
    diagnosis = diagnosis_of(case=case, results=("prohibited", "xmpp", "complete"))
    told = [check.sentence for check in diagnosis.checks if check.state == FAULT and "firewall, for" in check.topic]
    assert told == [
        f"198.18.0.66 is not in xmpp_edge_partner_networks, so row federation_{way} is closed to it"
        for way in ("in", "out")
    ]


def test_what_the_inventory_says_of_a_partner_is_used():
    entry = {"name": "P", "domain": "partner.example", "addresses": ["198.18.0.77"], "port": 5270, "direct_tls": True}
    case = case_of({"xmpp_edge_verify_partners": [entry]})
    (flow,) = case.outbound
    assert (flow.address, flow.port, flow.served.direct_tls) == ("198.18.0.77", 5270, True)
    host = {"xmpp_edge_verify_domain": "partner.example", "xmpp_edge_verify_addresses": ["198.18.0.78"]}
    (flow,) = case_of(there=host).outbound
    assert (flow.target, flow.address) == ("there", "198.18.0.78")
    # What is said on the command line comes first.
    (flow,) = case_of(there=host, options={"addresses": ["198.18.0.79"]}).outbound
    assert flow.address == "198.18.0.79"


def test_a_partner_with_tls_at_once_alone_is_asked_so():
    names = {"names": {"partner.example": records([PARTNER], service="_xmpps-server")}}
    case = case_of().with_names(names)
    assert case.partner.service.direct_tls and case.partner.addresses == [PARTNER]
    assert case.probe_arguments(5)["targets"][0]["direct_tls"] is True


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"domain": ""}, "domain: '' is no domain"),
        ({"domain": "a b"}, "domain: 'a b' is no domain"),
        ({"domain": "edge.example"}, "domain: 'edge.example' is the edge's own"),
        ({"addresses": ["partner.example"]}, "addresses: 'partner.example'"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(options, message):
    with pytest.raises(OptionError) as told:
        case_of(options=options)
    assert str(told.value).startswith(message)


def test_a_host_that_is_no_edge_is_refused():
    variables = {"inventory_hostname": "x", "hostvars": {"x": {}}, "groups": {}}
    with pytest.raises(OptionError, match=r"^xmpp_edge: 'x' is no edge; put the host into the group xmpp_edge"):
        read_case(variables, {"domain": "partner.example", "addresses": []})


@pytest.mark.parametrize("tls", [UNTRUSTED, SOON])
def test_a_certificate_that_the_partner_accepts_is_no_fault(tls):
    diagnosis = diagnosis_of(results=(attempt("xmpp", tls=tls), "xmpp", "client_certificate_required"))
    assert diagnosis.holds
    (told,) = [check for check in diagnosis.checks if check.topic == "certificates"]
    assert told.sentence.startswith("the certificate of partner.example ")


def test_a_date_to_come_is_not_the_first_cause():
    refused = {"from": "edge.example", "to": "partner.example", "answered": False, "detail": "policy"}
    diagnosis = diagnosis_of(results=(attempt("xmpp", tls=SOON), "xmpp", "complete"), probed={"pings": [refused]})
    assert diagnosis.first.topic == "authentication and policy"


def test_all_edges_of_a_domain_are_known():
    second = {**EDGE, "xmpp_edge_access_addresses": ["2001:db8::3"], "xmpp_edge_partner_networks": ["2001:db8::10"]}
    variables = {"edge": EDGE, "second": second}
    groups = {"xmpp_edge": ["edge", "second"]}
    given = {"domain": "partner.example", "addresses": []}
    case = read_case({"inventory_hostname": "edge", "hostvars": variables, "groups": groups}, given)
    names = {"names": {"edge.example": records([ACCESS, "2001:db8::3"]), "partner.example": records([PARTNER])}}
    assert diagnosis_of(case=case, names=names).holds


def test_a_partner_of_another_family_is_not_looked_at():
    names = {"names": {"edge.example": records([ACCESS]), "partner.example": records(["2001:db8::10"])}}
    probed = {"routes": {"2001:db8::10": False}}
    diagnosis = diagnosis_of(names=names, results=("xmpp", "complete"), probed=probed)
    (told,) = [check for check in diagnosis.checks if check.topic == "source address and route"]
    assert told.state == NOT_LOOKED_AT


def test_a_partner_that_no_rule_can_be_for_is_told(tmp_path):
    case = case_of().with_names({"names": {"partner.example": records(["2001:db8::10"])}})
    with pytest.raises(OptionError):
        assert case.narrowed
