# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edges of a Lync or Skype for Business topology, as variables of the role.

Source: the shape of what Get-CsTopology -AsXml prints, and of the documents of Topology Builder. An Edge service has
XMPP federation switched on exactly when it has the two ports of the component XmppFederationProxy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, TypeVar, Union

from ..model.addresses import family_of
from ..model.errors import EdgeError, OptionError, shown
from ..model.port_table import ACCESS, DEFAULT_PORTS, FRONT_ENDS, INTERNAL, PORT_TABLE
from .address_input import parse_address, text_of
from .scalars import number_of
from .topology_document import REMEDY, Element, read_document
from .variables import PREFIX

_ROOT = "Topology"
_EDGE_ROLE, _REGISTRAR_ROLE = "EdgeServer", "Registrar"
_XMPP_PROXY = "urn:component:XmppFederationProxy"
_EXTERNAL, _INTERNAL = "External", "Internal"
_ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104 (what the product writes for all addresses)
_REGISTRAR_PORT = 5098
"""Port of the Front End's Registrar for XMPP, which the page of Set-CsEdgeServer names for the gateway's."""

_PORT_OPTION = {
    side: next(row.port_option for row in PORT_TABLE if row.local is endpoint)
    for side, endpoint in ((_EXTERNAL, ACCESS), (_INTERNAL, INTERNAL))
}

ServiceId = Tuple[str, str, str]
"""Site, role and instance of a service."""
ClusterId = Tuple[str, str]
"""Site and number of a cluster, which administrators call a pool."""
_Id = TypeVar("_Id", ServiceId, ClusterId)


@dataclass(frozen=True)
class Import:
    """What a topology has for an inventory.

    edges: the variables of the role for each host with XMPP federation, by its name; front_ends: names of the servers
    of the Front End pools that these edges are for; notes: sentences for the administrator.
    """

    edges: Mapping[str, Mapping[str, Any]]
    front_ends: Sequence[str]
    notes: Sequence[str]


def import_topology(document: Union[str, bytes]) -> Import:
    """Return the edges of a topology. Raises EdgeError where it has none that the table can be applied to."""
    return _Reader(_topology_in(read_document(document))).run()


def _topology_in(root: Element) -> Element:
    """Return the topology of a document, which in those of Topology Builder is within other elements."""
    found = [root] if root.name == _ROOT else [one for one in root.within(_ROOT) if one.first("Services")]
    if not found:
        raise EdgeError(f"the document has no topology, its root is {shown(root.name)}; {REMEDY}")
    if len(found) > 1:
        raise EdgeError(f"the document has {len(found)} topologies; {REMEDY}, which has one")
    return found[0]


