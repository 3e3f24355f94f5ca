# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of hosts: misspelt ones are refused with the nearest name, others of the prefix are a warning."""

from __future__ import annotations

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import OptionError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.option_spec import OPTIONS
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.variables import (
    as_the_role_says,
    check_variables,
    names_in,
)

MISSPELT = {
    "xmpp_edge_frontend_networks": "front_end_networks",
    "xmpp_edge_front_ends": "front_end_networks",
    "xmpp_edge_partner_network": "partner_networks",
    "xmpp_edge_partner_domain": "partner_domains",
    "xmpp_edge_partners": "partner_domains or xmpp_edge_partner_networks",
    "xmpp_edge_partner": "partner_domains or xmpp_edge_partner_networks",
    "xmpp_edge_networks": "partner_networks or xmpp_edge_front_end_networks",
    "xmpp_edge_modus": "mode",
    "xmpp_edge_access_address": "access_addresses",
    "xmpp_edge_access_ips": "access_addresses",
    "xmpp_edge_access": "access_addresses",
    "xmpp_edge_external_addresses": "access_addresses",
    "xmpp_edge_public_ip": "access_addresses",
    "xmpp_edge_acces_adresses": "access_addresses",
    "xmpp_edge_internal": "internal_addresses",
    "xmpp_edge_internal_network": "front_end_networks or xmpp_edge_partner_networks or xmpp_edge_internal_addresses",
    "xmpp_edge_persistent": "persist",
    "xmpp_edge_federation_ports": "federation_port",
    "xmpp_edge_gatway_port": "gateway_port",
    "xmpp_edge_instal": "install",
    "xmpp_edge_ignored_variables": "ignore_variables",
    "xmpp_edge_row": "rows",
    "xmpp_edge_Mode": "mode",
    "xmpp_egde_mode": "mode",
    "xmp_edge_mode": "mode",
    "xmpp__edge_mode": "mode",
    "xmppedge_partner_networks": "partner_networks",
    "xmpp_edgepartner_networks": "partner_networks",
    "xmpp_edges_partner_networks": "partner_networks",
}
OTHERS = (
    "site",
    "status",
    "roles",
    "interface",
    "instance",
    "owner",
    "nodes",
    "domain",
    "domains",
    "hosts",
    "quota",
    "replacement_part",
)


@pytest.mark.parametrize(("name", "meant"), MISSPELT.items())
def test_a_misspelt_variable_is_refused_with_the_nearest_name(name, meant):
    with pytest.raises(
        OptionError, match=rf"^{name}: is no variable of the role; say xmpp_edge_{meant}, or list it in"
    ):
        check_variables({name: "any"}, (), ())
    assert check_variables({name: "any"}, (name,), ()) == []
    assert check_variables({name: "any"}, (), (name,)) == []


@pytest.mark.parametrize("rest", OTHERS)
def test_a_name_that_is_like_none_is_a_warning(rest):
    name = f"xmpp_edge_{rest}"
    (warning,) = check_variables({name: 1}, (), ())
    assert warning.startswith(f"{name}: is no variable of the role")
    assert check_variables({name: 1}, (name,), ()) == []


def test_a_variable_that_others_of_the_role_name_is_read():
    variables = {
        "xmpp_edge_partner_networks": "{{ xmpp_edge_partners | map(attribute='net') | list }}",
        "xmpp_edge_partners": "{{ xmpp_edge_partner | default([]) }}",
        "xmpp_edge_partner": [{"net": "198.18.7.0/24"}],
    }
    assert check_variables(variables, (), ()) == []
    del variables["xmpp_edge_partner_networks"]
    with pytest.raises(OptionError, match=r"^xmpp_edge_partner: is no variable of the role"):
        check_variables(variables, (), ())


def test_what_others_read_is_not_named():
    known = {f"xmpp_edge_{option}": 1 for option in OPTIONS}
    others = ["install", "ignore_variables", "of", "verify_timeout", "verify_anything", "rehearse_hosts"]
    elsewhere = ["xmpp_domain", "prosody_mode", "ansible_host", "xmpp_mode", "edge_mode", "groups"]
    elsewhere += ["xmpp_edge1_mode", "xmpp_edge2_rows", "xmpp_hedge_mode", "xmppd_edge_mode"]
    variables = {**known, **{f"xmpp_edge_{name}": 1 for name in others}, **dict.fromkeys(elsewhere)}
    assert check_variables(variables, (), ()) == []


def test_a_registered_result_is_no_option():
    results = {"xmpp_edge_result": {"changed": False, "rows": {}}, "xmpp_edge_modes": {"changed": True, "results": []}}
    assert check_variables(results, (), ()) == []
    with pytest.raises(OptionError):
        check_variables({"xmpp_edge_modes": {"permit": True}}, (), ())


@pytest.mark.parametrize("value", [["a", "b"], "a,b", "a b", "a, b", ("a", "b")])
def test_names_in_a_list_or_a_text(value):
    assert names_in("xmpp_edge_ignore_variables", value) == ["a", "b"]


@pytest.mark.parametrize("value", [7, None, [1], {"a": 1}])
def test_what_is_no_list_of_names_is_refused(value):
    with pytest.raises(OptionError, match=r"^xmpp_edge_ignore_variables: .*list names of variables"):
        names_in("xmpp_edge_ignore_variables", value)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("access_addresses: is missing; list", "xmpp_edge_access_addresses: is missing; list"),
        ("say mode: permit or backend: ufw", "say xmpp_edge_mode: permit or xmpp_edge_backend: ufw"),
        ("stands in access_addresses too", "stands in xmpp_edge_access_addresses too"),
        ("run as root (become: true)", "run as root (become: true)"),
        ("the mode of the table and its state", "the mode of the table and its state"),
        ("ip daddr @access_addresses_ipv4 accept", "ip daddr @access_addresses_ipv4 accept"),
        ("/etc/mode: y and x_access_addresses", "/etc/mode: y and x_access_addresses"),
        ("xmpp_edge_install: false", "xmpp_edge_install: false"),
        ('chain x: log prefix "mode: " drop', 'chain x: log prefix "mode: " drop'),
        ("partner_networks: 'mode: x' is no", "xmpp_edge_partner_networks: 'mode: x' is no"),
        (
            "the Front End's networks in front_end_networks.",
            "the Front End's networks in xmpp_edge_front_end_networks.",
        ),
    ],
)
def test_messages_name_options_as_the_role_does(message, said):
    assert as_the_role_says(message) == said
    assert as_the_role_says(said) == said
