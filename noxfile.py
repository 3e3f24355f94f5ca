# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of `make test` by the names that contributors to Ansible collections know.

Each session sets up what is missing and runs the steps whose names begin with its own; nox itself makes no environment.
"""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "unit"]


def _run(session: nox.Session, step: str) -> None:
    """Run the steps whose names begin with one word; arguments of the command line narrow them further."""
    names = [f"{step}: {argument}" for argument in session.posargs] or [step]
    session.run("tests/tools/setup", "test", external=True)
    session.run("tests/tools/with-env", "tests/tools/run-tests", *names, external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Read everything without running it."""
    _run(session, "lint")


@nox.session
def unit(session: nox.Session) -> None:
    """Run what needs no container, with the oldest and the newest ansible-core."""
    _run(session, "unit")


@nox.session
def sanity(session: nox.Session) -> None:
    """Run ansible-test sanity, with the oldest and the newest ansible-core."""
    _run(session, "sanity")


@nox.session
def molecule(session: nox.Session) -> None:
    """Run scenarios; name them after two dashes, as in nox -s molecule -- limits ufw."""
    _run(session, "molecule")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site."""
    _run(session, "docs")
