# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server in a container of podman, with published ports."""

from __future__ import annotations

import edge
from containers import FOREIGN, INSIDE_PODMAN, NETWORK, podman_network, podman_server, wrong
from limits import ACCESS, OUTSIDER, PORT, flood, once_a_second


def test_the_matrix_is_that_of_a_server_on_the_host(host):
    podman_network(host)
    podman_server(host, 6)
    foreign = host.check_output(FOREIGN)
    assert wrong(INSIDE_PODMAN, "untouched") == {}
    done = edge.play("site")
    assert edge.changed_tasks(done) == 1, done.stdout
    assert "effective yes, guarded yes" in done.stdout
    assert wrong(INSIDE_PODMAN, "narrowed") == {}
    assert host.check_output(FOREIGN) == foreign
    assert edge.changed_tasks(edge.play("site")) == 0

    # The next container has another address, and there is no run in between.
    host.check_output("PODMAN_IGNORE_CGROUPSV1_WARNING=1 podman rm --force --time 0 server")
    podman_server(host, 77)
    assert f"{NETWORK['ipv4']}.77" in host.check_output("nft list table inet netavark")
    assert wrong(INSIDE_PODMAN, "narrowed") == {}
    found = edge.result("--check")
    assert found["changed"] is False
    assert found["rows"]["federation_out"]["packets"]["allowed"] > 0

    assert edge.changed_tasks(edge.play("site", **edge.ANY)) == 1
    assert wrong(INSIDE_PODMAN, "any") == {}
    assert edge.changed_tasks(edge.play("remove")) == 1
    edge.assert_no_managed_files()
    assert "xmpp_edge" not in host.check_output("nft list ruleset")
    assert wrong(INSIDE_PODMAN, "untouched") == {}


def test_a_flood_of_a_published_port_is_stopped_and_no_other_connection(host):
    podman_network(host)
    podman_server(host, 6)
    limits = {**edge.ANY, "xmpp_edge_limit_new": 60, "xmpp_edge_limit_burst": 30}
    assert edge.changed_tasks(edge.play("site", **limits)) == 1
    with edge.session("partner", ACCESS[0], PORT), flood(ACCESS[0], [OUTSIDER[0]]) as found:
        assert set(once_a_second([(None, ACCESS[0], PORT)])) == {"open"}
        assert edge.changed_tasks(edge.play("site", **limits)) == 0
    assert found.opened <= 31 + found.seconds < found.tried, found
