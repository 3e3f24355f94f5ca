# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Topologies of the product: what becomes of them, each trap, and documents that are none."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.cs_topology import import_topology
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.options import parse_options
from hypothesis import given
from hypothesis import strategies as st

POOL = (Path(__file__).parent / "topologies" / "pool.xml").read_text()
XMPP_PORTS = re.compile(r"\s*<Port Owner=\"urn:component:XmppFederationProxy\"[^>]*/>")
EDGE1 = {
    "xmpp_edge_access_addresses": ["10.30.0.7", "2001:db8:100::7"],
    "xmpp_edge_internal_addresses": ["10.20.0.7"],
    "xmpp_edge_verify_public_addresses": ["198.51.100.7", "2001:db8:100::7"],
}
EDGE2 = {"xmpp_edge_access_addresses": ["198.51.100.8"], "xmpp_edge_internal_addresses": ["10.20.0.8"]}


def refused(document):
    """Return the sentence that refuses a document."""
    with pytest.raises(EdgeError) as error:
        import_topology(document)
    return str(error.value)


def test_servers_of_a_pool_become_hosts():
    found = import_topology(POOL)
    assert found.edges == {"edge1.example.net": EDGE1, "edge2.example.net": EDGE2}
    assert found.front_ends == ["fe1.example.net", "fe2.example.net"]
    assert found.notes == [
        "xmpp_edge_front_end_networks: is not set, so that any may use the gateway port; name the addresses of "
        "fe1.example.net, fe2.example.net"
    ]


def test_the_variables_are_taken_by_the_role():
    for variables in import_topology(POOL).edges.values():
        options = {name[len("xmpp_edge_") :]: value for name, value in variables.items() if "verify" not in name}
        assert len(parse_options(options).rows) == 3


@pytest.mark.parametrize(
    "encoded",
    [
        POOL.encode(),
        codecs.BOM_UTF8 + POOL.encode(),
        POOL.encode("utf-16"),
        codecs.BOM_UTF16_BE + POOL.encode("utf-16-be"),
        POOL.encode("utf-16-le"),
        POOL.encode("utf-16-be"),
        b"\r\n" + POOL.encode(),
        # What a document says of itself is not what PowerShell has written it in.
        ('<?xml version="1.0" encoding="utf-8"?>\n' + POOL).encode("utf-16"),
        ('<?xml version="1.0" encoding="utf-16"?>\r\n' + POOL).encode(),
        "\ufeff" + POOL,
        '<?xml version="1.0" encoding="utf-16"?>' + POOL,
    ],
)
def test_encodings_are_told_apart(encoded):
    assert set(import_topology(encoded).edges) == {"edge1.example.net", "edge2.example.net"}


def test_a_document_of_topology_builder_has_the_topology_within():
    within = f'<TopologyDocument xmlns="urn:x"><Status /><t:Topology xmlns:t="urn:y"/>{POOL}</TopologyDocument>'
    assert len(import_topology(within).edges) == 2
    assert "the document has 2 topologies" in refused(f"<All>{POOL}{POOL}</All>")


def test_other_ports_are_variables():
    found = import_topology(POOL.replace('Port="5269"', 'Port="5270"').replace('Port="23456"', 'Port="23457"'))
    for variables in found.edges.values():
        assert (variables["xmpp_edge_federation_port"], variables["xmpp_edge_gateway_port"]) == (5270, 23457)


def test_the_port_of_the_registrar_is_asked_about():
    found = import_topology(POOL.replace('Port="23456"', 'Port="5098"'))
    assert found.edges["edge2.example.net"]["xmpp_edge_gateway_port"] == 5098
    assert (
        "edge.example.net: its gateway port is 5098, that of the Front End's Registrar; see whether 23456 is meant"
        in (found.notes)
    )


