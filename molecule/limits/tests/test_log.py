# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of what is blocked, and the figures of a run."""

from __future__ import annotations

import edge
import pytest
from decisions import site
from limits import ACCESS, ONE_NETWORK, OUTSIDER, PARTNER, PORT, flood
from prometheus_client.parser import text_string_to_metric_families

LISTED = {"xmpp_edge_partner_networks": [f"{PARTNER[0]}/32", f"{PARTNER[1]}/128"]}
FIGURES = "/var/lib/edge.prom"


@pytest.mark.usefixtures("host")
def test_a_thousand_blocked_packets_make_some_lines(kernel_log):
    logged = {**LISTED, "xmpp_edge_log_blocked": True}
    assert site(**logged).changed == 1
    assert site(**logged).changed == 0
    for address, sources, shown in (
        (ACCESS[0], [OUTSIDER[0]], f"SRC={OUTSIDER[0]} "),
        (ACCESS[1], ONE_NETWORK, "SRC=2001:0db8:0000:00aa:"),
    ):
        kernel_log.clear()
        before = edge.result(partner_networks=LISTED["xmpp_edge_partner_networks"], log_blocked=True)["rows"]
        with flood(address, sources) as found:
            blocked = 0
            while blocked < 1000:
                rows = edge.result(partner_networks=LISTED["xmpp_edge_partner_networks"], log_blocked=True)["rows"]
                blocked = rows["federation_in"]["packets"]["blocked"] - before["federation_in"]["packets"]["blocked"]
        assert found.opened == 0
        lines = kernel_log("xmpp-edge federation_in blocked ")
        assert 1 <= len(lines) <= 5 + found.seconds / 10 + 1
        assert all(shown in line and "DPT=5269" in line for line in lines), lines
    # What is allowed is not logged, nor what has no guard.
    kernel_log.clear()
    assert set(edge.connect("partner", [(None, one, PORT) for one in ACCESS])) == {"open"}
    edge.connect("outsider", [(None, ACCESS[0], 5222)])
    # What leaves by an address that is not listed is rejected, and logged too.
    assert edge.connect("edge", [("198.18.1.2", PARTNER[0], PORT)]) != ["open"]
    assert kernel_log("xmpp-edge") == kernel_log("xmpp-edge federation_out blocked ")


def test_figures_are_written_by_every_run_and_read_by_prometheus(host):
    with_file = {**LISTED, "xmpp_edge_metrics_file": FIGURES}
    assert not host.file(FIGURES).exists
    site("--check", **with_file)
    assert not host.file(FIGURES).exists
    assert site(**with_file).changed == 1
    first = figures(host)
    edge.connect("outsider", [(None, ACCESS[0], PORT)])
    edge.connect("partner", [(None, ACCESS[0], PORT)])
    assert site(**with_file).changed == 0
    second = figures(host)
    assert first["xmpp_edge_last_run_changed"] == 1
    assert second["xmpp_edge_last_run_changed"] == 0
    assert second["xmpp_edge_row_effective", "federation_in"] == 1
    assert second["xmpp_edge_row_packets_total", "federation_in", "allowed"] == 1
    assert second["xmpp_edge_row_packets_total", "federation_in", "blocked"] >= 1
    assert second["xmpp_edge_list_members", "partner_networks", "ipv6"] == 1
    assert second["xmpp_edge_last_run_timestamp_seconds"] > first["xmpp_edge_last_run_timestamp_seconds"]
    same = "xmpp_edge_packets_since_timestamp_seconds"
    assert abs(second[same] - first[same]) <= 1
    # A change of lists keeps the counters.
    assert site(xmpp_edge_metrics_file=FIGURES).changed == 1
    third = figures(host)
    assert third["xmpp_edge_row_packets_total", "federation_in", "allowed"] == 1
    assert abs(third[same] - first[same]) <= 1
    # A reboot begins anew, and says so.
    edge.reboot()
    assert site(xmpp_edge_metrics_file=FIGURES).changed == 0
    fourth = figures(host)
    assert fourth["xmpp_edge_row_packets_total", "federation_in", "allowed"] == 0
    assert fourth[same] > third["xmpp_edge_last_run_timestamp_seconds"]
    assert edge.changed_tasks(edge.play("remove", xmpp_edge_metrics_file=FIGURES)) == 1
    assert not host.file(FIGURES).exists


def figures(host):
    """Return the figures by name and labels."""
    families = text_string_to_metric_families(host.check_output(f"cat {FIGURES}"))
    found = {}
    for sample in (sample for family in families for sample in family.samples):
        labels = tuple(sample.labels.values())
        found[(sample.name, *labels) if labels else sample.name] = sample.value
    return found
