# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each trouble of vars/troubles.yml: the servers themselves say that it is one, and verify names its first cause."""

from __future__ import annotations

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import edge
import pytest
import yaml

DATA = yaml.safe_load((Path(__file__).resolve().parents[1] / "vars" / "troubles.yml").read_text())
FAMILIES = ("ipv4", "ipv6")
DOMAINS = {"edge": "edge.example", "partner": "partner.example"}
EVIDENCE = edge.CHECKOUT / ".cache" / "troubles"
PING_SECONDS = 6
"""Seconds after which a ping that is not expected to be answered is not."""
PATIENT_SECONDS = 60
"""Limit for a ping that is to be answered, on a busy machine."""
SCORE: dict[str, bool] = {}


def places():
    """Return the addresses of the topology, as commands and variables name them."""
    hosts = {"EDGE": ("edge", "external"), "INNER": ("edge", "internal"), "PARTNER": ("partner", "external")}
    hosts |= {"BOX": ("outsider", "external"), "FRONT": ("front_end", "internal")}
    found = {
        f"{name}{family[-1]}": edge.TOPOLOGY.address(host, side, family)
        for name, (host, side) in hosts.items()
        for family in FAMILIES
    }
    return found | {f"TROUBLE{family[-1]}": edge.TOPOLOGY.prefix("external", family) + "99" for family in FAMILIES}


PLACES = places()
EXPORTS = "export " + " ".join(f"{name}={value}" for name, value in PLACES.items())


def run(host, command):
    """Run a shell command on a host, with the addresses in its environment."""
    return edge.host(host).run(f"{EXPORTS}; {command}")


def flat(commands):
    """Return commands of which some stand in lists of their own."""
    for command in commands:
        yield from flat(command) if isinstance(command, list) else [command]


def begin(trouble):
    """Begin a trouble."""
    for host in ("outsider", "edge", "partner", "front_end"):
        for command in flat(trouble["commands"].get(host, ())):
            done = run(host, command)
            assert done.rc == 0, (host, command, done.stdout, done.stderr)


def mend(hosts):
    """End the troubles of some hosts at once."""
    command = ["sh", "-c", f"{EXPORTS}; sh /root/mend"]
    running = [
        subprocess.Popen(["podman", "exec", edge.TOPOLOGY.container(host), *command], stdout=subprocess.DEVNULL)
        for host in hosts
    ]
    assert [process.wait() for process in running] == [0] * len(running)


def with_places(value):
    """Return variables with the addresses in them."""
    text = json.dumps(value)
    return json.loads(re.sub(r"\$([A-Z]+[46])", lambda found: PLACES[found[1]], text))


def verify(variables, seconds):
    """Return the evidence of verify, with a time limit for each flow."""
    return edge.verify(EVIDENCE, **variables, xmpp_edge_verify_timeout=seconds)


def reaches(host, seconds):
    """Return whether the server of a host reaches the other one in time, by its own ping."""
    (other,) = set(DOMAINS) - {host}
    for one in DOMAINS:
        edge.host(one).run("timeout 10 prosodyctl shell 's2s:closeall()'")
    ping = f"timeout {seconds + 5} prosodyctl shell xmpp ping {DOMAINS[host]} {DOMAINS[other]} {seconds}"
    return "OK: pong from" in edge.host(host).run(ping).stdout


def is_true(truth, sound):
    """Return whether the hosts themselves see it as the data says. sound: whether the servers reach each other."""
    if isinstance(truth, dict):
        return run("edge", truth["run"]).rc == 0
    return truth == "none" or reaches(truth, PATIENT_SECONDS if sound else PING_SECONDS) is sound


def ask_doctor():
    """Return what the doctor says of the edge and its partner, without any vantage point."""
    return edge.play("doctor", domain=DOMAINS["partner"], xmpp_edge_verify_timeout=2)