class _Reader:
    """The clusters and services of one topology, and the notes so far."""

    def __init__(self, topology: Element) -> None:
        self.clusters = _by_id("pool", [(_cluster_of(one), one) for one in topology.within("Cluster")])
        self.services = _by_id("service", [(_service_of(one), one) for one in topology.within("Service")])
        self.notes: List[str] = []

    def run(self) -> Import:
        """Return what there is to import."""
        edge_services = [one for key, one in self.services.items() if key[1] == _EDGE_ROLE]
        if not edge_services:
            raise EdgeError("the topology has no Edge pool; give one of a deployment that has an Edge Server")
        edges: Dict[str, Mapping[str, Any]] = {}
        front_ends: List[str] = []
        for service in edge_services:
            ports = self._ports(service)
            if ports is None:
                continue
            found = dict(self._edges(service, ports))
            twice = sorted(set(found) & set(edges))
            if twice:
                raise EdgeError(f"the topology has {shown(twice[0])} in two Edge pools; a server is in one")
            edges.update(found)
            front_ends += [name for name in self._front_ends(service) if name not in front_ends]
        if not edges:
            raise EdgeError(f"the topology has no edge to import: {'; '.join(self.notes)}")
        if front_ends and any(PREFIX + INTERNAL.option in one for one in edges.values()):
            self.notes.append(
                f"{PREFIX}{FRONT_ENDS.option}: is not set, so that any may use the gateway port; name the addresses of "
                f"{', '.join(front_ends)}"
            )
        return Import(edges, front_ends, self.notes)

    def _ports(self, service: Element) -> Optional[Dict[str, Tuple[int, str]]]:
        """Return port and interface number of each side of the XMPP proxy, None where an Edge service has none."""
        pool = self._pool(service)
        found: Dict[str, Tuple[int, str]] = {}
        for port in service.within("Port"):
            side = port.attributes.get("InterfaceSide", "")
            if port.attributes.get("Owner") == _XMPP_PROXY and side in _PORT_OPTION:
                found[side] = _port_number(port, pool), port.attributes.get("InterfaceNumber", "1")
        if not found:
            self.notes.append(
                f"{pool}: XMPP federation is off there, so it is left out; Set-CsEdgeServer switches it on"
            )
            return None
        missing = [side for side in _PORT_OPTION if side not in found]
        if missing:
            raise EdgeError(f"{pool}: its XMPP proxy has no port on the {missing[0]} side; publish the topology anew")
        if found[_INTERNAL][0] == _REGISTRAR_PORT:
            self.notes.append(
                f"{pool}: its gateway port is {_REGISTRAR_PORT}, that of the Front End's Registrar; see whether "
                f"{DEFAULT_PORTS[_PORT_OPTION[_INTERNAL]]} is meant"
            )
        return found

    def _edges(self, service: Element, ports: Mapping[str, Tuple[int, str]]) -> Iterator[Tuple[str, Mapping[str, Any]]]:
        """Yield the servers of an Edge pool with their variables. One whose addresses are not known is left out."""
        numbers = {_PORT_OPTION[side]: port for side, (port, _interface) in ports.items()}
        given = {PREFIX + option: port for option, port in numbers.items() if port != DEFAULT_PORTS[option]}
        machines = self._machines(service)
        if not machines:
            self.notes.append(f"{self._pool(service)}: has no servers in the topology")
        for machine in machines:
            name = _name_of(machine)
            try:
                access, public = self._addresses(machine, _EXTERNAL, ports[_EXTERNAL][1], ACCESS.option)
                inside, _public = self._addresses(machine, _INTERNAL, ports[_INTERNAL][1], INTERNAL.option)
            except OptionError as error:
                self.notes.append(f"{name}: {error}, and add the host to the inventory yourself")
                continue
            variables: Dict[str, Any] = {PREFIX + ACCESS.option: access, PREFIX + INTERNAL.option: inside}
            if public and public != access:
                variables[f"{PREFIX}verify_public_addresses"] = public
            yield name, {**variables, **given}

    def _addresses(self, machine: Element, side: str, number: str, option: str) -> Tuple[List[str], List[str]]:
        """Return the addresses of an interface, and those that the world dials for them. Raises OptionError."""
        title = f"its {side} interface {number}"
        interfaces = [
            one
            for one in machine.within("NetInterface")
            if (one.attributes.get("InterfaceSide"), one.attributes.get("InterfaceNumber", "1")) == (side, number)
        ]
        own: List[str] = []
        public: List[str] = []
        for interface in interfaces:
            for attribute in ("IPAddress", "IPv6Address"):
                text = interface.attributes.get(attribute, "").strip()
                if text in _ALL_ADDRESSES:
                    raise OptionError(PREFIX + option, text, f"of {title} means all addresses", "name them")
                if text:
                    own.append(text_of(parse_address(PREFIX + option, text)))
                    dialled = interface.attributes.get(f"Configured{attribute}", "").strip()
                    if dialled and dialled not in _ALL_ADDRESSES:
                        public.append(text_of(parse_address(f"{PREFIX}verify_public_addresses", dialled)))
        if not own:
            raise OptionError(PREFIX + option, None, f"{title} has no address in the topology", "name it")
        if {family_of(one) for one in public} != {family_of(one) for one in own}:
            # Of a family that is not translated the world dials the own addresses.
            public += [one for one in own if public and family_of(one) not in {family_of(two) for two in public}]
        return own, public

    def _front_ends(self, service: Element) -> Iterator[str]:
        """Yield the servers of the Front End pools that an Edge service depends on."""
        for dependency in service.within("Dependency"):
            needed = dependency.first("ServiceId")
            key = _id_of(needed) if needed else None
            if key and key[1] == _REGISTRAR_ROLE and key in self.services:
                yield from map(_name_of, self._machines(self.services[key]))

    def _cluster(self, service: Element) -> Optional[Element]:
        installed = service.first("InstalledOn")
        found = installed.first("ClusterId") if installed else None
        return self.clusters.get(_pair(found)) if found else None

    def _machines(self, service: Element) -> List[Element]:
        """Return the servers of the pool that a service is installed on."""
        cluster = self._cluster(service)
        return [] if cluster is None else list(cluster.within("Machine"))

    def _pool(self, service: Element) -> str:
        """Return the name of the pool that a service is installed on. Raises EdgeError."""
        cluster = self._cluster(service)
        if cluster is None:
            raise EdgeError(
                f"the topology has a service {'-'.join(_service_of(service))} on a pool that it does not have"
            )
        return _name_of(cluster)


def _by_id(kind: str, found: Sequence[Tuple[_Id, Element]]) -> Dict[_Id, Element]:
    """Return elements by what identifies them. Raises EdgeError where two have the same."""
    by_id: Dict[_Id, Element] = {}
    for key, element in found:
        if by_id.setdefault(key, element) is not element:
            raise EdgeError(f"the topology has two of the {kind} {shown('-'.join(map(str, key)))}; publish it anew")
    return by_id


def _pair(element: Element) -> ClusterId:
    return element.attributes.get("SiteId", ""), element.attributes.get("Number", "")


def _cluster_of(cluster: Element) -> ClusterId:
    found = cluster.first("ClusterId")
    return _pair(found) if found else ("", "")


def _id_of(element: Element) -> ServiceId:
    site, role, instance = (element.attributes.get(name, "") for name in ("SiteId", "RoleName", "Instance"))
    return site, role, instance


def _service_of(service: Element) -> ServiceId:
    found = next((child for child in service.children if child.name == "ServiceId"), None)
    return _id_of(found) if found else ("", "", "")


def _name_of(element: Element) -> str:
    """Return the full name of a server or a pool, in lower case. Raises EdgeError."""
    name = element.attributes.get("Fqdn", "").strip().lower()
    if not name or not all(
        part.replace("-", "").replace("_", "").isalnum() and part.isascii() for part in name.split(".")
    ):
        raise EdgeError(f"the topology has a {element.name} with the Fqdn {shown(name)}, which is no name of a host")
    return name


def _port_number(port: Element, pool: str) -> int:
    """Return the port. Raises EdgeError."""
    text = port.attributes.get("Port", "")
    number = number_of(text)
    if number is None or not 1 <= number <= 65535:
        raise EdgeError(f"{pool}: its XMPP proxy has the port {shown(text)}, which is no TCP port")
    return number
