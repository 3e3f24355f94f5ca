# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module probe: from its options to its result."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, Mapping, NoReturn, Protocol, Sequence, Tuple

from ..model.errors import EdgeError
from .levels import attempt_all
from .local_server import MISSING, ping_all
from .model import EXPECTATIONS, LEVELS, TLS_DEMANDS
from .name_records import HAS_DNSPYTHON, LACK, look_up
from .targets import failure_message, read_targets, result_of, routes_to, sources_to

ARGUMENT_SPEC: Dict[str, Dict[str, Any]] = {
    "targets": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "source": {"type": "str"},
            "level": {"type": "str", "choices": list(LEVELS), "default": "tcp"},
            "domain": {"type": "str", "default": ""},
            "origin": {"type": "str", "default": ""},
            "direct_tls": {"type": "bool", "default": False},
            "tls": {"type": "str", "choices": list(TLS_DEMANDS), "default": "required"},
            "certificate": {"type": "path"},
            "key": {"type": "path"},
            "expect": {"type": "str", "choices": list(EXPECTATIONS)},
        },
    },
    "routes": {"type": "list", "elements": "str", "default": []},
    "sources": {"type": "list", "elements": "str", "default": []},
    "domains": {"type": "list", "elements": "str", "default": []},
    "pings": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"from": {"type": "str", "required": True}, "to": {"type": "str", "required": True}},
    },
    "timeout": {"type": "float", "default": 5},
}
"""Every option of the module, as an Ansible argument spec."""


class Module(Protocol):
    """The part of AnsibleModule that is used here."""

    params: Mapping[str, Any]

    def run_command(self, args: Sequence[str], *, handle_exceptions: bool) -> Tuple[int, str, str]:
        """Run a program; return its exit status and what it prints. Raises OSError for a missing program."""

    def exit_json(self, **result: Any) -> NoReturn:
        """End with a result."""

    def fail_json(self, msg: str, **result: Any) -> NoReturn:
        """End with a failure."""


def run_module(module: Module) -> NoReturn:
    """Attempt all targets of the module's options, and end the module."""
    try:
        targets = read_targets(module.params["targets"], module.params["timeout"])
        routes = routes_to(module.params["routes"])
        sources = sources_to(module.params["sources"])
    except EdgeError as error:
        module.fail_json(msg=str(error))
    seconds = module.params["timeout"]
    with ThreadPoolExecutor(2) as pool:
        names = pool.submit(_names_of, module.params["domains"], seconds)
        pings = pool.submit(ping_all, runner(module), module.params["pings"], seconds)
        attempts = attempt_all(targets)
    results = [result_of(target, attempt) for target, attempt in zip(targets, attempts)]
    told = {"results": results, "routes": routes, "sources": sources, "pings": pings.result(), **names.result()}
    message = failure_message(targets, attempts)
    if message:
        module.fail_json(msg=message, **told)
    module.exit_json(changed=False, **told)


def runner(module: Module) -> Callable[[Sequence[str]], Tuple[int, str]]:
    """Return a function that runs a program, and returns its exit status and all that it prints."""

    def run(arguments: Sequence[str]) -> Tuple[int, str]:
        try:
            status, text, errors = module.run_command(list(arguments), handle_exceptions=False)
        except OSError as error:
            return MISSING, str(error)
        return status, text + errors

    return run


def _names_of(domains: Sequence[str], seconds: float) -> Dict[str, Any]:
    """Return the records of domains, or why this host cannot look them up."""
    if not domains:
        return {}
    if not HAS_DNSPYTHON:
        return {"names_not_asked": LACK}
    return {"names": look_up(domains, seconds)}
