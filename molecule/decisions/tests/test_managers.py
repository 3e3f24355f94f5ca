# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Denials and limits of ufw and firewalld, and faults in firewalld's configuration."""

from __future__ import annotations

import edge
import pytest
from decisions import result, site
from neighbours import OPEN, OUTSIDER, SHUT, reach

PARTNER = edge.TOPOLOGY.addresses("partner", "external")
DENIES = "unmanaged rules deny some of its connections, and stay in force"


@pytest.fixture
def ufw(host):
    host.check_output("ufw allow 22/tcp && ufw --force enable")
    return host


@pytest.fixture
def firewalld(host):
    host.check_output("systemctl enable --now firewalld")
    return host


def each(host, command, addresses=OUTSIDER):
    """Run a command for an address of each family."""
    for address, family in zip(addresses, ("ipv4", "ipv6")):
        host.check_output(command.format(address=address, family=family))


def assert_outsider_is_shut_out_and_that_is_said(reload):
    """Assert that each run says so, and that a second one, a reload and a removal change nothing of it."""
    done = site()
    assert (done.failed, done.changed) == (False, 1)
    assert DENIES in done.said
    assert reach() == {"partner": OPEN, "outsider": SHUT}
    again = site()
    assert again.changed == 0
    assert DENIES in again.said
    edge.host().check_output(reload)
    assert reach() == {"partner": OPEN, "outsider": SHUT}
    assert edge.changed_tasks(edge.play("remove")) == 1
    assert reach() == {"partner": SHUT, "outsider": SHUT}


@pytest.mark.parametrize("command", ["ufw deny from {address}", "ufw prepend deny from {address}"])
def test_a_denial_of_ufw(ufw, command):
    each(ufw, command)
    assert_outsider_is_shut_out_and_that_is_said("ufw reload")


def test_bans_of_fail2ban_by_ufw(ufw):
    ufw.check_output("systemctl start fail2ban && timeout 60 sh -c 'until fail2ban-client ping; do sleep 0.2; done'")
    assert site().changed == 1
    assert reach() == {"partner": OPEN, "outsider": OPEN}
    each(ufw, "fail2ban-client set trial banip {address}")
    assert reach() == {"partner": OPEN, "outsider": SHUT}
    again = site()
    assert again.changed == 0
    assert DENIES in again.said
    assert reach() == {"partner": OPEN, "outsider": SHUT}
    each(ufw, "fail2ban-client set trial unbanip {address}")
    assert reach() == {"partner": OPEN, "outsider": OPEN}
    assert site().changed == 0


@pytest.mark.parametrize("command", ["ufw deny 5269/tcp", "ufw reject 5000:6000/tcp", "ufw deny 5269,5270/tcp"])
def test_a_denial_of_the_port_by_ufw_is_not_overruled(ufw, command):
    ufw.check_output(command)
    done = site()
    assert done.failed
    assert "federation_in: chain iptables-nft filter ufw-user-input: -A ufw-user-input" in done.said
    assert reach() == {"partner": SHUT, "outsider": SHUT}
    assert result()["rows"]["federation_in"]["effective"] == "no"


def test_a_limit_of_ufw_holds_and_is_named(ufw):
    ufw.check_output("ufw limit 5269/tcp")
    done = site()
    assert (done.failed, done.changed) == (False, 1)
    assert "federation_in: whether it is effective is unknown: chain iptables-nft filter ufw-user-limit" in done.said
    attempts = [reach()["outsider"] for _attempt in range(8)]
    assert attempts[0] == OPEN
    assert attempts[-1] == SHUT
    assert site().changed == 0


@pytest.mark.parametrize(
    "command", ["ufw insert 1 allow 443/tcp", "ufw prepend deny from 198.19.9.9", "ufw insert 1 limit 2222/tcp"]
)
def test_what_ufw_inserts_between_two_runs_doubles_nothing(ufw, command):
    assert site().changed == 1
    ufw.check_output(command)
    assert site().changed == 0
    live = ufw.check_output("iptables -S; ip6tables -S")
    assert live.count("--dport 5269 -j ACCEPT") == 4
    assert edge.changed_tasks(edge.play("remove")) == 1
    assert "5269" not in ufw.check_output("iptables -S; ip6tables -S; cat /etc/ufw/*.rules")
    assert edge.changed_tasks(edge.play("remove")) == 0


