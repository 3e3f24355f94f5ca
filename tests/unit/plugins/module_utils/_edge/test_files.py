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
    difference,
    remove_file,
    remove_folder_if_empty,
    write_atomically,
)


def test_written_text_is_read_back_and_is_not_secret(tmp_path):
    path = tmp_path / "new" / "rules"
    write_atomically(str(path), "text\n")
    assert difference(str(path), "text\n") is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(path.parent) == ["rules"]


def test_a_symbolic_link_is_replaced_not_followed(tmp_path):
    target, path = tmp_path / "target", tmp_path / "rules"
    target.write_text("theirs")
    path.symlink_to(target)
    assert difference(str(path), "theirs") == "was edited"
    write_atomically(str(path), "ours")
    assert target.read_text() == "theirs"
    assert difference(str(path), "ours") is None


def test_what_is_no_file_reads_as_different_not_as_missing(tmp_path):
    assert difference(str(tmp_path), "text") == "was edited"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert difference(str(fifo), "text") == "was edited"


def test_missing_file(tmp_path):
    assert difference(str(tmp_path / "none"), "") == "is missing"
    remove_file(str(tmp_path / "none"))


def test_line_endings_and_modes_are_differences(tmp_path):
    path = tmp_path / "rules"
    write_atomically(str(path), "one\ntwo\n")
    path.chmod(0o666)
    assert difference(str(path), "one\ntwo\n") == "has mode 0666"
    path.write_bytes(b"one\r\ntwo\r\n")
    assert difference(str(path), "one\ntwo\n") == "was edited"


def test_new_folder_is_readable_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        write_atomically(str(tmp_path / "new" / "rules"), "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o755


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
