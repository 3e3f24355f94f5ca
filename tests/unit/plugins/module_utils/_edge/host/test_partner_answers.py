# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file in which a host keeps the answers of partners by domain."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host import partner_answers
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.steps import carry_out

KEPT = {"example.org:5269": {"198.18.7.2": 1_800_000_000, "2001:db8::9": 1_800_000_001}}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    found = tmp_path / "xmpp-edge"
    monkeypatch.setattr(partner_answers, "RULES_FOLDER", str(found))
    monkeypatch.setattr(partner_answers, "ANSWERS_FILE", str(found / "partner_domains.json"))
    return found


def write(kept):
    carry_out(partner_answers.steps_to_keep(kept), None)


def test_what_is_kept_is_read_again(folder):
    assert partner_answers.read_kept() == ({}, [])
    write(KEPT)
    assert partner_answers.read_kept() == (KEPT, [])
    assert [path.name for path in folder.iterdir()] == ["partner_domains.json"]


def test_nothing_to_keep_leaves_nothing_behind(folder):
    write({})
    assert not folder.exists()
    write(KEPT)
    write({})
    assert not folder.exists()


def test_other_files_of_the_folder_stay(folder):
    write(KEPT)
    (folder / "guards.nft").write_text("")
    write({})
    assert [path.name for path in folder.iterdir()] == ["guards.nft"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"domains": 7}',
        '{"domains": {"a": 7}}',
        '{"domains": {"a": {"198.18.7.2": "x"}}}',
        '{"domains": {"a": {"198.18.7.2": Infinity}}}',
        "[" * 100_000,
    ],
)
def test_a_damaged_file_is_told_and_not_believed(folder, text):
    folder.mkdir()
    (folder / "partner_domains.json").write_text(text)
    kept, (fault,) = partner_answers.read_kept()
    assert kept == {}
    assert "is not as a run writes it" in fault


def test_what_is_no_address_is_left_out(folder):
    folder.mkdir()
    (folder / "partner_domains.json").write_text('{"domains": {"a.example:5269": {"0.0.0.0/0": 1, "198.18.7.2": 2}}}')
    assert partner_answers.read_kept() == ({"a.example:5269": {"198.18.7.2": 2}}, [])
