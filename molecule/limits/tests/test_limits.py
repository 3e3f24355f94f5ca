# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Floods against the edge, beside each manager."""

from __future__ import annotations

import edge
import pytest
from decisions import site
from limits import (
    ACCESS,
    MANAGERS,
    NEIGHBOURLY,
    ONE_NETWORK,
    OUTSIDER,
    PARTNER,
    PORT,
    flood,
    once_a_second,
)

A_MINUTE, AT_ONCE, OPEN = 60, 30, 50
LIMITS = {"xmpp_edge_limit_new": A_MINUTE, "xmpp_edge_limit_burst": AT_ONCE}
NEIGHBOUR = [(None, ACCESS[0], PORT), (NEIGHBOURLY, ACCESS[1], PORT)]


def most(found):
    """Return the most connections that a source may have opened in the time of a flood."""
    # One more for the fraction of a second at either end.
    return AT_ONCE + found.seconds * A_MINUTE / 60 + 1


@pytest.mark.parametrize("manager", MANAGERS)
def test_a_flood_is_stopped_and_no_other_connection(host, manager):
    host.check_output(MANAGERS[manager])
    done = site(**LIMITS)
    assert (done.failed, done.changed) == (False, 1), done.said
    assert f"{manager}, effective yes, guarded yes" in done.said
    assert site(**LIMITS).changed == 0
    # A session of the neighbour, and one of the very source that floods, lose no byte.
    own_session = edge.session("outsider", ACCESS[0], PORT)
    with edge.session("partner", ACCESS[0], PORT), own_session, flood(ACCESS[0], [OUTSIDER[0]]) as found:
        assert set(once_a_second(NEIGHBOUR)) == {"open"}
        again = site("--diff", **LIMITS)
        assert again.changed == 0, again.said
        assert "---" not in again.said
        # Another list leaves what the limit knows of the flood.
        assert site(**LIMITS, xmpp_edge_partner_networks=[f"{OUTSIDER[0]}/31", f"{PARTNER[0]}/32", "::/1"]).changed == 1
    assert found.tried > 2 * most(found), found
    assert found.opened <= most(found), found
    # All addresses of one network are one source, and the partner's address in another network is none of theirs.
    assert site(**LIMITS).changed == 1
    with edge.session("partner", ACCESS[1], PORT), flood(ACCESS[1], ONE_NETWORK) as found:
        assert set(once_a_second(NEIGHBOUR)) == {"open"}
    assert found.tried > 2 * most(found), found
    assert AT_ONCE <= found.opened <= most(found), found
    # Counters tell it.
    packets = edge.result(backend=manager, limit_new=A_MINUTE, limit_burst=AT_ONCE, partner_networks=["any"])["rows"]
    assert packets["federation_in"]["packets"]["limited"] > 0
    assert edge.changed_tasks(edge.play("remove")) == 1
    assert "xmpp" not in host.check_output("nft list ruleset").lower()


@pytest.mark.usefixtures("host")
def test_a_partner_that_is_exempt_may_restart():
    exempt = [f"{PARTNER[0]}/32", "2001:db8:0:bb::/64"]
    assert site(**LIMITS, xmpp_edge_limit_open=OPEN, xmpp_edge_limit_exempt=exempt).changed == 1
    for source, address in ((PARTNER[0], ACCESS[0]), (NEIGHBOURLY, ACCESS[1])):
        assert edge.connect("partner", [(source, address, PORT)] * 200).count("open") == 200
    # Everybody else is not.
    assert edge.connect("outsider", [(OUTSIDER[0], ACCESS[0], PORT)] * 200).count("open") <= most_of_a_burst()


def most_of_a_burst():
    """Return the most connections of a burst, during which the kernel lets one more pass each second."""
    return AT_ONCE + 15


@pytest.mark.usefixtures("host")
def test_open_connections_are_limited_by_themselves():
    assert site(xmpp_edge_limit_open=OPEN).changed == 1
    words = edge.connect("outsider", [(OUTSIDER[0], ACCESS[0], PORT)] * 200)
    assert words.count("open") == OPEN
    # Those that are closed make room, and those of another source count apart.
    assert edge.connect("outsider", [(OUTSIDER[0], ACCESS[0], PORT)] * 5) == ["open"] * 5
    words = edge.connect("outsider", [(source, ACCESS[1], PORT) for source in ONE_NETWORK for _again in range(5)])
    assert words.count("open") == OPEN
    assert edge.connect("partner", [(NEIGHBOURLY, ACCESS[1], PORT)] * 5) == ["open"] * 5


def test_a_set_that_is_full_lets_pass_and_the_log_says_so(host, kernel_log):
    assert site(**LIMITS).changed == 1
    # A set of this size cannot be filled in a test by packets; the kernel treats a smaller one alike.
    table = host.check_output("nft list table inet xmpp_edge").replace("size 65535", "size 2")
    host.check_output(
        "printf %%s %s > /root/small.nft && nft delete table inet xmpp_edge && nft -f /root/small.nft", table
    )
    words = [edge.connect("outsider", [(source, ACCESS[1], PORT)] * 40).count("open") for source in ONE_NETWORK[:1]]
    assert words[0] < 40
    assert edge.connect("partner", [(NEIGHBOURLY, ACCESS[1], PORT)] * 40).count("open") < 40
    own = edge.TOPOLOGY.addresses("partner", "external")[1]
    assert edge.connect("partner", [(own, ACCESS[1], PORT)] * 40) == ["open"] * 40
    assert len(kernel_log("xmpp-edge federation_in not limited ")) == 1


@pytest.mark.usefixtures("host")
def test_what_is_not_the_row_is_not_limited():
    assert site(**LIMITS, xmpp_edge_limit_open=OPEN).changed == 1
    assert set(edge.connect("outsider", [(None, ACCESS[0], 5222)] * 200)) == {"open"}
    for own in ("127.0.0.1", *ACCESS):
        assert set(edge.connect("edge", [(None, own, PORT)] * 200)) == {"open"}
