# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of rehearsals: who stands around the edges, with which addresses, and by which routes they are reached."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import OptionError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rehearse.casting import sampled
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rehearse.plan import clashes, plan_rehearsal
from ansible_collections.xmpp.edge.plugins.module_utils._edge.rehearse.subject import read_subject
from hypothesis import given
from hypothesis import strategies as st

TWO_SIDES = {
    "xmpp_edge_access_addresses": ["198.51.100.7", "2001:db8:100::7"],
    "xmpp_edge_internal_addresses": ["10.20.0.7"],
    "xmpp_edge_partner_networks": ["203.0.113.0/24", "2001:db8:5::/48", "192.0.2.9"],
    "xmpp_edge_front_end_networks": ["10.20.1.0/24"],
}
ONE_SIDE = {
    "xmpp_edge_rows": ["federation_in", "federation_out"],
    "xmpp_edge_access_addresses": ["198.51.100.9"],
}


def plan(hosts, backend="auto", most=8):
    """Return the plan for hosts by group, each with its variables."""
    groups = {group: list(members) for group, members in hosts.items()}
    variables = {name: one for members in hosts.values() for name, one in members.items()}
    return plan_rehearsal(read_subject(groups, variables), "test", backend, most)


def extras(planned):
    """Return the hosts around the edges by name."""
    return {one["name"]: one for one in planned["cast"]}


def variables_of(planned):
    """Return the variables of each host of the rehearsal."""
    groups = planned["inventory"]["all"]["children"]
    return {name: one for group in groups.values() for name, one in group["hosts"].items()}


def commands_of(planned, name):
    """Return the commands of a host."""
    return next(host["commands"] for host in planned["hosts"] if host["name"] == name)


def test_each_listed_network_has_a_host_in_each_family_of_the_edge():
    found = extras(plan({"xmpp_edge": {"edge": TWO_SIDES}}))
    assert [one["stands_for"] for one in found.values()] == [
        *("203.0.113.0/24", "192.0.2.9", "2001:db8:5::/48", "10.20.1.0/24", "none", "none")
    ]
    assert found["partner-2"]["addresses"][0] == "192.0.2.9"
    for name, one in found.items():
        families = [4, 6] if name.startswith(("partner", "outsider")) else [4]
        assert sorted(ipaddress.ip_address(address).version for address in one["addresses"]) == families


@given(
    st.lists(
        st.builds(
            lambda number, length: str(ipaddress.ip_network((number, length), strict=False)),
            st.integers(int(ipaddress.ip_address("11.0.0.0")), int(ipaddress.ip_address("126.255.255.255"))),
            st.integers(8, 32),
        ),
        min_size=1,
        max_size=12,
        unique=True,
    )
)
def test_addresses_are_in_their_networks_and_each_is_that_of_one_host(networks):
    options = {**TWO_SIDES, "xmpp_edge_partner_networks": networks}
    planned = plan({"xmpp_edge": {"edge": options}}, most=20)
    found = extras(planned)
    listed = [ipaddress.ip_network(network) for network in networks]
    taken = ["198.51.100.7", "2001:db8:100::7", "10.20.0.7"]
    for one in found.values():
        taken += one["addresses"]
        if "." in one["stands_for"] and "10.20.1" not in one["stands_for"]:
            assert ipaddress.ip_address(one["addresses"][0]) in ipaddress.ip_network(one["stands_for"])
    assert len(taken) == len(set(taken))
    for name in ("outsider", "intruder"):
        own = [ipaddress.ip_address(address) for address in found[name]["addresses"]]
        assert not any(
            address in network for address in own for network in listed if network.version == address.version
        )


def test_long_lists_are_sampled_and_a_note_says_so():
    networks = [f"203.0.{number}.0/24" for number in range(100)]
    planned = plan({"xmpp_edge": {"edge": {**TWO_SIDES, "xmpp_edge_partner_networks": networks}}}, most=8)
    partners = [one["stands_for"] for name, one in extras(planned).items() if name.startswith("partner")]
    assert len(partners) == 8
    assert (partners[0], partners[-1]) == (networks[0], networks[-1])
    assert planned["notes"] == [
        "partner_networks: 8 of 100 networks of IPv4 have a host here, spread over the list; the others have none"
    ]


@given(st.lists(st.integers(), unique=True, min_size=1, max_size=60), st.integers(1, 70))
def test_a_sample_is_in_order_and_has_both_ends(everything, most):
    chosen = sampled(everything, most)
    assert len(chosen) == min(most, len(everything)) == len(set(chosen))
    assert chosen == [one for one in everything if one in chosen]
    assert chosen[0] == everything[0]
    assert most == 1 or chosen[-1] == everything[-1]


