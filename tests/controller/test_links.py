# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links of the documents lead to files and headings that there are; links to this project's own site count as such."""

from __future__ import annotations

import re
import subprocess

import pytest
from plays import CHECKOUT

OWN_SITE = re.compile(r"https://github\.com/xmpp-edge/xmpp\.edge/(?:blob|tree)/main/(.*)")
ELSEWHERE = re.compile(r"(?:https?|mailto):")


def documents():
    """Return every document that git has, or would have."""
    command = [
        "git",
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "--",
        "*.md",
        "*.rst",
        "docs/docsite/*.yml",
    ]
    listed = subprocess.run(command, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return [CHECKOUT / name for name in listed if name != "CHANGELOG.md" and (CHECKOUT / name).exists()]


def links_of(document):
    """Return the targets of a document's links."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"\]\(([^)\s]+)\)|<(https?://[^>\s]+)>|(?:url: )(\S+)", text)


def anchors_of(document):
    """Return the names by which headings of a Markdown document can be linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def fault_of(document, target):
    """Return what is wrong with a link, or nothing. What is elsewhere is not looked up."""
    own = OWN_SITE.fullmatch(target)
    if not own and ELSEWHERE.match(target):
        return ""
    path, _hash, anchor = (own[1] if own else target).partition("#")
    file = CHECKOUT / path if own else document.parent / path if path else document
    if not file.exists():
        return f"{target}: there is no {path}"
    if anchor and anchor not in anchors_of(file):
        return f"{target}: {file.name} has no such heading"
    return ""


@pytest.mark.parametrize("document", documents(), ids=lambda document: str(document.relative_to(CHECKOUT)))
def test_links_lead_somewhere(document):
    targets = [next(filter(None, groups)) for groups in links_of(document)]
    assert [fault for fault in (fault_of(document, target) for target in targets) if fault] == []


@pytest.mark.parametrize(
    ("target", "wrong"),
    [
        ("docs/backends.md#which-one-backend-auto", False),
        ("docs/backends.md#which-one", True),
        ("docs/nowhere.md", True),
        ("https://github.com/xmpp-edge/xmpp.edge/blob/main/docs/nowhere.md", True),
        ("https://github.com/xmpp-edge/xmpp.edge/blob/main/docs/safety.md#safety", False),
        ("https://example.org/nowhere.md", False),
    ],
)
def test_links_that_lead_nowhere_are_found(target, wrong):
    assert bool(fault_of(CHECKOUT / "README.md", target)) is wrong


def test_the_readme_has_links_that_hold_wherever_it_is_shown():
    targets = [next(filter(None, groups)) for groups in links_of(CHECKOUT / "README.md")]
    assert len(targets) > 10
    assert [target for target in targets if not ELSEWHERE.match(target)] == []
