# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of whatever kind: rules in which nothing hostile stands as it was written, or one clear sentence."""

from __future__ import annotations

import os

import strategies
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends import (
    firewalld_rules,
    iptables_lines,
    nft_accepts,
    ufw_rules,
)
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.lines import lines_of
from ansible_collections.xmpp.edge.plugins.module_utils._edge.backends.nft_table import to_table, write_table
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.addresses import FAMILIES
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.ownership import RICH_RULE_PRIORITIES
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.rules import from_payload, to_payload
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.compile import compile_rules
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.option_spec import OPTIONS
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import HOSTILE

COUNT = int(os.environ.get("XMPP_EDGE_EXAMPLES", "400"))
TEXTS = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=20),
    st.builds("{}{}".format, st.sampled_from(["198.18.7.0/24", "2001:db8::1", "5269"]), st.sampled_from(HOSTILE)),
    st.builds("{1}{0}".format, st.sampled_from(["198.18.7.0/24", "2001:db8::1", "5269"]), st.sampled_from(HOSTILE)),
)
NONSENSE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.binary(max_size=5), TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.one_of(st.sampled_from(sorted(OPTIONS)), TEXTS)
WRITTEN = st.builds(
    lambda good, bad: {**good, **bad}, strategies.options(), st.dictionaries(NAMES, NONSENSE, max_size=2)
)
fuzzed = settings(max_examples=COUNT, suppress_health_check=list(HealthCheck), deadline=None)


def one_sentence(error):
    text = str(error)
    assert text.isascii(), text
    assert text.isprintable(), text
    assert len(text) < 1000


def renderings(rules):
    """All that any backend writes for rules."""
    yield write_table(to_table(rules))
    accepts = [rule for rule in rules if rule.action == "allow"]
    texts = list(map(nft_accepts.write_rule, accepts))
    yield nft_accepts.write_loader("/usr/sbin/nft", {("inet filter", "input"): [("", texts)]})
    for family in FAMILIES:
        lines = lines_of(accepts, family)
        written = [iptables_lines.write_line(line) for line in lines]
        yield iptables_lines.write_script([iptables_lines.ProgramRules("iptables", {"XMPP-EDGE-IN": written}, [])])
        for line in lines:
            yield "\n".join(ufw_rules.write_entry(line))
            if line.row in RICH_RULE_PRIORITIES:
                elements = firewalld_rules.elements_of(line)
                yield firewalld_rules.write_rich_rule(elements)
                yield firewalld_rules.with_managed("<zone>\n</zone>\n", [elements])


@fuzzed
@given(WRITTEN)
def test_hostile_options(written):
    try:
        rules = compile_rules(parse_options(written))
    except EdgeError as error:
        one_sentence(error)
        return
    for text in renderings(rules):
        assert "PWN" not in text
        assert all(character in "\n\t" or " " <= character <= "~" for character in text)


# As Ansible hands them on, which sees to types and choices.
RULES = st.fixed_dictionaries(
    {}, optional={"row": TEXTS, "source": st.none() | TEXTS, "destination": st.none() | TEXTS, "port": st.integers()}
)
GROUPS = st.dictionaries(st.one_of(st.just("partner_networks_ipv4"), TEXTS), NONSENSE, max_size=3)


@fuzzed
@given(strategies.options(), st.lists(RULES, max_size=2), GROUPS)
def test_hostile_rules_for_the_host_side(good, changes, groups):
    payload = to_payload(compile_rules(parse_options(good)))
    rules = [*payload["rules"], *({**payload["rules"][0], **change} for change in changes)]
    try:
        found = from_payload(rules, {**payload["groups"], **groups})
    except EdgeError as error:
        one_sentence(error)
        return
    for text in renderings(found):
        assert "PWN" not in text
