# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation says of versions: since when there is what, and that the changelog has each release."""

from __future__ import annotations

import json

import pytest
import yaml
from documented import RELEASED, documented
from packaging.version import Version
from plays import CHECKOUT

REMOVED = {"2.0.0": ("xmpp.edge.win_firewall:result.foreign", "xmpp.edge.win_firewall:result.kept")}
"""What a release took away, with all that was in it."""
CHANGELOG = yaml.safe_load((CHECKOUT / "changelogs" / "changelog.yaml").read_text())["releases"]


@pytest.fixture(scope="module")
def now():
    """Everything that is documented now, as name to version."""
    return documented()


@pytest.fixture(scope="module")
def released():
    """Everything that a release had first, as name to version."""
    return {name: version for version, names in json.loads(RELEASED.read_text()).items() for name in names}


def test_version_added_is_the_first_release_that_has_a_name(now, released):
    assert {name: version for name, version in now.items() if name in released and version != released[name]} == {}


def test_what_no_release_has_yet_says_a_version_that_is_to_come(now, released):
    newest = max(map(Version, released.values()))
    early = {name: version for name, version in now.items() if name not in released and Version(version) <= newest}
    assert early == {}


def test_only_a_major_release_takes_something_away(now, released):
    removed = tuple(name for names in REMOVED.values() for name in names)
    gone = set(released) - set(now)
    assert {name for name in gone if not name.startswith(removed)} == set()
    assert all(any(name.startswith(one) for name in gone) for one in removed)
    assert all(Version(version).minor == Version(version).micro == 0 for version in REMOVED)


def test_the_changelog_has_the_version_that_is_built():
    version = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text())["version"]
    assert version == max(CHANGELOG, key=Version)
    assert CHANGELOG[version]["changes"]["release_summary"]
    assert set(json.loads(RELEASED.read_text())) == set(CHANGELOG)
