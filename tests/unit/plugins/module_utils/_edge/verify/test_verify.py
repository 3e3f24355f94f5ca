# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The flows of each host, the verdicts on their results, and the named causes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import OptionError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify import evidence, flows, tasks
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.attempted import Cause, literal
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.controls import Blocked, with_controls
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.drawing import drawing_of
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.inventory import read_inventory
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.matrix import matrices_of
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.problems import Problem
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.provenance import Provenance
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.report import Unchecked, table

EDGE = {
    "xmpp_edge_access_addresses": ["198.18.0.2", "2001:db8::2"],
    "xmpp_edge_internal_addresses": ["198.18.1.2"],
    "xmpp_edge_partner_networks": ["198.18.0.10", "2001:db8::10"],
    "xmpp_edge_front_end_networks": ["198.18.1.10"],
    "xmpp_edge_verify_domain": "edge.example",
}
ROWS = ("federation_in", "federation_out", "gateway_in")
RULES = {
    "backend": "nftables",
    "rows": {row: {"present": True, "effective": "yes", "decided_by": f"rule of {row}"} for row in ROWS},
    "drift": [],
    "not_compared": None,
    "absent": [],
}
"""What the edge has, as linux_firewall tells it."""
HOSTS = {
    "edge": EDGE,
    "partner": {"xmpp_edge_verify_addresses": ["198.18.0.10", "2001:db8::10"], "xmpp_edge_verify_domain": "p.example"},
    "outsider": {"ansible_host": "198.18.0.20"},
    "front_end": {"ansible_host": "front-end.example"},
}
SOURCES = {
    "partner": {"4": "198.18.0.10", "6": "2001:db8::10"},
    "outsider": {"4": "198.18.0.20", "6": "2001:db8::20"},
    "front_end": {"4": "198.18.1.10", "6": None},
}
GROUPS = {
    "xmpp_edge": ["edge"],
    "xmpp_partner": ["partner"],
    "xmpp_front_end": ["front_end"],
    "xmpp_outsider": ["outsider"],
}
GOOD = {"tcp": "open", "xmpp": "xmpp", "mtls": "client_certificate_required"}


def inventory(hosts=None, groups=None, in_play=None):
    hosts = hosts or HOSTS
    in_play = list(hosts) if in_play is None else in_play
    return read_inventory({"hostvars": hosts, "groups": groups or GROUPS, "ansible_play_hosts_all": in_play})


def probe_results(name, flows, outcome):
    """Return the results of the probes of a host. outcome: a function from a flow to its outcome."""
    results = []
    for flow in flows:
        source = flow.source or SOURCES[name]["6" if ":" in flow.address else "4"]
        observed = outcome(flow) if source else "no_route"
        results.append({"outcome": observed, "source": source, "latency_ms": 1.0, "detail": "", "facts": {}})
    return results


def expected_outcome(flow):
    # The outbound guard rejects, and the inbound one drops.
    return GOOD[flow.level] if flow.required else "filtered" if flow.direction == "in" else "prohibited"


def run(outcome=expected_outcome, state=None, deep=True, silent=None, allowed=(), counted=100, **more):
    """Return the report on the results of all hosts.

    state: other parts of what the edge has; silent: other results by host; counted: packets that each guard has blocked
    meanwhile; more: routes, other looks at the edge, and parts of the inventory.
    """
    routes, looks = more.pop("routes", None), more.pop("looks", None)
    silent = silent or {}
    hosts = {name: dict(variables) for name, variables in HOSTS.items()}
    for name, variables in hosts.items():
        key = "xmpp_edge_verify_attempts"
        results = probe_results(name, inventory().flows_from(name, deep), outcome)
        variables[key] = {"results": results, "routes": routes or {}}
        if name == "edge":
            rules = {**RULES, **(state or {})}
            variables["xmpp_edge_verify_before"] = {"rules": {**rules, "blocked": dict.fromkeys(ROWS, 7)}}
            variables["xmpp_edge_verify_afterwards"] = {"rules": {"blocked": dict.fromkeys(ROWS, 7 + counted), **rules}}
            variables.update(looks or {})
        if name in silent:
            variables[key] = silent[name]
    return inventory(hosts, **more).report(Provenance("2026-01-01T00:00:00+00:00"), deep, allowed)


