# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real plays: every example of the documentation, every refusal as an administrator meets it, every result."""

from __future__ import annotations

import json
import subprocess
from importlib import import_module

import pytest
import yaml
from plays import CHECKOUT, ansible_command, environment, run_play, run_tasks
from test_contract import linux_firewall, probe

FIREWALL = yaml.safe_load((CHECKOUT / "plugins" / "modules" / "firewall.yml").read_text())
OPTIONS = {
    "access_addresses": ["198.18.0.2", "2001:db8::2"],
    "internal_addresses": ["198.18.1.2"],
    "front_end_networks": ["198.18.1.0/24"],
}
# Keys that Ansible adds to every result.
STANDARD = {"changed", "failed", "msg", "warnings", "deprecations", "invocation", "ansible_facts", "exception"}


def documentation_of(folder, plugin_type, name):
    """What ansible-doc makes of a plugin."""
    command = [ansible_command("ansible-doc"), "--json", "-t", plugin_type, f"xmpp.edge.{name}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment(folder))
    return json.loads(done.stdout)[f"xmpp.edge.{name}"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("plays")


EXAMPLES = [
    ("module", "firewall"),
    ("module", "linux_firewall"),
    ("module", "probe"),
    ("lookup", "port_table"),
    ("filter", "cs_topology"),
    ("filter", "windows_policy"),
]
# Examples of these need other hosts, or what the example before has registered. Scenarios run them.
NOT_ALONE = {"connection_info", "doctor", "rehearsal", "verify_flows", "verify_report", "win_firewall"}


@pytest.mark.parametrize("plugin_type", ["module", "lookup", "filter"])
def test_ansible_doc_finds_every_plugin(folder, plugin_type):
    command = [ansible_command("ansible-doc"), "--json", "--list", "-t", plugin_type, "xmpp.edge"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment(folder))
    found = {name.rpartition(".")[2] for name in json.loads(done.stdout)}
    assert found == {name for kind, name in EXAMPLES if kind == plugin_type} | (
        NOT_ALONE if plugin_type == "module" else set()
    )
    assert all(documentation_of(folder, plugin_type, name)["doc"]["short_description"] for name in found)


@pytest.mark.parametrize(("plugin_type", "name"), EXAMPLES)
def test_every_example_runs(folder, plugin_type, name):
    tasks = yaml.safe_load(documentation_of(folder, plugin_type, name)["examples"])
    assert tasks
    for task, result in zip(tasks, run_tasks(folder, tasks)):
        assert not result.get("failed"), (task, result)


def test_the_doctor_is_documented_as_it_is(folder):
    options = documentation_of(folder, "module", "doctor")["doc"]["options"]
    spec = import_module("ansible_collections.xmpp.edge.plugins.module_utils._edge.verify.spec").DOCTOR_OPTIONS
    keys = ("type", "elements", "default", "required")
    assert {name: {key: one[key] for key in keys if one.get(key) is not None} for name, one in options.items()} == {
        name: {key: one[key] for key in keys if one.get(key) is not None} for name, one in spec.items()
    }


def undocumented(found, documented, where="result"):
    """Places in a result that RETURN does not have, or has with another type."""
    types = {"str": str, "bool": bool, "int": int, "float": (int, float), "list": list, "dict": dict}
    problems = []
    for key, value in found.items():
        if key not in documented:
            problems.append(f"{where}.{key} is not documented")
            continue
        entry = documented[key]
        if value is not None and not isinstance(value, types[entry["type"]]):
            problems.append(f"{where}.{key} is {type(value).__name__}, documented as {entry['type']}")
        contained = entry.get("contains")
        if contained and value is not None:
            # "rows" is a dictionary by row id; every other documented dictionary has the documented keys itself.
            parts = value if isinstance(value, list) else value.values() if key == "rows" else [value]
            for part in parts:
                problems += undocumented(part, contained, f"{where}.{key}")
                always = {name for name, content in contained.items() if "returned" not in content}
                problems += [f"{where}.{key}.{missing} is missing" for missing in always - part.keys()]
    return problems


@pytest.mark.parametrize("state", ["present", "absent"])
def test_results_are_as_documented(folder, state):
    options = {**OPTIONS, "state": state}
    host_half = {"state": state}
    if state == "present":
        host_half = yaml.safe_load(linux_firewall.EXAMPLES)[0]["xmpp.edge.linux_firewall"]
    result, host_result = run_tasks(folder, [{"xmpp.edge.firewall": options}, {"xmpp.edge.linux_firewall": host_half}])
    for found, documented in ((result, FIREWALL["RETURN"]), (host_result, yaml.safe_load(linux_firewall.RETURN))):
        own = {key: value for key, value in found.items() if key not in STANDARD}
        assert undocumented(own, documented) == []
        returned = ("success", "in check mode")
        expected = {key for key, entry in documented.items() if entry["returned"].startswith(returned)}
        assert own.keys() == expected


def test_results_of_probes_are_as_documented(folder):
    tasks = yaml.safe_load(probe.EXAMPLES)
    result, closed = run_tasks(folder, tasks)
    assert [entry["outcome"] for entry in result["results"]] == ["refused", "refused"]
    assert [entry["as_expected"] for entry in closed["results"]] == [True]
    own = {key: value for key, value in result.items() if key not in STANDARD}
    assert undocumented(own, yaml.safe_load(probe.RETURN)) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timeout": 0}, "timeout: 0.0 is no time to wait"),
        ({"targets": [{"address": "edge.example", "port": 1}]}, "targets.address: 'edge.example' is not an IP address"),
        ({"targets": [{"address": "::1", "port": 70000}]}, "targets.port: 70000 is not a TCP port"),
        (
            {"targets": [{"address": "::1", "port": 1, "source": "127.0.0.1"}]},
            "targets.source: '127.0.0.1' is of another",
        ),
    ],
)
def test_probes_refuse_by_name(folder, options, words):
    (result,) = run_tasks(folder, [{"xmpp.edge.probe": {"targets": [], **options}}])
    assert result["failed"] is True and words in result["msg"]


