# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One contract, said in several places: spec, documentation, role and rows have to agree."""

from __future__ import annotations

import re
from importlib import import_module

import pytest
import yaml
from plays import CHECKOUT

_EDGE = "ansible_collections.xmpp.edge.plugins.module_utils._edge"
spec = import_module(f"{_EDGE}.request.option_spec")
port_table = import_module(f"{_EDGE}.model.port_table")
linux_firewall = import_module("ansible_collections.xmpp.edge.plugins.modules.linux_firewall")
probe = import_module("ansible_collections.xmpp.edge.plugins.modules.probe")
rehearse_spec = import_module(f"{_EDGE}.rehearse.spec")
verify_spec = import_module(f"{_EDGE}.verify.spec")
levels = import_module(f"{_EDGE}.probe.model")
host_options = import_module("ansible_collections.xmpp.edge.plugins.doc_fragments.host_options")

ROLE = CHECKOUT / "roles" / "xmpp_edge"
FRAGMENT = yaml.safe_load(host_options.ModuleDocFragment.DOCUMENTATION)["options"]
ROLE_ONLY = {"xmpp_edge_install", "xmpp_edge_ignore_variables", "xmpp_edge_of"}


def load(path):
    """A YAML file."""
    return yaml.safe_load(path.read_text())


def as_spec(documented):
    """Documented options as an argument spec."""
    keys = ("type", "elements", "choices", "default", "required")
    converted = {name: {key: option[key] for key in keys if key in option} for name, option in documented.items()}
    for name, option in documented.items():
        if "suboptions" in option:
            converted[name]["options"] = as_spec(option["suboptions"])
    return converted


def test_module_documentation_says_what_the_spec_says():
    documented = load(CHECKOUT / "plugins" / "modules" / "firewall.yml")["DOCUMENTATION"]["options"]
    assert as_spec({**documented, **FRAGMENT}) == spec.OPTIONS


def test_host_half_documentation_says_what_its_spec_says():
    documented = yaml.safe_load(linux_firewall.DOCUMENTATION)["options"]
    assert as_spec({**documented, **FRAGMENT}) == linux_firewall.ARGUMENT_SPEC


def test_probe_documentation_says_what_its_spec_says():
    assert as_spec(yaml.safe_load(probe.DOCUMENTATION)["options"]) == probe.ARGUMENT_SPEC


def test_probe_documentation_has_every_outcome():
    (entry,) = (yaml.safe_load(probe.RETURN)["results"]["contains"]["outcome"]["description"],)
    assert set(re.findall(r"V\((\w+)\)", " ".join(entry))) - set(levels.LEVELS) == set(levels.OUTCOMES) - {"xmpp"}


@pytest.mark.parametrize("name", ["flows", "report"])
def test_documentation_of_the_check_from_outside_says_what_its_specs_say(name):
    documented = load(CHECKOUT / "plugins" / "modules" / f"verify_{name}.yml")["DOCUMENTATION"]["options"]
    assert as_spec(documented) == getattr(verify_spec, f"{name.upper()}_OPTIONS")


def test_the_role_that_rehearses_hands_the_options_of_its_module_on():
    documented = load(CHECKOUT / "plugins" / "modules" / "rehearsal.yml")["DOCUMENTATION"]["options"]
    assert as_spec(documented) == rehearse_spec.OPTIONS
    role = CHECKOUT / "roles" / "xmpp_edge_rehearse"
    variables = load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    shared = {name: variables[f"xmpp_edge_rehearse_{name}"] for name in rehearse_spec.OPTIONS}
    assert as_spec(shared) == rehearse_spec.OPTIONS
    assert load(role / "defaults" / "main.yml") == {name: one["default"] for name, one in variables.items()}


def test_role_variables_are_the_module_s_options():
    variables = load(ROLE / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    shared = {name: option for name, option in variables.items() if name not in ROLE_ONLY}
    assert as_spec(shared) == {f"xmpp_edge_{name}": option for name, option in spec.OPTIONS.items()}


def test_the_variables_of_the_check_from_outside_are_those_of_its_role():
    verify_services = import_module(f"{_EDGE}.verify.services")
    spec_of = load(CHECKOUT / "roles" / "xmpp_edge_verify" / "meta" / "argument_specs.yml")["argument_specs"]["main"]
    assert {f"xmpp_edge_verify_{name}" for name in verify_services.VARIABLES} == set(spec_of["options"])
    tasks = load(CHECKOUT / "roles" / "xmpp_edge_verify" / "tasks" / "main.yml")
    registered = {task["register"] for task in tasks}
    assert registered == {f"xmpp_edge_verify_{name}" for name in verify_services.REGISTERED}


@pytest.mark.parametrize("name", ["xmpp_edge", "xmpp_edge_verify"])
def test_role_defaults_are_those_of_its_spec(name):
    role = CHECKOUT / "roles" / name
    variables = load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    assert load(role / "defaults" / "main.yml") == {
        name: option["default"] for name, option in variables.items() if "default" in option
    }


def test_role_hands_every_variable_to_the_module():
    (task,) = (task for task in load(ROLE / "tasks" / "main.yml") if "xmpp.edge.firewall" in task)
    handed = task["xmpp.edge.firewall"]
    assert handed.keys() == spec.OPTIONS.keys()
    for option, value in handed.items():
        assert re.match(rf"\{{\{{ xmpp_edge_{option}\b", value)


def code_of(path):
    """Code without documentation, docstrings and comments, which may give examples."""
    return re.sub(r'""".*?"""|#[^\n]*', "", path.read_text(), flags=re.DOTALL)


def test_only_the_table_knows_a_port_or_a_row():
    words = [str(port) for port in port_table.DEFAULT_PORTS.values()] + [row.id for row in port_table.PORT_TABLE]
    plugins = CHECKOUT / "plugins"
    table = plugins / "module_utils" / "_edge" / "model" / "port_table.py"
    assert all(word in code_of(table) for word in words)
    others = [path for path in plugins.rglob("*.py") if path != table]
    assert sum(len(code_of(path)) for path in others) > 20_000
    for path in others:
        assert not [word for word in words if word in code_of(path)], path
