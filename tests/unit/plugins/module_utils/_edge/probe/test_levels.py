# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of servers on loopback: correct ones, faulty ones and hostile ones."""

from __future__ import annotations

import errno
import shutil
import socket
import ssl
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe import connection
from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe.levels import attempt, attempt_all
from ansible_collections.xmpp.edge.plugins.module_utils._edge.probe.model import OUTCOMES, Target

sys.path.insert(0, str(Path(__file__).resolve().parent))

from peers import (
    DIALBACK_OFFER,
    FAILURE,
    MECHANISMS,
    OFFER,
    PROCEED,
    STREAM,
    features,
    make_certificate,
    peer,
    server_context,
)

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
TIMEOUT = 1.0


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("server"), "edge.example")


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("client"), "gateway.example")


def probe(script, level, **options):
    """Return the attempt at a peer. Any attempt ends in time, with a documented outcome."""
    with peer(script) as port:
        result = attempt(Target("127.0.0.1", port, level, timeout=TIMEOUT, **{"domain": "edge.example", **options}))
    assert result.outcome in OUTCOMES
    assert result.seconds < TIMEOUT + 1
    return result


def xmpp_server(certificate, proceed=PROCEED, offer=OFFER):
    """Return the script of an XMPP server, as far as a probe needs it."""

    def script(connection):
        connection.recv(4096)
        connection.sendall(STREAM + features(offer))
        connection.recv(4096)
        connection.sendall(proceed)
        tls = server_context(certificate).wrap_socket(connection, server_side=True)
        tls.recv(4096)
        tls.sendall(STREAM + features(MECHANISMS, DIALBACK_OFFER))
        tls.recv(4096)

    return script


def test_xmpp_server(server):
    result = probe(xmpp_server(server), "xmpp")
    assert (result.outcome, result.source) == ("xmpp", "127.0.0.1")
    facts = result.facts
    assert (facts["server"], facts["starttls"], facts["dialback"]) == ("edge.example", "required", True)
    assert facts["sasl_external"] is True
    assert facts["tls"]["names"] == ["edge.example"]
    assert facts["tls"]["self_signed"] is True
    assert facts["tls"]["version"].startswith("TLSv1")
    assert len(facts["tls"]["sha256"]) == 64


def test_direct_tls(server):
    def script(connection):
        context = server_context(server)
        context.set_alpn_protocols(["xmpp-server"])
        tls = context.wrap_socket(connection, server_side=True)
        assert tls.selected_alpn_protocol() == "xmpp-server"
        tls.recv(4096)
        tls.sendall(STREAM + features(MECHANISMS))
        tls.recv(4096)

    assert probe(script, "xmpp", direct_tls=True).outcome == "xmpp"
    assert probe(xmpp_server(server), "xmpp", direct_tls=True).outcome == "no_tls"


def replies(data, wait=True):
    """Return the script of a peer with one reply to any request."""

    def script(connection):
        connection.recv(4096)
        connection.sendall(data)
        if wait:
            connection.recv(4096)
            time.sleep(5)

    return script


def endless(connection):
    connection.recv(4096)
    connection.sendall(STREAM)
    while True:
        connection.sendall(b"<a/>" * 1000)


def endless_attribute(connection):
    connection.recv(4096)
    connection.sendall(b"<stream:stream a='")
    while True:
        connection.sendall(b"x" * 4096)


def slow(connection):
    connection.recv(4096)
    for byte in STREAM + features(OFFER):
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def slow_tls(connection):
    connection.recv(4096)
    for byte in b"\x16\x03\x03\x00\xff\x02\x00\x00\xfb" + b"\x03" * 240:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


