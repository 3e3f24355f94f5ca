# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ufw's files and live chains, where a user's rule reads like one of ours."""

from __future__ import annotations

import subprocess

from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends import ufw_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.lines import lines_of
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.ufw import UfwBackend
from ansible_collections.xmpp.edge.plugins.module_utils._edge.evaluator.ruleset import Ruleset
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.firewall import Host, HostFirewall
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options

RULES = compile_rules(parse_options({"access_addresses": ["198.18.0.2"], "internal_addresses": ["198.18.1.2"]}))
USERS = "### tuple ### deny tcp 5269 0.0.0.0/0 any 0.0.0.0/0 in\n-A ufw-user-input -p tcp --dport 5269 -j DROP\n"
PRISTINE = "*filter\n:ufw-user-input - [0:0]\n### RULES ###\n-A ufw-user-limit -j REJECT\nCOMMIT\n"


class Fake(Host):
    """A host on which ufw is active with some live rules, and which remembers what it is asked to load."""

    def __init__(self, live):
        super().__init__(self.record)
        self.loaded = ""
        text = "\n".join(["*filter", ":ufw-user-input - [0:0]", ":ufw-user-output - [0:0]", *live, "COMMIT\n"])
        self._firewall = HostFirewall(Ruleset(), None, {"iptables-nft": text})

    def record(self, arguments, stdin):
        self.loaded += stdin
        raise NotImplementedError(arguments)


def backend(tmp_path, live, user_rules):
    (tmp_path / "ufw.conf").write_text("ENABLED=yes\n")
    (tmp_path / "defaults").write_text("IPV6=no\n")
    (tmp_path / "user.rules").write_text(user_rules)
    return UfwBackend(Fake(live), True, str(tmp_path), str(tmp_path / "defaults"))


def test_a_users_rule_that_reads_like_ours_stays(tmp_path):
    ours = [ufw_rules.live_rule(line) for line in lines_of(RULES, "ipv4")]
    users = "-A ufw-user-input -p tcp -m tcp --dport 5269 -j DROP"
    assert users in ours
    file = ufw_rules.read_user_rules(f"### RULES ###\n\n{USERS}\n### END RULES ###\nCOMMIT\n")
    text = file.with_ours(lines_of(RULES, "ipv4")).text
    changes = backend(tmp_path, [*ours, users], text)._live_changes("ipv4", [])
    assert changes.count("-D ufw-user-input -p tcp -m tcp --dport 5269 -j DROP") == 1
    assert changes.count("-D ") == len(ours)
    assert "-I " not in changes


def test_a_file_that_ufw_has_not_written_yet_takes_our_rules_and_gives_them_back():
    lines = lines_of(RULES, "ipv4")
    written = ufw_rules.read_user_rules(PRISTINE).with_ours(lines).text
    again = ufw_rules.read_user_rules(written)
    found = ufw_rules.found_lines(again, "ipv4")
    assert found["in"] + found["out"] == lines
    assert "tuple" not in again.with_ours([]).text
    assert "-A ufw-user-limit -j REJECT" in again.with_ours([]).text


def test_live_rules_that_the_file_does_not_say_are_a_warning(tmp_path):
    stale = "-A ufw-user-input -s 198.19.1.1/32 -p tcp -m tcp --dport 5269 -j ACCEPT"
    assert any('"ufw reload" makes them equal' in text for text in backend(tmp_path, [stale], PRISTINE).warnings)
    assert not any("ufw reload" in text for text in backend(tmp_path, [], PRISTINE).warnings)


def test_our_part_is_put_back_among_rules_that_a_user_made_since(tmp_path):
    """awk does what UserRules.with_ours does."""
    old, new = lines_of(RULES, "ipv4"), lines_of(RULES, "ipv4")[:2]
    file = ufw_rules.read_user_rules(f"### RULES ###\n\n{USERS}\n### END RULES ###\nCOMMIT\n")
    made = f"{USERS}\n{USERS.replace('5269', '22').replace('deny', 'allow').replace('DROP', 'ACCEPT')}"
    since = ufw_rules.read_user_rules(f"### RULES ###\n\n{made}\n### END RULES ###\nCOMMIT\n")
    (tmp_path / "merge.awk").write_text(ufw_rules.MERGE)
    for before, after in ((old, new), (new, old), ([], old), (old, [])):
        ours = [entry for entry in file.with_ours(before).entries if ufw_rules.is_ours(entry)]
        (tmp_path / "ours").write_text("".join(f"{line}\n" for entry in ours for line in entry))
        command = ["awk", "-v", "ours=ours", "-f", "merge.awk"]
        text = since.with_ours(after).text
        done = subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=True, cwd=tmp_path)
        assert done.stdout == since.with_ours(before).text
