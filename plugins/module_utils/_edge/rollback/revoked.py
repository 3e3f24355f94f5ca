# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Established connections that a change no longer allows, and the commands that close them.

ss closes them at the socket. A removal from conntrack is not enough: the next packet that the host sends creates the
entry again. Source: ss(8), sock_diag(7).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from shlex import quote
from typing import List, Optional, Sequence

from ..evaluator.values import Matcher, number_matcher
from ..host.runner import Runner, find_program
from ..model.addresses import family_of, number_of, point, span_of
from ..model.errors import EdgeError, MissingPackageError
from ..model.rules import Group, Rule
from . import line_of_the_script

_CANNOT_CLOSE = "the kernel of this host cannot close connections"
_END = re.compile(r"\[?([0-9a-fA-F:.]+)(?:%[^\]:]+)?\]?(?:%[^\]:]+)?:(\d+)")
_MAPPED = re.compile(r"::ffff:(\d+\.\d+\.\d+\.\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Socket:
    """An established TCP connection of this host: addresses as ss lists them, and ports."""

    local: str
    local_port: int
    remote: str
    remote_port: int

    def __str__(self) -> str:
        return f"{_end(_plain(self.local), self.local_port)} with {_end(_plain(self.remote), self.remote_port)}"

    @property
    def filter(self) -> str:
        """Arguments with which ss selects this connection."""
        return f"src {_end(self.local, self.local_port)} dst {_end(self.remote, self.remote_port)}"


def established(run: Runner) -> List[Socket]:
    """Return all established TCP connections. Raises EdgeError."""
    program = _ss()
    done = run([program, "--numeric", "--no-header", "--tcp", "state", "established"], "")
    if done.returncode != 0:
        raise EdgeError(f"ss failed: {done.complaint}")
    found = []
    for line in done.stdout.splitlines():
        ends = [_END.fullmatch(word) for word in line.split()[2:4]]
        if len(ends) == 2 and ends[0] and ends[1]:
            found.append(Socket(ends[0][1], int(ends[0][2]), ends[1][1], int(ends[1][2])))
    return found


def revoked(before: Sequence[Rule], after: Sequence[Rule], sockets: Sequence[Socket]) -> List[Socket]:
    """Return the connections that the rules before allowed, and that the guards after refuse."""
    # A connection of the host with itself uses loopback, which no guard covers.
    own = {(_plain(socket.local), socket.local_port) for socket in sockets}
    sockets = [socket for socket in sockets if (_plain(socket.remote), socket.remote_port) not in own]
    old, new = [_Matcher(rule) for rule in before], [_Matcher(rule) for rule in after]
    return [
        socket
        for socket in sockets
        if any(matcher.allows(socket) for matcher in old)
        and not any(matcher.allows(socket) for matcher in new)
        and any(matcher.guards(socket) for matcher in new)
    ]


def closing_commands(sockets: Sequence[Socket]) -> List[str]:
    """Return shell commands that close connections, and print one line for each that is still established."""
    if not sockets:
        return []
    ss = f"{quote(_ss())} --numeric --no-header --tcp"
    return [
        f"{ss} --kill state established {_quoted(socket)} > /dev/null 2>&1; "
        f'[ -z "$({ss} state established {_quoted(socket)})" ] || '
        f"echo {quote(line_of_the_script(f'{socket} is still established: {_CANNOT_CLOSE}'))}"
        for socket in sockets
    ]


class _Matcher:
    """One rule, with its addresses ready for comparison with connections."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._local = _addresses(rule.local)
        self._remote = _addresses(rule.remote)

    def allows(self, socket: Socket) -> bool:
        return (
            self._rule.action == "allow"
            and self._on_port(socket)
            and _is_in(self._local, self._rule.family, socket.local)
            and _is_in(self._remote, self._rule.family, socket.remote)
        )

    def guards(self, socket: Socket) -> bool:
        return self._rule.action == "block" and self._on_port(socket)

    def _on_port(self, socket: Socket) -> bool:
        return self._rule.port == (socket.local_port if self._rule.direction == "in" else socket.remote_port)


def _addresses(group: Optional[Group]) -> Optional[Matcher]:
    return None if group is None else number_matcher(span_of(text) for text in group.networks)


def _is_in(matcher: Optional[Matcher], family: str, address: str) -> bool:
    plain = _plain(address)
    same = family == (family_of(plain))
    return same and (matcher is None or bool(matcher(point(number_of(plain)))))


def _plain(address: str) -> str:
    """Return an address in the form of a rule: a socket for both families shows IPv4 addresses as parts of IPv6."""
    mapped = _MAPPED.fullmatch(address)
    return mapped[1] if mapped else address


def _end(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _quoted(socket: Socket) -> str:
    return " ".join(quote(word) for word in socket.filter.split())


def _ss() -> str:
    program = find_program("ss")
    if program is None:
        raise MissingPackageError(
            "cut_revoked: ss is not installed on this host; install the package iproute2", "iproute2"
        )
    return program