BOMB = b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'bbbb'><!ENTITY c '&b;&b;&b;'>]><a>&c;</a>"
ERROR = b"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (replies(STREAM + features()), "no_starttls"),
        (replies(STREAM + ERROR), "xmpp_error"),
        (replies(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "no_xmpp"),
        (replies(b"<html><body/></html>"), "no_xmpp"),
        (replies(BOMB), "no_xmpp"),
        (replies(b"\x00\xff\x00" * 100), "no_xmpp"),
        (replies(STREAM + b"<message/>"), "no_xmpp"),
        (replies(STREAM + b"<a>" * 100), "too_much"),
        (replies(b"", wait=False), "no_xmpp"),
        (replies(STREAM, wait=False), "closed"),
        (replies(b"220 ready"), "no_xmpp"),
        (lambda connection: time.sleep(5), "timeout"),
        (replies(STREAM), "timeout"),
        (endless, "too_much"),
        (endless_attribute, "too_much"),
        (slow, "timeout"),
    ],
)
def test_peer_without_xmpp(script, outcome):
    assert probe(script, "xmpp").outcome == outcome


def test_faulty_starttls(server):
    assert probe(xmpp_server(server, proceed=FAILURE), "xmpp").outcome == "starttls_refused"
    assert probe(xmpp_server(server, proceed=PROCEED + b"injected"), "xmpp").outcome == "no_xmpp"
    assert probe(xmpp_server(server, proceed=PROCEED + b"<a/>"), "xmpp").outcome == "no_xmpp"

    def script(connection):
        connection.recv(4096)
        connection.sendall(STREAM + features(OFFER))
        connection.recv(4096)
        connection.sendall(PROCEED)
        connection.recv(4096)
        connection.sendall(b"no TLS at all")

    assert probe(script, "xmpp").outcome == "no_tls"


def tls_server(context, then=b""):
    """Return the script of a server that starts with TLS."""

    def script(connection):
        tls = context.wrap_socket(connection, server_side=True)
        tls.sendall(then)
        tls.recv(4096)

    return script


@pytest.mark.parametrize("version", VERSIONS)
def test_client_certificates(server, client, version):
    required = server_context(server, client, version=version)
    assert probe(tls_server(required), "mtls").outcome == "client_certificate_required"
    known = probe(tls_server(required), "mtls", certificate=client[0], key=client[1])
    assert known.outcome == "complete"
    assert known.facts["tls"]["names"] == ["edge.example"]
    optional = server_context(server, client, required=False, version=version)
    assert probe(tls_server(optional), "mtls").outcome == "client_certificate_optional"
    assert probe(tls_server(server_context(server, version=version)), "mtls").outcome == "no_client_certificate_request"


@pytest.mark.parametrize(
    ("version", "outcome"),
    [(ssl.TLSVersion.TLSv1_2, "client_certificate_optional"), (ssl.TLSVersion.TLSv1_3, "closed")],
)
def test_server_that_asks_and_then_drops_the_connection_proves_nothing(server, client, version, outcome):
    def script(connection):
        context = server_context(server, client, required=False, version=version)
        context.wrap_socket(connection, server_side=True)
        connection.close()

    assert probe(script, "mtls").outcome == outcome


@pytest.mark.parametrize(
    ("version", "outcome"),
    [(ssl.TLSVersion.TLSv1_2, "client_certificate_optional"), (ssl.TLSVersion.TLSv1_3, "client_certificate_required")],
)
def test_polite_close_after_the_handshake_is_a_refusal_where_it_comes_late(server, client, version, outcome):
    def script(connection):
        context = server_context(server, client, required=False, version=version)
        context.wrap_socket(connection, server_side=True).unwrap()

    assert probe(script, "mtls").outcome == outcome


def test_refusal_is_waited_for(server, client):
    def script(connection):
        context = server_context(server, client, required=False, version=ssl.TLSVersion.TLSv1_3)
        tls = context.wrap_socket(connection, server_side=True)
        time.sleep(TIMEOUT / 2)
        tls.unwrap()

    assert probe(script, "mtls").outcome == "client_certificate_required"