def test_a_probe_that_is_not_as_expected_fails_with_all_it_found(folder):
    target = {"address": "127.0.0.1", "port": 9}
    targets = [{**target, "expect": "open"}, target, {**target, "expect": "closed"}]
    (result,) = run_tasks(folder, [{"xmpp.edge.probe": {"targets": targets}}])
    assert result["failed"] is True
    assert result["msg"] == "1 of 3 targets are not as expected: 127.0.0.1 port 9 is expected open and is refused"
    assert [entry["as_expected"] for entry in result["results"]] == [False, None, True]


def test_result_of_a_first_run_in_check_mode(folder):
    (result,) = run_tasks(folder, [{"xmpp.edge.firewall": OPTIONS}])
    assert result["changed"] is True
    assert result["backend"] == "nftables"
    assert result["diff"]["before"] == ""
    assert result["diff"]["after"].splitlines()[0] == "federation_in  allow in tcp any -> 198.18.0.2 port 5269"
    assert list(result["rows"]) == ["federation_in", "federation_out", "gateway_in"]
    assert result["rows"]["gateway_in"] == {
        "present": True,
        "effective": "yes",
        "decided_by": 'chain inet xmpp_edge input: comment "gateway_in"',
        "packets": None,
        "guarded": "yes",
        "guarded_by": 'chain inet xmpp_edge prerouting: comment "gateway_in guard"',
    }
    assert len(result["rules"]) == len(result["diff"]["after"].splitlines())
    assert result["predicted"] is True
    assert result["diff"]["before_header"] == result["diff"]["after_header"] == "localhost (nftables)"
    assert [warning.partition(":")[0] for warning in result["warnings"]] == ["this host does not run systemd"]


REFUSED = [
    ({"access_addresses": None}, "access_addresses: is missing"),
    ({"internal_addresses": None}, "internal_addresses: is missing"),
    ({"partner_networks": []}, "partner_networks: [] is empty; say any or name networks"),
    ({"access_addresses": ["198.18.0.2/24"]}, "access_addresses: '198.18.0.2/24' has host bits set"),
    ({"access_addresses": ["edge.example"]}, "access_addresses: 'edge.example' is a name"),
    ({"access_addresses": ["fe80::1%eth0"]}, "access_addresses: 'fe80::1%eth0' has a zone id"),
    ({"access_addresses": ["127.0.0.1"]}, "access_addresses: '127.0.0.1' is a loopback address"),
    ({"access_addresses": ["0.0.0.0"]}, "access_addresses: '0.0.0.0' is the unspecified address"),
    ({"access_addresses": ["224.0.0.1"]}, "access_addresses: '224.0.0.1' is a multicast address"),
    ({"federation_port": 0}, "federation_port: 0 is not a TCP port"),
    ({"federation_port": 65536}, "federation_port: 65536 is not a TCP port"),
    ({"federation_port": "abc"}, "federation_port: 'abc' is not a TCP port"),
    ({"gateway_port": 5269}, "gateway_port: 5269 is the port of federation_port too"),
    ({"internal_addresses": ["198.18.0.2"], "front_end_networks": ["any"]}, "stands in access_addresses too"),
    ({"partner_networks": ["198.18.0.1"] * 10001}, "has 10001 entries"),
    ({"partner_networks": ['\u2603; $(reboot)" } flush ruleset']}, "is not an IP address or CIDR network"),
    ({"persist": "maybe"}, "persist: 'maybe' is not a boolean"),
    ({"ports": 1}, "'ports': is not an option"),
]