def test_any_gets_a_host_in_no_list():
    planned = plan({"xmpp_edge": {"open": ONE_SIDE, "narrow": {**ONE_SIDE, **narrow("100.64.0.0/10")}}})
    found = extras(planned)
    assert found["partner-1"]["stands_for"] == "any"
    assert found["partner-1"]["addresses"] == ["198.19.0.10"]
    assert "intruder" not in found


def narrow(network):
    """Return the variables of another edge that lists one network."""
    return {"xmpp_edge_access_addresses": ["198.51.100.10"], "xmpp_edge_partner_networks": [network]}


def test_lists_that_leave_no_address_are_told():
    everything = ["0.0.0.0/1", "128.0.0.0/1"]
    planned = plan({"xmpp_edge": {"edge": {**ONE_SIDE, "xmpp_edge_partner_networks": everything}}})
    assert "outsider: has no address of IPv4, since the lists leave none" in planned["notes"]
    assert "outsider" not in extras(planned)


def test_an_edge_with_one_address_for_both_sides_has_one_link():
    both = {**TWO_SIDES, "xmpp_edge_internal_addresses": ["198.51.100.7"]}
    planned = plan({"xmpp_edge": {"edge": both}})
    assert [device for _parent, _up, child, device in planned["links"] if child == "test-1"] == ["external"]


def test_an_address_of_a_failover_is_that_of_the_first_edge():
    shared = {**ONE_SIDE, "xmpp_edge_access_addresses": ["198.51.100.9", "198.51.100.10"]}
    other = {**ONE_SIDE, "xmpp_edge_access_addresses": ["198.51.100.9", "198.51.100.11"]}
    planned = plan({"xmpp_edge": {"one": shared, "two": {**other, "xmpp_edge_allow_absent_addresses": True}}})
    assert any("add 198.51.100.9/32" in one for one in commands_of(planned, "one"))
    assert variables_of(planned)["two"]["xmpp_edge_access_addresses"] == ["198.51.100.11"]
    assert planned["notes"] == ["two: 198.51.100.9 is at one here, and left out"]


def test_an_edge_that_has_nothing_but_an_address_of_another_is_left_out():
    standby = {**ONE_SIDE, "xmpp_edge_allow_absent_addresses": True}
    router = {"xmpp_edge_placement": "firewall", "xmpp_edge_of": "active, standby"}
    planned = plan({"xmpp_edge": {"active": ONE_SIDE, "standby": standby}, "xmpp_firewall": {"router": router}})
    assert "standby" not in variables_of(planned)
    assert variables_of(planned)["router"]["xmpp_edge_of"] == ["active"]
    assert planned["notes"] == [
        "standby: 198.51.100.9 is at active here, so this edge is left out",
        "router: standby of its xmpp_edge_of is not rehearsed, and left out of it",
    ]


def test_routers_stand_between_the_world_and_their_edges():
    planned = plan(
        {
            "xmpp_edge": {"edge": TWO_SIDES},
            "xmpp_firewall": {
                "inner": {
                    "xmpp_edge_placement": "firewall",
                    "xmpp_edge_of": ["edge"],
                    "xmpp_edge_rows": ["gateway_in"],
                },
                "outer": {
                    "xmpp_edge_placement": "firewall",
                    "xmpp_edge_of": ["edge"],
                    "xmpp_edge_rows": ["federation_in", "federation_out"],
                },
                "all": {"xmpp_edge_placement": "firewall", "xmpp_edge_of": ["edge"]},
                "other": {},
            },
            "xmpp_front_end": {"pool": {"xmpp_edge_placement": "front_end", "xmpp_edge_of": ["edge"]}},
        }
    )
    names = {host["container"]: host["name"] for host in planned["hosts"]}
    parents = {(names[child], device): names[parent] for parent, _up, child, device in planned["links"]}
    assert parents["all", "uplink"] == "the world"
    assert parents["outer", "uplink"] == parents["inner", "uplink"] == "all"
    assert (parents["edge", "external"], parents["edge", "internal"]) == ("outer", "inner")
    assert extras(planned)["pool"]["stands_for"] == "10.20.1.0/24"
    assert "other" not in names.values()
    assert [host["name"] for host in planned["hosts"] if host["routes"]] == ["the world", "inner", "outer", "all"]
    assert variables_of(planned)["pool"]["xmpp_edge_of"] == ["edge"]


FEDERATION = {"xmpp_edge_placement": "firewall", "xmpp_edge_rows": ["federation_in", "federation_out"]}
ALL_ROWS = {"xmpp_edge_placement": "firewall"}


def parents_in(planned):
    """Return the host towards the world of each host and device."""
    names = {host["container"]: host["name"] for host in planned["hosts"]}
    return {(names[child], device): names[parent] for parent, _up, child, device in planned["links"]}


