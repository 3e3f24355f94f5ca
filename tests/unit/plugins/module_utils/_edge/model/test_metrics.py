# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics file, read by the parser of Prometheus' own client."""

from __future__ import annotations

from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.metrics import BANNER, text_of
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import make_group
from prometheus_client.parser import text_string_to_metric_families

ROW = {"present": True, "effective": "yes", "decided_by": None, "guarded": "unknown", "guarded_by": None}
COUNTED = {"allowed": 12, "blocked": 3, "limited": 1, "since": "2026-11-26T18:20:40Z"}
RESULT = {
    "changed": True,
    "persistence": {"guards": "yes", "accepts": "no"},
    "rows": {
        "federation_in": {**ROW, "packets": COUNTED},
        "federation_out": {**ROW, "effective": "no", "packets": {**COUNTED, "limited": 0}},
    },
}
GROUPS = [
    make_group("partner_networks_ipv4", ["198.18.7.0/24", "198.18.9.0/24"]),
    make_group("partner_networks_2_ipv4", ["198.18.8.0/24"]),
    make_group("partner_networks_ipv4", ["198.18.7.0/24", "198.18.9.0/24"]),
    make_group("access_addresses_ipv6", ["2001:db8::2"]),
]


def samples(text):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if family.documentation and family.type in ("gauge", "counter")
    }


def test_every_figure_is_one_that_prometheus_reads():
    text = text_of(RESULT, GROUPS, 1795720446.4671)
    assert text.startswith(BANNER)
    assert samples(text) == {
        ("xmpp_edge_row_present", "federation_in"): 1,
        ("xmpp_edge_row_present", "federation_out"): 1,
        ("xmpp_edge_row_effective", "federation_in"): 1,
        ("xmpp_edge_row_effective", "federation_out"): 0,
        ("xmpp_edge_row_guarded", "federation_in"): -1,
        ("xmpp_edge_row_guarded", "federation_out"): -1,
        ("xmpp_edge_persisted", "guards"): 1,
        ("xmpp_edge_persisted", "accepts"): 0,
        ("xmpp_edge_row_packets_total", "federation_in", "allowed"): 12,
        ("xmpp_edge_row_packets_total", "federation_in", "blocked"): 3,
        ("xmpp_edge_row_packets_total", "federation_in", "limited"): 1,
        ("xmpp_edge_row_packets_total", "federation_out", "allowed"): 12,
        ("xmpp_edge_row_packets_total", "federation_out", "blocked"): 3,
        ("xmpp_edge_row_packets_total", "federation_out", "limited"): 0,
        ("xmpp_edge_packets_since_timestamp_seconds",): 1795717240,
        ("xmpp_edge_list_members", "partner_networks", "ipv4"): 3,
        ("xmpp_edge_list_members", "access_addresses", "ipv6"): 1,
        ("xmpp_edge_last_run_changed",): 1,
        ("xmpp_edge_last_run_timestamp_seconds",): 1795720446.467,
    }


def test_what_is_not_known_is_left_out():
    rows = {"federation_in": {**ROW, "guarded": None, "packets": None}}
    text = text_of({**RESULT, "rows": rows, "persistence": {}}, [], 1.0)
    assert {name for name, *_labels in samples(text)} == {
        "xmpp_edge_row_present",
        "xmpp_edge_row_effective",
        "xmpp_edge_last_run_changed",
        "xmpp_edge_last_run_timestamp_seconds",
    }
    assert "row_packets" not in text
