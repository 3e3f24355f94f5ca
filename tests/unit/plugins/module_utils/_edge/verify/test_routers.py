# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routers of the inventory: which there are, and what they say against a flow."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import OptionError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.controls import RouterCount, with_controls
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.evaluate import HOLDS, NOT_CHECKED, Finding
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.flows import Flow
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.inventory import read_inventory
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.passage import Passage
from ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.provenance import Provenance

ACCESS, PARTNER = "10.20.0.2", "198.18.0.10"
EDGE = {
    "xmpp_edge_access_addresses": [ACCESS],
    "xmpp_edge_partner_networks": [PARTNER],
    "xmpp_edge_rows": ["federation_in", "federation_out"],
}
ROUTER = {"xmpp_edge_placement": "firewall", "xmpp_edge_of": ["edge"]}
GROUPS = {"xmpp_edge": ["edge"], "xmpp_partner": ["partner"], "xmpp_firewall": ["router"]}
GOOD = {"effective": "yes", "decided_by": "chain x: accept", "guarded": "yes"}
ROWS = dict.fromkeys(("federation_in", "federation_out"), GOOD)


def inventory(router=None, edge=None):
    """Return the inventory, with what the hosts have told."""
    hosts = {
        "edge": {**EDGE, **(edge or {})},
        "partner": {"xmpp_edge_verify_addresses": [PARTNER]},
        "router": {name: value for name, value in {**ROUTER, **(router or {})}.items() if value is not None},
    }
    return read_inventory({"hostvars": hosts, "groups": GROUPS, "ansible_play_hosts_all": list(hosts)})


def told(blocked=(0, 0), rows=None, drift=()):
    """Return the variables of a router that was looked at. blocked: before and after."""
    found = {"rows": rows or ROWS, "drift": list(drift), "not_compared": None, "absent": []}
    before, after = ({"rules": {**found, "blocked": {"federation_in": count}}} for count in blocked)
    return {"xmpp_edge_verify_before": before, "xmpp_edge_verify_afterwards": after}


def report(router, arrived=False, outcome="filtered"):
    """Return the report where the partner's attempt got no answer. arrived: whether the edge has seen it."""
    packet = {
        "kind": "SYN",
        "source": PARTNER,
        "source_port": 40000,
        "destination": ACCESS,
        "port": 5269,
        "device": "eth0",
    }
    left, packets = [{**packet, "sent": True}], [{**packet, "sent": False}] if arrived else []
    attempt = {
        "outcome": outcome,
        "source": PARTNER,
        "latency_ms": None,
        "detail": "",
        "facts": {"source_port": 40000, "packets": 1},
    }
    own = {"rules": {"rows": ROWS, "drift": [], "blocked": {}, "absent": []}, "information": {"packets": packets}}
    found = inventory(router)
    hosts = dict(found.variables)
    hosts["partner"] = {
        **hosts["partner"],
        "xmpp_edge_verify_attempts": {"results": [attempt for _flow in found.flows_from("partner", deep=False)]},
        "xmpp_edge_verify_afterwards": {"information": {"packets": left}},
    }
    hosts["edge"] = {**hosts["edge"], "xmpp_edge_verify_afterwards": own}
    whole = read_inventory({"hostvars": hosts, "groups": GROUPS, "ansible_play_hosts_all": list(hosts)})
    return whole.report(Provenance("2026-01-01T00:00:00+00:00"), deep=False)


def causes(*arguments, **options):
    return {
        one.cause.text
        for one in report(*arguments, **options).findings
        if one.cause and one.flow.row == "federation_in"
    }


def test_a_router_is_one_with_the_placement():
    assert [(one.name, one.edges) for one in inventory().routers] == [("router", frozenset(("edge",)))]
    assert inventory().only_routes("router")
    assert not inventory().only_routes("edge")
    assert inventory({"xmpp_edge_placement": "edge"}).routers == []