def drift(sign, row, action="allow", direction="in", **sides):
    """Return a difference as the host tells it. sides: source and destination."""
    source, destination = (sides.get(side, ["any"]) for side in ("source", "destination"))
    port = 23456 if row == "gateway_in" else 5269
    family = "any" if action == "block" else "ipv4"
    rule = {"row": row, "action": action, "direction": direction, "family": family, "port": port}
    rule.update(source=source, destination=destination)
    text = f"{row}  {action} {direction} tcp {source[0]} -> {destination[0]} port {port}"
    return {"sign": sign, "line": text, "rule": rule}


def test_flows_of_each_host():
    partner = inventory().flows_from("partner", deep=True)
    assert [(f.row, f.address, f.port, f.level) for f in partner if f.required] == [
        ("federation_in", "198.18.0.2", 5269, "xmpp"),
        ("federation_in", "2001:db8::2", 5269, "xmpp"),
    ]
    assert {(f.address, f.port) for f in partner if not f.required} == {
        ("198.18.1.2", 5269),
        ("198.18.0.2", 23456),
        ("2001:db8::2", 23456),
        ("198.18.1.2", 23456),
    }
    assert {(f.domain, f.shown.domain) for f in partner} == {("edge.example", "p.example")}
    (gateway,) = [f for f in inventory().flows_from("front_end", deep=True) if f.required]
    assert (gateway.row, gateway.address, gateway.port, gateway.level) == ("gateway_in", "198.18.1.2", 23456, "mtls")
    outbound = inventory().flows_from("edge", deep=False)
    assert [(f.source, f.address, f.required, f.level) for f in outbound] == [
        ("198.18.0.2", "198.18.0.10", True, "tcp"),
        ("2001:db8::2", "2001:db8::10", True, "tcp"),
        ("198.18.0.2", "198.18.0.20", False, "tcp"),
    ]


def test_correct_edge_has_no_failures():
    report = run()
    assert [finding for finding in report.findings if finding.verdict != "holds"] == []
    # Five flows are required, and all others are closed. Flows without a source have no verdict.
    assert sum(finding.expected == "open" for finding in report.findings) == 5
    assert len(report.findings) == 5 + 4 + 6 + 3 + 1
    assert report.not_checked == []
    assert report.passed


def broken(condition, outcome):
    """Return a function with another outcome for the flows that meet a condition."""
    return lambda flow: outcome if condition(flow) else expected_outcome(flow)


def is_row(row, family="4"):
    return lambda flow: flow.required and flow.row == row and ((":" in flow.address) == (family == "6"))


