# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host without nft: a run installs the package nftables, and never a firewall manager. The tests stand in order."""

from __future__ import annotations

import edge
import pytest
from mistakes import first_sentence

LIMIT = ("--limit", "edge_bare")


@pytest.fixture(scope="module")
def bare():
    return edge.host("edge_bare")


@pytest.fixture
def _same_packages(bare):
    """Assert that a test installs nothing."""
    before = bare.check_output("dpkg-query -W")
    yield
    assert bare.check_output("dpkg-query -W") == before


@pytest.mark.usefixtures("_same_packages")
@pytest.mark.parametrize("mode", [[], ["--check"]])
@pytest.mark.parametrize("backend", ["firewalld", "ufw"])
def test_no_firewall_manager_is_ever_installed(backend, mode):
    said = first_sentence(edge.play("site", *LIMIT, *mode, xmpp_edge_backend=backend))
    assert said.startswith(
        f"xmpp_edge_backend: {backend} is not installed on this host; install it and open your own way"
    )


@pytest.mark.usefixtures("_same_packages")
def test_check_mode_says_what_would_be_installed():
    done = edge.play("site", *LIMIT, "--check", "--diff")
    assert done.returncode == 0, done.stdout
    assert "+package nftables  is installed" in done.stdout
    assert "the run would install the package nftables" in " ".join(done.stdout.split())
    assert "edge_bare: predicted, changed, nftables, effective unknown" in done.stdout


@pytest.mark.usefixtures("_same_packages")
@pytest.mark.parametrize("mode", [[], ["--check"]])
def test_a_host_that_is_to_install_nothing_is_told_the_package(mode):
    said = first_sentence(edge.play("site", *LIMIT, *mode, xmpp_edge_install=False))
    assert said == "nft is not installed on this host; install the package nftables"


@pytest.mark.usefixtures("_same_packages")
def test_offline_the_package_and_the_variable_are_named(bare):
    bare.check_output("mv /opt/packages /opt/elsewhere; rm -rf /var/lib/apt/lists/*")
    try:
        said = first_sentence(edge.play("site", *LIMIT))
    finally:
        bare.check_output("mv /opt/elsewhere /opt/packages")
    assert "the package nftables cannot be installed" in said
    assert "xmpp_edge_install: false" in said


def test_empty_package_lists_are_refreshed(bare):
    bare.check_output("rm -rf /var/lib/apt/lists/*; mkdir -p /var/lib/apt/lists/partial")
    before = bare.check_output("dpkg-query -W -f '${Package}\n'").split()
    done = edge.play("site", *LIMIT, "--diff")
    assert done.returncode == 0, done.stdout
    assert "+package nftables  is installed" in done.stdout
    assert "edge_bare: changed, nftables, effective yes, guarded yes, confirmed yes" in done.stdout
    added = set(bare.check_output("dpkg-query -W -f '${Package}\n'").split()) - set(before)
    assert "nftables" in added
    assert not added & {"firewalld", "ufw", "iptables"}
    again = edge.play("site", *LIMIT, "--diff")
    assert again.returncode == 0
    assert "edge_bare: no change" in again.stdout