def test_a_mistake_of_a_router_is_told_with_its_name():
    with pytest.raises(OptionError, match="router: xmpp_edge_of: 'egde' is no host of the inventory; name an edge"):
        inventory({"xmpp_edge_of": ["egde"]})


REJECTS = {**ROWS, "federation_in": {**GOOD, "effective": "no", "decided_by": "chain inet filter forward: policy drop"}}
LACKING = {
    "sign": "+",
    "line": "federation_in  allow forwarded in tcp 198.18.0.10 -> 10.20.0.2 port 5269",
    "rule": {
        "row": "federation_in",
        "action": "allow",
        "direction": "in",
        "family": "ipv4",
        "source": [PARTNER],
        "destination": [ACCESS],
        "port": 5269,
    },
}


def test_a_router_that_drops_the_row_is_the_cause():
    assert causes(told(rows=REJECTS)) == {"firewall: router drops it: chain inet filter forward: policy drop"}


def test_a_router_that_lacks_the_rule_is_the_cause():
    (cause,) = causes(told(drift=[LACKING]))
    assert cause.startswith("firewall: router lacks the rule federation_in  allow forwarded in")


def test_a_guard_that_has_counted_is_the_cause():
    # The router has a list of its own, and names no host.
    own = {"xmpp_edge_of": None, "xmpp_edge_access_addresses": [ACCESS], "xmpp_edge_partner_networks": ["198.18.9.9"]}
    own["xmpp_edge_rows"] = ["federation_in", "federation_out"]
    assert inventory(own).routers[0].edges == {"edge"}
    (cause,) = causes({**told(blocked=(3, 4)), **own})
    assert (
        cause
        == "firewall: the guard of router drops it, since 198.18.0.10 is not in the networks of row federation_in there"
    )


def test_a_guard_that_has_counted_others_is_not_blamed():
    assert not any("router" in cause for cause in causes(told(blocked=(3, 4))))


def test_a_router_without_fault_is_not_blamed():
    (cause,) = causes(told())
    assert "router" not in cause


def test_a_packet_that_has_arrived_was_not_dropped_before():
    assert not any("router" in cause for cause in causes(told(rows=REJECTS), arrived=True))


def test_a_router_that_was_not_reached_leaves_its_rows_unchecked():
    unchecked = [str(one) for one in report({}).unchecked]
    assert any("the rules on router themselves" in one for one in unchecked)


def test_the_problems_of_a_router_are_told():
    sentences = [problem.sentence for problem in report(told(rows=REJECTS, drift=[LACKING])).problems]
    assert "router drops what federation_in allows: chain inet filter forward: policy drop" in sentences
    assert "the rules of router are not those of its inventory: 1 line" in sentences


def closed_flow(edge, arrived=None):
    """Return the finding on an attempt that got no answer, as it had to be."""
    flow = Flow("federation_in", edge, "outsider", edge, "in", None, ACCESS, ACCESS, 5269, False, "tcp", None, None)
    passage = Passage(arrived=arrived)
    return Finding(flow, "198.18.0.20", "closed", "filtered", HOLDS, facts={"packets": 1}, passage=passage)


@pytest.mark.parametrize(
    "counted, edges, expected",
    [
        (2, {"edge", "edge2"}, [HOLDS, HOLDS]),
        # What the attempts at one edge have moved proves nothing for the other.
        (1, {"edge", "edge2"}, [NOT_CHECKED, NOT_CHECKED]),
        (1, {"edge"}, [HOLDS, NOT_CHECKED]),
        (0, {"edge", "edge2"}, [NOT_CHECKED, NOT_CHECKED]),
    ],
)
def test_a_guard_of_a_router_that_has_counted_all_proves_that_flows_are_closed(counted, edges, expected):
    findings = [closed_flow(name, arrived=False) for name in ("edge", "edge2")]
    counts = [RouterCount("router", "federation_in", frozenset(edges), counted)]
    found = with_controls(findings, {}, counts)
    assert [one.verdict for one in found] == expected
    if expected == [HOLDS, HOLDS]:
        assert found[0].detail == "the guard of router has dropped it before edge"