FIREWALLD_DENIALS = {
    "drop zone by set": (
        "firewall-cmd --permanent --new-ipset=list-{family} --type=hash:ip --option=family={inet}",
        "firewall-cmd --permanent --ipset=list-{family} --add-entry={address}",
        "firewall-cmd --permanent --zone=drop --add-source=ipset:list-{family}",
    ),
    "block zone by source": ("firewall-cmd --permanent --zone=block --add-source={address}",),
    "rich rule": ("firewall-cmd --permanent --add-rich-rule='rule family={family} source address={address} reject'",),
}


@pytest.mark.parametrize("denial", FIREWALLD_DENIALS)
def test_a_denial_of_firewalld(firewalld, denial):
    for command in FIREWALLD_DENIALS[denial]:
        for address, family, inet in zip(OUTSIDER, ("ipv4", "ipv6"), ("inet", "inet6")):
            firewalld.check_output(command.format(address=address, family=family, inet=inet))
    firewalld.check_output("firewall-cmd --reload")
    assert_outsider_is_shut_out_and_that_is_said("firewall-cmd --reload")


def test_a_run_leaves_alone_what_is_there_only_at_runtime_or_only_permanently(firewalld):
    firewalld.check_output("firewall-cmd --direct --add-rule ipv4 filter INPUT 0 -p tcp --dport 7777 -j ACCEPT")
    firewalld.check_output("firewall-cmd --zone=trusted --add-source=198.19.1.0/24")
    firewalld.check_output("firewall-cmd --permanent --add-port=8888/tcp")
    firewalld.check_output("firewall-cmd --permanent --new-policy=out")
    firewalld.check_output("firewall-cmd --permanent --policy=out --set-target=REJECT")
    assert site().changed == 1
    assert "7777" in firewalld.check_output("firewall-cmd --direct --get-all-rules")
    assert "198.19.1.0/24" in firewalld.check_output("firewall-cmd --zone=trusted --list-sources")
    assert "8888" not in firewalld.check_output("firewall-cmd --list-ports")
    assert "8888" in firewalld.check_output("firewall-cmd --permanent --list-ports")
    assert edge.changed_tasks(edge.play("remove")) == 1
    assert "7777" in firewalld.check_output("firewall-cmd --direct --get-all-rules")
    assert "8888" not in firewalld.check_output("firewall-cmd --list-ports")


FAULTS = {
    "/etc/firewalld/zones/public.xml": '<?xml version="1.0"?><zone><port protocol="tpc" port="99"/></zone>',
    "/etc/firewalld/policies/mine.xml": (
        '<?xml version="1.0"?><policy target="CONTINUE"><ingress-zone name="missing"/>'
        '<egress-zone name="HOST"/></policy>'
    ),
    "/etc/firewalld/services/own.xml": '<?xml version="1.0"?><service><port protocol="tcp" port="bad"/></service>',
}


@pytest.mark.parametrize("path", FAULTS)
def test_a_fault_in_the_configuration_of_firewalld_is_named_before_and_after(firewalld, path):
    firewalld.check_output("mkdir -p $(dirname %s) && printf %%s %s > %s", path, FAULTS[path], path)
    for arguments in (["--check"], [], []):
        done = site(*arguments)
        assert not done.failed
        assert f"{path} has a fault" in done.said
    assert reach() == {"partner": OPEN, "outsider": OPEN}
    assert result()["persistence"] == {"guards": "yes", "accepts": "no"}
    firewalld.check_output("systemctl restart firewalld")
    # What was said is so: firewalld loads its stock configuration.
    assert reach() == {"partner": SHUT, "outsider": SHUT}


def test_firewalld_by_way_of_iptables_is_evaluated(host):
    host.check_output("sed -i s/^FirewallBackend=.*/FirewallBackend=iptables/ /etc/firewalld/firewalld.conf")
    host.check_output("systemctl enable --now firewalld")
    assert site().changed == 1
    found = result()
    assert not found["changed"]
    assert {row["effective"] for row in found["rows"].values()} == {"yes"}
    assert reach() == {"partner": OPEN, "outsider": OPEN}
