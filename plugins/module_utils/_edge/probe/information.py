# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module connection_info: from its options to its result."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, NoReturn, Protocol, Sequence, Tuple

from ..host.reverse_path import strict_devices
from . import watch
from .surroundings import Run, devices_of, listeners, paths, peers_at, sources_in_use

ARGUMENT_SPEC: Dict[str, Dict[str, Any]] = {
    "watch_ports": {"type": "list", "elements": "int", "default": []},
    "seconds": {"type": "int", "default": 600},
    "watch": {"type": "str"},
    "listeners": {"type": "list", "elements": "int", "default": []},
    "connected_to": {"type": "int"},
    "accepted_at": {"type": "int"},
    "paths": {"type": "list", "elements": "str", "default": []},
    "sources": {"type": "list", "elements": "str", "default": []},
}
"""Every option of the module, as an Ansible argument spec."""


_QUESTIONS: Mapping[str, Callable[[Run, Mapping[str, Any]], Dict[str, Any]]] = {
    "listeners": lambda run, asked: {"listeners": listeners(run, asked["listeners"])},
    "connected_to": lambda run, asked: {"connected_from": sources_in_use(run, asked["connected_to"])},
    "accepted_at": lambda run, asked: {"accepted_from": peers_at(run, asked["accepted_at"])},
    "paths": lambda run, asked: {"paths": paths(run, asked["paths"], asked["sources"])},
    "sources": lambda run, asked: _devices(run, asked["sources"]),
}
"""What is asked for by each option."""


class Module(Protocol):
    """The part of AnsibleModule that is used here."""

    params: Mapping[str, Any]

    def run_command(self, args: Sequence[str]) -> Tuple[int, str, str]:
        """Run a program; return its exit status and what it prints."""

    def get_bin_path(self, name: str) -> str:
        """Return the path of a program, nothing where it is missing."""

    def exit_json(self, **result: Any) -> NoReturn:
        """End with a result."""


def run_module(module: Module) -> NoReturn:
    """Tell what the module's options ask for, and end the module."""
    asked = module.params

    def run(arguments: Sequence[str]) -> str:
        path = module.get_bin_path(arguments[0])
        if not path:
            return ""
        status, text, _error = module.run_command([path, *arguments[1:]])
        return text if status == 0 else ""

    result: Dict[str, Any] = {"changed": False}
    try:
        if asked["watch_ports"]:
            result["watch"] = watch.start(asked["watch_ports"], asked["seconds"])
        if asked["watch"]:
            result["packets"] = watch.end(asked["watch"])
    except (AttributeError, OSError, ValueError) as error:
        result["not_watched"] = str(error)
    for option, answers in _QUESTIONS.items():
        if asked[option]:
            result.update(answers(run, asked))
    module.exit_json(**result)


def _devices(run: Run, sources: Sequence[str]) -> Dict[str, Any]:
    devices = devices_of(run, sources)
    return {"devices": devices, "strict_devices": strict_devices(list(devices.values()))}
