# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of managed rules that an administrator saved, and what is said of them."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.saved_copies import complaints, copies_in

IPTABLES = """*filter
:INPUT DROP [0:0]
:XMPP-EDGE-IN - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -j XMPP-EDGE-IN
-A XMPP-EDGE-IN -p tcp -m tcp --dport 5269 -j ACCEPT
COMMIT
"""
NFT = """table inet filter {
@chain input {
@@type filter hook input priority filter; policy drop;
@@tcp dport 5269 counter accept comment "xmpp_edge federation_in"
@@drop
@}
}
table inet xmpp_edge {
@chain input {
@@type filter hook input priority filter - 10; policy accept;
@}
}
table ip mine {
}
""".replace("@", "\t")
FORMER = "*filter\n-A XMPP-EDGE-IN -p tcp -m set --match-set xmpp-edge-partner_ipv4 src -j ACCEPT\nCOMMIT\n"


def said(text, *kept):
    return list(complaints(list(copies_in("/etc/saved", text)), frozenset(kept)))


@pytest.mark.parametrize("text", ["", "*filter\n-A INPUT -j ACCEPT\nCOMMIT\n", "table inet filter {\n}\n# xmpp\n"])
def test_a_file_without_managed_rules_has_no_copy(text):
    assert not list(copies_in("/etc/saved", text))


def test_each_line_of_a_copy_is_named():
    (copy,) = copies_in("/etc/saved", IPTABLES)
    assert (copy.place, copy.parts) == ("/etc/saved (lines 3, 5 to 6)", {"iptables"})
    (copy,) = copies_in("/etc/saved", NFT)
    assert (copy.place, copy.parts) == ("/etc/saved (lines 4, 8 to 12)", {"nftables", "guards"})


def test_lines_that_are_deleted_as_they_are_named_leave_none():
    for text in (IPTABLES, NFT):
        (copy,) = copies_in("/etc/saved", text)
        kept = [line for number, line in enumerate(text.splitlines(), 1) if number not in copy.lines]
        assert not list(copies_in("/etc/saved", "\n".join(kept)))


def test_a_copy_that_is_replaced_when_it_is_loaded_is_no_complaint():
    assert said(IPTABLES, "iptables", "guards") == []
    assert said(NFT, "nftables", "guards") == []


def test_a_copy_that_nothing_replaces_is_named():
    assert said(IPTABLES, "nftables", "guards") == [
        "/etc/saved (lines 3, 5 to 6) has a saved copy of managed rules, which comes back with it: delete these lines"
    ]
    assert len(said(NFT, "guards")) == 1
    assert len(said(NFT)) == 1


def test_a_copy_that_does_not_load_any_more_is_always_named():
    for kept in ((), ("iptables", "guards")):
        (sentence,) = said(FORMER, *kept)
        assert "names ipsets that version 1.1 made, so it does not load at the next boot" in sentence
