# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as Docker makes them, and a namespace as the container. Docker itself is not run."""

from __future__ import annotations

from pathlib import Path

import edge
import pytest
from containers import FOREIGN, INSIDE_NAMESPACE, NETWORK, namespace_server, wrong

SCRIPTS = Path(__file__).parents[1] / "docker"
ENDS = {
    "ipv4": (f"{NETWORK['ipv4']}.0/24", f"{NETWORK['ipv4']}.6"),
    "ipv6": (f"{NETWORK['ipv6']}:/64", f"{NETWORK['ipv6']}:6"),
}
FORMS = {
    "iptables, nft": ("iptables.sh", {"ipv4": "iptables-nft", "ipv6": "ip6tables-nft"}),
    "iptables, legacy": ("iptables.sh", {"ipv4": "iptables-legacy", "ipv6": "ip6tables-legacy"}),
    "nftables": ("nftables.sh", {"ipv4": "ip", "ipv6": "ip6"}),
}


def publish(host, form):
    """Load the rules of Docker for the server."""
    script, words = FORMS[form]
    for family, (network, container) in ENDS.items():
        host.check_output("sh -c %s sh %s %s %s", (SCRIPTS / script).read_text(), words[family], network, container)


@pytest.mark.parametrize("form", FORMS)
def test_the_matrix_is_that_of_a_server_on_the_host(host, form):
    namespace_server(host, "docker0")
    publish(host, form)
    foreign = host.check_output(FOREIGN)
    legacy = host.check_output("iptables-legacy-save | grep ^-; ip6tables-legacy-save | grep ^-; true")
    assert wrong(INSIDE_NAMESPACE, "untouched") == {}
    done = edge.play("site")
    assert edge.changed_tasks(done) == 1, done.stdout
    assert "effective yes, guarded yes" in done.stdout
    assert wrong(INSIDE_NAMESPACE, "narrowed") == {}
    assert edge.changed_tasks(edge.play("site")) == 0
    assert edge.changed_tasks(edge.play("remove")) == 1
    assert host.check_output(FOREIGN) == foreign
    assert host.check_output("iptables-legacy-save | grep ^-; ip6tables-legacy-save | grep ^-; true") == legacy
    edge.assert_no_managed_files()
