# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of XMPP domains, as a name server on this host answers for them."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe import name_records

SERVICE, DIRECT = "_xmpp-server._tcp.", "_xmpps-server._tcp."
ZONE = {
    (f"{SERVICE}example.org.", "SRV"): ["0 0 5269 xmpp.example.org."],
    (f"{DIRECT}example.org.", "SRV"): ["0 0 5270 xmpp.example.org."],
    ("xmpp.example.org.", "A"): ["198.51.100.130"],
    ("xmpp.example.org.", "AAAA"): ["2001:db8::130"],
    (f"{SERVICE}none.example.", "SRV"): ["0 0 0 ."],
    ("bare.example.", "A"): ["198.51.100.131"],
    ("xn--mnchen-3ya.example.", "A"): ["198.51.100.132"],
}
SILENT, FAILING = "silent.example.", "failing.example."
SECONDS = 30.0
NOBODY = {"_xmpp-server": [], "_xmpps-server": []}


def answer_to(wire):
    """Return the answer to a query; None where there is to be none."""
    query = dns.message.from_wire(wire)
    (question,) = query.question
    name, kind = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
    if name.endswith(SILENT):
        return None
    response = dns.message.make_response(query)
    response.flags |= dns.flags.RA
    if name.endswith(FAILING):
        response.set_rcode(dns.rcode.SERVFAIL)
    elif (name, kind) in ZONE:
        response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *ZONE[name, kind]))
    elif not any(there == name for there, _kind in ZONE):
        response.set_rcode(dns.rcode.NXDOMAIN)
    return response.to_wire()


@contextmanager
def name_server():
    """Run a name server on loopback, and yield its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))

        def serve():
            while True:
                try:
                    wire, client = listening.recvfrom(4096)
                except OSError:
                    return
                answer = answer_to(wire)
                if wire == b"end" or client is None:
                    return
                if answer:
                    listening.sendto(answer, client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]


@pytest.fixture
def resolver(monkeypatch):
    """Have the resolver of this host be a name server of the test."""
    with name_server() as port:
        made = dns.resolver.Resolver(configure=False)
        made.nameservers, made.port = ["127.0.0.1"], port
        monkeypatch.setattr(name_records.dns.resolver, "Resolver", lambda: made)
        yield made


def test_services_and_the_addresses_of_their_targets(resolver):
    assert name_records.look_up(["example.org"], SECONDS) == {
        "example.org": {
            "services": {
                "_xmpp-server": [{"target": "xmpp.example.org", "port": 5269}],
                "_xmpps-server": [{"target": "xmpp.example.org", "port": 5270}],
            },
            "addresses": {"xmpp.example.org": ["198.51.100.130", "2001:db8::130"]},
            "fault": "",
        }
    }


@pytest.mark.parametrize(
    ("domain", "services", "addresses"),
    [
        ("bare.example", NOBODY, {"bare.example": ["198.51.100.131"]}),
        ("m\u00fcnchen.example", NOBODY, {"xn--mnchen-3ya.example": ["198.51.100.132"]}),
        ("none.example", {**NOBODY, "_xmpp-server": [{"target": ".", "port": 0}]}, {}),
        ("nobody.example", NOBODY, {"nobody.example": []}),
    ],
)
def test_a_domain_without_services(resolver, domain, services, addresses):
    found = name_records.look_up([domain], SECONDS)[domain]
    assert found == {"services": services, "addresses": addresses, "fault": ""}


@pytest.mark.parametrize(
    ("domain", "seconds", "fault"),
    [
        ("silent.example", 0.2, "the resolver 127.0.0.1 did not answer in time"),
        (
            "failing.example",
            SECONDS,
            "the resolver 127.0.0.1 refuses _xmpp-server._tcp.failing.example (SRV), or fails",
        ),
        ("edge..example", SECONDS, "it is no domain name"),
        (f"{'a' * 64}.example", SECONDS, "it is no domain name"),
    ],
)
def test_what_is_not_known_has_its_reason(resolver, domain, seconds, fault):
    assert name_records.look_up([domain], seconds)[domain]["fault"] == fault


def test_a_resolver_that_does_not_answer_costs_its_time_once():
    asked = []

    def ask(name, kind):
        asked.append((name, kind))
        return [], "it did not answer in time"

    assert name_records.look_up(["example.org"], SECONDS, ask)["example.org"]["fault"] == "it did not answer in time"
    assert asked == [("_xmpp-server._tcp.example.org", "SRV")]


def test_a_host_without_a_resolver(monkeypatch):
    def no_resolver():
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(name_records.dns.resolver, "Resolver", no_resolver)
    assert name_records.look_up(["example.org"], SECONDS)["example.org"]["fault"].startswith(
        "this host has no resolver"
    )


def test_the_table_of_names_of_the_host_counts(resolver, monkeypatch, tmp_path):
    table = tmp_path / "hosts"
    table.write_text(
        "198.18.0.7 other Nobody.example # 198.18.0.8\n# 198.18.0.9 nobody.example\n127.0.1.1 nobody.example\n"
    )
    monkeypatch.setattr(name_records, "_HOSTS", str(table))
    found = name_records.look_up(["nobody.example"], SECONDS)["nobody.example"]
    assert found["addresses"] == {"nobody.example": ["198.18.0.7"]}


def test_a_service_that_is_not_known_is_not_taken_for_none(resolver):
    """The address of the domain may be a web server's."""

    def ask(name, kind):
        return ([], "refused") if kind == "SRV" else (_Address("192.0.2.80"), "")

    found = name_records.look_up(["example.org"], SECONDS, ask)["example.org"]
    assert (found["addresses"], found["fault"]) == ({}, "refused")


def _Address(text):  # noqa: N802
    return dns.rrset.from_text("x.", 60, "IN", "A", text)