def wrong_with(trouble, found):
    """Return what the evidence does not say of a trouble, empty for nothing."""
    rows, families = trouble.get("row", []), trouble.get("families", FAMILIES)
    causes = trouble.get("causes") or dict.fromkeys(rows, trouble.get("cause"))
    told = edge.failures(found)
    wrong = []
    if {(row, family) for row, family, _cause in told} != {(row, family) for row in rows for family in families}:
        wrong.append(f"other flows fail: {sorted(told)}")
    wrong += [f"{row}: {cause}" for row, _family, cause in told if row in rows and not re.match(causes[row], cause)]
    for key, sentences in (("problem", [one["sentence"] for one in found["problems"]]), ("note", found["notes"])):
        expected = trouble.get(key)
        if expected and not any(re.match(expected, sentence) for sentence in sentences):
            wrong.append(f"no {key} like {expected}: {sentences}")
    if found["passed"]:
        wrong.append("it passes")
    return wrong


def chosen(entries):
    """Return the entries of a list whose names begin as XMPP_EDGE_TROUBLE says; all where it says nothing."""
    return [one for one in entries if one["name"].startswith(os.environ.get("XMPP_EDGE_TROUBLE", ""))]


@pytest.fixture
def apart():
    """Have all hosts as they were, once a test is over."""
    yield
    mend(("outsider", "edge", "partner", "front_end"))


@pytest.mark.parametrize("trouble", chosen(DATA["troubles"]), ids=lambda one: one["name"])
@pytest.mark.usefixtures("apart")
def test_the_first_cause_of_a_trouble_is_named(trouble):
    SCORE[trouble["name"]] = False
    try:
        begin(trouble)
        variables = with_places(trouble.get("variables", {}))
        with ThreadPoolExecutor(1) as pool:
            truth = pool.submit(is_true, trouble["truth"], sound=False)
            wrong = wrong_with(trouble, verify(variables, 2))
        assert truth.result(), "the servers do not see it"
        if wrong:
            # On a busy machine an answer may come after the first limit. Only then the second is needed.
            wrong = wrong_with(trouble, verify(variables, 20))
        assert not wrong
        if "doctor" in trouble:
            done = ask_doctor()
            assert done.returncode == 2
            assert re.search(f"^First cause: {trouble['doctor']}", done.stdout, re.MULTILINE), done.stdout
        SCORE[trouble["name"]] = True
    finally:
        if trouble.get("site"):
            assert edge.changed_tasks(edge.play("site")) == 1


@pytest.mark.parametrize("case", chosen(DATA["healthy"]), ids=lambda one: one["name"])
@pytest.mark.usefixtures("apart")
def test_what_is_sound_raises_no_alarm(case):
    begin(case)
    rules = with_places(case.get("rules", {}))
    if rules:
        assert edge.changed_tasks(edge.play("site", **rules)) == 1
    try:
        assert is_true(case.get("truth", "edge"), sound=True), "the servers do not reach each other"
        variables = {**rules, **with_places(case.get("variables", {}))}
        if rules:
            variables["xmpp_edge_verify_allow_unchecked"] = []
        found = verify(variables, 2)
        if not found["passed"]:
            found = verify(variables, 20)
        assert found["passed"], (edge.failures(found), found["problems"], found["not_checked"])
        assert found["problems"] == [] and edge.failures(found) == set()
        if case.get("doctor"):
            done = ask_doctor()
            assert done.returncode == 0 and "All was looked at, and holds." in done.stdout, done.stdout
            assert edge.changed_tasks(done) == 0
        assert "note" not in case or any(re.match(case["note"], note) for note in found["notes"]), found["notes"]
    finally:
        if rules:
            assert edge.changed_tasks(edge.play("site")) == 1


def test_the_score():
    """Say how many first causes were right."""
    right = sum(SCORE.values())
    print(f"first causes that are right: {right} of {len(SCORE)}")
    (edge.CHECKOUT / ".cache" / "troubles-score").write_text(f"{right} of {len(SCORE)}\n")
    assert right == len(chosen(DATA["troubles"]))
    assert right >= 30 or os.environ.get("XMPP_EDGE_TROUBLE")
