# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that are tried from containers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Try = tuple["str | None", str, int]
"""Source address (None for any), destination address, port."""
Flow = TypeVar("Flow", bound=Hashable)


def attempt(container: str, tries: Sequence[Try], *inside: str) -> list[str]:
    """Return the outcomes of connections that are tried at once, and held until the last of them is decided.

    inside: the command that runs another one elsewhere in the container, such as in a namespace.
    """
    command = ["podman", "exec", "--interactive", container, *inside, "python3", "/opt/test/connect.py"]
    done = subprocess.run(command, input=json.dumps(tries), stdout=subprocess.PIPE, text=True, check=True)
    words: list[str] = json.loads(done.stdout)
    assert len(words) == len(tries)
    return words


def observe(
    flows: Iterable[Flow], host_of: Callable[[Flow], str], try_of: Callable[[Flow], Try], run: Callable[..., list[str]]
) -> dict[Flow, str]:
    """Return the outcome of every flow, tried from all hosts at once. run: attempts tries from a host, given both."""
    by_host: dict[str, list[Flow]] = {}
    for flow in flows:
        by_host.setdefault(host_of(flow), []).append(flow)

    def attempt_from(host: str) -> dict[Flow, str]:
        return dict(zip(by_host[host], run(host, [try_of(flow) for flow in by_host[host]]), strict=True))

    with ThreadPoolExecutor() as pool:
        return {flow: word for words in pool.map(attempt_from, by_host) for flow, word in words.items()}
