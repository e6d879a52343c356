"""For whom a mapping is, and towards which gateway to ask; pure, from the network's facts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence

import attrs

from portmapper.api.backend import Target
from portmapper.api.model import ALL_GATEWAYS, Family, IPAddress, IPNetwork, Mapping
from portmapper.network.host import Interface, Network


@attrs.frozen
class Place:
    """One way to fulfil a mapping.

    Attributes:
        internal_address: the host that gets the packets.
        target: where to look for the gateway that opens the port.
    """

    internal_address: IPAddress
    target: Target


def places(mapping: Mapping, network: Network, chosen: Sequence[Target] | None) -> list[Place]:
    """Return the places to try for a mapping, the best first.

    An empty address is tried on every interface, those of default routes first, and over IPv6 is the
    first of `pinhole_addresses`; a network only on interfaces that lie in it; a host is one of ours or a
    foreign device. A mapping that names its gateway is only placed there.

    Args:
        mapping: what is wanted.
        network: the host's interfaces and routes.
        chosen: gateways that the user named, in place of all that would be searched; None names none.
    """
    if chosen is not None:
        found = [place for target in chosen for place in _towards(mapping, network, target)]
    else:
        found = _searched(mapping, network)
        if mapping.gateway is not None:
            found += [p for target in secondary_targets(network) for p in _towards(mapping, network, target)]
    if mapping.gateway in (None, ALL_GATEWAYS):
        return found
    there = [place for place in found if str(place.target.gateway) == mapping.gateway]
    return there or (_named(mapping, network) if chosen is None else [])


def _searched(mapping: Mapping, network: Network) -> list[Place]:
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
    """Return the addresses that a pinhole for this host is wanted for, the first one first.

    These are its stable global ones on the interfaces that have an IPv6 default route, or on the one
    towards the gateway that the user named: from there every one of them can be reached.
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
    """Yield each mapping, then those for the further addresses of a pinhole for this host."""
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
    """Return where to look for a gateway on one interface.

    Args:
        network: the host's interfaces and routes.
        interface: has an address of that version.
        version: of the Internet Protocol.
        internal: whom for. Over IPv6 an address of ours asks for itself (RFC 6887 section 11.1: a server
            opens a port for the address that a request comes from).
    """
    local = interface.first_address(version)
    assert local is not None, "only interfaces with an address of that version are asked"
    if version == 6 and internal is not None and interface.has(internal):
        local = internal
    return Target(local, interface.name, network.default_gateway(interface.name, version))


def secondary_targets(network: Network) -> Iterator[Target]:
    """Yield the gateways of an interface's further default routes: only the first one is searched there."""
    for route in dict.fromkeys((r.interface, r.gateway) for r in network.routes):
        side = next((i for i in network.interfaces if i.name == route[0]), None)
        local = side.first_address(route[1].version) if side is not None else None
        if local is not None and route[1] != network.default_gateway(route[0], route[1].version):
            yield Target(local, route[0], route[1], chosen=True)


def search_targets(network: Network) -> list[Target]:
    """Return every place where a gateway could be, default routes first.

    Over IPv6 only the routers of default routes are asked, from every address that may have a pinhole:
    hosts have IPv6 addresses on many a side where nothing stands between them and their peers.
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
    elif interface.reaches(address) or not _is_near(network, address):
        yield address


def _is_near(network: Network, host: IPAddress) -> bool:
    return any(interface.reaches(host) for interface in network.interfaces)


def _named(mapping: Mapping, network: Network) -> list[Place]:
    """Return the place at a gateway of no default route, such as a VPN's; none without a route to it."""
    gateway = ipaddress.ip_address(mapping.gateway or "")
    zone = getattr(gateway, "scope_id", None)
    side = next((i for i in network.interfaces if i.name == zone or (not zone and i.reaches(gateway))), None)
    local = side.first_address(gateway.version) if side else network.local_address_towards(gateway)
    if local is None:
        return []
    target = Target(local, side.name if side else "", gateway, chosen=True)
    return list(_towards(mapping, network, target))


def _towards(mapping: Mapping, network: Network, target: Target) -> Iterator[Place]:
    """Yield the place at a gateway that the user named, if the mapping's family and address allow it."""
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
