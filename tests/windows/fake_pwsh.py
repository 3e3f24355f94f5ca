#!/usr/bin/env python
# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replacement for pwsh: checks the options from Ansible against the module's spec, and simulates the module.

It tests the controller side and its contract with the module, and not the PowerShell. The firewall is a JSON file with
the path in XMPP_EDGE_FAKE_FIREWALL. The spec is read from the .ps1 that Ansible sends.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
import sys

from powershell import Source, argument_spec

GROUP = "XMPP Edge (xmpp.edge)"
PREFIX = "xmpp.edge/"
TYPES = {"str": str, "list": list, "dict": dict, "bool": bool, "int": int}
ADDRESSES = ("local_addresses", "remote_addresses")


class RefusalError(Exception):
    """A failure of the module."""


def payload() -> dict:
    """Return the second document from Ansible, on standard input or in a file that the arguments name."""
    arguments = sys.argv[1:]
    if "-EncodedArguments" in arguments:
        encoded = arguments[arguments.index("-EncodedArguments") + 1]
        path = re.search("<S>(.*?)</S>", base64.b64decode(encoded).decode("utf-16-le"))[1]
        with open(path, encoding="utf-8") as file:
            text = file.read()
    else:
        text = sys.stdin.read()
    return json.loads(text.split("\0\0\0\0")[1])


def checked(options: dict, spec: dict, where: str = "") -> dict:
    """Return the options with defaults, as Ansible.Basic does."""
    for name in options:
        if name not in spec:
            raise RefusalError(f"the spec has no option {where}{name}")
    found = {}
    for name, entry in spec.items():
        value = options.get(name, entry.get("default"))
        if value is None and entry.get("required"):
            raise RefusalError(f"{where}{name} is required")
        if value is not None and not isinstance(value, TYPES[entry["type"]]):
            raise RefusalError(f"{where}{name} is no {entry['type']}")
        if "choices" in entry and value not in entry["choices"]:
            raise RefusalError(f"{where}{name} is {value!r}, which is no choice")
        if entry.get("elements") == "dict":
            value = [checked(item, entry["options"], f"{where}{name}.") for item in value]
        found[name] = value
    return found


def spans(text: str) -> object:
    """Return addresses of any form as a set of spans."""
    if not text[0].isdigit() and ":" not in text:
        return text  # "*", or a keyword of Windows.
    found = set()
    for token in text.split(","):
        first, dash, last = token.partition("-")
        if dash:
            found.add((ipaddress.ip_address(first), ipaddress.ip_address(last)))
        else:
            network = ipaddress.ip_network(token)
            found.add((network.network_address, network.broadcast_address))
    return found


def shown(tokens: list) -> str:
    """Return addresses as Windows may show them: in another order, and a single IPv6 host as a range."""
    return ",".join(
        f"{token}-{token}" if ":" in token and "-" not in token and "/" not in token else token
        for token in tokens[::-1]
    )


def facts(option: dict) -> dict:
    """Return a managed rule as the firewall shows it."""
    return {
        "name": option["name"],
        "description": "Managed by the Ansible collection xmpp.edge: the next run overwrites local changes.",
        "enabled": True,
        "action": option["action"],
        "direction": option["direction"],
        "protocol": 6,
        "local_addresses": shown(option["local_addresses"]),
        "remote_addresses": shown(option["remote_addresses"]),
        "local_ports": option["local_ports"],
        "remote_ports": option["remote_ports"],
        "profiles": 7,
        "application": "",
        "service": "",
        "interface_types": "All",
        "interfaces": False,
        "package": "",
        "owner": "",
        "authorized": "",
        "secure": 0,
        "edge_traversal": False,
    }


def same(current: dict, desired: dict) -> bool:
    """Return whether two rules mean the same."""
    return all(
        spans(current[key]) == spans(desired[key]) if key in ADDRESSES else current[key] == desired[key]
        for key in desired
    )


def number(address: str) -> object:
    """Return a comparable address; other text as it is."""
    try:
        return ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address