def test_every_refusal_is_one_sentence_before_any_connection(folder):
    # The connection cannot work, so a refusal that arrives has needed none.
    unreachable = {"ansible_connection": "ssh", "ansible_host": "198.18.255.255"}
    tasks = [{"xmpp.edge.firewall": {**OPTIONS, **change}, "vars": unreachable} for change, _words in REFUSED]
    for (change, words), result in zip(REFUSED, run_tasks(folder, tasks)):
        assert result["failed"] is True, change
        assert result["changed"] is False
        assert words in result["msg"]
        assert "\n" not in result["msg"]
        assert not result.get("unreachable")
        assert "Traceback" not in json.dumps(result)


def test_a_windows_shell_leads_to_the_windows_half(folder):
    # Refused before any connection by a rule that only that half has.
    shell = {"ansible_shell_type": "powershell"}
    (result,) = run_tasks(folder, [{"xmpp.edge.firewall": {**OPTIONS, "persist": False}, "vars": shell}])
    assert result["failed"] is True
    assert "persist: False cannot be had on a Windows host" in result["msg"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "xmpp_edge_access_addresses: is missing"),
        ({"xmpp_edge_access_addresses": ["edge.example"]}, "xmpp_edge_access_addresses: 'edge.example' is a name"),
        ({"xmpp_edge_federation_port": "abc"}, "xmpp_edge_federation_port"),
        ({"xmpp_edge_mode": "open"}, "xmpp_edge_mode must be one of: exclusive, permit"),
    ],
)
def test_role_refuses_by_name(folder, given, words):
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "roles": ["xmpp.edge.xmpp_edge"],
        "vars": given,
    }
    done = run_play(folder, [play])
    assert done.returncode != 0
    assert words in done.stdout
    assert "Traceback" not in done.stdout


def test_lookup_takes_queries_and_refuses_nonsense(folder):
    def show(expression):
        return {"ansible.builtin.debug": {"msg": "{{ %s }}" % expression}}  # noqa: UP031

    everything, ports, one, nonsense, term, option = run_tasks(
        folder,
        [
            show("query('xmpp.edge.port_table')"),
            show("query('xmpp.edge.port_table', query='[].port')"),
            show("lookup('xmpp.edge.port_table', query='[0]').id"),
            show("query('xmpp.edge.port_table', query='[?')"),
            show("query('xmpp.edge.port_table', 'federation_in')"),
            show("query('xmpp.edge.port_table', qurey='[].port')"),
        ],
    )
    assert [row["id"] for row in everything["msg"]] == ["federation_in", "federation_out", "gateway_in"]
    documented = documentation_of(folder, "lookup", "port_table")["return"]["_list"]["sample"]
    assert everything["msg"][0] == documented[0]
    assert ports["msg"] == [5269, 5269, 23456]
    assert one["msg"] == "federation_in"
    assert nonsense["failed"] and "query: '[?' is not a JMESPath expression" in nonsense["msg"]
    assert term["failed"] and "takes no terms" in term["msg"]
    assert option["failed"]
    assert "has no option 'qurey'" in option["msg"]


ROLE = {"hosts": "localhost", "connection": "local", "gather_facts": False, "roles": ["xmpp.edge.xmpp_edge"]}
INVENTORY = {f"xmpp_edge_{name}": value for name, value in OPTIONS.items()}


def test_the_role_says_its_variables_in_warnings_and_has_a_closing_line(folder):
    done = run_play(folder, [{**ROLE, "vars": {**INVENTORY, "xmpp_edge_owner": "mail team"}}])
    assert done.returncode == 0, done.stdout
    said = " ".join(done.stdout.split())
    assert "say xmpp_edge_persist: false to accept that" in said
    assert "xmpp_edge_owner: is no variable of the role" in said
    assert "localhost: predicted, changed, nftables, effective yes, guarded yes, persisted no (guards)" in done.stdout


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("frontend_networks", "front_end_networks"),
        ("partner_network", "partner_networks"),
        ("modus", "mode"),
        ("access_address", "access_addresses"),
    ],
)
def test_the_role_refuses_a_misspelt_variable_with_the_nearest_name(folder, name, meant):
    variables = {**INVENTORY, f"xmpp_edge_{name}": ["198.18.7.1"]}
    done = run_play(folder, [{**ROLE, "vars": variables}])
    assert done.returncode == 2
    assert f"xmpp_edge_{name}: is no variable of the role; say xmpp_edge_{meant}, or" in " ".join(done.stdout.split())
    ignored = {**variables, "xmpp_edge_ignore_variables": [f"xmpp_edge_{name}"]}
    assert run_play(folder, [{**ROLE, "vars": ignored}]).returncode == 0


def test_a_registered_result_and_the_variables_of_a_task_are_no_mistake(folder):
    register = {"ansible.builtin.command": "true", "register": "xmpp_edge_modes", "changed_when": False}
    options = {**OPTIONS, "partner_networks": "{{ xmpp_edge_partner }}"}
    task = {"xmpp.edge.firewall": options, "vars": {"xmpp_edge_partner": ["198.18.7.1"]}}
    assert not run_tasks(folder, [register, task])[1].get("failed")
