# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed files: replaced whole, and never through somebody's symbolic link."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.files import (
    difference,
    link_atomically,
    read_open_file,
    read_states,
    remove_file,
    remove_folder_if_empty,
    repair_folder,
    write_atomically,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError


def differs(path, text):
    """How what stands at a path differs from a managed file."""
    return difference(read_states([str(path)]).get(str(path)), text)


def folder_fault(path):
    """How a folder differs from a managed one."""
    state = read_states([str(path)])[str(path)]
    return state.fault if state.folder else "is no folder"


def test_written_text_is_read_back_and_is_not_secret(tmp_path):
    path = tmp_path / "new" / "rules"
    write_atomically(str(path), "text\n")
    assert differs(path, "text\n") is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(path.parent) == ["rules"]


def test_a_symbolic_link_is_replaced_not_followed(tmp_path):
    target, path = tmp_path / "target", tmp_path / "rules"
    target.write_text("theirs")
    path.symlink_to(target)
    assert differs(path, "theirs") == "is no regular file"
    write_atomically(str(path), "ours")
    assert target.read_text() == "theirs"
    assert differs(path, "ours") is None


def test_what_is_no_file_reads_as_different_not_as_missing(tmp_path):
    assert differs(tmp_path, "text") == "is no regular file"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert differs(fifo, "text") == "is no regular file"


def test_missing_file(tmp_path):
    assert differs(tmp_path / "none", "") == "is missing"
    remove_file(str(tmp_path / "none"))


def test_line_endings_and_modes_are_differences(tmp_path):
    path = tmp_path / "rules"
    write_atomically(str(path), "one\ntwo\n")
    path.chmod(0o666)
    assert differs(path, "one\ntwo\n") == "has mode 0666"
    path.write_bytes(b"one\r\ntwo\r\n")
    assert differs(path, "one\ntwo\n") == "is not as a run writes it"


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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_somebody_else_keeps_owner_and_mode(tmp_path):
    path = tmp_path / "rules"
    path.write_text("old")
    path.chmod(0o640)
    os.chown(path, 1, 2)
    file = read_open_file(str(path))
    assert (file.text, file.mode, file.owner) == ("old", 0o640, (1, 2))
    write_atomically(file.path, "new", file.mode, file.owner)
    status = path.stat()
    assert (path.read_text(), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == ("new", 0o640, 1, 2)


def test_a_file_of_others_that_is_missing_or_no_file(tmp_path):
    assert read_open_file(str(tmp_path / "none")) is None
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(EdgeError, match="link is no regular file; put one in its place"):
        read_open_file(str(tmp_path / "link"))


def test_states_tell_files_folders_and_links_apart(tmp_path):
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    names = [str(tmp_path / name) for name in ("file", "folder", "link", "none")]
    states = read_states(names)
    assert list(states) == names[:3]
    assert [(one.text, one.folder, one.link) for one in states.values()] == [
        ("text", False, False),
        (None, True, False),
        (None, False, True),
    ]


def test_a_link_takes_the_place_of_whatever_was_there(tmp_path):
    for before in ("nothing", "file", "link"):
        path = tmp_path / before
        if before == "file":
            path.write_text("old")
        elif before == "link":
            path.symlink_to("elsewhere")
        link_atomically(str(path), "/target")
        assert os.readlink(path) == "/target"
    assert sorted(os.listdir(tmp_path)) == ["file", "link", "nothing"]


@pytest.mark.parametrize(("mode", "fault"), [(0o777, "has mode 0777"), (0o700, "has mode 0700")])
def test_a_folder_that_others_may_write_to_is_seen_and_repaired(tmp_path, mode, fault):
    path = tmp_path / "ours"
    path.mkdir()
    path.chmod(mode)
    assert folder_fault(path) == fault
    repair_folder(str(path))
    assert folder_fault(path) is None


def test_a_link_in_the_place_of_a_folder_is_replaced_and_not_followed(tmp_path):
    path, theirs = tmp_path / "ours", tmp_path / "theirs"
    theirs.mkdir()
    path.symlink_to(theirs)
    assert folder_fault(path) == "is no folder"
    repair_folder(str(path))
    write_atomically(str(path / "rules"), "text")
    assert not path.is_symlink()
    assert not os.listdir(theirs)
    assert folder_fault(path) is None
