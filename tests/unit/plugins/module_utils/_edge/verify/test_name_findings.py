# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS records of own and partner domains, held against the table of an edge."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.inventory import read_inventory
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.provenance import Provenance
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.report import table

EDGE = {
    "xmpp_edge_access_addresses": ["198.18.0.2", "2001:db8::2"],
    "xmpp_edge_internal_addresses": ["198.18.1.2"],
    "xmpp_edge_partner_networks": ["198.18.0.10", "2001:db8::10"],
    "xmpp_edge_front_end_networks": ["198.18.1.10"],
    "xmpp_edge_verify_domain": "edge.example",
}
PARTNER = {
    "xmpp_edge_verify_addresses": ["198.18.0.10", "2001:db8::10"],
    "xmpp_edge_verify_domain": "partner.example",
}
GROUPS = {"xmpp_edge": ["edge"], "xmpp_partner": ["partner"]}


def records(addresses, port=5269, target="xmpp.example", direct=None, fault=""):
    """Return the records of a domain. port: of its service, None for none; direct: port of the one with TLS at once."""
    services = {
        "_xmpp-server": [] if port is None else [{"target": target, "port": port}],
        "_xmpps-server": [] if direct is None else [{"target": target, "port": direct}],
    }
    return {"services": services, "addresses": {target: list(addresses)} if target != "." else {}, "fault": fault}


OWN, THEIRS = records(["198.18.0.2", "2001:db8::2"]), records(["198.18.0.10", "2001:db8::10"])


def told(own=None, theirs=None, edge=None, **result):
    """Return the problems and the notes on DNS of an edge."""
    hosts = {"edge": {**EDGE, **(edge or {})}, "partner": dict(PARTNER)}
    names = {"names": {"edge.example": own or OWN, "partner.example": theirs or THEIRS}}
    hosts["edge"]["xmpp_edge_verify_attempts"] = {"results": [], **(result or names)}
    inventory = {"hostvars": hosts, "groups": GROUPS, "ansible_play_hosts_all": list(hosts)}
    report = read_inventory(inventory).report(Provenance(""), deep=True)
    assert all(problem.remedy for problem in report.problems)
    assert all(f"FAILS: {problem.sentence}\n    To do: " in table(report) for problem in report.problems)
    return (
        [problem.sentence for problem in report.problems if problem.sentence.startswith("DNS")],
        [note for note in report.notes if note.startswith("DNS")],
    )


def test_records_that_agree_with_the_table_are_silent():
    assert told() == ([], [])
    # No SRV record, and the port that servers dial then.
    assert told(own=records(["198.18.0.2"], None), theirs=records(["198.18.0.10"], None)) == ([], [])
    # The service with TLS at once on the same port.
    assert told(own=records(["198.18.0.2"], 5269, direct=5269)) == ([], [])
    # Public addresses behind a translation.
    public = {"xmpp_edge_verify_public_addresses": ["203.0.113.5", "2001:db8:9::5"]}
    assert told(own=records(["203.0.113.5", "2001:db8:9::5"]), edge=public) == ([], [])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"own": records([], 0, ".")}, "edge.example says that it has no XMPP server (target '.')"),
        ({"theirs": records([], 0, ".")}, "partner.example says that it has no XMPP server (target '.')"),
        (
            {"own": records(["198.18.0.2"], 5270)},
            "edge.example is to be dialled at port 5270 (_xmpp-server at xmpp.example), and row federation_in is about",
        ),
        (
            {"theirs": records(["198.18.0.10"], 5270)},
            "partner.example is to be dialled at port 5270 (_xmpp-server at xmpp.example), and row federation_out is",
        ),
        (
            {
                "own": records(["198.18.0.2"], None),
                "edge": {"xmpp_edge_federation_port": 5270},
                "theirs": records(["198.18.0.10"], 5270),
            },
            "edge.example is to be dialled at port 5269 (no SRV record), and row federation_in is about port 5270",
        ),
        ({"own": records(["198.18.0.77"])}, "edge.example leads to 198.18.0.77, which edge does not have"),
        (
            {"own": records(["198.18.0.2", "2001:db8::2"]), "edge": {"xmpp_edge_access_addresses": ["198.18.0.2"]}},
            "edge.example has the AAAA record 2001:db8::2, and row federation_in of edge is closed in that family",
        ),
        (
            {"theirs": records(["198.18.0.66"])},
            "partner.example leads to 198.18.0.66, outside xmpp_edge_partner_networks of edge",
        ),
        (
            {"theirs": records(["2001:db8::10"]), "edge": {"xmpp_edge_access_addresses": ["198.18.0.2"]}, "own": None},
            "partner.example has addresses in a family only that edge has none in: 2001:db8::10",
        ),
    ],
)
def test_a_record_that_contradicts_the_table_fails(options, sentence):
    if options.get("own", OWN) is None:
        options = {**options, "own": records(["198.18.0.2"])}
    problems, notes = told(**options)
    assert len(problems) == 1 and problems[0].startswith(f"DNS: {sentence}"), problems
    assert notes == []


@pytest.mark.parametrize(
    ("options", "note"),
    [
        # Partners try both services; one of them answers.
        (
            {"own": records(["198.18.0.2"], 5269, direct=5270)},
            "edge.example is to be dialled at port 5270 (_xmpps",
        ),
        # One of several addresses is another site's.
        (
            {"own": records(["198.18.0.2", "198.18.0.77"])},
            "edge.example leads to 198.18.0.77, which edge does not have",
        ),
        # The world's view and the edge's: an address of another kind.
        (
            {"own": records(["9.9.9.9"])},
            "edge.example leads to 9.9.9.9, which edge does not have; correct",
        ),
        ({"theirs": records(["198.18.0.10", "198.18.0.66"])}, "partner.example leads to 198.18.0.66, outside"),
    ],
)
def test_a_record_beside_others_that_agree_is_a_note(options, note):
    problems, notes = told(**options)
    assert problems == []
    assert len(notes) == 1 and notes[0].startswith(f"DNS: {note}"), notes


def test_what_is_not_known_is_a_note():
    lost = records([], fault="the resolver 127.0.0.1 did not answer in time")
    assert told(own=lost, theirs=lost) == (
        [],
        [f"DNS of edge.example and partner.example is not known as a whole: {lost['fault']}"],
    )
    nothing = "DNS of edge.example is not known as a whole: the resolver of edge finds neither services nor addresses"
    assert told(own=records([], None)) == ([], [nothing])
    missing = "DNS of edge.example and partner.example was not looked up: dnspython 2 is not installed"
    assert told(names_not_asked="dnspython 2 is not installed") == ([], [missing])


def test_a_partner_that_may_be_any_is_not_outside():
    wide = {"xmpp_edge_partner_networks": ["any"]}
    assert told(theirs=records(["9.9.9.9"]), edge=wide) == ([], [])
    # In the mode "permit" the rules close nothing.
    assert told(theirs=records(["198.18.0.66"]), edge={"xmpp_edge_mode": "permit"}) == ([], [])


def test_only_names_that_dns_can_have_are_looked_up():
    hosts = {"edge": {**EDGE, "xmpp_edge_verify_domain": "edge"}, "partner": dict(PARTNER)}
    inventory = {"hostvars": hosts, "groups": GROUPS, "ansible_play_hosts_all": list(hosts)}
    assert read_inventory(inventory).domains_of("edge") == ["partner.example"]
    assert read_inventory(inventory).domains_of("partner") == []