@pytest.mark.parametrize("version", VERSIONS)
def test_own_certificate_is_accepted_or_refused(server, client, version, tmp_path):
    unknown = make_certificate(tmp_path, "unknown.example")
    context = server_context(server, client, version=version)
    assert probe(tls_server(context), "mtls", certificate=unknown[0], key=unknown[1]).outcome == "certificate_refused"
    assert probe(tls_server(context), "mtls", certificate=client[0], key=client[1]).outcome == "complete"
    optional = server_context(server, client, required=False, version=version)
    found = probe(tls_server(optional), "mtls", certificate=client[0], key=client[1])
    assert found.outcome == "client_certificate_optional"


WANTED = (
    b"<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
    b"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Your  certificate\nis missing</text></stream:error>"
)


def wants_certificate(certificate, client=None):
    """Return the script of a server that ends the stream after TLS. client: it does so in TLS, for this client."""

    def script(connection):
        connection.recv(4096)
        connection.sendall(STREAM + features(OFFER))
        connection.recv(4096)
        connection.sendall(PROCEED)
        tls = server_context(certificate, client).wrap_socket(connection, server_side=True)
        tls.recv(4096)
        tls.sendall(STREAM + WANTED)
        tls.recv(4096)

    return script


def test_server_that_wants_a_certificate_is_no_failure(server, client):
    target = {"expect": "open"}
    found = probe(wants_certificate(server), "xmpp", **target)
    assert (found.outcome, found.detail) == ("not_authenticated", "not-authorized: Your certificate is missing")
    assert probe(wants_certificate(server, client), "xmpp").outcome == "not_authenticated"
    own = probe(wants_certificate(server), "xmpp", certificate=client[0], key=client[1])
    assert (own.outcome, own.detail) == ("xmpp_error", "not-authorized: Your certificate is missing")
    assert probe(replies(STREAM + WANTED), "xmpp").outcome == "xmpp_error"


def test_a_refused_stream_keeps_its_text():
    text = b"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Not here</text></stream:error>"
    found = probe(replies(STREAM + ERROR.replace(b"</stream:error>", text)), "xmpp")
    assert (found.outcome, found.detail) == ("xmpp_error", "host-unknown: Not here")


def test_trust_in_the_chain_of_a_server(server, monkeypatch):
    found = probe(xmpp_server(server), "xmpp")
    assert found.facts["tls"]["trusted"] is False
    assert "self" in found.facts["tls"]["distrust"]
    monkeypatch.setenv("SSL_CERT_FILE", server[0])
    assert probe(xmpp_server(server), "xmpp").facts["tls"]["trusted"] is True


def test_streams_without_tls():
    plain = replies(STREAM + features())
    assert probe(plain, "xmpp", tls="optional").outcome == "xmpp"
    assert probe(replies(STREAM + features(OFFER)), "xmpp", tls="none").outcome == "xmpp"
    assert probe(plain, "xmpp", tls="none").facts["starttls"] == "none"


def test_dialback_is_read_from_the_features():
    silent = STREAM.replace(b" xmlns:db='jabber:server:dialback'", b"")
    assert probe(replies(silent + features(OFFER)), "xmpp", tls="none").facts["dialback"] is False
    found = probe(replies(silent + features(OFFER, DIALBACK_OFFER)), "xmpp", tls="none")
    assert found.facts["dialback"] is True


def test_domains_in_the_form_that_each_protocol_has(server):
    seen = {}

    def script(connection):
        seen["header"] = connection.recv(4096).decode()
        connection.sendall(STREAM + features(OFFER))
        connection.recv(4096)
        connection.sendall(PROCEED)
        context = server_context(server)
        context.sni_callback = lambda _tls, name, _context: seen.update(name=name)
        context.wrap_socket(connection, server_side=True)

    for domain in ("b\u00fccher.example", "xn--bcher-kva.example"):
        probe(script, "xmpp", domain=domain, origin="xn--bcher-kva.test")
        assert "to='b\u00fccher.example'" in seen["header"].replace('"', "'")
        assert "from='b\u00fccher.test'" in seen["header"].replace('"', "'")
        assert seen.pop("name") == "xn--bcher-kva.example"
    probe(script, "xmpp", domain="", origin="")
    assert " from=" not in seen["header"] and " to=" not in seen["header"]


