# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of a textfile collector: where it may be, and what becomes of it."""

from __future__ import annotations

import os

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.metrics_file import (
    is_managed,
    refuse_unusable,
    write_figures,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.desired import ABSENT, Desired
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import OptionError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import Rule, make_group

ACCESS = make_group("access_addresses_ipv4", ["198.18.0.2"])
DESIRED = Desired("present", (Rule("federation_in", "allow", "in", "ipv4", None, ACCESS, 5269),))
RESULT = {"changed": False, "rows": {}, "persistence": {}}


def test_a_file_is_written_whole_readable_for_all_and_removed_with_the_rules(tmp_path):
    path = tmp_path / "edge.prom"
    refuse_unusable(str(path))
    assert write_figures(str(path), RESULT, DESIRED, 5.0) == []
    assert "xmpp_edge_last_run_timestamp_seconds 5\n" in path.read_text()
    assert 'xmpp_edge_list_members{list="access_addresses",family="ipv4"} 1\n' in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o644
    refuse_unusable(str(path))
    assert is_managed(str(path))
    assert os.listdir(tmp_path) == ["edge.prom"]
    assert write_figures(str(path), RESULT, ABSENT, 6.0) == []
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none/edge.prom", "is in no folder of this host; make that folder first"),
        ("folder", "is a folder of this host; name a file in it"),
        ("other.prom", "is no file of this collection; name one that is not there yet"),
        ("link.prom", "is no file of this collection; name one that is not there yet"),
        ("empty.prom", "is no file of this collection; name one that is not there yet"),
    ],
)
def test_a_file_that_cannot_be_is_refused_before_anything_is_changed(tmp_path, name, words):
    (tmp_path / "folder").mkdir()
    (tmp_path / "other.prom").write_text("node_load1 1\n")
    (tmp_path / "link.prom").symlink_to("other.prom")
    (tmp_path / "empty.prom").touch()
    with pytest.raises(OptionError) as refused:
        refuse_unusable(str(tmp_path / name))
    assert str(refused.value) == f"metrics_file: '{tmp_path / name}' {words}"
    assert (tmp_path / "other.prom").read_text() == "node_load1 1\n"


def test_a_folder_that_goes_meanwhile_is_a_note_and_no_failure(tmp_path):
    (tmp_path / "file").write_text("")
    (note,) = write_figures(str(tmp_path / "file" / "edge.prom"), RESULT, DESIRED, 5.0)
    assert note.startswith(f"metrics_file: {tmp_path}/file/edge.prom cannot be written: ")
