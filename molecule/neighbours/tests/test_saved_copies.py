# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rulesets that an administrator saves while managed rules are live: they load, and bring nothing back unseen."""

from __future__ import annotations

import re

import edge
import pytest
from neighbours import OPEN, OUTSIDER, SHUT, reach

PARTNER = edge.TOPOLOGY.addresses("partner", "external")
# Networks that overlap with those of a later list, which a set of nft refuses to have beside each other.
AROUND = [f"{edge.TOPOLOGY.prefix('external', 'ipv4')}8/29", f"{edge.TOPOLOGY.prefix('external', 'ipv6')}10/124"]
SNAPSHOT = "/var/lib/shorewall/restore-iptables"
FORTY = [f"198.19.0.{number}" for number in range(1, 41)]


def site(networks):
    done = edge.play("site", xmpp_edge_partner_networks=networks)
    assert edge.changed_tasks(done) == 1
    return done


def remove():
    done = edge.play("remove")
    assert edge.changed_tasks(done) == 1
    return " ".join(done.stdout.split())


def lines_named(said, path):
    """Return the numbers of the lines of a file that a warning names, as sed takes them."""
    found = re.search(rf"{path} \(lines? ([0-9, to]+)\) has a saved copy of managed rules", said)
    assert found, said
    return ";".join(f"{span.replace(' to ', ',')}d" for span in found[1].split(", "))


def test_a_ruleset_of_iptables_that_was_saved(host):
    host.check_output("cp -r /etc/iptables /root && systemctl enable --now netfilter-persistent")
    try:
        site([*FORTY, *PARTNER])
        host.check_output("netfilter-persistent save")
        site(PARTNER)
        host.check_output("netfilter-persistent save")
        site([*PARTNER, *OUTSIDER])
        edge.reboot()
        assert reach() == {"partner": OPEN, "outsider": OPEN}
        assert edge.result(partner_networks=[*PARTNER, *OUTSIDER])["persisted"]
        said = remove()
        edge.reboot()
        # The host's firewall is there, and the copy with it, as the warning says.
        assert reach() == {"partner": OPEN, "outsider": SHUT}
        assert "DROP" in host.check_output("iptables -S INPUT; ip6tables -S INPUT")
        remove()
        for path in ("/etc/iptables/rules.v4", "/etc/iptables/rules.v6"):
            host.check_output("sed -i %s %s", lines_named(said, path), path)
        assert "saved copy" not in edge.play("remove").stdout
        edge.reboot()
        assert reach() == {"partner": SHUT, "outsider": SHUT}
        live = host.check_output("iptables-save | grep -v '^#'; ip6tables-save | grep -v '^#'")
        assert "XMPP" not in live
    finally:
        host.check_output("cp /root/iptables/* /etc/iptables/")


@pytest.mark.parametrize("head", ["", "flush ruleset"])
def test_a_ruleset_of_nftables_that_was_saved(host, head):
    host.check_output("cp /etc/nftables.conf /root && systemctl enable --now nftables")
    try:
        site(AROUND)
        host.check_output("{ echo %s; nft list ruleset; } > /etc/nftables.conf", head)
        site([*PARTNER, *OUTSIDER])
        host.check_output("systemctl reload nftables")
        assert reach() == {"partner": OPEN, "outsider": OPEN}
        site([*OUTSIDER])
        edge.reboot()
        assert reach() == {"partner": SHUT, "outsider": OPEN}
        said = remove()
        edge.reboot()
        assert reach() == {"partner": OPEN, "outsider": SHUT}
        remove()
        host.check_output("sed -i %s /etc/nftables.conf", lines_named(said, "/etc/nftables.conf"))
        assert "saved copy" not in edge.play("remove").stdout
        edge.reboot()
        assert reach() == {"partner": SHUT, "outsider": SHUT}
        assert "xmpp" not in host.check_output("nft list ruleset")
    finally:
        host.check_output("cp /root/nftables.conf /etc/nftables.conf")


def test_a_snapshot_of_shorewall_is_named(host):
    host.check_output("systemctl enable --now shorewall shorewall6")
    site(PARTNER)
    host.check_output("shorewall save")
    # While the rules are managed, each load of it replaces them.
    assert "saved copy" not in edge.play("site", xmpp_edge_partner_networks=PARTNER).stdout
    said = remove()
    host.check_output("sed -i %s %s", lines_named(said, SNAPSHOT), SNAPSHOT)
    assert "XMPP" not in host.check_output("cat %s", SNAPSHOT)
    assert "saved copy" not in edge.play("remove").stdout
