#!/usr/bin/env python
# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Coverage-guided fuzzing of what reads a host: a parser gives its result, or an error that becomes one sentence.

Usage: parsers.py NAME [libFuzzer options, such as -runs=20000]
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

# It makes this checkout importable as the collection.
importlib.import_module("conftest")

with atheris.instrument_imports(include=["ansible_collections"]):
    from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends import (
        firewalld_config,
        iptables_lines,
        nft_accepts,
        nft_syntax,
        ufw_rules,
    )
    from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator import iptables_save, nft_json

from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError, understood  # noqa: E402


def every_rule(ruleset):
    """Rules are read when they are asked for."""
    for chain in ruleset.chains.values():
        for rule in chain.rules:
            assert rule.content is not None


def nft(text):
    listing = json.loads(text)
    every_rule(nft_json.read_ruleset(listing))
    nft_accepts.write_removals(listing)
    nft_accepts.observed_accepts(listing, ())


def nft_table(text):
    nft_syntax.read_rules(nft_syntax.read_table(text), nft_syntax.NftTable())


def iptables(text):
    every_rule(iptables_save.read_ruleset(text, "iptables-nft", iptables_save.members_of(text)))
    for chain in iptables_lines.CHAINS.values():
        for line in iptables_lines.lines_in(text, chain):
            iptables_lines.read_line(line, "in", "ipv4")


def ufw(text):
    rules = ufw_rules.read_user_rules(text)
    if rules is not None:
        ufw_rules.found_lines(rules, "ipv4")
        assert ufw_rules.read_user_rules(rules.with_ours([]).text) is not None


def firewalld(text):
    readers = (firewalld_config.read_policy_file, firewalld_config.rows_in_policy_file, firewalld_config.read_set_file)
    for read in (*readers, firewalld_config.read_rich_rule):
        with contextlib.suppress(ValueError):
            read(text)


PARSERS = {"nft": nft, "nft_table": nft_table, "iptables": iptables, "ufw": ufw, "firewalld": firewalld}


def seeds(name, folder):
    """What real hosts said, each in a file of its own."""
    starts = {
        "nft": "nft -j",
        "nft_table": "nft list table",
        "iptables": "ip",
        "ufw": "/etc/ufw",
        "firewalld": "/etc/fire",
    }
    for path in sorted((HERE / "corpus").glob("*.json")):
        recorded = json.loads(path.read_text())
        texts = {**{key: value[1] for key, value in recorded["commands"].items()}, **recorded["files"]}
        for number, (key, text) in enumerate(texts.items()):
            if key.startswith(starts.get(name, "/etc/firewalld")) and text:
                (folder / f"{path.stem}-{number}").write_text(text)


def main():
    name, *options = sys.argv[1:]
    folder = Path(".cache") / "fuzz" / name
    folder.mkdir(parents=True, exist_ok=True)
    seeds(name, folder)

    def attempt(data):
        try:
            with understood("it"):
                PARSERS[name](data.decode(errors="surrogateescape"))
        except EdgeError as error:
            assert str(error).isprintable()

    atheris.Setup([sys.argv[0], str(folder), f"-artifact_prefix={folder.parent}/{name}-", *options], attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
