# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units and scripts that load rules at boot, found in a folder that stands for a host."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host import loaders
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.unit_files import commands_of
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError

ALL = {"guards", "nftables", "iptables", "ufw", "firewalld"}
FLUSHING = "flush ruleset\ntable inet filter {\n}\n"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Return a function that makes a file of the host, whose paths the code then sees."""
    place = str(tmp_path)
    monkeypatch.setattr(loaders, "_UNIT_FOLDERS", tuple(place + one for one in loaders._UNIT_FOLDERS))
    monkeypatch.setattr(loaders, "_SCRIPTS", tuple(place + one for one in loaders._SCRIPTS))
    monkeypatch.setattr(loaders, "_LINES", tuple(place + one for one in loaders._LINES))

    def make(path, text, mode=0o644):
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("HOST", place))
        file.chmod(mode)
        return str(file)

    return make


def enable(host, unit, *commands):
    """Make an enabled service."""
    host(f"/etc/systemd/system/{unit}", "[Service]\n" + "".join(f"{command}\n" for command in commands))
    host(f"/etc/systemd/system/multi-user.target.wants/{unit}", "")


@pytest.mark.parametrize(
    ("command", "gone", "certain"),
    [
        ("ExecStart=/usr/sbin/nft -f HOST/etc/flushing.nft", ALL, True),
        ("ExecStart=/usr/sbin/nft --file HOST/etc/flushing.nft", ALL, True),
        ("ExecStart=/usr/sbin/nft -cf HOST/etc/flushing.nft", ALL, True),
        ("ExecStart=/usr/sbin/nft -f HOST/etc/including.nft", ALL, True),
        ("ExecStartPost=-/usr/sbin/nft flush ruleset", ALL, True),
        ("ExecStart=/usr/sbin/nft -f HOST/etc/part.nft", {"nftables", "iptables"}, False),
        ("ExecStart=/usr/sbin/nft -f /nowhere.nft", ALL, False),
        ("ExecStart=/bin/sh -c 'cat /var/good.fw | nft -f -'", ALL, False),
        ("ExecStart=HOST/etc/flushing.nft", ALL, True),
        ("ExecStart=HOST/sbin/firewall", {"iptables"}, True),
        ("ExecStart=/bin/bash -e HOST/sbin/firewall", {"iptables"}, True),
        ("ExecStart=/sbin/iptables-restore /etc/rules", {"iptables"}, True),
        ("ExecStart=/sbin/ip6tables-legacy-restore -w /etc/rules", {"iptables"}, True),
        ("ExecStart=/sbin/iptables-apply /etc/rules", {"iptables"}, True),
        ("ExecReload=/sbin/iptables -F INPUT", {"iptables"}, True),
    ],
)
def test_a_service_that_loads_rules_is_found(host, command, gone, certain):
    host("/etc/flushing.nft", f"#!/usr/sbin/nft -f\n{FLUSHING}", 0o755)
    host("/etc/including.nft", 'include "HOST/etc/flushing.nft"\n')
    host("/etc/part.nft", "table inet own\nflush table inet own\n")
    host("/sbin/firewall", "#!/bin/sh\n# iptables-save\niptables --wait -F\n", 0o755)
    enable(host, "own.service", command)
    (found,) = loaders.unknown_loaders()
    assert (found.source, found.gone, found.certain) == ("own.service", gone, certain)


@pytest.mark.parametrize(
    "command",
    [
        "ExecStart=/usr/sbin/nft -f HOST/etc/added.nft",
        "ExecStart=/usr/sbin/nft list ruleset",
        "ExecStart=/sbin/iptables-restore --noflush /etc/rules",
        "ExecStart=/sbin/iptables-restore -n /etc/rules",
        "ExecStart=/sbin/iptables-save",
        "ExecStop=/usr/sbin/nft flush ruleset",
        "ExecStart=/usr/sbin/nft -f HOST/etc/flushing.nft\nExecStartPost=/usr/bin/systemctl reload xmpp-edge.service",
        "ExecStart=/usr/sbin/nft -f HOST/etc/flushing.nft\nExecStart=\nExecStart=/bin/true",
    ],
)
def test_a_service_that_leaves_the_managed_rules_is_none(host, command):
    host("/etc/added.nft", "table inet own {\n}\n")
    host("/etc/flushing.nft", FLUSHING)
    enable(host, "own.service", command)
    assert loaders.unknown_loaders() == ()


@pytest.mark.parametrize(
    ("path", "text", "mode"),
    [
        ("/etc/rc.local", "#!/bin/sh\niptables-restore < /etc/rules\n", 0o755),
        ("/etc/network/if-pre-up.d/firewall", "#!/bin/sh\n/sbin/iptables-restore < /etc/rules\n", 0o755),
        ("/etc/NetworkManager/dispatcher.d/firewall", "#!/bin/sh\niptables-restore /etc/rules\n", 0o755),
        ("/etc/network/interfaces", "iface eth0 inet dhcp\n  pre-up iptables-restore < /etc/rules\n", 0o644),
        ("/etc/cron.d/firewall", "@reboot root iptables-restore /etc/rules\n", 0o644),
    ],
)
def test_scripts_that_run_at_boot_are_found(host, path, text, mode):
    where = host(path, text, mode)
    (found,) = loaders.unknown_loaders()
    assert (found.source, found.gone, found.certain) == (where, {"iptables"}, True)
    # Without the right to be run, or without the event, it is nothing.
    host(path, text.replace("pre-up", "down").replace("@reboot", "5 4 * * *"), 0o644)
    assert loaders.unknown_loaders() == ()


def test_a_timer_starts_a_service_and_disabled_services_do_not_count(host):
    host("/usr/lib/systemd/system/own.service", "[Service]\nExecStart=/sbin/iptables-restore /etc/rules\n")
    assert loaders.unknown_loaders() == ()
    host("/etc/systemd/system/timers.target.wants/own.timer", "")
    (found,) = loaders.unknown_loaders()
    assert found.source == "own.service"


def test_known_services_and_instances_of_templates(host):
    for unit in [*loaders.LOADERS, "ufw.service", "firewalld.service", "xmpp-edge.service"]:
        enable(host, unit, "ExecStart=/sbin/iptables-restore /etc/rules")
    assert loaders.unknown_loaders() == ()
    host("/etc/systemd/system/multi-user.target.wants/load@lan.service", "")
    host("/usr/lib/systemd/system/load@.service", "[Service]\nExecStart=/sbin/iptables-restore /etc/%i\n")
    (found,) = loaders.unknown_loaders()
    assert found.source == "load@lan.service"


def test_drop_ins_apply_in_the_order_of_their_names(host):
    enable(host, "own.service", "ExecStart=/bin/true")
    host("/etc/systemd/system/own.service.d/b.conf", "[Service]\nExecStart=/b\n")
    host("/usr/lib/systemd/system/own.service.d/a.conf", "[Service]\nExecStart=\nExecStart=/a \\\n  more\n")
    commands = commands_of(loaders.unit_texts(["own.service"])["own.service"])
    assert [" ".join(command.split()) for command in commands["ExecStart"]] == ["/a more", "/b"]


def test_what_may_not_be_read_is_no_fault_of_the_run(host, monkeypatch):
    def refuse(path):
        raise EdgeError(f"{path} cannot be read")

    enable(host, "own.service", "ExecStart=/usr/sbin/nft -f HOST/etc/own.nft")
    host("/etc/own.nft", FLUSHING)
    host("/etc/cron.d/firewall", "@reboot root iptables-restore /etc/rules\n")
    real = loaders.read_text
    monkeypatch.setattr(loaders, "read_text", lambda path: real(path) if path.endswith(".service") else refuse(path))
    (found,) = loaders.unknown_loaders()
    assert (found.source, found.gone, found.certain) == ("own.service", ALL, False)
