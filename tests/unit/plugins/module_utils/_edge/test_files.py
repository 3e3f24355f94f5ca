# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own files: replaced whole, and never through somebody's symbolic link."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.files import (
    read_text,
    remove_file,
    remove_folder_if_empty,
    write_atomically,
)


def test_written_text_is_read_back_and_is_not_secret(tmp_path):
    path = tmp_path / "new" / "rules"
    write_atomically(str(path), "text\n")
    assert read_text(str(path)) == "text\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(path.parent) == ["rules"]


def test_a_symbolic_link_is_replaced_not_followed(tmp_path):
    target, path = tmp_path / "target", tmp_path / "rules"
    target.write_text("theirs")
    path.symlink_to(target)
    assert read_text(str(path)) == ""
    write_atomically(str(path), "ours")
    assert target.read_text() == "theirs"
    assert read_text(str(path)) == "ours"


def test_what_is_no_file_reads_as_different_not_as_missing(tmp_path):
    assert read_text(str(tmp_path)) == ""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert read_text(str(fifo)) == ""


def test_missing_file(tmp_path):
    assert read_text(str(tmp_path / "none")) is None
    remove_file(str(tmp_path / "none"))


def test_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "rules"
    path.mkdir()
    with pytest.raises(EdgeError, match="cannot be written: Is a directory"):
        write_atomically(str(path), "ours")
    assert os.listdir(tmp_path) == ["rules"]


def test_folder_with_something_in_it_stays(tmp_path):
    (tmp_path / "theirs").touch()
    remove_folder_if_empty(str(tmp_path))
    assert (tmp_path / "theirs").exists()
