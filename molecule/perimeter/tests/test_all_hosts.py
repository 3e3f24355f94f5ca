# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table on the router, on the edge behind it and on a Front End, by one run."""

from __future__ import annotations

import json

import edge
import pytest
from perimeter import FEDERATION, GATEWAY, attempts, changed, play, wrong

NFT_DROP = """
nft -f - << END
table inet filter {
  chain forward { type filter hook forward priority filter; policy drop; ct state established,related accept; }
}
END
"""


@pytest.fixture
def with_gateway(monkeypatch):
    monkeypatch.setenv("XMPP_EDGE_WITH_GATEWAY", "1")


@pytest.mark.usefixtures("with_gateway")
def test_one_run_applies_it_to_all(router):
    router.check_output(NFT_DROP)
    done = play("site")
    for host in ("server", "router", "gateway"):
        assert changed(done, host) == 1, done.stdout
        assert f"{host}: changed, nftables, effective yes, guarded yes" in done.stdout
    assert done.stdout.index("server: changed") < done.stdout.index("router: changed")
    assert wrong(opened=False) == {}
    assert attempts("gateway", "internal", GATEWAY) == ["open", "open"]
    # The gateway's own guard, on a link that the router does not see.
    assert attempts("gateway", "partner", GATEWAY) == ["refused", "refused"]
    assert attempts("gateway", "partner", FEDERATION) == ["open", "open"]
    again = play("site")
    assert [changed(again, host) for host in ("server", "router", "gateway")] == [0, 0, 0]
    removed = play("remove")
    assert [changed(removed, host) for host in ("server", "router", "gateway")] == [1, 1, 1]
    for name in ("edge", "front_end", "outsider"):
        assert "xmpp" not in edge.host(name).check_output("nft list ruleset")


@pytest.mark.usefixtures("router", "with_gateway")
def test_a_front_end_accepts_where_its_own_firewall_drops():
    gateway = edge.host("outsider")
    gateway.check_output(
        "nft 'table inet own { chain out { type filter hook output priority filter; policy drop;"
        " ct state established,related accept; icmpv6 type != 255 accept; }; }'"
    )
    assert attempts("gateway", "internal", GATEWAY) != ["open", "open"]
    done = play("site", "--limit", "gateway")
    assert "gateway: changed, nftables, effective yes, guarded yes" in done.stdout, done.stdout
    assert attempts("gateway", "internal", GATEWAY) == ["open", "open"]
    assert attempts("gateway", "partner", FEDERATION) != ["open", "open"]
    assert changed(play("site", "--limit", "gateway"), "gateway") == 0


def verify(folder):
    """Return the evidence of verify. folder: for it."""
    done = play("verify", xmpp_edge_verify_evidence=str(folder), xmpp_edge_verify_depth="tcp")
    assert "flows are as the table says" in done.stdout, done.stdout
    return done, json.loads((folder / "evidence.json").read_text())


@pytest.mark.usefixtures("router")
def test_the_check_from_outside_names_the_router(router, tmp_path):
    router.check_output(NFT_DROP)
    assert changed(play("site", "--limit", "server,router")) == 1
    _done, found = verify(tmp_path)
    assert not [flow for flow in found["flows"] if flow["verdict"] == "FAILS"], found["flows"]

    # An administrator's own rule, a rule that is gone, and a list of its own.
    router.check_output("nft insert rule inet filter forward tcp dport 5269 drop")
    causes = {flow["cause"] for flow in verify(tmp_path)[1]["flows"] if flow["verdict"] == "FAILS"}
    assert causes
    assert all(cause.startswith("firewall: router drops it: chain inet filter forward") for cause in causes), causes
    router.check_output("nft flush chain inet filter forward")
    causes = {flow["cause"] for flow in verify(tmp_path)[1]["flows"] if flow["verdict"] == "FAILS"}
    assert causes
    assert all("router" in cause for cause in causes), causes
