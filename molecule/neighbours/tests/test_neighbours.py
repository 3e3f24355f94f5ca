# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that load rules, one after the other: what they decide stays decided, and what the result says is so."""

from __future__ import annotations

from dataclasses import dataclass

import edge
import pytest
from neighbours import CLEAN, OPEN, SHUT, UNMANAGED, each_family, reach, site


@dataclass(frozen=True)
class Neighbour:
    """A program. backend: whose rules it loads; start: makes it live and enables it; reloads: what administrators do.

    ban, unban: commands by which it shuts out {address}, empty where it has none; undone_by: its own commands that undo
    the accept rules, as the documentation says.
    """

    backend: str
    start: str
    reloads: tuple[str, ...]
    ban: str = ""
    unban: str = ""
    undone_by: tuple[str, ...] = ()

    @property
    def service(self) -> str:
        """Return the first service that it is started by."""
        return self.start.partition("--now ")[2].split()[0]


NEIGHBOURS = {
    "nftables": Neighbour(
        "nftables",
        "systemctl enable --now nftables",
        ("systemctl reload nftables", "systemctl restart nftables"),
        "nft insert rule inet filter input {family} saddr {address} drop",
    ),
    "netfilter-persistent": Neighbour(
        "iptables",
        "systemctl enable --now netfilter-persistent",
        ("systemctl restart netfilter-persistent", "systemctl reload-or-restart netfilter-persistent"),
        "{iptables} -I INPUT -s {address} -j DROP",
        undone_by=("netfilter-persistent reload",),
    ),
    "fail2ban": Neighbour(
        "iptables",
        "systemctl enable --now netfilter-persistent fail2ban",
        ("systemctl restart fail2ban",),
        "fail2ban-client set trial banip {address}",
        "fail2ban-client set trial unbanip {address}",
    ),
    "ferm": Neighbour(
        "iptables",
        "systemctl enable --now ferm",
        ("systemctl reload ferm", "systemctl restart ferm"),
        undone_by=("ferm /etc/ferm/ferm.conf",),
    ),
    "shorewall": Neighbour(
        "iptables",
        "systemctl enable --now shorewall shorewall6",
        ("systemctl reload shorewall shorewall6", "systemctl restart shorewall shorewall6"),
        "shorewall{version} drop {address}",
        "shorewall{version} allow {address}",
        undone_by=("shorewall reload", "shorewall6 reload"),
    ),
    "firehol": Neighbour(
        "iptables",
        "systemctl enable --now firehol",
        ("systemctl reload firehol", "systemctl restart firehol"),
        undone_by=("firehol start",),
    ),
    "foomuuri": Neighbour(
        "nftables",
        "systemctl enable --now foomuuri",
        ("systemctl reload foomuuri", "systemctl restart foomuuri"),
        undone_by=("foomuuri reload",),
    ),
}


@pytest.fixture(params=NEIGHBOURS)
def neighbour(request):
    """Make one neighbour live on an edge that has nothing else."""
    host = edge.host()
    host.run(CLEAN)
    found = NEIGHBOURS[request.param]
    host.check_output(found.start)
    yield found
    host.run(CLEAN)


def test_neighbour(neighbour):
    host = edge.host()
    before = host.check_output(UNMANAGED)
    assert reach() == {"partner": SHUT, "outsider": SHUT}
    assert site() == 1
    assert reach() == {"partner": OPEN, "outsider": OPEN}
    result = edge.result(partner_networks=["any"], front_end_networks=["any"])
    assert not result["changed"], result["diff"]
    assert result["backend"] == neighbour.backend
    assert result["backend_reason"] == f"{neighbour.service}.service is active"
    assert result["persisted"], result
    assert {row["guarded"] for row in result["rows"].values()} == {"yes"}
    assert {row["effective"] for row in result["rows"].values()} == {"yes"}
    if neighbour.ban:
        host.check_output(each_family(neighbour.ban))
        assert reach() == {"partner": OPEN, "outsider": SHUT}
        assert site() == 0
        assert reach() == {"partner": OPEN, "outsider": SHUT}
    if neighbour.unban:
        host.check_output(each_family(neighbour.unban))
        assert reach() == {"partner": OPEN, "outsider": OPEN}
        assert site() == 0
    for reload in neighbour.reloads:
        host.check_output(reload)
        assert reach()["partner"] == OPEN, reload
        assert host.run("nft list table inet xmpp_edge").rc == 0, reload
    edge.reboot()
    assert reach() == {"partner": OPEN, "outsider": OPEN}
    assert site("--check") == 0
    # Narrowed now, so that the guards have to be there.
    assert edge.changed_tasks(edge.play("site")) == 1
    for command in neighbour.undone_by:
        host.check_output(command)
        assert reach()["outsider"] == SHUT
    assert edge.changed_tasks(edge.play("site")) == (1 if neighbour.undone_by else 0)
    assert reach() == {"partner": OPEN, "outsider": SHUT}
    edge.reboot()
    assert reach() == {"partner": OPEN, "outsider": SHUT}
    assert edge.changed_tasks(edge.play("remove")) == 1
    assert reach() == {"partner": SHUT, "outsider": SHUT}
    assert host.check_output(UNMANAGED) == before
    edge.assert_no_managed_files()
