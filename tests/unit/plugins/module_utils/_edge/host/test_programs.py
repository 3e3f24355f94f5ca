# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of a module: what is started early is read once, and everything else goes the module's way."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.programs import HostRunner
from ansible_collections.xmpp.edge.plugins.module_utils._edge.host.runner import start_early

SAY = ["/bin/sh", "-c", "echo $LC_ALL $0; echo wrong >&2; exit 3", "early"]


@pytest.fixture
def asked():
    return []


@pytest.fixture
def run(asked):
    def run_command(arguments, **options):
        asked.append((arguments, options))
        if arguments[0] == "missing":
            raise FileNotFoundError(2, "No such file or directory")
        return 0, "by the module\n", ""

    return HostRunner(run_command)


def test_the_module_runs_programs_in_the_c_locale(run, asked):
    assert run(["/bin/true"], "input").stdout == "by the module\n"
    ((arguments, options),) = asked
    assert arguments == ["/bin/true"]
    assert options["data"] == "input" and options["environ_update"] == {"LC_ALL": "C"}


def test_what_was_started_early_is_read_once(run, asked):
    start_early(run, SAY)
    done = run(list(SAY), "")
    assert (done.returncode, done.stdout, done.stderr) == (3, "C early\n", "wrong\n")
    assert asked == []
    assert run(list(SAY), "").stdout == "by the module\n"


def test_another_start_is_another_answer(run, tmp_path):
    path = tmp_path / "fact"
    for text in ("old", "new"):
        path.write_text(text)
        start_early(run, ["/bin/cat", str(path)])
        assert run(["/bin/cat", str(path)], "").stdout == text


def test_what_cannot_be_run_says_so_when_it_is_asked_for(run):
    start_early(run, ["missing"])
    done = run(["missing"], "")
    assert (done.returncode, done.stderr) == (127, "missing cannot be run: No such file or directory")


def test_a_runner_that_cannot_start_early_runs_when_asked():
    start_early(lambda arguments, stdin: pytest.fail("nothing is run yet"), ["/bin/true"])