def test_a_router_of_one_edge_stands_behind_that_of_several():
    second = {
        **TWO_SIDES,
        "xmpp_edge_access_addresses": ["198.51.100.8"],
        "xmpp_edge_internal_addresses": ["10.20.0.8"],
    }
    routers = {"ra": {**FEDERATION, "xmpp_edge_of": ["e1", "e2"]}, "rb": {**ALL_ROWS, "xmpp_edge_of": ["e1"]}}
    planned = plan({"xmpp_edge": {"e1": TWO_SIDES, "e2": second}, "xmpp_firewall": routers})
    parents = parents_in(planned)
    assert (parents["e1", "external"], parents["rb", "uplink"], parents["ra", "uplink"]) == ("rb", "ra", "the world")
    assert planned["notes"] == []


def test_a_router_that_nothing_passes_is_told():
    edges = {f"e{number}": {**ONE_SIDE, "xmpp_edge_access_addresses": [f"198.51.100.{number}"]} for number in (1, 2, 3)}
    routers = {"ra": {**FEDERATION, "xmpp_edge_of": ["e1", "e2"]}, "rb": {**FEDERATION, "xmpp_edge_of": ["e2", "e3"]}}
    planned = plan({"xmpp_edge": edges, "xmpp_firewall": routers})
    assert planned["notes"] == [
        "ra: is not on the way to the external addresses of e2 here, so nothing shows that it lets those packets pass"
    ]


def test_all_front_ends_have_a_place():
    pool = {f"f{number}": {"xmpp_edge_placement": "front_end", "xmpp_edge_of": ["edge"]} for number in (1, 2, 3)}
    planned = plan({"xmpp_edge": {"edge": TWO_SIDES}, "xmpp_front_end": pool})
    network = ipaddress.ip_network("10.20.1.0/24")
    addresses = [ipaddress.ip_address(extras(planned)[name]["addresses"][0]) for name in pool]
    assert len(set(addresses)) == 3
    assert all(address in network for address in addresses)
    full = {**TWO_SIDES, "xmpp_edge_front_end_networks": ["10.20.1.9"]}
    assert plan({"xmpp_edge": {"edge": full}, "xmpp_front_end": pool})["notes"] == [
        f"f{number}: has no place here, since no address of its list is free" for number in (2, 3)
    ]


def test_what_is_not_to_carry_the_table_is_left_out():
    gone = {**ONE_SIDE, "xmpp_edge_state": "absent"}
    router = {**FEDERATION, "xmpp_edge_of": ["gone"]}
    planned = plan({"xmpp_edge": {"edge": TWO_SIDES, "gone": gone}, "xmpp_firewall": {"router": router}})
    assert {"gone", "router"} & set(variables_of(planned)) == set()
    assert planned["notes"] == [
        "gone: xmpp_edge_state is absent, so it is left out here",
        "router: none of its edges is rehearsed, so it is left out here",
    ]


def test_containers_of_another_plan_are_told_apart():
    digests = {
        plan({"xmpp_edge": {"edge": options}})["digest"]
        for options in (TWO_SIDES, {**TWO_SIDES, "xmpp_edge_partner_networks": ["203.0.113.128/25"]}, ONE_SIDE)
    }
    assert len(digests) == 3
    assert plan({"xmpp_edge": {"edge": TWO_SIDES}})["digest"] in digests


def test_a_host_may_be_called_like_the_world():
    planned = plan({"xmpp_edge": {"world": TWO_SIDES}})
    assert [host["name"] for host in planned["hosts"]][:2] == ["the world", "world"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"most": 0}, "xmpp_edge_rehearse_most: 0 leaves every listed network without a host; say 1 or more"),
        ({"name": ""}, "xmpp_edge_rehearse_name: '' is no beginning of a container's name; say one like my-edges"),
        ({"name": "a b"}, "xmpp_edge_rehearse_name: 'a b' is no beginning"),
    ],
)
def test_options_are_checked(given, words):
    subject = read_subject({"xmpp_edge": ["edge"]}, {"edge": TWO_SIDES})
    with pytest.raises(OptionError) as refused:
        plan_rehearsal(subject, **{"name": "test", "backend": "auto", "most": 8, **given})
    assert words in str(refused.value)


def reached(planned, start, target):
    """Return the name of the host that a packet gets to by the routes, hop by hop."""
    names = {host["container"]: host["name"] for host in planned["hosts"]}
    ends = {}
    for parent, up, child, device in planned["links"]:
        ends[names[parent], up], ends[names[child], device] = names[child], names[parent]
    host = start
    for _hop in range(10):
        lines = [line.split() for line in commands_of(planned, host)]
        if any(line[:2] == ["address", "add"] and line[2].partition("/")[0] == target for line in lines):
            return host
        routes = [line for line in lines if line[:2] == ["route", "add"] and line[2] in (target, "default")]
        same = [line for line in routes if line[2] == target or (":" in line[4]) == (":" in target)]
        way = min(same, key=lambda line: line[2] == "default")
        host = ends[host, way[way.index("dev") + 1]]
    return None