CAUSES = [
    ("federation_in", "filtered", {}, "firewall: no answer, though edge lets it pass (rule of federation_in)"),
    ("federation_in", "refused", {}, "listener: nobody listens on port 5269 of 198.18.0.2"),
    ("federation_in", "prohibited", {}, "firewall: an unknown box, on the way or the server itself"),
    ("federation_in", "no_route", {}, "route: partner has no route to 198.18.0.2"),
    ("federation_in", "unreachable", {}, "route: partner, or a router on the way, cannot reach"),
    ("federation_in", "no_starttls", {}, "TLS: the server offers no TLS"),
    ("federation_in", "tls_failed", {}, "TLS: the handshake failed"),
    ("federation_in", "xmpp_error", {}, "XMPP: the server ended the stream"),
    ("federation_in", "no_xmpp", {}, "XMPP: no xmpp"),
    ("federation_in", "timeout", {}, "XMPP: the server did not go on in time"),
    ("gateway_in", "no_client_certificate_request", {}, "TLS: the server does not ask for a client certificate"),
    (
        "gateway_in",
        "client_certificate_optional",
        {},
        "TLS: the server asks for a client certificate, and goes on without one",
    ),
    ("gateway_in", "timeout", {}, "TLS: the server did not go on in time"),
    ("gateway_in", "filtered", {"routes": {"198.18.1.10": False}}, "route: edge has no route back to 198.18.1.10"),
    (
        "gateway_in",
        "filtered",
        {"state": {"drift": [drift("+", "gateway_in", source=["198.18.1.0/24"])]}},
        "firewall: edge lacks the rule gateway_in  allow in tcp 198.18.1.0/24",
    ),
    (
        "gateway_in",
        "filtered",
        {"state": {"drift": [drift("+", "gateway_in", source=["198.18.9.0/24"]), drift("+", "federation_in")]}},
        "firewall: no answer, though edge lets it pass (rule of gateway_in)",
    ),
    (
        "gateway_in",
        "refused",
        {"state": {"drift": [drift("-", "gateway_in")]}},
        "listener: nobody listens on port 23456",
    ),
    (
        "gateway_in",
        "filtered",
        {"state": {"rows": {"gateway_in": {"effective": "no", "decided_by": "chain inet other in: drop"}}}},
        "firewall: chain inet other in: drop",
    ),
    ("federation_out", "no_source", {}, "route: edge does not have the address 198.18.0.2"),
    ("federation_out", "refused", {}, "listener: nobody listens on port 5269 of 198.18.0.10"),
    (
        "federation_out",
        "refused",
        {"state": {"drift": [drift("+", "federation_out", direction="out")]}},
        "firewall: edge lacks the rule federation_out  allow out",
    ),
]


@pytest.mark.parametrize(("row", "outcome", "options", "cause"), CAUSES)
def test_single_failure_has_its_cause(row, outcome, options, cause):
    report = run(broken(is_row(row), outcome), **options)
    (finding,) = report.failed
    assert finding.flow.row == row
    assert finding.why.startswith(cause), finding.why


@pytest.mark.parametrize(
    ("row", "outcome", "cause"),
    [(row, outcome, cause) for row, outcome, options, cause in CAUSES if row != "gateway_in" and not options],
)
def test_failure_of_one_family_is_reported_alone(row, outcome, cause):
    (finding,) = run(broken(is_row(row, "6"), outcome)).failed
    assert ":" in finding.flow.address and finding.why[:4] == cause[:4]


def test_the_box_that_rejects_is_named():
    hosts = {name: dict(variables) for name, variables in HOSTS.items()}
    flows_of = inventory().flows_from("partner", deep=True)
    results = probe_results("partner", flows_of, broken(is_row("federation_in"), "prohibited"))
    for result in results:
        result.update(facts={"rejected_by": "198.18.9.1"}, detail="ICMP type 3 code 3 from 198.18.9.1")
    hosts["partner"]["xmpp_edge_verify_attempts"] = {"results": results}
    (finding,) = [
        one for one in inventory(hosts).report(Provenance(""), deep=True).failed if one.flow.origin == "partner"
    ]
    assert finding.why == "firewall: 198.18.9.1 rejects it (ICMP type 3 code 3 from 198.18.9.1)"


def test_open_flow_that_has_to_be_closed():
    def condition(flow):
        return not flow.required and flow.origin == "outsider" and flow.address == "198.18.0.2"

    report = run(broken(condition, "open"))
    assert [(f.flow.row, f.flow.port, f.why) for f in report.failed] == [
        ("federation_in", 5269, "firewall: open to whom row federation_in does not name"),
        ("gateway_in", 23456, "firewall: open to whom row gateway_in does not name"),
    ]
    guard, wide = drift("+", "gateway_in", "block"), drift("-", "federation_in", source=["198.18.0.0/16"])
    drifted = run(
        broken(condition, "open"), state={"drift": [guard, wide, drift("+", "federation_out", "block", "out")]}
    )
    assert {f.why for f in drifted.failed} == {
        f"firewall: edge lacks the guard {guard['line']}",
        f"firewall: edge has a rule that its inventory does not have: {wide['line']}",
    }


