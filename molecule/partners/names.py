# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The authoritative name server of the partners, in the partner's container, which the controller asks."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Callable
from typing import Any

import dns.exception
import dns.resolver
import edge

SERVER = edge.TOPOLOGY.address("partner", "external", "ipv4")
ANSWERS = "/etc/xmpp-edge/partner_domains.json"
CONFIGURATION = """
server:
  ip-address: {server}
  username: ""
  chroot: ""
  server-count: 1
  pidfile: /run/nsd.pid
  zonesdir: /root
  database: ""
  zonelistfile: /root/zones.list
  xfrdfile: ""
  logfile: /root/nsd.log
remote-control:
  control-enable: no
zone:
  name: example
  zonefile: example.zone
"""
HEAD = (
    "$ORIGIN example.\n$TTL 1\n@ SOA ns.example. post.example. {serial} 60 60 60 1\n@ NS ns.example.\nns A {server}\n"
)
SECONDS = 120
"""Limit of the start of a name server on a busy machine."""


class Names:
    """The name server."""

    def __init__(self) -> None:
        """Configure it."""
        self._serials = itertools.count(1)
        self._host = edge.host("partner")
        configuration = CONFIGURATION.format(server=SERVER)
        self._host.check_output("printf %%s %s > /root/nsd.conf", configuration)

    def publish(self, *records: str) -> None:
        """Have the server answer with these records of the zone "example", and with nothing else."""
        self.end()
        serial = next(self._serials)
        zone = HEAD.format(serial=serial, server=SERVER) + "\n".join(records)
        command = ["podman", "exec", "-i", edge.TOPOLOGY.container("partner"), "sh", "-c", "cat > /root/example.zone"]
        subprocess.run(command, input=zone + "\n", text=True, check=True)
        self._start()
        self._wait(lambda: str(asked("example", "SOA")[0].serial) == str(serial))

    def fail(self) -> None:
        """Have the server say that it fails."""
        self.end()
        self._host.check_output("rm -f /root/example.zone")
        self._start()

        def fails() -> bool:
            try:
                asked("example", "SOA")
            except dns.resolver.NoNameservers as error:
                return "SERVFAIL" in str(error)
            return False

        self._wait(fails)

    def end(self) -> None:
        """End the server."""
        self._host.run("[ ! -s /run/nsd.pid ] || kill $(cat /run/nsd.pid); while pgrep -x nsd; do sleep 0.1; done")

    def _start(self) -> None:
        self._host.check_output("nsd -c /root/nsd.conf")

    @staticmethod
    def _wait(is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + SECONDS
        while True:
            try:
                if is_so():
                    return
            except (dns.exception.DNSException, OSError):
                pass
            assert time.monotonic() < end, "the name server does not do what it should"
            time.sleep(0.1)


def asked(name: str, kind: str) -> list[Any]:
    """Return the records that the server has."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [SERVER]
    return list(resolver.resolve(f"{name}.", kind, lifetime=5))
