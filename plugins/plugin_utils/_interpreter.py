# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The discovery of a host's Python interpreter, without the warning that any of them will do."""

from __future__ import annotations

import typing as t

from ansible import constants

_VARIABLE = "ansible_python_interpreter"


def without_discovery_warning(variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return variables of a task with which Ansible finds the interpreter silently, unless somebody names one.

    Every Python from 3.8 on serves, so a warning that another one may be found later tells nothing.
    """
    named = _VARIABLE in variables or constants.config.get_config_value("INTERPRETER_PYTHON") != "auto"
    return {**variables, **({} if named else {_VARIABLE: "auto_silent"})}