def test_partner_outside_the_networks_of_its_row():
    hosts = {**HOSTS, "edge": {**EDGE, "xmpp_edge_partner_networks": ["198.18.0.99", "2001:db8::99"]}}
    flows = inventory(hosts).flows_from("partner", deep=True)
    results = probe_results("partner", flows, lambda flow: "filtered")
    hosts["partner"] = {**HOSTS["partner"], "xmpp_edge_verify_attempts": {"results": results}}
    failed = inventory(hosts).report(Provenance(""), deep=True).failed
    assert {f.why for f in failed} == {
        f"firewall: {source} is not in the networks of row federation_in" for source in ("198.18.0.10", "2001:db8::10")
    }


OUT_OF_REACH = {"partner": {"unreachable": True, "msg": "no way there"}}
NO_PYTHON = {"partner": {"msg": "python3: not found\nSee stdout"}}


@pytest.mark.parametrize(("silent", "reason"), [(OUT_OF_REACH, "no way there"), (NO_PYTHON, "python3: not found")])
def test_a_host_without_results_is_not_green(silent, reason):
    report = run(silent=silent)
    assert f"what partner can reach: {reason}" in report.not_checked
    vanished = [finding for finding in report.findings if finding.flow.origin == "partner"]
    assert {(finding.verdict, finding.why) for finding in vanished} == {("not checked", reason)}
    assert {finding.expected for finding in vanished} == {"open", "closed"}
    assert "federation_in of edge over IPv4: no host of the group xmpp_partner has tried it" in report.not_checked
    assert not report.passed
    # A host that is out of reach may not go unchecked.
    assert run(silent=silent, allowed=ROWS).passed is (silent is NO_PYTHON)
    assert not run(silent=silent, allowed=["federation_out"]).passed


def test_a_limit_makes_nothing_green():
    report = run(in_play=["edge"])
    reason = "it is not in this play, for example because of --limit"
    assert {f"what {name} can reach: {reason}" for name in ("partner", "outsider", "front_end")} <= set(
        report.not_checked
    )
    assert not report.passed
    assert run(in_play=["edge"], allowed=ROWS).passed


@pytest.mark.parametrize("group", ["xmpp_partner", "xmpp_front_end", "xmpp_outsider"])
def test_a_group_without_hosts_is_not_green(group):
    report = run(groups={**GROUPS, group: []})
    assert report.failed == []
    assert not report.passed
    assert any(group in text for text in report.not_checked)
    assert run(groups={**GROUPS, group: []}, allowed=ROWS).passed


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("xmpp_edge_verify_domian", "xmpp_edge_verify_domain"),
        ("xmpp_edge_verify_address", "xmpp_edge_verify_addresses"),
        ("xmpp_edge_verify_certificates", "xmpp_edge_verify_certificate"),
    ],
)
def test_a_misspelt_variable_is_never_green(given, near):
    report = run(looks={given: "x"}, allowed=ROWS)
    assert f"what {given} of edge says: nothing reads it; say {near}" in report.not_checked
    assert not report.passed


def test_a_variable_of_others_is_none_of_ours():
    assert run(looks={"xmpp_edge_verify_zzz": 1, "xmpp_edge_verifier": 2, "xmpp_edge_verify_result": 3}).passed


def test_the_summary_says_how_many_flows_are_not_known():
    report = run(counted=0, allowed=ROWS)
    unknown = sum(finding.verdict == "not checked" for finding in report.findings)
    assert unknown > 3 and f"flows are as the table says, {unknown} flows not checked" in report.summary
    assert "flows not checked" not in run().summary


def test_a_host_of_two_groups_is_no_outsider():
    report = run(groups={**GROUPS, "xmpp_outsider": ["partner"]})
    assert "what has to be closed: the group xmpp_outsider has only hosts of other groups" in report.not_checked


def test_a_misspelt_group_is_never_green():
    groups = {**GROUPS, "xmpp_partners": ["partner"], "xmpp_partner": []}
    report = run(groups=groups, allowed=ROWS)
    assert "the hosts of the group xmpp_partners: nothing reads it; say xmpp_partner" in report.not_checked
    assert not report.passed
    # A group of others beside one with hosts is none.
    assert run(groups={**GROUPS, "xmpp_partners": ["partner"], "xmpp_servers": ["edge"]}).passed


