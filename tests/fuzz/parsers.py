#!/usr/bin/env python
# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Coverage-guided fuzzing of all that reads a host: a parser gives its result, or an error that becomes one sentence.

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
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "unit"), str(HERE)]

# It makes this checkout importable as the collection.
importlib.import_module("conftest")

with atheris.instrument_imports(include=["ansible_collections"]):
    from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends import (
        firewalld_rules,
        iptables_lines,
        nft_accepts,
        nft_table,
        ufw_rules,
    )
    from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator import iptables_save, nft_json

from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError, understood  # noqa: E402
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.ownership import COMMENT  # noqa: E402
from recorded_host import PATHS, read_case  # noqa: E402


def every_rule(ruleset):
    """Rules are read when they are asked for."""
    for chain in ruleset.chains.values():
        for rule in chain.rules:
            assert rule.content is not None


def nft(text):
    listing = json.loads(text)
    every_rule(nft_json.read_ruleset(listing))
    for entry in listing["nftables"]:
        if str(entry.get("rule", {}).get("comment", "")).startswith(COMMENT):
            nft_accepts.read_rule(entry["rule"], "in", {})


def nft_rules(text):
    for rules in nft_accepts.read_listing(text).values():
        nft_accepts.groups_in(rules)


def managed_table(text):
    nft_table.read_rules(nft_table.read_table(text), nft_table.NftTable())


def iptables(text):
    every_rule(iptables_save.read_ruleset(text, "iptables-nft", iptables_save.members_of(text, text.split())))
    for chain in iptables_lines.CHAINS:
        iptables_lines.jumps_in(text, chain)
        for line in iptables_lines.lines_in(text, chain):
            iptables_lines.read_line(line, "ipv4")


def ufw(text):
    rules = ufw_rules.read_user_rules(text)
    if rules is not None:
        ufw_rules.found_lines(rules, "ipv4")
        ufw_rules.live_rules(rules, "ipv4")
        list(ufw_rules.denials_behind(rules, [5269]))
        assert ufw_rules.read_user_rules(rules.with_managed([]).text) is not None


def firewalld(text):
    for read in (firewalld_rules.rules_in_file, firewalld_rules.targets_in_file, firewalld_rules.read_rich_rule):
        with contextlib.suppress(ValueError):
            read(text)
    with contextlib.suppress(ValueError):
        changed = firewalld_rules.with_managed(text, [])
        assert not any(map(firewalld_rules.is_managed, firewalld_rules.rules_in_file(changed)))


PARSERS = {
    "nft": nft,
    "nft_rules": nft_rules,
    "managed_table": managed_table,
    "iptables": iptables,
    "ufw": ufw,
    "firewalld": firewalld,
}
STARTS = {
    "nft": "nft -j",
    "nft_rules": "nft -s -a -t list ruleset",
    "managed_table": "nft -a list table",
    "iptables": "ip",
    "ufw": "/etc/ufw/user",
    "firewalld": "/etc/firewalld/",
}
"""By parser the beginnings of commands and files whose text it reads."""


def seeds(name, folder):
    """Write the texts of recorded hosts, each into a file of its own."""
    for path in PATHS:
        recorded = read_case(path)["host"]
        texts = {command: answer[1] for command, answer in recorded["commands"].items()}
        texts.update({file: entry.get("text", "") for file, entry in recorded["files"].items()})
        for number, (key, text) in enumerate(texts.items()):
            if key.startswith(STARTS[name]) and text:
                (folder / f"{path.parent.name}-{path.stem}-{number}").write_text(text)


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
