# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions that an administrator's ruleset has made before the first run, and loaders that nobody knows."""

from __future__ import annotations

import edge
import pytest
from neighbours import OPEN, OUTSIDER, SHUT, UNMANAGED, reach

PARTNER = edge.TOPOLOGY.addresses("partner", "external")
NFTABLES = """
flush ruleset
table inet filter {{
  set blocklist {{ type ipv4_addr; elements = {{ {outsider} }}; }}
  set blocklist6 {{ type ipv6_addr; elements = {{ {outsider6} }}; }}
  chain input {{
    type filter hook input priority filter; policy {policy};
    ct state established,related accept
    iif lo accept
    meta l4proto {{ icmp, ipv6-icmp }} accept
    {denial}
    tcp dport {{ 22, 5222 }} accept
  }}
}}
"""


def load(host, denial, policy="drop"):
    """Load a ruleset of nftables.service with some denials."""
    words = {f"net{version}": edge.TOPOLOGY.prefix("external", f"ipv{version}") for version in "46"}
    words |= {"partner": PARTNER[0], "partner6": PARTNER[1], "outsider": OUTSIDER[0], "outsider6": OUTSIDER[1]}
    # Which of its interfaces a container has first is chance.
    own = edge.TOPOLOGY.addresses("edge", "external")[0]
    words["external"] = host.check_output("ip -o address show to %s", own).split()[1]
    text = NFTABLES.format(policy=policy, denial=denial.format(**words), **words)
    host.check_output("printf %%s %s > /etc/nftables.conf", text)
    host.check_output("systemctl enable --now nftables && systemctl reload nftables")


def result(**options):
    return edge.result(
        **{"partner_networks": ["any"], "front_end_networks": ["any"], "on_ineffective": "warn", **options}
    )


DENIALS = {
    "address": "ip saddr {outsider} drop; ip6 saddr {outsider6} drop",
    "set": "ip saddr @blocklist drop; ip6 saddr @blocklist6 drop",
    "network and port": "ip saddr {net4}16/28 tcp dport 5269 drop; ip6 saddr {net6}20/123 tcp dport 5269 drop",
    "rejected": "ip saddr {outsider} reject; ip6 saddr {outsider6} reject with tcp reset",
    "mark": "ip saddr {outsider} meta mark set 7; ip6 saddr {outsider6} meta mark set 7; meta mark 7 drop",
}
NEGATIONS = {
    "address": "ip saddr != {partner} drop; ip6 saddr != {partner6} drop",
    "set": "ip saddr != {{ {partner}, 198.19.9.9 }} drop; ip6 saddr != {{ {partner6}, 2001:db8:9::9 }} drop",
    "network": "ip saddr != {net4}8/29 drop; ip6 saddr != {net6}10/124 drop",
    "range": "ip saddr != {net4}9-{net4}11 drop; ip6 saddr != {net6}f-{net6}11 drop",
    "interface": "iifname {external} ip saddr != {partner} drop; iifname {external} ip6 saddr != {partner6} drop",
}


def lines(denial):
    """Return rules, each on a line of its own."""
    return denial.replace("; ", "\n    ")


@pytest.mark.parametrize("denial", DENIALS)
def test_a_denial_before_the_accepts_wins_and_is_named(host, denial):
    load(host, lines(DENIALS[denial]))
    before = host.check_output(UNMANAGED)
    for changes in (1, 0):
        done = edge.play("site", **edge.ANY)
        assert edge.changed_tasks(done) == changes
        said = " ".join(done.stdout.split())
        assert (
            "federation_in: unmanaged rules deny some of its connections, and stay in force: chain inet filter" in said
        )
    assert reach() == {"partner": OPEN, "outsider": SHUT}
    assert result()["persisted"]
    assert edge.changed_tasks(edge.play("remove")) == 1
    assert host.check_output(UNMANAGED) == before


# Each form with the policy that drops, and one form with the other.
@pytest.mark.parametrize(("negation", "policy"), [*((name, "drop") for name in NEGATIONS), ("address", "accept")])
def test_an_allowlist_by_negation_is_respected(host, negation, policy):
    load(host, lines(NEGATIONS[negation]), policy)
    done = edge.play("site", **edge.ANY)
    assert done.returncode != 0
    assert "saddr !=" in done.stdout
    found = result()
    assert found["rows"]["federation_in"]["effective"] == "no"
    assert "saddr !=" in found["rows"]["federation_in"]["decided_by"]
    assert reach() == {"partner": OPEN, "outsider": SHUT}
    assert not result()["changed"]


OWN = """[Unit]
After=network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/own.nft
{more}[Install]
WantedBy=multi-user.target
"""


def test_a_loader_that_nobody_knows_is_named_until_it_loads_the_managed_rules(host):
    load(host, "")
    host.check_output("cp /etc/nftables.conf /etc/own.nft && systemctl disable --now nftables")
    host.check_output("printf %s > /etc/systemd/system/own.service", OWN.format(more="").replace("%", "%%"))
    host.check_output("systemctl daemon-reload && systemctl enable --now own")
    done = edge.play("site")
    assert edge.changed_tasks(done) == 1
    said = " ".join(done.stdout.split())
    assert 'own.service runs "/usr/sbin/nft -f /etc/own.nft", which removes managed rules' in said
    found = edge.result()
    assert not found["persisted"]
    assert found["persistence"] == {"guards": "no", "accepts": "no"}
    edge.reboot()
    # What was said is so: what the unit flushed at boot is gone.
    assert host.run("nft list table inet xmpp_edge").rc != 0
    mended = OWN.format(more="ExecStartPost=/usr/bin/systemctl reload xmpp-edge\n")
    host.check_output("printf %s > /etc/systemd/system/own.service", mended)
    host.check_output("systemctl daemon-reload")
    found = edge.result()
    assert found["persistence"] == {"guards": "yes", "accepts": "yes"}
    edge.reboot()
    assert not edge.result()["changed"]
    assert reach() == {"partner": OPEN, "outsider": SHUT}


def test_a_disk_that_cannot_be_written_is_told_before_anything_is_changed(host):
    load(host, "")
    host.check_output(
        "mount --bind /etc/systemd/system /etc/systemd/system && mount -o remount,ro,bind /etc/systemd/system"
    )
    try:
        before = host.check_output(UNMANAGED)
        done = edge.play("site")
        assert done.returncode != 0
        assert "/etc/systemd/system" in done.stdout, done.stdout
        assert "say xmpp_edge_persist: false, or make it writable" in done.stdout, done.stdout
        assert edge.play("site", "--check").returncode != 0
        assert host.check_output(UNMANAGED) == before
        assert not host.file("/var/lib/xmpp-edge").exists
        assert edge.changed_tasks(edge.play("site", xmpp_edge_persist=False)) == 1
        assert reach() == {"partner": OPEN, "outsider": SHUT}
        assert edge.changed_tasks(edge.play("site", xmpp_edge_persist=False)) == 0
    finally:
        host.check_output("umount /etc/systemd/system")