def test_a_family_that_nobody_tries_is_not_green():
    hosts = {**HOSTS, "partner": {**HOSTS["partner"], "xmpp_edge_verify_addresses": ["2001:db8::10"]}}
    report = inventory(hosts).report(Provenance(""), deep=True)
    assert "federation_out of edge over IPv6: no host of the group xmpp_partner has tried it" in report.not_checked


@pytest.mark.parametrize(
    "rules", [None, {"failed": True, "msg": "the firewall cannot be read: run as root (become: true)"}]
)
def test_rules_that_nobody_has_seen_are_not_green(rules):
    report = run(looks={"xmpp_edge_verify_afterwards": {"rules": rules} if rules else {"unreachable": True}})
    assert any(text.startswith("the rules on edge themselves: ") for text in report.not_checked)
    assert not report.passed


def test_rules_that_cannot_be_compared_are_not_green():
    report = run(state={"not_compared": "ufw is not active on this host"})
    assert report.not_checked == [
        "whether the rules of edge are those of its inventory: ufw is not active on this host"
    ]
    assert not report.passed


@pytest.mark.parametrize(
    ("state", "sentence", "lines"),
    [
        (
            {"drift": [drift("+", "gateway_in"), {"sign": "-", "line": "chain x  is not managed", "rule": None}]},
            "the rules of edge are not those of its inventory: 2 lines",
            ["+gateway_in  allow in tcp any -> any port 23456", "-chain x  is not managed"],
        ),
        ({"absent": ["198.18.0.9"]}, "edge does not have the address 198.18.0.9 that its inventory names", []),
        (
            {"rows": {"gateway_in": {"effective": "no", "decided_by": "chain x"}}},
            "edge drops what gateway_in allows: chain x",
            [],
        ),
        (
            {"rows": {"gateway_in": {"effective": "yes", "guarded": "no", "guarded_by": "chain y"}}},
            "edge lets pass what gateway_in forbids: chain y",
            [],
        ),
        (
            {"rows": {"gateway_in": {"effective": "yes", "guarded": "no"}}},
            "edge lets pass what gateway_in forbids: no rule decides it",
            [],
        ),
    ],
)
def test_a_problem_of_an_edge_fails_whatever_the_flows_do(state, sentence, lines):
    report = run(state=state)
    assert report.failed == []
    (problem,) = report.problems
    assert (problem.sentence, list(problem.lines)) == (sentence, lines)
    assert not report.passed
    told = table(report).splitlines()[-3 - len(lines) : -1]
    assert told == [f"FAILS: {sentence}", *(f"    {line}" for line in lines), f"    To do: {problem.remedy}."]
    assert problem.remedy


def test_invalid_variable_is_reported_with_its_host():
    hosts = {**HOSTS, "edge": {**EDGE, "xmpp_edge_access_addresses": ["edge.example"]}}
    with pytest.raises(OptionError, match=r"^edge: xmpp_edge_access_addresses: 'edge.example' is a name; give"):
        inventory(hosts)


def closed_gateway(report):
    """Return the findings on closed flows to the gateway port."""
    return [one for one in report.findings if one.flow.row == "gateway_in" and one.expected == "closed"]


def test_a_closed_flow_without_an_answer_counts_only_if_the_guard_has_counted():
    number = len(closed_gateway(run()))
    assert number > 3
    for counted, verdict in ((0, "not checked"), (number - 1, "holds"), (number, "holds"), (number + 9, "holds")):
        assert {one.verdict for one in closed_gateway(run(counted=counted))} == {verdict}
    share = f"the guard of gateway_in has counted {number - 1} of {number} packets"
    assert {one.detail for one in closed_gateway(run(counted=number - 1))} == {share}
    assert {one.detail for one in closed_gateway(run(counted=number))} == {""}
    report = run(counted=0)
    assert f"partner may not be able to send at all: the guard of gateway_in has counted 0 of {number} packets" in {
        one.why for one in report.findings
    }
    assert "what gateway_in of edge forbids: nothing shows that an attempt has reached it" in report.not_checked
    assert not report.passed
    assert run(counted=0, allowed=["federation_in", "gateway_in"]).passed


