# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Permanent changes through firewalld directly after a run, a removal and a rollback."""

from __future__ import annotations

import edge
import pytest
from decisions import CLEAN, site

ZONE = "/etc/firewalld/zones/public.xml"
PRIORITY = 'priority="3210'
ADMINISTRATOR = "firewall-cmd --permanent --zone=public --add-port=8080/tcp"
HAND_WRITTEN = """<?xml version="1.0" encoding="utf-8"?>
<!-- kept by configuration management -->
<zone>
\t<service   name="ssh"/>
  <rule family="ipv4"><source address="198.18.77.0/24" invert="True"/>
    <log prefix="odd &amp; " level="info"><limit value="1/m"/></log><accept/></rule>
</zone>
"""


@pytest.fixture(params=["no file", "a file that firewalld has not noticed"])
def host(request):
    """Return the edge with firewalld, and with or without a file of its zone."""
    for found in edge.cleaned(CLEAN):
        found.check_output(f"rm -f {ZONE} {ZONE}.old; systemctl enable --now firewalld")
        if request.param != "no file":
            found.check_output(f"cat > {ZONE} <<'END'\n{HAND_WRITTEN}END")
        yield found
        found.run(f"rm -f {ZONE} {ZONE}.old")


def permanent(host):
    """Return how many managed rules the permanent configuration has: in the file, and in what firewalld knows."""
    file = host.run(f"cat {ZONE}").stdout
    known = host.check_output("firewall-cmd --permanent --zone=public --list-rich-rules")
    return file.count(PRIORITY), known.count(PRIORITY)


def test_a_permanent_change_keeps_the_rules(host):
    before = host.run(f"cat {ZONE}").stdout
    assert site().changed == 1
    count, known = permanent(host)
    assert count == known > 0
    assert before.replace("</zone>\n", "") in host.file(ZONE).content_string
    host.check_output(ADMINISTRATOR)
    assert permanent(host) == (count, count)
    host.check_output("firewall-cmd --reload")
    again = site()
    assert again.changed == 0
    assert "firewalld, effective yes, guarded yes" in again.said


def test_a_permanent_change_does_not_bring_removed_rules_back(host):
    before = host.run(f"cat {ZONE}").stdout
    assert site().changed == 1
    # From now on firewalld knows the rules, whatever it was told.
    host.check_output("firewall-cmd --reload")
    assert edge.changed_tasks(edge.play("remove")) == 1
    assert host.run(f"cat {ZONE}").stdout == before
    assert not host.file(f"{ZONE}.old").exists
    host.check_output(ADMINISTRATOR)
    assert permanent(host) == (0, 0)
    assert edge.changed_tasks(edge.play("remove")) == 0


def test_a_rollback_tells_firewalld(host):
    before = host.run(f"cat {ZONE}").stdout
    host.check_output("nft add table inet own; nft 'add chain inet own in { type filter hook input priority 20; }'")
    host.check_output("nft add rule inet own in tcp dport 5269 drop")
    done = edge.play("site")
    assert done.returncode != 0
    assert "was rolled back" in done.stdout
    assert host.run(f"cat {ZONE}").stdout == before
    assert not host.file(f"{ZONE}.old").exists
    host.check_output(ADMINISTRATOR)
    assert permanent(host) == (0, 0)
    host.check_output("nft delete table inet own")


def test_a_copy_without_the_rules_is_drift(host):
    assert site().changed == 1
    count, _known = permanent(host)
    rules = host.check_output("firewall-cmd --permanent --zone=public --list-rich-rules").splitlines()
    file = host.file(ZONE).content_string
    host.check_output(f"firewall-cmd --permanent --zone=public --remove-rich-rule='{rules[-1]}'")
    host.check_output(f"cat > {ZONE} <<'END'\n{file}END")
    assert site().changed == 1
    assert permanent(host) == (count, count)
    assert host.file(ZONE).content_string == file