def refuse(firewall: dict, options: dict, desired: list, managed: list) -> None:
    """Refuse the requests that the module refuses before it changes anything."""
    if "error" in firewall:
        raise RefusalError(firewall["error"])
    present = options["state"] == "present"
    if present != bool(options["rules"]):
        raise RefusalError("rules exactly when present")
    ignoring = [name for name, profile in firewall["state"]["profiles"].items() if profile["ignores_local_rules"]]
    if present and ignoring and options["on_policy_override"] == "fail":
        raise RefusalError(f"group policy ignores all local firewall rules in the profiles {', '.join(ignoring)}")
    carried = {number(address) for address in firewall["state"]["addresses"]}
    for option, named in sorted(options["own_addresses"].items()):
        if carried and not carried & {number(address) for address in named}:
            raise RefusalError(f"{option}: '{', '.join(named)}' not on this host; is this its inventory?")
    if any(not rule["local_addresses"] or not rule["remote_addresses"] for rule in desired):
        raise RefusalError("an empty list of addresses")
    names = {entry["name"] for entry in (*managed, *desired)}
    for rule in firewall["rules"]:
        if rule not in managed and rule["name"] in names:
            raise RefusalError(f"an unmanaged firewall rule has the name '{rule['name']}'")


def may_have(text: str, ports: set) -> bool:
    """Return whether the ports of a rule may include one of these."""
    return any(part in ("", "*") or "-" in part or part in ports for part in text.split(","))


def reconcile(firewall: dict, options: dict, check_mode: bool) -> dict:
    """Simulate the module on a JSON store, which is changed in place, and return its answer."""
    rules = firewall["rules"]
    managed = [rule for rule in rules if rule["group"] == GROUP and rule["name"].startswith(PREFIX)]
    desired = [facts(option) for option in options["rules"]]
    refuse(firewall, options, desired, managed)
    unchanged = []
    for rule in desired:
        same_name = [found for found in managed if found["name"] == rule["name"]]
        if len(same_name) == 1 and same(same_name[0], rule):
            unchanged.append(rule["name"])
    add = [rule for rule in desired if rule["name"] not in unchanged]
    drop = [rule for rule in managed if rule["name"] not in unchanged]
    ports = {rule["local_ports"] for rule in desired}
    without_group = [{key: value for key, value in rule.items() if key != "group"} for rule in rules]
    answer = {
        "changed": bool(add or drop),
        "found": [rule for rule, found in zip(without_group, rules) if found in managed],
        "unmanaged": [
            rule
            for rule, found in zip(without_group, rules)
            if found not in managed
            and rule["enabled"]
            and rule["protocol"] in (6, 256)
            and (rule["action"] == "block" or rule["protocol"] == 256 or may_have(rule["local_ports"], ports))
        ],
        "unchanged": unchanged,
        "state": firewall["state"],
    }
    if answer["changed"] and not check_mode:
        if any(firewall.get("refuses", "\n") in rule["name"] for rule in add):
            raise RefusalError("the parameter is incorrect")  # The additions before it are rolled back.
        firewall["rules"] = [rule for rule in rules if rule not in drop] + [{**rule, "group": GROUP} for rule in add]
    return answer


def main() -> None:
    """Simulate one run of the module."""
    document = payload()
    (action,) = document["actions"]
    (given,) = (entry["Value"] for entry in action["params"]["Variables"] if entry["Name"] == "complex_args")
    script = document["scripts"][action["params"]["Script"]]["script"]
    spec = argument_spec(Source("win_firewall.ps1", base64.b64decode(script).decode()))
    path = os.environ["XMPP_EDGE_FAKE_FIREWALL"]
    with open(path, encoding="utf-8") as file:
        firewall = json.load(file)
    firewall["calls"] += 1
    try:
        options = checked(
            {key: value for key, value in given.items() if not key.startswith("_ansible_")}, spec["options"]
        )
        answer = reconcile(firewall, options, given["_ansible_check_mode"])
    except RefusalError as refusal:
        answer = {"failed": True, "msg": str(refusal), "changed": False}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(firewall, file)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