def expects_proxy(then):
    """Return the script of a server behind a load balancer."""

    def script(connection):
        if connection.recv(6, socket.MSG_PEEK) == b"PROXY ":
            line = b""
            while not line.endswith(b"\r\n"):
                line += connection.recv(1)
            then(connection)

    return script


def test_other_protocols_are_named(server):
    direct = tls_server(server_context(server))
    assert probe(direct, "xmpp").facts["speaks"] == "TLS"
    for first, name in (
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"),
        (b"220 mail ESMTP\r\n", "SMTP or FTP"),
        (b"SSH-2.0-x\r\n", "SSH"),
    ):
        assert probe(replies(first), "xmpp").facts["speaks"] == name
    assert probe(replies(STREAM), "mtls").facts["speaks"] == "XML without TLS"
    assert probe(expects_proxy(xmpp_server(server)), "xmpp").facts["speaks"] == "the PROXY protocol"
    assert probe(expects_proxy(direct), "mtls").facts["speaks"] == "the PROXY protocol"
    assert "speaks" not in probe(replies(b"", wait=False), "xmpp").facts


def test_stage_that_was_reached(server):
    def silent_after_proceed(connection):
        connection.recv(4096)
        connection.sendall(STREAM + features(OFFER))
        connection.recv(4096)
        connection.sendall(PROCEED)
        connection.recv(4096)
        time.sleep(5)

    found = probe(silent_after_proceed, "xmpp")
    assert (found.outcome, found.facts["stage"]) == ("timeout", "proceed")
    assert probe(xmpp_server(server), "xmpp").facts["stage"] == "features after TLS"


def test_missing_client_certificate(server, client):
    result = probe(tls_server(server_context(server, client)), "mtls", certificate="/nowhere.pem")
    assert result.outcome == "no_certificate"


@pytest.mark.parametrize("domain", ["edge..example", f"{'x' * 64}.example", "edge.example\0"])
def test_a_domain_that_tls_cannot_ask_for_is_one_outcome(server, client, domain):
    result = probe(tls_server(server_context(server, client)), "mtls", domain=domain)
    assert result.outcome == "bad_domain"


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (replies(STREAM), "no_tls"),
        (replies(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "no_tls"),
        (replies(b"", wait=False), "closed"),
        (lambda connection: time.sleep(5), "timeout"),
        (slow_tls, "timeout"),
    ],
)
def test_peer_without_tls(script, outcome):
    assert probe(script, "mtls").outcome == outcome


def test_level_tcp_sends_nothing_and_needs_no_answer():
    result = probe(lambda connection: time.sleep(5), "tcp")
    assert result.outcome == "open"
    assert 0 < result.latency < TIMEOUT


def test_port_without_listener():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert attempt(Target("127.0.0.1", port)).outcome == "refused"
    assert attempt(Target("127.0.0.1", port, source="198.18.77.7")).outcome == "no_source"


def test_attempts_run_in_parallel():
    with peer(lambda connection: time.sleep(5)) as port:
        targets = [Target("127.0.0.1", port, "xmpp", timeout=TIMEOUT)] * 100
        started = time.monotonic()
        attempts = attempt_all(targets)
    assert [entry.outcome for entry in attempts] == ["timeout"] * 100
    assert time.monotonic() - started < 50 * TIMEOUT


def test_a_host_without_a_family_has_no_route_there(monkeypatch):
    def no_family(*_arguments):
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(connection.socket, "socket", no_family)
    found = attempt(Target("2001:db8::1", 5269))
    assert (found.outcome, found.source) == ("no_route", None)


@pytest.mark.parametrize(("source", "outcome"), [(None, "no_route"), ("127.0.0.1", "no_source")])
def test_an_address_that_is_missing_is_told_only_where_one_was_asked_for(monkeypatch, source, outcome):
    class Socket(socket.socket):
        def connect(self, _address):
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

    monkeypatch.setattr(connection.socket, "socket", Socket)
    assert attempt(Target("127.0.0.1", 5269, source=source)).outcome == outcome