def test_every_host_is_reached_from_every_other():
    planned = plan(
        {
            "xmpp_edge": {"edge": TWO_SIDES, "second": {**ONE_SIDE, **narrow("203.0.113.0/24")}},
            "xmpp_firewall": {"outer": {"xmpp_edge_placement": "firewall", "xmpp_edge_of": ["edge", "second"]}},
        }
    )
    edges = {"edge": ["198.51.100.7", "2001:db8:100::7", "10.20.0.7"], "second": ["198.51.100.10"]}
    others = {name: one["addresses"] for name, one in extras(planned).items()}
    for name, addresses in {**edges, **others}.items():
        for address in addresses:
            for start, own in {**edges, **others}.items():
                if any((":" in one) == (":" in address) for one in own):
                    assert reached(planned, start, address) == name, (start, address)


def test_nothing_of_a_real_host_but_its_role_variables_is_handed_on():
    given_to_edge = {
        **TWO_SIDES,
        "ansible_host": "edge.example.net",
        "ansible_connection": "psrp",
        "ansible_password": "secret",
        "other": 1,
        "xmpp_edge_backend": "ufw",
        "xmpp_edge_metrics_file": "/var/lib/collector/edge.prom",
        "xmpp_edge_verify_public_addresses": ["203.0.113.7"],
    }
    planned = plan({"xmpp_edge": {"edge": given_to_edge}})
    variables = variables_of(planned)["edge"]
    assert variables["ansible_host"] == "test-1"
    kept = {name for name in given_to_edge if name.startswith("xmpp_edge_")}
    kept -= {"xmpp_edge_metrics_file", "xmpp_edge_verify_public_addresses"}
    assert set(variables) == kept | {"ansible_host", "xmpp_edge_install"}
    assert planned["inventory"]["all"]["vars"]["ansible_connection"] == "containers.podman.podman"
    assert len(planned["notes"]) == 3
    assert {host["manager"] for host in planned["hosts"]} == {"", "ufw"}


def test_another_manager_than_the_inventory_s_is_left_to_be_found():
    planned = plan({"xmpp_edge": {"edge": {**TWO_SIDES, "xmpp_edge_backend": "ufw"}}}, backend="firewalld")
    assert "xmpp_edge_backend" not in variables_of(planned)["edge"]
    assert {host["manager"] for host in planned["hosts"]} == {"", "firewalld"}


def test_a_network_of_this_machine_is_told():
    planned = plan({"xmpp_edge": {"edge": TWO_SIDES}})
    assert clashes(planned, [("eth0", "10.20.0.1/24"), ("eth1", "172.16.0.1/12"), ("eth2", "2001:db8:100::1/64")]) == [
        "10.20.0.7: this machine has 10.20.0.1/24 on eth0; no packet of the rehearsal gets there",
        "2001:db8:100::7: this machine has 2001:db8:100::1/64 on eth2; no packet of the rehearsal gets there",
    ]


def test_names_that_the_inventory_has_are_not_given_again():
    planned = plan({"xmpp_edge": {"partner-1": TWO_SIDES}, "others": {"outsider": {}}})
    assert "partner-1" not in extras(planned)
    assert {"partner-2", "partner-3", "partner-4", "outsider-1"} <= set(extras(planned))


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        ({}, "xmpp_edge: has no hosts; put the edges into this group of the inventory"),
        ({"xmpp_edge": {"edge": {}}}, "edge: xmpp_edge_access_addresses: "),
        (
            {"xmpp_edge": {"edge": {**TWO_SIDES, "xmpp_edge_partner_network": ["192.0.2.0/24"]}}},
            "edge: xmpp_edge_partner_network: is no variable of the role; say xmpp_edge_partner_networks",
        ),
        ({"xmpp_edge": {"edge": {**TWO_SIDES, "xmpp_edge_state": "absent"}}}, "xmpp_edge: has no hosts that carry"),
        (
            {"xmpp_edge": {"edge": {**TWO_SIDES, "xmpp_edge_partner_networks": ["203.0.113.1/24"]}}},
            "edge: xmpp_edge_partner_networks: '203.0.113.1/24' has host bits set",
        ),
        (
            {
                "xmpp_edge": {"edge": TWO_SIDES},
                "xmpp_firewall": {"r": {"xmpp_edge_placement": "firewall", "xmpp_edge_of": ["x"]}},
            },
            "r: xmpp_edge_of: 'x' is no host of the inventory",
        ),
    ],
)
def test_mistakes_are_told_as_everywhere(hosts, words):
    with pytest.raises(OptionError) as refused:
        plan(hosts)
    assert words in str(refused.value)
