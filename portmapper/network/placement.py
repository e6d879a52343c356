"""Finds the places of a mapping: its internal address, and the target of its gateway. Pure functions."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence

import attrs

from portmapper.api.backend import Target
from portmapper.api.model import ALL_GATEWAYS, Family, IPAddress, IPNetwork, Mapping
from portmapper.network.host import Interface, Network
from portmapper.support.values import frozen


@frozen
class Place:
    """One way to open a mapping.

    Attributes:
        internal_address: the host that receives the packets.
        target: where to find the gateway that opens the port.
    """

    internal_address: IPAddress
    target: Target


def places(mapping: Mapping, network: Network, chosen: Sequence[Target] | None) -> list[Place]:
    """Return the places to try for a mapping, the best first.

    A mapping without an address is tried on every interface, those with a default route first; over IPv6 it
    uses the first of `pinhole_addresses`. A mapping for a network is tried on interfaces in that network. A
    mapping for an address is for this host or for another one. A mapping with a gateway is tried only there.

    Args:
        mapping: the desired mapping.
        network: the host's interfaces and routes.
        chosen: gateways that the user named; they replace the search. None if none is named.
    """
    if chosen is not None:
        found = [place for target in chosen for place in _place_at(mapping, network, target)]
    else:
        found = _search_places(mapping, network)
        if mapping.gateway is not None:
            found += [p for target in secondary_targets(network) for p in _place_at(mapping, network, target)]
    if mapping.gateway in (None, ALL_GATEWAYS):
        return found
    there = [place for place in found if str(place.target.gateway) == mapping.gateway]
    return there or (_place_at_named_gateway(mapping, network) if chosen is None else [])


def _search_places(mapping: Mapping, network: Network) -> list[Place]:
    version = mapping.family.version
    if version == 6 and mapping.address is None:
        routed = pinhole_addresses(network, None)[:1]
        if routed:
            return [Place(host, _target_from(host, network)) for host in routed]
    return [
        Place(internal, interface_target(network, interface, version, internal))
        for interface in network.by_preference(version)
        for internal in _internal_addresses(mapping.address, network, interface, version)
    ]


def pinhole_addresses(network: Network, chosen: Sequence[Target] | None) -> list[IPAddress]:
    """Return the addresses of this host that a pinhole is opened for, in order.

    These are the stable addresses on the interfaces that have an IPv6 default route. If the user named an
    IPv6 gateway, they are the stable addresses on the interface towards it.
    """
    if chosen is not None:
        own = next((target.local_address for target in chosen if target.family is Family.IPV6), None)
        sides = [i for i in network.interfaces if own is not None and own in i.stable_ipv6]
    else:
        sides = [i for i in network.by_preference(6) if network.default_gateway(i.name, 6)]
    return [address for interface in sides for address in interface.stable_ipv6]


def expand(
    mappings: Iterable[Mapping], network: Network, chosen: Sequence[Target] | None
) -> Iterator[Mapping]:
    """Yield each mapping, then the pinholes for the other addresses of this host."""
    further: list[Mapping] = []
    hosts = pinhole_addresses(network, chosen)[1:]
    for mapping in mappings:
        yield mapping
        if hosts and mapping.family is Family.IPV6 and mapping.address is None:
            further += [attrs.evolve(mapping, address=host) for host in hosts]
    yield from further


def interface_target(
    network: Network, interface: Interface, version: int = 4, internal: IPAddress | None = None
) -> Target:
    """Return the target on one interface.

    Args:
        network: the host's interfaces and routes.
        interface: an interface that has an address of this IP version.
        version: the IP version.
        internal: the internal address. Requests for an address of this host are sent from that address, also
            if it is a secondary one (RFC 6887 section 11.1: a server opens a port for the source address of
            the request; RFC 6886 section 3.3 and UPnP's secure mode do the same).
    """
    local = interface.first_address(version)
    assert local is not None, "the interface has no address of this IP version"
    if internal is not None and interface.has(internal):
        local = internal
    return Target(local, interface.name, network.default_gateway(interface.name, version))


def secondary_targets(network: Network) -> Iterator[Target]:
    """Yield the targets of the second and later default routes of each interface."""
    for route in dict.fromkeys((r.interface, r.gateway) for r in network.routes):
        side = next((i for i in network.interfaces if i.name == route[0]), None)
        local = side.first_address(route[1].version) if side is not None else None
        if local is not None and route[1] != network.default_gateway(route[0], route[1].version):
            yield Target(local, route[0], route[1], chosen=True)


def search_targets(network: Network) -> list[Target]:
    """Return every target where a gateway could answer, default routes first.

    Over IPv6, only routers of default routes are probed, from every address that may have a pinhole. Hosts
    often have IPv6 addresses on links without a router, where no pinhole is needed.
    """
    targets = [interface_target(network, i) for i in network.by_preference() if i.first_address(4)]
    targets += [_target_from(host, network) for host in pinhole_addresses(network, None)]
    return targets + list(secondary_targets(network))


def _target_from(host: IPAddress, network: Network) -> Target:
    interface = next(i for i in network.interfaces if i.has(host))
    return interface_target(network, interface, 6, host)


def _internal_addresses(
    address: IPAddress | IPNetwork | None, network: Network, interface: Interface, version: int
) -> Iterator[IPAddress]:
    local = interface.first_address(version)
    if local is None:
        return
    if address is None:
        yield local
    elif isinstance(address, ipaddress.IPv4Network | ipaddress.IPv6Network):
        inside = interface.address_in(address)
        if inside is not None:
            yield inside
    elif interface.reaches(address) or not _is_on_link(network, address):
        yield address


def _is_on_link(network: Network, host: IPAddress) -> bool:
    return any(interface.reaches(host) for interface in network.interfaces)


def _place_at_named_gateway(mapping: Mapping, network: Network) -> list[Place]:
    """Return the place at a gateway without a default route, such as a VPN's; empty without a route to it."""
    gateway = ipaddress.ip_address(mapping.gateway or "")
    zone = getattr(gateway, "scope_id", None)
    side = next((i for i in network.interfaces if i.name == zone or (not zone and i.reaches(gateway))), None)
    local = side.first_address(gateway.version) if side else network.local_address_towards(gateway)
    if local is None:
        return []
    target = Target(local, side.name if side else "", gateway, chosen=True)
    return list(_place_at(mapping, network, target))


def _place_at(mapping: Mapping, network: Network, target: Target) -> Iterator[Place]:
    """Yield the place at one gateway, if the mapping's family and address allow it."""
    address = mapping.address
    if target.family is not mapping.family:
        return
    if address is None:
        yield Place(target.local_address, target)
    elif isinstance(address, ipaddress.IPv4Network | ipaddress.IPv6Network):
        if target.local_address in address:
            yield Place(target.local_address, target)
    elif target.family is Family.IPV6 and network.is_ours(address):
        yield Place(address, attrs.evolve(target, local_address=address))
    else:
        yield Place(address, target)