def test_a_pool_without_federation_is_left_out():
    second = POOL.replace('Number="2"', 'Number="3"').replace('Instance="1"', 'Instance="2"').replace("edge", "other")
    second = XMPP_PORTS.sub("", second).replace("Edge1", "other1")
    clusters = re.search(r"<Cluster [^>]*other\.example\.net.*?</Cluster>", second, re.DOTALL)[0]
    service = re.search(
        r"<Service [^>]*otherService.*?</Service>|<Service [^>]*EdgeService.*?</Service>", second, re.DOTALL
    )[0]
    both = POOL.replace("</Clusters>", f"{clusters}</Clusters>").replace("</Services>", f"{service}</Services>")
    found = import_topology(both)
    assert set(found.edges) == {"edge1.example.net", "edge2.example.net"}
    off = "other.example.net: XMPP federation is off there, so it is left out; Set-CsEdgeServer switches it on"
    assert off in found.notes
    assert "the topology has no edge to import: edge.example.net: XMPP federation is off there" in refused(
        XMPP_PORTS.sub("", POOL)
    )


def test_a_server_that_says_all_addresses_is_left_out():
    found = import_topology(POOL.replace('IPAddress="10.20.0.7"', 'IPAddress="0.0.0.0"'))
    assert set(found.edges) == {"edge2.example.net"}
    assert found.notes[0] == (
        "edge1.example.net: xmpp_edge_internal_addresses: '0.0.0.0' of its Internal interface 1 means all addresses; "
        "name them, and add the host to the inventory yourself"
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('IPAddress="10.20.0.7"', 'IPAddress=""', "its Internal interface 1 has no address in the topology"),
        ('IPAddress="10.20.0.7"', 'IPAddress="10.20.0"', "xmpp_edge_internal_addresses: '10.20.0'"),
        ('InterfaceSide="Internal" InterfaceNumber="1" IP', 'InterfaceSide="Inner" InterfaceNumber="1" IP', "no edge"),
    ],
)
def test_servers_without_usable_addresses_are_named(old, new, words):
    changed = POOL.replace(old, new)
    try:
        told = " ".join(import_topology(changed).notes)
    except EdgeError as error:
        told = str(error)
    assert words in told


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("", "the topology is empty"),
        (b"\xef\xbb\xbf \n", "the topology is empty"),
        ("hosts: []", "the topology is no XML, line 1: syntax error"),
        (POOL[:-20], "the topology is no XML, line "),
        ("<Inventory/>", "the document has no topology, its root is 'Inventory'"),
        ("<Topology><Clusters/><Services/></Topology>", "the topology has no Edge pool"),
        (b"\xff\xfe<\0T", "the topology is no text in utf-16"),
        (b"<Topology>\xff</Topology>", "the topology is no text in utf-8; save it as UTF-8 or UTF-16"),
        (f"<!DOCTYPE Topology [<!ENTITY a 'b'>]>{POOL}", "the topology has a document type"),
        ("<a>" * 100 + "</a>" * 100, "more than 64 elements within each other"),
        (POOL.replace('Port="5269"', 'Port="70000"'), "its XMPP proxy has the port '70000', which is no TCP port"),
        (POOL.replace('Port="5269"', f'Port="{"1" * 5000}"'), "which is no TCP port"),
        (POOL.replace("</Services>", "<Service><ServiceId/></Service>" * 2 + "</Services>"), "two of the service"),
        (POOL.replace('Number="1"', 'Number="2"'), "the topology has two of the pool '1-2'; publish it anew"),
        (f"<Topology>{'<a/>' * 300_000}</Topology>", "the topology has more than 200000 elements"),
        (
            re.sub(r"<Machine Ord[^>]*dge.*?</Machine>", "", POOL, flags=re.DOTALL),
            "edge.example.net: has no servers in",
        ),
        (POOL.replace('Fqdn="Edge1.example.net"', 'Fqdn="a b"'), "the topology has a Machine with the Fqdn 'a b'"),
        (POOL.replace('<ClusterId SiteId="1" Number="2" />', ""), "on a pool that it does not have"),
        (XMPP_PORTS.sub("", POOL, count=1), "its XMPP proxy has no port on the External side"),
    ],
)
def test_documents_that_are_none_are_refused_in_one_sentence(document, words):
    told = refused(document)
    assert words in told
    assert "\n" not in told


def test_a_document_without_end_is_not_read():
    assert "the topology is longer than" in refused("<Topology>" + " " * 17_000_000)


@given(st.integers(0, len(POOL)), st.text(max_size=8), st.integers(0, 40))
def test_damage_is_an_import_or_a_sentence(place, put, cut):
    try:
        import_topology(POOL[:place] + put + POOL[place + cut :])
    except EdgeError as error:
        assert "\n" not in str(error)