def test_packets_that_were_sent_again_are_told_too():
    findings = closed_gateway(run())
    again = [replace(one, facts={"packets": 2}) for one in findings]
    share = f"the guard of gateway_in has counted {len(again)} of {2 * len(again)} packets"
    for counted, detail in ((len(again), share), (2 * len(again), "")):
        found = with_controls(again, {("edge", "gateway_in"): Blocked(5, 5 + counted)})
        assert {(one.verdict, one.detail) for one in found} == {("holds", detail)}
    # A counter that began anew, or is not there, proves nothing.
    for blocked in (Blocked(50, 5), Blocked(None, 99), Blocked(0, None), Blocked(7, 7), Blocked()):
        assert {one.verdict for one in with_controls(again, {("edge", "gateway_in"): blocked})} == {"not checked"}


def test_an_answer_shows_that_an_attempt_has_arrived():
    report = run(lambda flow: GOOD[flow.level] if flow.required else "refused", counted=0)
    assert report.passed


HOSTILE = "<script>alert(1)</script> | ]]> & \" ' \x07 \u2028"


class Page(HTMLParser):
    """Parser for the tags and addresses of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.open = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "action", "data")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def hostile_report():
    report = run(broken(is_row("federation_in"), "no_xmpp"))
    object.__setattr__(report.failed[0], "cause", Cause("XMPP", literal(HOSTILE), literal(HOSTILE)))
    object.__setattr__(report, "notes", [HOSTILE])
    object.__setattr__(report, "unchecked", [Unchecked(HOSTILE, frozenset())])
    object.__setattr__(report, "problems", [Problem("edge", HOSTILE, [HOSTILE])])
    object.__setattr__(report, "rows", {HOSTILE: {"gateway_in": {"present": True, "decided_by": HOSTILE}}})
    return report


def test_page_is_self_contained_and_escaped():
    text = evidence.write_page(hostile_report())
    page = Page(text)
    assert page.open == [] and page.addresses == []
    assert not {"script", "link", "img", "iframe", "object", "form"} & page.tags
    assert "<script" not in text and "url(" not in text.replace("url(#", "") and "@import" not in text
    assert text.count("&lt;script&gt;") == 10
    assert "prefers-color-scheme: dark" in text and "@media print" in text
    assert {"svg", "table"} <= page.tags


def test_other_evidence_is_well_formed_and_complete(tmp_path):
    report = hostile_report()
    paths = evidence.write(report, str(tmp_path / "new" / "folder"))
    assert [path.rpartition("/")[2] for path in paths] == ["evidence.json", "junit.xml", "evidence.md", "evidence.html"]
    suite = ElementTree.parse(paths[1]).getroot()  # noqa: S314
    assert (suite.get("failures"), suite.get("skipped"), int(suite.get("tests"))) == (
        "3",
        "0",
        len(report.findings) + 2,
    )
    assert len(suite.findall("testcase/failure")) == 3
    data = json.loads((tmp_path / "new" / "folder" / "evidence.json").read_text())
    assert data == json.loads(json.dumps(report.data))
    assert data["passed"] is False and len(data["flows"]) == len(report.findings)
    markdown = (tmp_path / "new" / "folder" / "evidence.md").read_text()
    rows = [line for line in markdown.splitlines() if re.match(r"\| (federation|gateway)", line.replace("\\", ""))]
    assert len(rows) == len(report.findings)
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 8 for line in rows)


def test_what_was_not_checked_fails_in_ci_unless_it_is_allowed():
    for allowed, failures in (((), True), (ROWS, False)):
        report = run(silent=NO_PYTHON, allowed=allowed)
        suite = ElementTree.fromstring(evidence.write_junit(report))  # noqa: S314
        unchecked = [
            case for case in suite.findall("testcase") if "python3: not found" in ElementTree.tostring(case, "unicode")
        ]
        assert unchecked
        assert {case.find("failure") is not None for case in unchecked} == {failures}
        assert (suite.get("failures") != "0") is failures
        assert int(suite.get("failures")) + int(suite.get("skipped")) == len(unchecked) + sum(
            "tried it" in case.get("name") for case in suite.findall("testcase")
        )


def test_all_evidence_has_the_policy_and_its_origin(tmp_path):
    paths = evidence.write(run(state={"drift": [drift("+", "gateway_in")]}), str(tmp_path))
    digest = json.loads((tmp_path / "evidence.json").read_text())["digest"]
    for path in paths:
        text = Path(path).read_text(encoding="utf-8")
        for part in ("198.18.0.10", "198.18.1.10", "5269", "23456", "exclusive", "2026-01-01", digest):
            assert part.replace("_", r"\_") in text or part in text, (path, part)
        assert "gateway_in  allow in tcp" in text.replace("\\", "") or "gateway_in allow in tcp" in text.replace(
            "\\", ""
        )
    data = json.loads((tmp_path / "evidence.json").read_text())
    assert data["edges"][0]["partner_networks"] == ["198.18.0.10/32", "2001:db8::10/128"]
    assert data["edges"][0]["drift"] == ["+gateway_in  allow in tcp any -> any port 23456"]


def test_a_cause_and_its_remedy_are_in_all_outputs(tmp_path):
    report = run(broken(is_row("gateway_in"), "refused"))
    (cause,) = {finding.cause for finding in report.failed}
    texts = [Path(path).read_text(encoding="utf-8") for path in evidence.write(report, str(tmp_path))]
    for text in (*texts, table(report)):
        plain = text.replace("\\", "")
        assert cause.text in plain and cause.what_to_do in plain


def test_the_side_of_a_vantage_point_is_where_its_packets_come_from():
    def arrived(source, device):
        ends = {"source": source, "source_port": 1, "destination": "198.18.1.2", "port": 5269}
        return {"kind": "SYN", "sent": False, "device": device, **ends}

    information = {
        "packets": [arrived("198.18.0.20", "eth1"), arrived("198.18.0.10", "eth0")],
        "devices": {"198.18.0.2": "eth0", "2001:db8::2": "eth0", "198.18.1.2": "eth1"},
    }
    report = run(looks={"xmpp_edge_verify_afterwards": {"rules": RULES, "information": information}})
    assert report.sides == {"partner": "outside", "front_end": "inside", "outsider": "inside"}
    # One device for both sides tells nothing.
    information["devices"] = dict.fromkeys(information["devices"], "eth1")
    report = run(looks={"xmpp_edge_verify_afterwards": {"rules": RULES, "information": information}})
    assert report.sides["outsider"] == "outside"


def test_a_matrix_has_a_cell_for_each_port_and_address():
    inbound, outbound = matrices_of(run(broken(is_row("federation_in"), "filtered")))
    assert (inbound.columns, outbound.columns) == (["198.18.0.2", "2001:db8::2", "198.18.1.2"], ["IPv4", "IPv6"])
    cells = {heads: [(cell.text, cell.kind) for cell in found] for heads, found in inbound.lines}
    closed, opened = ("closed", "holds"), ("open", "holds")
    assert cells["partner", "5269"] == [("closed, must be open", "fails"), opened, closed]
    assert cells["front_end", "23456"] == [closed, ("-", "dim"), opened]
    cells = {heads: [(cell.text, cell.kind) for cell in found] for heads, found in outbound.lines}
    assert cells == {("partner", "5269"): [opened, opened], ("outsider", "5269"): [closed, ("-", "dim")]}
    (unknown, _outbound) = matrices_of(run(silent=NO_PYTHON))
    cells = {heads: [(cell.text, cell.kind) for cell in found] for heads, found in unknown.lines}
    assert set(cells["partner", "5269"]) == {("not checked", "unchecked")}
    (faulty, _outbound) = matrices_of(run(broken(is_row("federation_in"), "no_starttls")))
    cells = {heads: [(cell.text, cell.kind) for cell in found] for heads, found in faulty.lines}
    assert cells["partner", "5269"][0] == ("faulty, must be open", "fails")


def test_the_drawing_shows_what_passes_as_passing_and_nothing_else():
    def leak(flow):
        return not flow.required and flow.origin == "outsider" and flow.address == "198.18.0.2" and flow.port == 5269

    for outcome, marker in (
        (broken(leak, "open"), "arrow-broken"),
        (broken(is_row("gateway_in"), "filtered"), "bar-broken"),
    ):
        drawn = re.findall(r'<line class="broken" [^>]*url\(#([a-z-]+)\)', drawing_of(run(outcome)))
        assert drawn == [marker]


def test_a_drawing_of_many_hosts_says_how_many_are_left_out():
    names = [f"partner{number}" for number in range(40)]
    hosts = {"edge": EDGE, **{name: {"xmpp_edge_verify_addresses": ["198.18.0.10"]} for name in names}}
    report = inventory(hosts, {"xmpp_edge": ["edge"], "xmpp_partner": names}).report(Provenance(""), deep=True)
    drawn = drawing_of(report)
    assert "and 28 more" in drawn and drawn.count("<rect") == 12 + 1 + 1


def test_table_has_failures_first_with_their_cause():
    text = table(run(broken(is_row("gateway_in"), "refused"))).splitlines()
    assert text[1].startswith("gateway_in") and text[1].endswith("FAILS")
    assert text[2] == "    listener: nobody listens on port 23456 of 198.18.1.2"
    assert text[-1].endswith("flows are as the table says")


def variables_of(name):
    return {"hostvars": HOSTS, "groups": GROUPS, "ansible_play_hosts_all": list(HOSTS), "inventory_hostname": name}


def test_probe_arguments_of_an_edge():
    arguments = tasks.probe_arguments(
        inventory(), "edge", {"depth": "tcp", "timeout": 1.5, "dns": True, "ask_servers": True}
    )
    assert [(target["source"], target["address"]) for target in arguments["targets"]] == [
        ("198.18.0.2", "198.18.0.10"),
        ("2001:db8::2", "2001:db8::10"),
        ("198.18.0.2", "198.18.0.20"),
    ]
    assert arguments["routes"] == ["198.18.0.10", "198.18.0.20", "2001:db8::10"]
    assert arguments["timeout"] == 1.5
    # Whether a port is open does not depend on names.
    assert arguments["domains"] == arguments["pings"] == []
    for dns in (True, False):
        options = {"depth": "service", "timeout": 1.5, "dns": dns, "ask_servers": dns}
        arguments = tasks.probe_arguments(inventory(), "edge", options)
        assert arguments["domains"] == (["edge.example", "p.example"] if dns else [])
        assert arguments["pings"] == ([{"from": "edge.example", "to": "p.example"}] if dns else [])


@pytest.mark.parametrize("text", ["2001:db8:0:0::10", "2001:DB8::0010", "2001:db8:0:0:0:0:0.0.0.16"])
def test_an_address_has_one_form_however_the_inventory_writes_it(text):
    vantage = flows.read_vantage("partner", "xmpp_partner", {"xmpp_edge_verify_addresses": [text]})
    assert vantage.addresses == ["2001:db8::10"]


@pytest.mark.parametrize("fail", [True, False])
def test_result_of_a_report_with_a_failure(fail):
    report = run(broken(is_row("gateway_in"), "refused"))
    result = tasks.result_of(report, ["evidence.json"], fail)
    assert result.get("failed", False) is fail
    assert ("flows" in result) is not fail
    assert (result["msg"], result["evidence"]) == (report.summary, ["evidence.json"])
    assert tasks.lines_of(report, result["evidence"])[-2:] == [report.summary, "evidence: evidence.json"]


def test_report_of_task_variables_with_evidence(tmp_path):
    options = {"depth": "service", "evidence": str(tmp_path), "allow_unchecked": list(ROWS)}
    report, files = tasks.make_report(variables_of("edge"), options)
    assert "what partner can reach: it was not asked" in report.not_checked
    assert len(files) == 4 and tasks.result_of(report, files, fail=True)["passed"] is True
    assert tasks.make_report(variables_of("edge"), {**options, "evidence": ""})[1] == []
